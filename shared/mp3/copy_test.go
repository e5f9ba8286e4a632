package mp3_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"mp3converter/shared/mediatest"
	"mp3converter/shared/mp3"
)

// copied copies a stream given in pieces of this size, and holds the copy to Checker.
func copied(t testing.TB, data []byte, piece int, opts mp3.CopyOptions) ([][]byte, mp3.Copied) {
	t.Helper()
	frames, done, err := tryCopy(data, piece, opts)
	if err != nil {
		t.Fatal(err)
	}
	if int64(len(frames)) != done.Frames {
		t.Errorf("%d frames passed on, %d counted", len(frames), done.Frames)
	}
	checked(t, frames)
	return frames, done
}

func tryCopy(data []byte, piece int, opts mp3.CopyOptions) (frames [][]byte, done mp3.Copied, err error) {
	return tryCopyHeard(data, piece, opts, func(*mp3.Copier) {})
}

// tryCopyHeard has the container say something before the end.
func tryCopyHeard(data []byte, piece int, opts mp3.CopyOptions, heard func(*mp3.Copier)) (frames [][]byte, done mp3.Copied, err error) {
	c := mp3.NewCopier(func(b []byte) error {
		frames = append(frames, bytes.Clone(b))
		return nil
	}, opts)
	for len(data) > 0 {
		n, err := c.Write(data[:min(piece, len(data))])
		if err != nil {
			return nil, done, err
		}
		data = data[n:]
	}
	heard(c)
	done, err = c.Close()
	return frames, done, err
}

// recording is a file of the kinds that are about, by the arguments of its encode.
func recording(t testing.TB, args string) []byte {
	t.Helper()
	return mediatest.Clip(t, "a.mp3", sound+args+" -c:a libmp3lame")
}

var recordings = map[string]string{
	"VBR":               "-q:a 2",
	"CBR":               "-b:a 128k",
	"CBR 320":           "-b:a 320k",
	"low bitrate":       "-b:a 32k -ar 32000",
	"mono":              "-q:a 4 -ac 1",
	"MPEG-2":            "-ar 22050 -q:a 5",
	"MPEG-2 mono":       "-ar 16000 -b:a 24k -ac 1",
	"MPEG-2.5":          "-ar 8000 -b:a 16k",
	"MPEG-2.5 mono VBR": "-ar 11025 -q:a 7 -ac 1",
	"no header":         "-b:a 96k -write_xing 0 -id3v2_version 0",
	"no reservoir":      "-b:a 128k -reservoir 0",
}

func TestCopySoundsAsTheSource(t *testing.T) {
	t.Parallel()
	for name, args := range recordings {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			source := recording(t, args)
			frames, done := copied(t, source, 1000, mp3.CopyOptions{})
			data, result := written(t, frames, mp3.Options{Tag: mp3.Tag{Title: "x"}}, done.End)
			if done.Silenced != 0 || result.Frames != done.Frames {
				t.Errorf("%+v, %+v", done, result)
			}
			got, want := pcm(t, data), pcm(t, source)
			if !bytes.Equal(got, want) {
				t.Errorf("%d bytes of sound differ from the source's %d", len(got), len(want))
			}
			if n := int64(len(got) / 2 / done.Header.Channels()); n != result.Samples && done.End.Gapless.Known {
				t.Errorf("%d samples are heard, %d said", n, result.Samples)
			}
			// A copy of the copy is the same file.
			again, twice := copied(t, data, 1<<20, mp3.CopyOptions{})
			if second, _ := written(t, again, mp3.Options{Tag: mp3.Tag{Title: "x"}}, twice.End); !bytes.Equal(second, data) {
				t.Error("the copy of the copy differs")
			}
		})
	}
}

func TestPiecesDoNotMatter(t *testing.T) {
	t.Parallel()
	source := append(append(bytes.Clone(testdata(t, "lame-v5.mp3")), "some junk"...), testdata(t, "lame-v5.mp3")[4000:]...)
	want, _ := copied(t, source, len(source), mp3.CopyOptions{})
	for _, piece := range []int{1, 2, 3, 7, 417, 4096} {
		got, _ := copied(t, source, piece, mp3.CopyOptions{})
		if !bytes.Equal(bytes.Join(got, nil), bytes.Join(want, nil)) {
			t.Errorf("in pieces of %d: %d frames, want %d", piece, len(got), len(want))
		}
	}
}

