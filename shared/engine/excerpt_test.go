package engine_test

import (
	"bytes"
	"fmt"
	"math"
	"path/filepath"
	"testing"
	"time"

	"mp3converter/shared/audio"
	"mp3converter/shared/engine"
	"mp3converter/shared/mediatest"
	"mp3converter/shared/mp3"
	"mp3converter/shared/source/sourcetest"
)

// speech is a sound in which every moment differs from every other, loud and soft, in stereo.
const speech = "-f lavfi -i aevalsrc=0.4*sin(440*t*(1+t))*(0.5+0.5*sin(3*t))+0.1*random(0)|0.3*sin(997*t)+0.1*random(1)*sin(t):d=%g:s=%d "

// noPNS makes AAC without noise substitution, which is not the same when decoding begins in the middle.
const noPNS = " -aac_pns 0 "

func speechOf(seconds float64, rate int) string { return fmt.Sprintf(speech, seconds, rate) }

// frames are an MP3's bytes behind its tag and its header frame.
func frames(t testing.TB, data []byte) []byte {
	t.Helper()
	data = data[mp3.TagSize(data):]
	h, err := mp3.ParseHeader(data)
	if err != nil {
		t.Fatalf("behind the tag: %v", err)
	}
	if _, ok := mp3.ReadInfo(data); !ok {
		t.Fatal("the first frame is no header frame")
	}
	return data[h.Size():]
}

// serial is what the plain ffmpeg of the layer makes of a file, one frame after the other.
func serial(t testing.TB, data []byte, ext, filter string, args ...string) []byte {
	t.Helper()
	file := filepath.Join(t.TempDir(), "in."+ext)
	writeFile(t, file, string(data))
	all := []string{"-v", "error", "-i", file, "-map", "0:a:0", "-vn", "-c:a", "libmp3lame"}
	if filter != "" {
		all = append(all, "-af", filter)
	}
	if len(args) == 0 {
		args = []string{"-q:a", "2"}
	}
	all = append(all, args...)
	out, _ := mediatest.Run(t, mediatest.LayerFFmpeg(t), nil, append(all, "-write_xing", "0", "-id3v2_version", "0", "-f", "mp3", "-")...)
	return out
}

// sameFrames holds an MP3 to the frames that it should consist of.
func sameFrames(t testing.TB, got result, want []byte) {
	t.Helper()
	data := frames(t, got.mp3)
	if bytes.Equal(data, want) && len(want) > 0 {
		return
	}
	at := 0
	for at < len(data) && at < len(want) && data[at] == want[at] {
		at++
	}
	t.Errorf("%d bytes of frames differ from the %d wanted from byte %d on", len(data), len(want), at)
}

func convertedBy(t testing.TB, cfg engine.Config, data []byte, opts audio.Options) result {
	t.Helper()
	res, err := convert(t, newEngine(t, cfg), &sourcetest.Object{Data: data}, opts)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func TestEveryNumberOfWorkersMakesTheSerialEncode(t *testing.T) {
	t.Parallel()
	data := mediatest.Clip(t, "speech.mp4", "-f lavfi -i testsrc2=s=160x90:r=10:d=30 "+speechOf(30, 44100)+h264aac+noPNS)
	for _, tc := range []struct {
		name   string
		opts   audio.Options
		filter string
		args   []string
	}{
		{"VBR 2", audio.Options{}, "", nil},
		{"VBR 0", audio.Options{Quality: ptr(0)}, "", []string{"-q:a", "0"}},
		{"CBR 128", audio.Options{Mode: audio.CBR, Bitrate: ptr(128)}, "", []string{"-b:a", "128k"}},
		{"from a start", audio.Options{Start: ptr(7.3)}, "atrim=start_sample=321930", nil},
		{"to an end", audio.Options{End: ptr(11.0)}, "atrim=end_sample=485100", nil},
		{"from a start to an end", audio.Options{Start: ptr(3.00001), End: ptr(21.5)}, "atrim=start_sample=132300:end_sample=948150", nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			want := serial(t, data, "mp4", tc.filter, tc.args...)
			for _, workers := range []int{1, 2, 3, 6} {
				res := convertedBy(t, engine.Config{Workers: workers}, data, tc.opts)
				t.Logf("%d workers: %d segments, %d requantised", workers, res.Stats.Segments, res.Stats.Requantised)
				sameFrames(t, res, want)
				if res.Stats.Copied {
					t.Error("frames were copied")
				}
			}
		})
	}
}

