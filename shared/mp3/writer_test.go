package mp3_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"testing"

	"mp3converter/shared/mediatest"
	"mp3converter/shared/mp3"
)

const (
	tocAt  = 16 // in a header frame, from MainDataAt
	crcAt  = 120 + 34
	tocEnd = tocAt + 100
)

// withoutTOC blanks a header frame's table of contents and the CRC that covers it.
func withoutTOC(frame []byte) []byte {
	h, _ := mp3.ParseHeader(frame)
	b := bytes.Clone(frame)
	clear(b[h.MainDataAt()+tocAt : h.MainDataAt()+tocEnd])
	clear(b[h.MainDataAt()+crcAt : h.MainDataAt()+crcAt+2])
	return b
}

func TestWriterMakesTheFileThatLAMEMakes(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"lame-v5.mp3", "lame-b64.mp3", "lame-v9.mp3"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := testdata(t, name)
			info, ok := mp3.ReadInfo(want)
			if !ok {
				t.Fatal("no info in LAME's file")
			}
			frames := split(t, want)
			got, result := written(t, frames[1:], mp3.Options{Method: info.Encoder.Method}, mp3.EndInfo{Encoder: info.Encoder, Gapless: info.Gapless})
			if result.Samples != info.Samples() || result.Frames != info.Frames {
				t.Errorf("%d samples in %d frames, want %d in %d", result.Samples, result.Frames, info.Samples(), info.Frames)
			}
			head := len(frames[0])
			if !bytes.Equal(withoutTOC(got[:head]), withoutTOC(want[:head])) {
				t.Errorf("header frame\n%x\nwant\n%x", got[:head], want[:head])
			}
			at := info.Header.MainDataAt() + tocAt
			for i := range 100 {
				// LAME's own table is off by up to two frames.
				if d, off := int(got[at+i])-int(want[at+i]), 4+512/len(frames); d < -off || d > off {
					t.Errorf("TOC %d is %d, LAME has %d", i, got[at+i], want[at+i])
				}
			}
			if !bytes.Equal(got[head:], want[head:]) {
				t.Error("frames differ")
			}
		})
	}
}

func TestLAMEInfoIsWhatLAMEWrites(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]mp3.EncoderInfo{
		"lame-v5.mp3":  mp3.LAMEVBR(5, mp3.JointStereo, 44100),
		"lame-v9.mp3":  mp3.LAMEVBR(9, mp3.Mono, 11025),
		"lame-b64.mp3": mp3.LAMECBR(64, mp3.Mono, 22050),
	} {
		info, _ := mp3.ReadInfo(testdata(t, name))
		got := info.Encoder
		got.Lowpass, got.TrackGain = 0, 0
		if info.Header.SampleRate() < 44100 { // these came from 44.1 kHz
			got.SourceRate, got.Unwise = 0, true
		}
		if got != want {
			t.Errorf("%s has\n%+v, want\n%+v", name, got, want)
		}
	}
}

func TestHeaderFrameFitsWhateverTheFrames(t *testing.T) {
	t.Parallel()
	for i, rate := range []int{8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000} {
		channels, kbps := 1+i%2, 32
		if rate < 32000 {
			kbps = 8
		}
		t.Run(fmt.Sprintf("%d Hz %d channels %d kbit", rate, channels, kbps), func(t *testing.T) {
			t.Parallel()
			source := mediatest.Clip(t, "a.mp3", fmt.Sprintf("%s-t 1 -ar %d -ac %d -c:a libmp3lame -b:a %dk -write_xing 0 -id3v2_version 0", sound, rate, channels, kbps))
			for _, method := range []mp3.Method{mp3.MethodCBR, mp3.MethodMTRH} {
				got, result := written(t, split(t, source), mp3.Options{Method: method}, mp3.EndInfo{
					Encoder: mp3.LAMECBR(kbps, mp3.JointStereo, rate), Gapless: mp3.Gapless{Known: true, Delay: 576, Padding: 700}})
				checked(t, split(t, got))
				info, ok := mp3.ReadInfo(got)
				if !ok || info.Samples() != result.Samples || info.Frames != result.Frames || info.Bytes != result.Bytes {
					t.Errorf("info %+v, result %+v", info, result)
				}
				if samples := int64(len(pcm(t, got)) / 2 / channels); samples != result.Samples {
					t.Errorf("ffmpeg decodes %d samples, want %d", samples, result.Samples)
				}
			}
		})
	}
}

// silentFrame is a whole frame of 32 kbit/s at 48 kHz, without sound.
func silentFrame() []byte {
	frame := make([]byte, 96)
	copy(frame, "\xff\xfb\x14\xc4")
	return frame
}

