package engine_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"mp3converter/shared/audio"
	"mp3converter/shared/engine"
	"mp3converter/shared/mediatest"
	"mp3converter/shared/mp3"
	"mp3converter/shared/source/sourcetest"
)

// recording is an MP3 of frames only.
func recording(t testing.TB, args string) []byte {
	t.Helper()
	return lame(t, "-write_xing 0 "+args)
}

// labelled is the same with what LAME writes in front: delay, padding, length.
func labelled(t testing.TB, args string) []byte {
	t.Helper()
	return lame(t, args)
}

// lame makes an MP3 without tags of four seconds of speech, by the layer's LAME: another version may pack in another way.
func lame(t testing.TB, args string) []byte {
	t.Helper()
	pcm := mediatest.Clip(t, "speech.f32", speechOf(4, 44100)+"-c:a pcm_f32le -f f32le")
	file := filepath.Join(t.TempDir(), "lame.mp3") // not a pipe: its head is written twice
	all := append(strings.Fields("-v error -f f32le -ar 44100 -ac 2 -i pipe: -c:a libmp3lame -id3v2_version 0 "+args), file)
	mediatest.Run(t, mediatest.LayerFFmpeg(t), pcm, all...)
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// copied converts a file whose frames must be taken as they are, and holds the result to them and to what the full ffmpeg
// hears in the source.
func copied(t testing.TB, data []byte, want, heard []byte) result {
	t.Helper()
	res := converted(t, data, audio.Options{})
	if !res.Stats.Copied {
		t.Fatal("it was encoded")
	}
	if got := frames(t, res.mp3); !bytes.Equal(got, want) {
		t.Errorf("%d bytes of frames, want the %d of the source", len(got), len(want))
	}
	is := sourcePCM(t, res.mp3, "mp3")
	if !bytes.Equal(heard, is) {
		t.Errorf("the copy decodes to %d bytes, the source to %d; they are alike from %d on", len(is), len(heard), alike(heard, is))
	}
	channels := len(decoded(t, res.mp3).channels)
	if n := int64(len(is) / 4 / channels); res.Samples != n {
		t.Errorf("it decodes to %d samples, the result says %d", n, res.Samples)
	}
	return res
}

// alike says where in one sound the other begins; -1: nowhere.
func alike(a, b []byte) int {
	if len(a) < 80_000 || len(b) < 80_000 {
		return -1
	}
	if at := bytes.Index(a, b[40_000:44_000]); at >= 0 {
		return at - 40_000
	}
	return -1
}

func TestCopiedFromContainers(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, file, args string }{
		{"MP4", "copy.mp4", ""},
		{"QuickTime", "copy.mov", ""},
		{"Matroska", "copy.mkv", ""},
		{"AVI", "copy.avi", ""},
		{"transport stream", "copy.ts", ""},
		{"Flash video", "copy.flv", ""},
		{"MPEG-2 at 22,050 Hz in MP4", "copy22.mp4", "-ar 22050 "},
		{"MPEG-2.5 at 8,000 Hz in Matroska", "copy8.mkv", "-ar 8000 "},
		{"CBR in AVI", "copycbr.avi", "-b:a 128k "},
		{"mono in MP4", "copymono.mp4", "-ac 1 "},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			args := "-f lavfi -i testsrc2=s=160x90:r=25:d=4 " + speechOf(4, 44100) + "-c:v mpeg4 -c:a libmp3lame " + tc.args + "-metadata title=Grüße "
			if strings.HasSuffix(tc.file, ".flv") {
				args = strings.Replace(args, "mpeg4", "flv", 1)
			}
			data := mediatest.Clip(t, tc.file, args)
			file := filepath.Join(t.TempDir(), tc.file)
			writeFile(t, file, string(data))
			want, _ := ffmpeg(t, nil, "-v", "error", "-i", file, "-map", "0:a", "-c", "copy", "-write_xing", "0", "-id3v2_version", "0", "-f", "mp3", "-")
			heard := sourcePCM(t, data, filepath.Ext(tc.file)[1:])
			if strings.HasSuffix(tc.file, ".mkv") {
				// ffmpeg's muxer says how much padding there is, but of the delay nothing. A LAME tag cannot say that.
				if all := sourcePCM(t, want, "mp3"); bytes.HasPrefix(all, heard) {
					heard = all
				}
			}
			res := copied(t, data, want, heard)
			if !strings.HasSuffix(tc.file, ".ts") && !strings.HasSuffix(tc.file, ".avi") && !strings.Contains(ffmetadata(t, res.mp3), "title=Grüße") {
				t.Error("the title is gone")
			}
		})
	}
}

