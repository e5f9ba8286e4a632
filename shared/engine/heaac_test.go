package engine_test

import (
	"os"
	"path/filepath"
	"testing"

	"mp3converter/shared/audio"
	"mp3converter/shared/mediatest"
)

// TestSoundThatIsMoreThanItsHeaderSays converts HE-AAC as broadcasts and old phones have it: nothing says that there is
// SBR, which doubles the sample rate, or PS, which makes stereo of mono; only the decoder finds out. The two streams in
// testdata were made by the fdk-aac encoder: three seconds, 440 Hz at the left, 997 Hz at the right.
func TestSoundThatIsMoreThanItsHeaderSays(t *testing.T) {
	t.Parallel()
	for name, separate := range map[string]bool{"he-aac": true, "he-aac-v2": false} {
		path := filepath.Join("testdata", name+".aac")
		stream, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for container, data := range map[string][]byte{
			"ADTS": stream,
			"MP4":  mediatest.Clip(t, name+".mp4", "-i "+path+" -c copy"),
			"MKV":  mediatest.Clip(t, name+".mkv", "-i "+path+" -c copy"),
			"TS":   mediatest.Clip(t, name+".ts", "-i "+path+" -c copy"),
		} {
			t.Run(name+" in "+container, func(t *testing.T) {
				t.Parallel()
				res := converted(t, data, audio.Options{})
				p := decoded(t, res.mp3)
				if res.SampleRate != 44100 || len(p.channels) != 2 {
					t.Fatalf("%d channels at %d Hz, want 2 at 44100", len(p.channels), res.SampleRate)
				}
				if res.Samples < 2.9*44100 || res.Samples > 3.1*44100 {
					t.Errorf("%d samples of three seconds", res.Samples)
				}
				for c, hz := range []float64{440, 997} {
					if a := p.amplitude(c, hz); a < 0.1 {
						t.Errorf("%g Hz has amplitude %.3f in channel %d", hz, a, c)
					}
					if a := p.amplitude(1-c, hz); separate && a > 0.05 {
						t.Errorf("%g Hz has amplitude %.3f in the other channel, too", hz, a)
					}
				}
			})
		}
	}
}