// ape is an APEv2 tag, with its header or without.
func ape(header bool) []byte {
	item := "\x05\x00\x00\x00\x00\x00\x00\x00Title\x00\xff\xfb\x90\x64x"
	part := func(flags uint32) []byte {
		b := append([]byte("APETAGEX"), make([]byte, 24)...)
		binary.LittleEndian.PutUint32(b[8:], 2000)
		binary.LittleEndian.PutUint32(b[12:], uint32(len(item)+32))
		binary.LittleEndian.PutUint32(b[16:], 1)
		binary.LittleEndian.PutUint32(b[20:], flags)
		return b
	}
	tag := append([]byte(item), part(1<<31)...)
	if header {
		tag = append(part(1<<31|1<<29), tag...)
	}
	return tag
}

func TestTagsAndJunkAreDropped(t *testing.T) {
	t.Parallel()
	source := recording(t, "-b:a 128k -id3v2_version 0")
	frames := split(t, source)
	id3v1 := append([]byte("TAGtitle"), make([]byte, 120)...)
	// An ID3v2 tag full of what looks like frames.
	id3v2 := append([]byte("ID3\x03\x00\x00\x00\x00\x4e\x10"), bytes.Repeat([]byte("\xff\xfb\x14\x64"+strings.Repeat("a", 92)), 105)[:10000]...)
	lyrics := []byte("LYRICSBEGININD0000200LYR00010la la la la000030LYRICS200")
	junk := bytes.Repeat([]byte("\xff\xfb\x90 junk \xff"), 100)
	middle := bytes.Join(frames[:40], nil)
	rest := bytes.Join(frames[40:], nil)
	for name, parts := range map[string][][]byte{
		"ID3v2":                       {id3v2, source},
		"two of ID3v2 and zeros":      {id3v2, make([]byte, 1000), id3v2, source},
		"ID3v1":                       {source, id3v1},
		"APEv2 with header and ID3v1": {source, ape(true), id3v1},
		"APEv2 without header":        {source, ape(false)},
		"APEv2 in front":              {ape(true), source},
		"Lyrics3, APEv2, ID3v1":       {source, ape(true), lyrics, id3v1},
		"zeros behind":                {source, make([]byte, 5000)},
		"junk in front":               {junk, source},
		"junk behind":                 {source, junk},
		"junk between frames":         {middle, junk, rest},
		"tag between frames":          {middle, id3v2, rest},
		"a byte between frames":       {middle, {'x'}, rest},
		"half a frame behind":         {source, frames[20][:200]},
		"half a frame and ID3v1":      {source, frames[20][:200], id3v1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			data := bytes.Join(parts, nil)
			got, done := copied(t, data, 777, mp3.CopyOptions{})
			if !bytes.Equal(bytes.Join(got, nil), bytes.Join(frames[1:], nil)) {
				t.Fatalf("%d frames, want the source's %d", len(got), len(frames)-1)
			}
			if done.Silenced != 0 || done.Dropped != int64(len(data)-len(source)) {
				t.Errorf("%d silenced, %d bytes dropped of %d", done.Silenced, done.Dropped, len(data)-len(source))
			}
		})
	}
}

func TestFramesWithoutTheirMainDataAreSilenced(t *testing.T) {
	t.Parallel()
	frames := split(t, recording(t, "-b:a 96k -write_xing 0 -id3v2_version 0"))
	all := bytes.Join(frames, nil)
	first := 20
	for ; mainDataBegin(t, frames[first]) == 0; first++ {
	}
	lost := bytes.Join(frames[:first-5], nil)
	for name, test := range map[string]struct {
		data []byte
		from int // of the frames, where silenced ones may start
	}{
		"cut off before":   {all[len(bytes.Join(frames[:first], nil)):], 0},
		"cut in a frame":   {all[len(bytes.Join(frames[:first-1], nil))+100:], 0},
		"frames missing":   {append(bytes.Clone(lost), all[len(bytes.Join(frames[:first], nil)):]...), first - 5},
		"junk for a frame": {slicesJoin(frames[:first-1], [][]byte{bytes.Repeat([]byte("junk"), 60)}, frames[first:]), first - 1},
		"half a frame":     {slicesJoin(frames[:first-1], [][]byte{frames[first-1][:150]}, frames[first:]), first - 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, done := copied(t, test.data, 5000, mp3.CopyOptions{})
			if done.Silenced < 1 || done.Silenced > 3 {
				t.Errorf("%d frames silenced", done.Silenced)
			}
			tail := frames[len(frames)-len(got)+test.from:]
			silenced := int64(0)
			for i, frame := range got[test.from:] {
				switch {
				case !bytes.Equal(frame[:4], tail[i][:4]):
					t.Fatalf("frame %d is another", i)
				case !bytes.Equal(frame, tail[i]):
					silenced++
				}
			}
			if name != "frames missing" && silenced != done.Silenced {
				t.Errorf("%d frames changed, %d silenced", silenced, done.Silenced)
			}
			data, _ := written(t, got, mp3.Options{}, done.End)
			pcm(t, data) // which finds no fault with it
		})
	}
}

