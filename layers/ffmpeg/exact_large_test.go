//go:build large

package ffmpeg_test

import (
	"io"
	"maps"
	"slices"
	"strconv"
	"testing"
)

// TestLargeEveryEncode is every setting with every signal, rate and way to have channels.
func TestLargeEveryEncode(t *testing.T) {
	t.Parallel()
	ways := append([]string{""}, slices.Sorted(maps.Keys(stereos))...)
	n := 0
	for _, setting := range settings {
		for _, name := range slices.Sorted(maps.Keys(signals)) {
			for _, rate := range rates {
				for _, way := range ways {
					n++
					e := encode{
						signal: name, stereo: way, rate: rate, setting: setting, seed: uint64(n),
						samples: rate*(2+n%13) + n*n%1152, workers: 1 + n%3, expect: expected[n%len(expected)],
					}
					t.Run(strconv.Itoa(n), func(t *testing.T) {
						t.Parallel()
						e.check(t)
					})
				}
			}
		}
	}
}

// TestLargeHours is two hours of sound, too much to hold.
func TestLargeHours(t *testing.T) {
	t.Parallel()
	for _, setting := range []string{"vbr=0", "vbr=2", "cbr=128"} {
		t.Run(setting, func(t *testing.T) {
			t.Parallel()
			block := newPCM(mixed, "nearly the same", 44100, 29*44100, 7)
			e := encode{signal: "mixed", stereo: "nearly the same", rate: 44100, samples: 2 * 3600 * 44100, setting: setting, workers: 3, expect: 100}
			size := 8 * int64(e.samples)
			file := &loop{header: wavHeader(e.rate, 2, int(size)), block: block.wav[wavHeaderSize:], size: wavHeaderSize + size}
			got := mustEnd(t, &rangedInput{object: file}, tells(e.command()))
			want := serial(t, io.NewSectionReader(file, wavHeaderSize, size), e.rate, 2, setting)
			if d := firstDifference(got.mp3, want); d != "" {
				t.Errorf("%v: the engine's MP3 is not the serial one: %s", e, d)
			}
			e.checkEnd(t, got)
			t.Logf("%.2f %% of %d frames were encoded again", 100*float64(got.end.Requantised)/float64(got.end.Frames), got.end.Frames)
		})
	}
}

// A loop is a header, and then the same block over and over.
type loop struct {
	header, block []byte
	size          int64
}

func (l *loop) Size() int64 { return l.size }

func (l *loop) ReadAt(p []byte, at int64) (n int, err error) {
	for n < len(p) && at < l.size {
		from := l.header[min(at, int64(len(l.header))):]
		if len(from) == 0 {
			from = l.block[(at-int64(len(l.header)))%int64(len(l.block)):]
		}
		c := copy(p[n:], from[:min(int64(len(from)), l.size-at)])
		n += c
		at += int64(c)
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}
