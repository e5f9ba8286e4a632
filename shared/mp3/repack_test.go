package mp3_test

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"mp3converter/shared/mediatest"
	"mp3converter/shared/mp3"
)

// repacked takes frames out of their packing and packs them anew.
func repacked(t testing.TB, frames [][]byte) [][]byte {
	t.Helper()
	var out [][]byte
	p := mp3.NewPacker(func(b []byte) error {
		out = append(out, bytes.Clone(b))
		return nil
	})
	var u mp3.Unpacker
	for i, frame := range frames {
		h, side, main, err := u.Unpack(frame)
		if err != nil {
			t.Fatalf("unpack frame %d: %v", i, err)
		}
		if err := p.Add(h, side, main, side.Bits() == 0); err != nil {
			t.Fatalf("pack frame %d: %v", i, err)
		}
	}
	if err := p.Flush(); err != nil {
		t.Fatal(err)
	}
	checked(t, out)
	return out
}

func TestVBRIsPackedAsLAMEPackedIt(t *testing.T) {
	t.Parallel()
	// Sound that dies away, is silent, and comes back.
	const pulses = "-f lavfi -i aevalsrc=0.4*sin(2*PI*440*t)*exp(-9*mod(t\\,4))+0.3*random(0)*lt(mod(t\\,4)\\,1)|0.03*random(1)*exp(-5*t):d=6:s=44100 "
	for name, tc := range map[string]struct {
		source                  string
		quality, rate, channels int
	}{
		"V0": {sound, 0, 44100, 2}, "V2": {sound, 2, 44100, 2}, "V4 mono": {sound, 4, 44100, 1}, "V5 at 48 kHz": {sound, 5, 48000, 2},
		"V9": {sound, 9, 44100, 2}, "V2 MPEG-2": {sound, 2, 24000, 2}, "V6 MPEG-2.5": {sound, 6, 8000, 2},
		"V2 with silence": {pulses, 2, 44100, 2}, "V7 with silence, mono MPEG-2": {pulses, 7, 16000, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			form := fmt.Sprintf("-ar %d -ac %d", tc.rate, tc.channels)
			pcm := mediatest.Clip(t, "a.f32", tc.source+form+" -c:a pcm_f32le -f f32le")
			frames := split(t, lame(t, pcm, fmt.Sprintf("-f f32le %s -i pipe: -q:a %d", form, tc.quality)))
			got := repacked(t, frames)
			if len(got) != len(frames) {
				t.Fatalf("%d frames, want %d", len(got), len(frames))
			}
			for i := range frames {
				if !bytes.Equal(got[i], frames[i]) {
					t.Fatalf("frame %d differs:\n%x\nwant\n%x", i, got[i], frames[i])
				}
			}
		})
	}
}

func TestRepackedSoundsTheSame(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"CBR", "mono", "MPEG-2", "MPEG-2.5", "low bitrate", "no reservoir"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			source := recording(t, recordings[name])
			frames, done := copied(t, source, 4096, mp3.CopyOptions{})
			data, _ := written(t, repacked(t, frames), mp3.Options{}, done.End)
			if !bytes.Equal(pcm(t, data), pcm(t, source)) {
				t.Error("the sound differs")
			}
		})
	}
}

func TestUnpackerSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	frames := split(t, testdata(t, "lame-v5.mp3"))[20:]
	var u mp3.Unpacker
	if _, _, _, err := u.Unpack(frames[0]); !errors.Is(err, mp3.ErrFrame) {
		t.Errorf("a frame whose main data is missing: %v", err)
	}
	missing := 0
	for _, frame := range frames[1:] {
		if _, _, _, err := u.Unpack(frame); err != nil {
			missing++
		}
	}
	if missing > 2 {
		t.Errorf("%d more frames are missing", missing)
	}
	if _, _, _, err := u.Unpack(frames[0][:50]); !errors.Is(err, mp3.ErrFrame) {
		t.Errorf("half a frame: %v", err)
	}
}

func TestPackerRefusesWhatNoFrameHolds(t *testing.T) {
	t.Parallel()
	h := mp3.Header{Version: mp3.MPEG1, Layer: 3, RateIndex: 1, BitrateIndex: 1, Mode: mp3.Stereo}
	var side mp3.SideInfo
	for i := range 4 {
		side.Granules[i/2][i%2].Part23Length = 4095
	}
	p := mp3.NewPacker(func([]byte) error { return nil })
	if err := p.Add(h, side, make([]byte, 2048), false); !errors.Is(err, mp3.ErrTooLarge) {
		t.Errorf("%v, want ErrTooLarge", err)
	}
	if err := p.Add(h, side, nil, false); !errors.Is(err, mp3.ErrFrame) {
		t.Errorf("no main data: %v", err)
	}
}