func slicesJoin(parts ...[][]byte) []byte {
	var all []byte
	for _, part := range parts {
		all = append(all, bytes.Join(part, nil)...)
	}
	return all
}

func mainDataBegin(t testing.TB, frame []byte) int {
	t.Helper()
	h, err := mp3.ParseHeader(frame)
	if err != nil {
		t.Fatal(err)
	}
	side, err := mp3.ParseSideInfo(h, frame)
	if err != nil {
		t.Fatal(err)
	}
	return side.MainDataBegin
}

func TestDamagedFramesAreSilenced(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func(*mp3.SideInfo){
		"main data beyond the frame": func(s *mp3.SideInfo) {
			for i := range 4 {
				s.Granules[i/2][i%2].Part23Length = 4095
			}
		},
		"too many big values":   func(s *mp3.SideInfo) { s.Granules[0][0].BigValues = 289 },
		"window without a type": func(s *mp3.SideInfo) { s.Granules[0][0].WindowSwitching, s.Granules[0][0].BlockType = true, 0 },
	} {
		frames := split(t, bytes.Clone(testdata(t, "lame-v5.mp3")))
		h, _ := mp3.ParseHeader(frames[30])
		side, _ := mp3.ParseSideInfo(h, frames[30])
		damage(&side)
		side.Put(h, frames[30])
		got, done := copied(t, bytes.Join(frames, nil), 1000, mp3.CopyOptions{})
		if done.Silenced != 1 || done.Frames != int64(len(frames)-1) {
			t.Errorf("%s: %+v", name, done)
		}
		if !bytes.Equal(bytes.Join(got[30:], nil), bytes.Join(frames[31:], nil)) {
			t.Errorf("%s: later frames differ", name)
		}
	}
}

func TestStreamsThatCannotBeCopied(t *testing.T) {
	t.Parallel()
	v5, v9 := testdata(t, "lame-v5.mp3"), testdata(t, "lame-v9.mp3")
	for name, test := range map[string]struct {
		data []byte
		why  string
	}{
		"Layer II":                  {mediatest.Clip(t, "a.mp2", sound+"-c:a mp2"), "layer 2"},
		"Layer I":                   {layerI(), "layer 1"},
		"Layer II behind Layer III": {append(bytes.Clone(v5), mediatest.Clip(t, "a.mp2", sound+"-c:a mp2")...), "layer 2"},
		"free format":               {freeFormat(), "free format"},
		"another sample rate":       {append(bytes.Clone(v5), v9...), "changes from MPEG-1 layer 3, 44100 Hz to MPEG-2.5 layer 3, 11025 Hz"},
		"sample rate behind junk":   {slicesJoin([][]byte{v5, []byte("junk"), v9}), "changes from"},
		"nothing":                   {nil, "no MP3 frames"},
		"text":                      {bytes.Repeat([]byte("no sound at all "), 10_000), "no MP3 frames"},
		"half a frame":              {split(t, v5)[0][:100], "no MP3 frames"},
		"a header frame only":       {split(t, v5)[0], "no MP3 frames"},
		"a tag only":                {[]byte("ID3\x04\x00\x00\x7f\x7f\x7f\x7f rest"), "no MP3 frames"},
	} {
		for _, piece := range []int{100, 100_000} {
			_, _, err := tryCopy(test.data, piece, mp3.CopyOptions{})
			if !errors.Is(err, mp3.ErrNotCopyable) || !strings.Contains(fmt.Sprint(err), test.why) {
				t.Errorf("%s: %v, want %q", name, err, test.why)
			}
		}
	}
	if _, _, err := tryCopy(v5, 100, mp3.CopyOptions{Skip: 10_000}); !errors.Is(err, mp3.ErrNotCopyable) {
		t.Errorf("starting far before the sound: %v", err)
	}
}

func layerI() []byte {
	h := mp3.Header{Version: mp3.MPEG1, Layer: 1, BitrateIndex: 8, Mode: mp3.JointStereo}
	frame := make([]byte, h.Size())
	h.Put(frame)
	return bytes.Repeat(frame, 10)
}

// freeFormat is a stream at about 190 kbit/s, with padding in every other frame.
func freeFormat() []byte {
	var b []byte
	for i := range 10 {
		h := mp3.Header{Version: mp3.MPEG1, Layer: 3, Padding: i%2 == 0}
		frame := make([]byte, 620+i%2)
		h.Put(frame)
		b = append(b, frame...)
	}
	return b
}