// apev2 is an APEv2 tag without a header.
func apev2() []byte {
	item := "\x05\x00\x00\x00\x00\x00\x00\x00Title\x00\xff\xfb\x90\x64x"
	b := append([]byte(item), append([]byte("APETAGEX"), make([]byte, 24)...)...)
	footer := b[len(item):]
	binary.LittleEndian.PutUint32(footer[8:], 2000)
	binary.LittleEndian.PutUint32(footer[12:], uint32(len(b)))
	binary.LittleEndian.PutUint32(footer[16:], 1)
	return b
}

// id3v2 is a tag of version 2.3 with a title in UTF-16.
func id3v2(title string) []byte {
	text := []byte{1, 0xff, 0xfe}
	for _, r := range title {
		text = binary.LittleEndian.AppendUint16(text, uint16(r))
	}
	frame := slices.Concat([]byte("TIT2"), u32(uint32(len(text))), []byte{0, 0}, text)
	n := len(frame)
	return append([]byte{'I', 'D', '3', 3, 0, 0, 0, 0, byte(n >> 7), byte(n & 0x7f)}, frame...)
}

func TestCopiedFromPlainMP3(t *testing.T) {
	t.Parallel()
	vbr, cbr := recording(t, "-q:a 2"), recording(t, "-b:a 128k")
	lame := labelled(t, "-q:a 2")
	music := frames(t, lame)
	id3v1 := append([]byte("TAGtitle"), make([]byte, 120)...)
	junk := bytes.Repeat([]byte("\xff\xfb\x90 junk \xff"), 100)
	half := 0
	for half < len(cbr)/2 {
		h, err := mp3.ParseHeader(cbr[half:])
		if err != nil {
			t.Fatal(err)
		}
		half += h.Size()
	}
	for _, tc := range []struct {
		name       string
		data, want []byte
		title      string
	}{
		{"frames alone, VBR", vbr, vbr, ""},
		{"frames alone, CBR", cbr, cbr, ""},
		{"a LAME tag", lame, music, ""},
		{"a LAME tag over CBR", labelled(t, "-b:a 128k"), frames(t, labelled(t, "-b:a 128k")), ""},
		{"ID3v2 in UTF-16 and a LAME tag", slices.Concat(id3v2("Grüße 日本"), lame), music, "Grüße 日本"},
		{"ID3v2, a LAME tag, APEv2 and ID3v1", slices.Concat(id3v2("Grüße"), lame, apev2(), id3v1), music, "Grüße"},
		{"ID3v1 alone", slices.Concat(cbr, id3v1), cbr, "title"},
		{"two ID3v2 tags", slices.Concat(id3v2("one"), id3v2("two"), vbr), vbr, ""},
		{"junk between frames", slices.Concat(cbr[:half], junk, cbr[half:]), cbr, ""},
		{"junk behind", slices.Concat(cbr, junk), cbr, ""},
		{"VBRI", slices.Concat(vbri(vbr), vbr), vbr, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			heard := sourcePCM(t, tc.data, "mp3")
			if strings.HasPrefix(tc.name, "junk") { // near which a decoder loses frames
				heard = sourcePCM(t, tc.want, "mp3")
			}
			res := copied(t, tc.data, tc.want, heard)
			if got := ffmetadata(t, res.mp3); tc.title != "" && !strings.Contains(got, "title="+tc.title+"\n") {
				t.Errorf("tags lack the title %q:\n%s", tc.title, got)
			}
		})
	}
}

// vbri is the header frame that Fraunhofer's encoder puts before VBR frames.
func vbri(stream []byte) []byte {
	h, err := mp3.ParseHeader(stream)
	if err != nil {
		panic(err)
	}
	h.BitrateIndex, h.Padding = 9, false
	frame := make([]byte, h.Size())
	h.Put(frame)
	n := 0
	for rest := stream; len(rest) > 0; n++ {
		f, err := mp3.ParseHeader(rest)
		if err != nil {
			panic(err)
		}
		rest = rest[f.Size():]
	}
	copy(frame[36:], "VBRI\x00\x01\x00\x00\x00\x4b")
	binary.BigEndian.PutUint32(frame[46:], uint32(len(stream)+len(frame)))
	binary.BigEndian.PutUint32(frame[50:], uint32(n+1))
	return frame
}

func TestOptionsThatChangeTheSoundEncode(t *testing.T) {
	t.Parallel()
	data := labelled(t, "-q:a 2")
	for name, tc := range map[string]struct {
		opts   audio.Options
		copied bool
	}{
		"nothing":   {audio.Options{}, true},
		"a track":   {audio.Options{Track: ptr(0)}, true},
		"a mode":    {audio.Options{Mode: audio.VBR}, false},
		"a quality": {audio.Options{Quality: ptr(2)}, false},
		"a bitrate": {audio.Options{Mode: audio.CBR, Bitrate: ptr(128)}, false},
		"channels":  {audio.Options{Channels: ptr(2)}, false},
		"a start":   {audio.Options{Start: ptr(1.0)}, false},
		"an end":    {audio.Options{End: ptr(3.0)}, false},
		"loudness":  {audio.Options{Normalize: true}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if res := converted(t, data, tc.opts); res.Stats.Copied != tc.copied {
				t.Errorf("copied is %v", res.Stats.Copied)
			}
		})
	}
}