func TestOneWayOfReadingMakesTheMP3OfTheOther(t *testing.T) {
	t.Parallel()
	for name, args := range map[string]string{
		"AAC":        speechOf(10, 44100) + "-c:a aac" + noPNS,
		"AAC 48 kHz": speechOf(10, 48000) + "-c:a aac" + noPNS,
		"ALAC":       speechOf(4, 44100) + "-c:a alac",
		"AC-3":       speechOf(4, 48000) + "-c:a ac3",
		"MP3":        speechOf(4, 44100) + "-c:a libmp3lame",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := takeApart(t, mediatest.Clip(t, "a.mp4", args))
			lay := layout{perChunk: 20, gap: 400_000}
			excerpt := m.assemble(t, lay)
			lay.moov = odd
			general := m.assemble(t, lay)
			for _, opts := range []audio.Options{{}, {Quality: ptr(5)}, {Start: ptr(1.0), End: ptr(2.5)}, {Channels: ptr(1)}} {
				a, b := converted(t, excerpt, opts), converted(t, general, opts)
				// AC-3 has noise of its own, which is not the same when decoding begins in the middle.
				if same := bytes.Equal(a.mp3, b.mp3) || name == "AC-3" && opts.Start != nil; !same || a.Duration != b.Duration {
					t.Errorf("%+v: %d bytes, %v; and %d bytes, %v", opts, len(a.mp3), a.Duration, len(b.mp3), b.Duration)
				}
				if a.Stats.BytesRead > int64(len(excerpt))/2 || b.Stats.BytesRead < int64(len(general))/2 && opts.End == nil {
					t.Errorf("%+v: %d and %d bytes of %d were read", opts, a.Stats.BytesRead, b.Stats.BytesRead, len(general))
				}
			}
		})
	}
}

// sourcePCM is what a file's first track decodes to, in 32-bit floats, by the layer's ffmpeg as a command: versions of
// ffmpeg do not agree on how much of a last packet is to be heard.
func sourcePCM(t testing.TB, data []byte, ext string) []byte {
	t.Helper()
	file := filepath.Join(t.TempDir(), "in."+ext)
	writeFile(t, file, string(data))
	out, _ := mediatest.Run(t, mediatest.LayerFFmpeg(t), nil, "-v", "error", "-i", file, "-map", "0:a:0", "-c:a", "pcm_f32le", "-f", "f32le", "-")
	return out
}

// exact holds the MP3 of a file to what the layer's own ffmpeg makes of it, and to as many samples as that decodes.
func exact(t testing.TB, data []byte, ext string, channels int) result {
	t.Helper()
	res := converted(t, data, audio.Options{Quality: ptr(2)})
	sameFrames(t, res, serial(t, data, ext, ""))
	if want := int64(len(sourcePCM(t, data, ext)) / 4 / channels); res.Samples != want {
		t.Errorf("%d samples, the file decodes to %d", res.Samples, want)
	}
	if got := int64(decoded(t, res.mp3).samples()); got != res.Samples {
		t.Errorf("the MP3 decodes to %d samples, the result says %d", got, res.Samples)
	}
	return res
}

func TestEditLists(t *testing.T) {
	t.Parallel()
	original := mediatest.Clip(t, "edits.m4a", speechOf(4, 44100)+"-c:a aac")
	for _, tc := range []struct {
		name  string
		edits [][2]int
	}{
		{"none", nil},
		{"priming of 1024", [][2]int{{4000, 1024}}},
		{"priming of 2112", [][2]int{{4000, 2112}}},
		{"no priming", [][2]int{{4000, 0}}},
		{"a start in the middle of a packet", [][2]int{{2000, 44000}}},
		{"an end inside", [][2]int{{1234, 1024}}},
		{"a late start", [][2]int{{1500, -1}, {4000, 1024}}},
		{"a late start of less than a packet", [][2]int{{7, -1}, {4000, 1024}}},
		{"two parts", [][2]int{{500, 1024}, {500, 88200}}},
		{"two parts in the other order", [][2]int{{500, 88200}, {500, 1024}}},
		{"a pause between", [][2]int{{500, 1024}, {500, -1}, {500, 44100}}},
		{"an end beyond the file's", [][2]int{{60000, 1024}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			exact(t, takeApart(t, original).edits(t, tc.edits...).assemble(t, layout{moovFirst: true, perChunk: 15}), "m4a", 2)
		})
	}
}

func TestAnEditListThatTakesNothing(t *testing.T) {
	t.Parallel()
	data := takeApart(t, mediatest.Clip(t, "edits.m4a", speechOf(4, 44100)+"-c:a aac")).edits(t, [2]int{0, 1024}).assemble(t, layout{})
	_ = refused(t, data, audio.Options{}, engine.CodeCorrupt)
}