func TestChannelsMayChange(t *testing.T) {
	t.Parallel()
	mono := split(t, recording(t, "-b:a 64k -ac 1"))[1:]
	stereo := split(t, recording(t, "-q:a 2"))[1:]
	got, done := copied(t, slicesJoin(stereo, mono, stereo), 4096, mp3.CopyOptions{})
	if done.Silenced != 0 || !bytes.Equal(bytes.Join(got, nil), slicesJoin(stereo, mono, stereo)) {
		t.Errorf("%+v of %d frames", done, 2*len(stereo)+len(mono))
	}
}

func TestHeaderFramesAreTakenOver(t *testing.T) {
	t.Parallel()
	frames := split(t, testdata(t, "lame-v5.mp3"))
	info, _ := mp3.ReadInfo(frames[0])
	music := bytes.Join(frames[1:], nil)
	vbri := bytes.Clone(frames[0])
	clear(vbri[4:])
	copy(vbri[36:], "VBRI\x00\x01\x0d\xb1\x00\x64\x00\x00\x62\x00\x00\x00\x00\x2f")
	plain := bytes.Clone(frames[0])
	clear(plain[info.Header.MainDataAt()+120:])
	heard := func(skip, discard int) func(*mp3.Copier) {
		return func(c *mp3.Copier) { c.Heard(skip, discard) }
	}
	for name, test := range map[string]struct {
		data  []byte
		skip  int
		heard func(*mp3.Copier)
		want  mp3.Gapless
		by    string
	}{
		"LAME":                    {slicesJoin(frames), 1105, heard(1105, 1000), info.Gapless, "LAME3.100"},
		"LAME, end cut off":       {slicesJoin(frames[:40]), 0, nil, mp3.Gapless{Known: true, Delay: 576}, "LAME3.100"},
		"LAME, more than it says": {append(slicesJoin(frames), music...), 0, nil, mp3.Gapless{Known: true, Delay: 576}, "LAME3.100"},
		"Xing only":               {append(bytes.Clone(plain), music...), 0, nil, mp3.Gapless{}, ""},
		"VBRI":                    {append(vbri, music...), 0, nil, mp3.Gapless{}, ""},
		"none":                    {music, 0, nil, mp3.Gapless{}, ""},
		"container":               {music, 0, heard(1105, 600-mp3.DecoderDelay), mp3.Gapless{Known: true, Delay: 576, Padding: 600}, "LAME"},
		"container, start only":   {music, 1105, nil, mp3.Gapless{Known: true, Delay: 576}, "LAME"},
		"container, no use":       {music, 0, heard(100, 1000), mp3.Gapless{}, ""},
		"container with lies":     {music, 0, heard(1105, 1<<40), mp3.Gapless{Known: true, Delay: 576, Padding: mp3.MaxGap}, "LAME"},
	} {
		if test.heard == nil {
			test.heard = func(*mp3.Copier) {}
		}
		got, done, err := tryCopyHeard(test.data, 1000, mp3.CopyOptions{Skip: test.skip}, test.heard)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		checked(t, got)
		frames := int64(len(frames) - 1)
		switch name {
		case "LAME, end cut off":
			frames = 39
		case "LAME, more than it says":
			frames *= 2
		}
		if done.End.Gapless != test.want || done.End.Encoder.Name != test.by || done.Frames != frames {
			t.Errorf("%s: %+v, want %+v by %q", name, done, test.want, test.by)
		}
	}
}

func TestCopierKeepsLittle(t *testing.T) {
	t.Parallel()
	silence := bytes.Repeat(silentFrame(), 1000)
	for name, block := range map[string][]byte{
		"frames":    silence,
		"zeros":     make([]byte, 1<<20),
		"syncs":     bytes.Repeat([]byte{0xff}, 1<<20),
		"headers":   bytes.Repeat([]byte("\xff\xfb\x14\xc4"), 1<<18),
		"free":      bytes.Repeat([]byte("\xff\xfb\x04\xc4"), 1<<18),
		"many tags": bytes.Repeat([]byte("ID3\x04\x00\x00\x00\x00\x00\x00"), 100_000),
	} {
		c := mp3.NewCopier(func([]byte) error { return nil }, mp3.CopyOptions{})
		for range 5 {
			if _, err := c.Write(block); err != nil && !errors.Is(err, mp3.ErrNotCopyable) {
				t.Error(name, err)
			}
		}
		if n := mp3.Kept(c); n > 64<<10 {
			t.Errorf("%s: %d bytes are kept", name, n)
		}
	}
}

func TestCopierPassesOnErrors(t *testing.T) {
	t.Parallel()
	c := mp3.NewCopier(func([]byte) error { return os.ErrClosed }, mp3.CopyOptions{})
	if _, err := c.Write(bytes.Repeat(silentFrame(), 100)); !errors.Is(err, os.ErrClosed) {
		t.Error(err)
	}
	if _, err := c.Close(); !errors.Is(err, os.ErrClosed) {
		t.Error(err)
	}
}
