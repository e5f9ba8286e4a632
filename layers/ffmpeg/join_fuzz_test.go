package ffmpeg_test

import (
	"bytes"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// FuzzJoin makes sound of pieces, three bytes each (what, how long, how loud), and compares the engine's MP3, made
// by one thread and by three, with the serial one.
func FuzzJoin(f *testing.F) {
	f.Add(uint64(1), uint8(1), uint8(0), uint8(2), uint16(96*8), []byte("\x00\x80\xff\x03\x20\x00\x04\xff\xf0\x08\x10\x80"))
	f.Add(uint64(2), uint8(8), uint8(4), uint8(0), uint16(1), []byte("\x05\xff\xff\x02\x90\xa0"))
	f.Add(uint64(3), uint8(0), uint8(1), uint8(5), uint16(0), []byte("\x01\xff\xff\x04\xff\xff\x03\xff\x00\x01\xff\x40"))
	names := slices.Sorted(maps.Keys(signals))
	ways := append([]string{""}, slices.Sorted(maps.Keys(stereos))...)
	f.Fuzz(func(t *testing.T, seed uint64, setting, rate, way uint8, frames uint16, pieces []byte) {
		e := encode{
			rate: rates[int(rate)%len(rates)], setting: settings[int(setting)%len(settings)], stereo: ways[int(way)%len(ways)],
			seed: seed,
		}
		random := rand.New(rand.NewPCG(seed, 3))
		var left, other []float32
		for ; len(pieces) >= 3 && len(left) < 40*e.rate; pieces = pieces[3:] {
			s := signals[names[int(pieces[0])%len(names)]]
			n := int(math.Pow(float64(pieces[1])/255, 3)*20*float64(e.rate)) + random.IntN(1153)
			level := float32(math.Pow(10, float64(pieces[2])/255*6-5))
			left = append(left, bounded(gain(s(random, e.rate, n), level))...)
			other = append(other, bounded(gain(s(random, e.rate, n), level))...)
		}
		channels := [][]float32{left}
		if e.stereo != "" {
			channels = append(channels, stereos[e.stereo](left, other))
		}
		p := interleave(e.rate, channels...)
		e.samples = p.samples
		var want []byte
		if p.samples > 0 {
			want = serial(t, bytes.NewReader(p.wav[wavHeaderSize:]), p.rate, p.channels, e.setting)
		}
		for _, e.workers = range []int{1, 3} {
			r := mustEnd(t, &rangedInput{data: p.wav}, tells(fmt.Sprintf("%s frames=%d", e.command(), frames)))
			if d := firstDifference(r.mp3, want); d != "" {
				t.Errorf("%v, %d frames expected: the engine's MP3 is not the serial one: %s", e, frames, d)
			}
			e.checkEnd(t, r)
		}
	})
}

// bounded keeps sound below 30 dB over full scale, where the engine holds it.
func bounded(in []float32) []float32 {
	for i := range in {
		in[i] = min(max(in[i], -31), 31)
	}
	return in
}