func TestTOCIsExactHoweverLongTheFile(t *testing.T) {
	t.Parallel()
	// Frames of two sizes in two halves, so that the table has a kink, and far more frames than the Writer remembers.
	small, large := silentFrame(), make([]byte, 192)
	copy(large, "\xff\xfb\x54\xc4")
	for _, n := range []int{1, 2, 99, 100, 4096, 4097, 50_000} {
		var offsets []int64
		total := int64(192)
		w := mp3.NewWriter(&tail{}, mp3.Options{})
		for i := range n {
			frame := small
			if i >= n/2 {
				frame = large
			}
			offsets = append(offsets, total)
			total += int64(len(frame))
			if err := w.WriteFrames(frame); err != nil {
				t.Fatal(err)
			}
		}
		dst := mp3.HeaderFrame(w, mp3.EndInfo{})
		h, _ := mp3.ParseHeader(dst)
		total += int64(len(dst)) - 192
		toc := dst[h.MainDataAt()+tocAt:][:100]
		for i := 1; i < 100; i++ {
			want := 256 * (offsets[n*i/100] + int64(len(dst)) - 192) / total
			if d := int64(toc[i]) - want; d < -1 || d > 1 {
				t.Errorf("%d frames: TOC %d is %d, want %d", n, i, toc[i], want)
			}
		}
	}
}

func TestMoreBytesThanAHeaderCanSay(t *testing.T) {
	t.Parallel()
	w := mp3.NewWriter(&tail{}, mp3.Options{})
	for range 10 {
		if err := w.WriteFrames(silentFrame()); err != nil {
			t.Fatal(err)
		}
	}
	mp3.Pretend(w, 5<<30)
	gapless := mp3.Gapless{Known: true, Delay: 576, Padding: 1000}
	info, ok := mp3.ReadInfo(mp3.HeaderFrame(w, mp3.EndInfo{Encoder: mp3.LAMECBR(32, mp3.Mono, 48000), Gapless: gapless}))
	if !ok || info.Bytes != 0 || info.Frames != 10 || info.Gapless != gapless {
		t.Errorf("%+v, %v", info, ok)
	}
}

// tail is a destination that forgets.
type tail struct{ largest int }

func (t *tail) WriteAt(p []byte, _ int64) (int, error) {
	t.largest = max(t.largest, len(p))
	return len(p), nil
}

func TestWriterRefusesWhatIsNoStream(t *testing.T) {
	t.Parallel()
	frames := split(t, testdata(t, "lame-v5.mp3"))[1:]
	other := split(t, testdata(t, "lame-v9.mp3"))[1:]
	for name, b := range map[string][]byte{
		"half a frame":            frames[0][:100],
		"a frame and a half":      append(bytes.Clone(frames[0]), frames[1][:50]...),
		"junk":                    []byte("no frame at all"),
		"a later frame first":     frames[20],
		"two sample rates":        append(bytes.Clone(frames[0]), other[0]...),
		"a frame that is missing": append(bytes.Clone(frames[0]), bytes.Join(frames[2:], nil)...),
	} {
		w := mp3.NewWriter(&tail{}, mp3.Options{})
		err := w.WriteFrames(b)
		if !errors.Is(err, mp3.ErrFrame) {
			t.Errorf("%s: %v", name, err)
		}
		if _, again := w.Finish(mp3.EndInfo{}); !errors.Is(again, mp3.ErrFrame) {
			t.Errorf("%s: finished with %v", name, again)
		}
	}
}

func TestWriterWithoutFrames(t *testing.T) {
	t.Parallel()
	dst := newDestination(t)
	if _, err := mp3.NewWriter(dst, mp3.Options{Tag: mp3.Tag{Title: "nothing"}}).Finish(mp3.EndInfo{}); !errors.Is(err, mp3.ErrNoFrames) {
		t.Errorf("%v, want ErrNoFrames", err)
	}
	if len(dst.Data) > 0 {
		t.Errorf("%d bytes written", len(dst.Data))
	}
}

type broken struct{}

func (broken) WriteAt([]byte, int64) (int, error) { return 0, io.ErrShortWrite }

func TestWriterReportsAFailedWrite(t *testing.T) {
	t.Parallel()
	w := mp3.NewWriter(broken{}, mp3.Options{})
	var err error
	for range 2000 {
		if err = w.WriteFrames(silentFrame()); err != nil {
			break
		}
	}
	if !errors.Is(err, io.ErrShortWrite) {
		t.Error(err)
	}
}

func TestWriterRefusesImpossibleGaps(t *testing.T) {
	t.Parallel()
	for _, g := range []mp3.Gapless{{Delay: -1}, {Padding: 4096}} {
		w := mp3.NewWriter(&tail{}, mp3.Options{})
		if err := w.WriteFrames(silentFrame()); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Finish(mp3.EndInfo{Gapless: g}); err == nil {
			t.Errorf("%+v was taken", g)
		}
	}
}

func TestWriterWritesLargePieces(t *testing.T) {
	t.Parallel()
	for batch, most := range map[int]int{1: 70_000, 100: 80_000, 1000: 96_000} {
		dst := newDestination(t)
		w := mp3.NewWriter(dst, mp3.Options{Tag: mp3.Tag{Title: "x"}})
		for range 5000 / batch {
			if err := w.WriteFrames(bytes.Repeat(silentFrame(), batch)); err != nil {
				t.Fatal(err)
			}
		}
		result, err := w.Finish(mp3.EndInfo{})
		if err != nil {
			t.Fatal(err)
		}
		if dst.Longest < 60_000 || dst.Longest > most {
			t.Errorf("by %d frames: longest write has %d bytes", batch, dst.Longest)
		}
		frames := split(t, dst.Data)
		if checked(t, frames); len(frames) != 5001 || result.Bytes != int64(len(dst.Data)) {
			t.Errorf("by %d frames: %d frames in %d bytes, result %+v", batch, len(frames), len(dst.Data), result)
		}
	}
}