func TestStartTimes(t *testing.T) {
	t.Parallel()
	sound := speechOf(3, 44100)
	for _, tc := range []struct{ name, file, args string }{
		{"MP4, sound starting late", "late.mp4", picture + "-itsoffset 1.3 " + sound + h264aac},
		{"MP4, picture starting late", "early.mp4", "-itsoffset 0.7 " + picture + sound + h264aac},
		{"MP4, fragments, sound starting late", "latefrag.mp4", picture + "-itsoffset 1.3 " + sound + h264aac + "-movflags frag_keyframe+empty_moov"},
		{"Matroska, sound starting late", "late.mkv", picture + "-itsoffset 1.3 " + sound + h264aac},
		{"Matroska, times from 100 s on", "hundred.mkv", sound + "-c:a aac -output_ts_offset 100"},
		{"transport stream, times from 100 s on", "hundred.ts", picture + sound + h264aac + "-output_ts_offset 100"},
		{"transport stream, sound starting late", "late.ts", picture + "-itsoffset 1.3 " + sound + h264aac},
		{"MP4, times from 100 s on", "hundred.mp4", sound + "-c:a aac -output_ts_offset 100"},
		{"MP4, times below 0", "negative.mp4", sound + "-c:a aac -output_ts_offset -1 -avoid_negative_ts disabled -use_editlist 0"},
		{"AVI, sound starting late", "late.avi", picture + "-itsoffset 1.3 " + sound + "-c:v mpeg4 -c:a ac3"},
		{"Ogg, times from 10 s on", "ten.ogg", sound + "-c:a libvorbis -output_ts_offset 10"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			data := mediatest.Clip(t, tc.file, tc.args)
			res := exact(t, data, filepath.Ext(tc.file)[1:], 2)
			if math.Abs(res.Duration.Seconds()-3) > 0.12 {
				t.Errorf("%v of 3 s", res.Duration)
			}
		})
	}
}

func TestSoundThatStartsMuchLater(t *testing.T) {
	t.Parallel()
	const film = "-f lavfi -i testsrc2=s=64x48:r=5:d=90 -itsoffset 60 "
	for _, tc := range []struct{ file, args string }{
		{"later.mkv", "-c:v mpeg4 -c:a ac3"},
		{"later.mp4", "-c:v mpeg4 -c:a aac"},
		{"later.flv", "-c:v flv -c:a aac"},
		{"later.ts", "-c:v mpeg2video -r 25 -c:a ac3"},
		{"later.nut", "-c:v mpeg4 -c:a ac3"},
		{"copied.mkv", "-c:v mpeg4 -c:a libmp3lame"},
	} {
		t.Run(tc.file, func(t *testing.T) {
			t.Parallel()
			res := converted(t, mediatest.Clip(t, tc.file, film+speechOf(4, 44100)+tc.args), audio.Options{})
			if math.Abs(res.Duration.Seconds()-4) > 0.12 {
				t.Errorf("%v of 4 s", res.Duration)
			}
		})
	}
}

func TestShapesOfMP4(t *testing.T) {
	t.Parallel()
	original := mediatest.Clip(t, "shapes.m4a", speechOf(4, 44100)+"-c:a aac")
	want := converted(t, original, audio.Options{})
	for name, l := range map[string]layout{
		"stco, moov last":                        {},
		"stco, moov first":                       {moovFirst: true},
		"co64":                                   {wide: true, perChunk: 7, gap: 1000},
		"co64, moov first":                       {wide: true, perChunk: 7, gap: 1000, moovFirst: true},
		"mdat of 64 bits":                        {mdat: "large", perChunk: 10},
		"mdat up to the end of the file":         {mdat: "open", perChunk: 10},
		"compressed moov":                        {moov: mediatest.Compressed, moovFirst: true, perChunk: 10},
		"compressed moov, last":                  {moov: mediatest.Compressed, perChunk: 10},
		"a chunk for every packet":               {perChunk: 1, gap: 50},
		"something in moov that is no box":       {moov: odd},
		"something in moov that is no box, open": {moov: odd, mdat: "open"},
		"50 MB of moov":                          {moov: padded("free", 50<<20)},
		"50 MB of moov, first":                   {moov: padded("free", 50<<20), moovFirst: true},
		"20 MB of tags":                          {moov: padded("udta", 20<<20)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			res := converted(t, takeApart(t, original).assemble(t, l), audio.Options{})
			if !bytes.Equal(res.mp3, want.mp3) {
				t.Errorf("%d bytes, %v; want %d bytes, %v", len(res.mp3), res.Duration, len(want.mp3), want.Duration)
			}
		})
	}
}

// padded makes a movie box larger by a box of that kind, which holds a box that nobody knows.
func padded(kind string, size int) func([]byte) []byte {
	return func(moov []byte) []byte { return box("moov", moov[8:], box(kind, box("zzzz", make([]byte, size)))) }
}