func TestWhatCannotBeCopiedIsEncoded(t *testing.T) {
	t.Parallel()
	other := mediatest.Clip(t, "other.mp3", speechOf(4, 48000)+"-c:a libmp3lame -b:a 128k -write_xing 0 -id3v2_version 0")
	for name, tc := range map[string]struct {
		data []byte
		want time.Duration
	}{
		"Layer II in an .mp3": {mediatest.Clip(t, "layer2.mp2", speechOf(4, 44100)+"-c:a mp2"), 4 * time.Second},
		"a changing rate":     {slices.Concat(recording(t, "-b:a 128k"), other), 8 * time.Second},
		"Layer II in an AVI":  {mediatest.Clip(t, "layer2.avi", speechOf(4, 44100)+"-c:a mp2"), 4 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			res := converted(t, tc.data, audio.Options{})
			if res.Stats.Copied {
				t.Error("it was copied")
			}
			if d := res.Duration - tc.want; d < -100*time.Millisecond || d > 100*time.Millisecond {
				t.Errorf("%v, want %v", res.Duration, tc.want)
			}
		})
	}
}

func TestMP3UnderAnEditList(t *testing.T) {
	t.Parallel()
	original := mediatest.Clip(t, "edited.mp4", speechOf(4, 44100)+"-c:a libmp3lame")
	for _, tc := range []struct {
		name   string
		edits  [][2]int
		copied bool
	}{
		{"none", nil, true},
		{"the encoder's delay", [][2]int{{4000, 1105}}, true},
		{"more than a frame", [][2]int{{3900, 2257}}, true},
		{"a late start", [][2]int{{1300, -1}, {4000, 1105}}, true},
		{"the middle", [][2]int{{2000, 44100}}, false},
		{"two parts", [][2]int{{1000, 1105}, {1000, 88200}}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			data := takeApart(t, original).edits(t, tc.edits...).assemble(t, layout{})
			res := converted(t, data, audio.Options{})
			if res.Stats.Copied != tc.copied {
				t.Errorf("copied is %v", res.Stats.Copied)
			}
			heard := sourcePCM(t, data, "mp4")
			if res.Samples != int64(len(heard)/8) {
				t.Errorf("%d samples, the file decodes to %d", res.Samples, len(heard)/8)
			}
			if got := sourcePCM(t, res.mp3, "mp3"); tc.copied && !bytes.Equal(got, heard) {
				t.Errorf("the copy decodes to %d bytes, the source to %d; they are alike from %d on", len(got), len(heard), alike(heard, got))
			}
		})
	}
}

// No decoder of ffmpeg's takes free format.
func TestFreeFormat(t *testing.T) {
	t.Parallel()
	h := mp3.Header{Version: mp3.MPEG1, Layer: 3}
	frame := make([]byte, 620)
	h.Put(frame)
	_ = refused(t, bytes.Repeat(frame, 200), audio.Options{}, engine.CodeNotMedia)
}

func TestARateThatChangesLate(t *testing.T) {
	t.Parallel()
	first := mediatest.Clip(t, "long.mp3", speechOf(50, 44100)+"-c:a libmp3lame -b:a 320k -write_xing 0 -id3v2_version 0")
	other := mediatest.Clip(t, "other.mp3", speechOf(4, 48000)+"-c:a libmp3lame -b:a 128k -write_xing 0 -id3v2_version 0")
	data := slices.Concat(first, other)
	e := newEngine(t, engine.Config{})
	var failure *engine.Failure
	res, err := convert(t, e, &sourcetest.Object{Data: data}, audio.Options{})
	if !errors.Is(err, mp3.ErrNotCopyable) || errors.As(err, &failure) || len(res.mp3) == 0 {
		t.Fatalf("%d bytes and error %v, want one that says that it cannot be copied", len(res.mp3), err)
	}
	res, err = convert(t, e, &sourcetest.Object{Data: data}, audio.Options{}.WithDefaults())
	if err != nil {
		t.Fatal(err)
	}
	if d := res.Duration - 54*time.Second; d < -100*time.Millisecond || d > 100*time.Millisecond || res.Stats.Copied {
		t.Errorf("%v of 54 s, copied is %v", res.Duration, res.Stats.Copied)
	}
}
