package ffmpeg_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os/exec"
	"slices"
	"strconv"
	"testing"
)

// An encode is one conversion, whose MP3 must be, byte for byte, the one that a single LAME makes of the whole sound.
type encode struct {
	signal, stereo string // stereo "" is mono
	rate, samples  int
	setting        string // vbr=N or cbr=N
	workers        int
	expect         int // frames, in percent of those that there will be, that the engine is told of; 0: none
	seed           uint64
}

func (e encode) String() string {
	return fmt.Sprintf("%s %s %d Hz %s %d samples %d workers %d%% seed %d", e.setting, e.signal, e.rate, e.stereo, e.samples, e.workers, e.expect, e.seed)
}

func (e encode) pcm() pcm { return newPCM(signals[e.signal], e.stereo, e.rate, e.samples, e.seed) }

func (e encode) channels() int {
	if e.stereo == "" {
		return 1
	}
	return 2
}

func (e encode) command() string {
	c := fmt.Sprintf("encode stream=0 channels=%d rate=%d %s workers=%d", e.channels(), e.rate, e.setting, e.workers)
	if e.expect > 0 {
		c += fmt.Sprintf(" frames=%d", max(1, e.samples/frameSamples(e.rate)*e.expect/100))
	}
	return c
}

func frameSamples(rate int) int {
	if rate < 32000 {
		return 576
	}
	return 1152
}

// serial encodes sound with LAME as the ffmpeg program calls it: from the beginning to the end, with the bit reservoir.
func serial(t testing.TB, sound io.Reader, rate, channels int, setting string) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), engineLimit)
	defer cancel()
	option, value := "-q:a", setting[4:]
	if setting[:3] == "cbr" {
		option, value = "-b:a", value+"k"
	}
	cmd := exec.CommandContext(ctx, layerProgram(t, "ffmpeg"), "-v", "error", "-nostdin",
		"-f", "f32le", "-ar", strconv.Itoa(rate), "-ac", strconv.Itoa(channels), "-i", "pipe:0",
		"-c:a", "libmp3lame", option, value, "-write_xing", "0", "-id3v2_version", "0", "-f", "mp3", "pipe:1")
	var out, words bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = sound, &out, &words
	if err := cmd.Run(); err != nil {
		t.Fatalf("ffmpeg %s: %v\n%s", setting, err, words.Bytes())
	}
	return out.Bytes()
}

// check encodes both ways and compares.
func (e encode) check(t *testing.T) *engineRun {
	t.Helper()
	p := e.pcm()
	got := mustEnd(t, &rangedInput{data: p.wav}, tells(e.command()))
	var want []byte
	if e.samples > 0 { // of nothing, the program makes a frame, and the engine none
		want = serial(t, bytes.NewReader(p.wav[wavHeaderSize:]), e.rate, e.channels(), e.setting)
	}
	if d := firstDifference(got.mp3, want); d != "" {
		t.Errorf("%v: the engine's MP3 is not the serial one: %s", e, d)
	}
	e.checkEnd(t, got)
	return got
}

// checkEnd holds what the engine says of its work to what it was given.
func (e encode) checkEnd(t *testing.T, r *engineRun) {
	t.Helper()
	end, size := r.end, int64(frameSamples(e.rate))
	if end.Samples != int64(e.samples) {
		t.Errorf("%v: END has %d samples, %d went in", e, end.Samples, e.samples)
	}
	if frames := countFrames(t, r.mp3); end.Frames != frames {
		t.Errorf("%v: END has %d frames, the MP3 %d", e, end.Frames, frames)
	}
	if e.samples > 0 && end.Samples+int64(end.Delay+end.Padding) != end.Frames*size {
		t.Errorf("%v: %d samples, delay %d and padding %d are not %d frames of %d", e, end.Samples, end.Delay, end.Padding, end.Frames, size)
	}
	for i, at := range r.progress {
		if i > 0 && at <= r.progress[i-1] || int64(at) > end.Frames*size {
			t.Errorf("%v: progress %d of %d samples, after %v", e, at, end.Samples, r.progress[:i])
		}
	}
}

func countFrames(t *testing.T, mp3 []byte) int64 {
	t.Helper()
	if len(mp3) == 0 {
		return 0
	}
	f, err := parseMP3(mp3)
	if err != nil {
		t.Errorf("the MP3's frames: %v", err)
	}
	return int64(f.frames)
}

var (
	settings = []string{
		"vbr=0", "vbr=2", "vbr=4", "vbr=5", "vbr=7", "vbr=9",
		// What is too much for a rate LAME lowers to what is not: 160 kbit/s below 32 kHz, and 64 below 16.
		"cbr=32", "cbr=64", "cbr=128", "cbr=192", "cbr=320",
	}
	rates = []int{44100, 48000, 32000, 24000, 22050, 16000, 12000, 11025, 8000}
	// Around a granule, a frame, and what LAME delays.
	fewSamples = []int{0, 1, 100, 575, 576, 577, 1105, 1151, 1152, 1153, 2303, 2304, 4000}
	expected   = []int{0, 1, 50, 100, 100000}
)