func TestFragments(t *testing.T) {
	t.Parallel()
	sound := "-f lavfi -i testsrc2=s=160x90:r=10:d=6 " + speechOf(6, 44100) + h264aac + "-g 10 -movflags "
	for name, flags := range map[string]string{
		"without an index":              "frag_keyframe+empty_moov",
		"after samples in moov":         "frag_keyframe",
		"base is moof":                  "frag_keyframe+empty_moov+default_base_moof",
		"with sidx for every fragment":  "dash+frag_keyframe+empty_moov",
		"with one sidx":                 "dash+global_sidx+frag_keyframe+empty_moov",
		"a moof for every track, delay": "frag_keyframe+delay_moov+separate_moof+default_base_moof",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			data := mediatest.Clip(t, "frag.mp4", sound+flags)
			res := converted(t, data, audio.Options{})
			sameFrames(t, res, serial(t, data, "mp4", ""))
			// Before the movie box is written late, the priming is not known; versions of ffmpeg differ in what they make of it.
			if d := int64(len(sourcePCM(t, data, "mp4"))/8) - res.Samples; d != 0 && d != 1024 {
				t.Errorf("%d samples, the file decodes to %d more", res.Samples, d)
			}
		})
	}
}

func TestOnlyTheSoundIsRead(t *testing.T) {
	t.Parallel()
	m := takeApart(t, mediatest.Clip(t, "bytes.m4a", speechOf(40, 44100)+"-c:a aac -b:a 128k"))
	sound := int64(len(bytes.Join(m.packets, nil)))
	for _, tc := range []struct {
		name string
		lay  layout
		opts audio.Options
		most float64 // share of the file
	}{
		{"every frame by itself", layout{perChunk: 1, gap: 26_000}, audio.Options{}, 1.01},
		{"every frame by itself, moov first", layout{perChunk: 1, gap: 26_000, moovFirst: true}, audio.Options{}, 1.01},
		{"half-second chunks", layout{perChunk: 21, gap: 1_000_000}, audio.Options{}, 0.05},
		{"half-second chunks, moov first", layout{perChunk: 21, gap: 1_000_000, moovFirst: true}, audio.Options{}, 0.05},
		{"two-second chunks", layout{perChunk: 86, gap: 3_000_000}, audio.Options{}, 0.05},
		{"a part of half-second chunks", layout{perChunk: 21, gap: 1_000_000}, audio.Options{Start: ptr(20.0), End: ptr(22.0)}, 0.02},
		{"a part of single frames", layout{perChunk: 1, gap: 26_000}, audio.Options{Start: ptr(20.0), End: ptr(22.0)}, 0.1},
		{"a part of sound alone", layout{moovFirst: true}, audio.Options{Start: ptr(20.0), End: ptr(22.0)}, 0.25},
	} {
		t.Run(tc.name, func(t *testing.T) {
			data := m.assemble(t, tc.lay) // not side by side: they are large
			res := converted(t, data, tc.opts)
			t.Logf("%d bytes in %d requests of %d, of which %d are sound", res.Stats.BytesRead, res.Stats.Requests, len(data), sound)
			if share := float64(res.Stats.BytesRead) / float64(len(data)); share > tc.most {
				t.Errorf("%d of %d bytes were read, %.2f %%, at most %g %% wanted", res.Stats.BytesRead, len(data), 100*share, 100*tc.most)
			}
			filter, want := "", 40*time.Second
			if tc.opts.Start != nil {
				filter, want = "atrim=start_sample=882000:end_sample=970200", 2*time.Second
			}
			if d := res.Duration - want; d < 0 || d > 24*time.Millisecond { // the last packet is whole
				t.Errorf("%v, want %v", res.Duration, want)
			}
			if tc.lay.perChunk == 0 || tc.opts.Start != nil {
				sameFrames(t, res, serial(t, m.assemble(t, layout{}), "m4a", filter))
			}
		})
	}
}

func TestPartsOfExcerptsAreExact(t *testing.T) {
	t.Parallel()
	m := takeApart(t, mediatest.Clip(t, "parts.m4a", speechOf(20, 48000)+"-c:a aac"+noPNS))
	data := m.assemble(t, layout{perChunk: 23, gap: 500_000})
	plain := m.assemble(t, layout{})
	for _, tc := range []struct{ start, end float64 }{{0, 0.5}, {0.001, 0.002}, {0.02, 3}, {5, 5.1}, {9.99999, 17.3}, {19, 0}, {19.99, 0}, {3, 100}} {
		t.Run(fmt.Sprint(tc.start, " to ", tc.end), func(t *testing.T) {
			t.Parallel()
			opts := audio.Options{Start: &tc.start}
			filter := fmt.Sprintf("atrim=start_sample=%.0f", math.RoundToEven(tc.start*48000))
			if tc.end > 0 {
				opts.End = &tc.end
				filter += fmt.Sprintf(":end_sample=%.0f", math.RoundToEven(tc.end*48000))
			}
			sameFrames(t, converted(t, data, opts), serial(t, plain, "m4a", filter))
		})
	}
}
