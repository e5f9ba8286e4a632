package sound_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"math"
	"testing"
	"testing/iotest"

	"mp3converter/bench/internal/sound"
)

func samples(t *testing.T, r io.Reader) []int16 {
	t.Helper()
	data, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	out := make([]int16, len(data)/2)
	if _, err := binary.Decode(data, binary.LittleEndian, out); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestASeedGivesOneSound(t *testing.T) {
	t.Parallel()
	for _, kind := range []sound.Kind{sound.Programme, sound.Talk} {
		read := func(seed uint64, wrap func(io.Reader) io.Reader) []byte {
			data, err := io.ReadAll(wrap(sound.NewReader(seed, kind, 2.5)))
			if err != nil {
				t.Fatal(err)
			}
			return data
		}
		plain := func(r io.Reader) io.Reader { return r }
		one := read(1, plain)
		if len(one) != 2.5*sound.Rate*4 {
			t.Errorf("it has %d bytes", len(one))
		}
		if !bytes.Equal(one, read(1, iotest.HalfReader)) {
			t.Error("the same seed gave another sound")
		}
		if bytes.Equal(one, read(2, plain)) {
			t.Error("another seed gave the same sound")
		}
	}
}

func TestItSoundsLikeSomething(t *testing.T) {
	t.Parallel()
	for name, kind := range map[string]sound.Kind{"programme": sound.Programme, "talk": sound.Talk} {
		pcm := samples(t, sound.NewReader(7, kind, 60))
		var sum float64
		var clipped, same, pauses, quiet int
		for i := 0; i < len(pcm); i += 2 {
			l, r := float64(pcm[i])/32768, float64(pcm[i+1])/32768
			sum += l * l
			if math.Abs(l) > 0.98 {
				clipped++
			}
			if pcm[i] == pcm[i+1] {
				same++
			}
			if math.Abs(l) > 0.01 || math.Abs(r) > 0.01 {
				quiet = 0
			} else if quiet++; quiet == sound.Rate/10 {
				pauses++
			}
		}
		frames := len(pcm) / 2
		level := 10 * math.Log10(sum/float64(frames))
		t.Logf("%s: %.1f dBFS, %d clipped, %d pauses, %.0f%% equal in both channels", name, level, clipped, pauses, 100*float64(same)/float64(frames))
		if level < -30 || level > -10 || clipped > 0 || same > frames/2 {
			t.Errorf("%s: %.1f dBFS, %d samples clipped, %d of %d mono", name, level, clipped, same, frames)
		}
		if kind == sound.Talk && pauses < 5 {
			t.Errorf("%d pauses in a minute of talk", pauses)
		}
	}
}

func BenchmarkReader(b *testing.B) {
	for name, kind := range map[string]sound.Kind{"programme": sound.Programme, "talk": sound.Talk} {
		b.Run(name, func(b *testing.B) {
			buf := make([]byte, 4096)
			b.SetBytes(int64(len(buf)))
			r := sound.NewReader(1, kind, 1e7)
			for b.Loop() {
				if _, err := io.ReadFull(r, buf); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