// combine calls add for choices from lists of these lengths, such that every choice from one list
// meets every choice from any other (all pairs), in far fewer calls than all combinations.
func combine(random *rand.Rand, lengths []int, add func(choice []int)) {
	type pair struct{ i, a, j, b int }
	missing := map[pair]bool{}
	for i := range lengths {
		for j := range i {
			for a := range lengths[i] {
				for b := range lengths[j] {
					missing[pair{i, a, j, b}] = true
				}
			}
		}
	}
	covers := func(choice []int) (found []pair) {
		for i := range choice {
			for j := range i {
				if p := (pair{i, choice[i], j, choice[j]}); missing[p] {
					found = append(found, p)
				}
			}
		}
		return found
	}
	for len(missing) > 0 {
		var best []int
		most := 0
		for range 50 {
			choice := make([]int, len(lengths))
			for i, n := range lengths {
				choice[i] = random.IntN(n)
			}
			if n := len(covers(choice)); n > most {
				best, most = choice, n
			}
		}
		if best == nil {
			continue
		}
		for _, p := range covers(best) {
			delete(missing, p)
		}
		add(best)
	}
}

// encodes are all pairs of settings, signals, rates, channels, workers and expectations with lengths: seconds, and a few
// samples that depend on the seed; or samples as they are.
func encodes(seed uint64, seconds []float64, samples []int) []encode {
	random := rand.New(rand.NewPCG(seed, 0))
	names := slices.Sorted(maps.Keys(signals))
	ways := append([]string{"", ""}, slices.Sorted(maps.Keys(stereos))...)
	workers := []int{1, 2, 3, 6}
	var all []encode
	lengths := []int{len(names), len(ways), len(rates), len(settings), len(workers), len(expected), len(seconds) + len(samples)}
	combine(random, lengths, func(c []int) {
		e := encode{
			signal: names[c[0]], stereo: ways[c[1]], rate: rates[c[2]], setting: settings[c[3]],
			workers: workers[c[4]], expect: expected[c[5]], seed: random.Uint64(),
		}
		if k := c[6] - len(seconds); k >= 0 {
			e.samples = samples[k]
		} else {
			e.samples = int(seconds[c[6]]*float64(e.rate)) + random.IntN(1152)
		}
		all = append(all, e)
	})
	return all
}

func TestTheEngineMakesTheBytesOfASerialEncode(t *testing.T) {
	t.Parallel()
	for i, e := range encodes(1, []float64{1, 3, 7, 15}, nil) {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			t.Parallel()
			e.check(t)
		})
	}
}

func TestTheEngineMakesTheBytesOfASerialEncodeOfAFewSamples(t *testing.T) {
	t.Parallel()
	for i, e := range encodes(2, nil, fewSamples) {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			t.Parallel()
			e.check(t)
		})
	}
}

func TestTheEngineMakesTheBytesOfASerialEncodeOfMinutes(t *testing.T) {
	t.Parallel()
	names, ways := slices.Sorted(maps.Keys(signals)), slices.Sorted(maps.Keys(stereos))
	for i, setting := range settings {
		e := encode{
			signal: names[i%len(names)], stereo: ways[i%len(ways)], rate: rates[i%len(rates)], setting: setting,
			samples: 200*rates[i%len(rates)] + i, workers: 1 + i%3, expect: expected[i%len(expected)], seed: uint64(i),
		}
		t.Run(e.String(), func(t *testing.T) {
			t.Parallel()
			e.check(t)
		})
	}
}

// What is encoded again no other thread can do. In VBR it is the frames that a limit on bits has shaped, in CBR those at a
// seam until both reservoirs grant the same. It is up to 20 a segment, so the less of all the longer the file: this one
// has 280 frames a segment, hours have 768 or more.
func TestFewFramesAreEncodedAgain(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		setting, signal string
		most            float64 // percent
	}{
		{"vbr=0", "music", 8}, {"vbr=0", "mixed", 6}, {"vbr=2", "music", 2}, {"vbr=2", "speech", 6}, {"vbr=4", "speech", 6},
		{"cbr=64", "noise", 8}, {"cbr=64", "fades", 8}, {"cbr=128", "music", 6}, {"cbr=128", "mixed", 7}, {"cbr=320", "speech", 6},
	} {
		e := encode{signal: c.signal, stereo: "nearly the same", rate: 44100, samples: 190 * 44100, setting: c.setting, workers: 2, expect: 100, seed: 1}
		t.Run(e.String(), func(t *testing.T) {
			t.Parallel()
			r := e.check(t)
			share := 100 * float64(r.end.Requantised) / float64(r.end.Frames)
			t.Logf("%.1f %% of %d frames in %d segments, %d analysed again", share, r.end.Frames, r.end.Segments, r.end.Reanalysed)
			if share > c.most {
				t.Errorf("%.1f %% of the frames were encoded again, want at most %.0f", share, c.most)
			}
		})
	}
}
