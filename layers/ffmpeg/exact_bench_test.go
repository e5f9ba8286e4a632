package ffmpeg_test

import (
	"bytes"
	"slices"
	"syscall"
	"testing"
)

// BenchmarkExactness compares the processor time of an encode on two threads with the serial one's, of the same sound by
// the same LAME: what it costs beyond is warm-ups, comparing, and frames encoded again. Both read the sound through a pipe
// and write the MP3 to one. Reported is the median, over b.N rounds, of ours ÷ serial (1.05 is 5 % more).
//
//	make test TESTFLAGS="-run ^$ -bench Exactness -benchtime 7x ./layers/ffmpeg"
func BenchmarkExactness(b *testing.B) {
	for _, signal := range []string{"speech", "music", "noise", "mixed"} {
		for _, setting := range []string{"vbr=0", "vbr=2", "vbr=4", "cbr=64", "cbr=128", "cbr=320"} {
			e := encode{signal: signal, stereo: "nearly the same", rate: 44100, samples: 600 * 44100, setting: setting, workers: 2, expect: 100, seed: 1}
			b.Run(setting+" "+signal, func(b *testing.B) {
				p := e.pcm()
				var ratios []float64
				for b.Loop() {
					before := childrenCPU(b)
					serial(b, bytes.NewReader(p.wav[wavHeaderSize:]), e.rate, e.channels(), e.setting)
					between := childrenCPU(b)
					mustEnd(b, &rangedInput{data: p.wav}, tells(e.command()))
					ratios = append(ratios, (childrenCPU(b)-between)/(between-before))
				}
				slices.Sort(ratios)
				b.ReportMetric(ratios[len(ratios)/2], "×serial")
			})
		}
	}
}

// childrenCPU returns the processor time, in seconds, of all children that have ended.
func childrenCPU(b *testing.B) float64 {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_CHILDREN, &used); err != nil {
		b.Fatal(err)
	}
	return float64(used.Utime.Nano()+used.Stime.Nano()) / 1e9
}
