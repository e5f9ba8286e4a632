package isobmff_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mp3converter/shared/isobmff"
	"mp3converter/shared/mediatest"
)

// object is a file in memory that counts how often it is read far from where it was read before, as a source of pages
// would ask for them.
type object struct {
	data     []byte
	mu       sync.Mutex
	pages    map[int64]bool
	requests atomic.Int64
}

func (o *object) Size() int64 { return int64(len(o.data)) }

func (o *object) ReadAtContext(ctx context.Context, p []byte, offset int64) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if offset >= int64(len(o.data)) {
		return 0, io.EOF
	}
	n := copy(p, o.data[offset:])
	const page = 64 << 10
	fresh := false
	for i := offset / page; i <= (offset+int64(max(n, 1))-1)/page; i++ {
		if o.pages == nil {
			o.pages = make(map[int64]bool)
		}
		fresh = fresh || !o.pages[i]
		o.pages[i] = true
	}
	if fresh {
		o.requests.Add(1)
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// decoder judges instead of MEDIA_FFMPEG: decisions about edit lists differ between versions, and an extract must be
// taken like the original by all.
var decoder = flag.String("decoder", "", "path of another ffmpeg to decode with")

// run runs an ffmpeg and returns what it wrote to its standard output.
func run(t testing.TB, program string, args ...string) []byte {
	t.Helper()
	out, _ := mediatest.Run(t, program, nil, append([]string{"-v", "error"}, args...)...)
	return out
}

func readFile(t testing.TB, file string) []byte {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// materialised writes the virtual file beside the original.
func materialised(t testing.TB, data []byte, e *isobmff.Extract) string {
	t.Helper()
	out := bytes.Clone(e.Header)
	for _, w := range e.Want {
		out = append(out, data[w.Offset:w.End()]...)
	}
	if int64(len(out)) != e.Size() {
		t.Errorf("the virtual file has %d bytes, Size says %d", len(out), e.Size())
	}
	file := filepath.Join(t.TempDir(), "virtual.mp4")
	if err := os.WriteFile(file, out, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// decode decodes one audio track to what the decoder gives out, as floats.
func decode(t testing.TB, file string, track int) []byte {
	t.Helper()
	return run(t, cmp.Or(*decoder, mediatest.FFmpeg(t)), "-i", file, "-map", fmt.Sprintf("0:a:%d", track), "-c:a", "pcm_f32le", "-f", "f32le", "-")
}

func metadata(t testing.TB, file string) string {
	t.Helper()
	return string(run(t, cmp.Or(*decoder, mediatest.FFmpeg(t)), "-i", file, "-f", "ffmetadata", "-"))
}

func open(t testing.TB, data []byte) *isobmff.Movie {
	t.Helper()
	m, err := isobmff.Open(t.Context(), &object{data: data}, isobmff.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

const (
	picture = "-f lavfi -i testsrc2=s=160x90:r=10:d=3 "
	noise   = "-f lavfi -i aevalsrc=0.4*sin(440*t*(1+t))+0.1*random(0)|0.3*sin(997*t)+0.1*random(1):d=3:s=44100 "
	noise48 = "-f lavfi -i aevalsrc=0.4*sin(440*t*(1+t))+0.1*random(0)|0.3*sin(997*t)+0.1*random(1):d=3:s=48000 "
	h264    = "-c:v libx264 -preset ultrafast -g 10 "
)

// shapes are files of all kinds by the arguments that make them.
var shapes = []struct{ name, file, args string }{
	{"AAC, moov last", "a.mp4", picture + noise + h264 + "-c:a aac"},
	{"AAC, moov first", "a.mp4", picture + noise + h264 + "-c:a aac -movflags faststart"},
	{"AAC, QuickTime", "a.mov", picture + noise + h264 + "-c:a aac"},
	{"AAC in M4A", "a.m4a", noise + "-c:a aac"},
	{"AAC starting late", "a.mp4", picture + "-itsoffset 1.3 " + noise + h264 + "-c:a aac"},
	{"AAC starting early", "a.mp4", "-itsoffset 0.7 " + picture + noise + h264 + "-c:a aac"},
	{"AAC cut by the edit list", "a.mp4", picture + noise + h264 + "-c:a aac -avoid_negative_ts make_zero"},
	{"AAC 22 kHz mono", "a.mp4", picture + noise + h264 + "-c:a aac -ar 22050 -ac 1"},
	{"AAC 96 kHz", "a.mp4", picture + noise + h264 + "-c:a aac -ar 96000"},
	{"ALAC", "a.m4a", noise + "-c:a alac"},
	{"ALAC, QuickTime", "a.mov", picture + noise + h264 + "-c:a alac"},
	{"PCM sowt", "a.mov", picture + noise + h264 + "-c:a pcm_s16le"},
	{"PCM twos", "a.mov", picture + noise + h264 + "-c:a pcm_s16be"},
	{"PCM in24", "a.mov", picture + noise + h264 + "-c:a pcm_s24be"},
	{"PCM in24, little-endian", "a.mov", picture + noise + h264 + "-c:a pcm_s24le"},
	{"PCM in32", "a.mov", picture + noise + h264 + "-c:a pcm_s32le"},
	{"PCM raw", "a.mov", picture + noise + h264 + "-c:a pcm_u8"},
	{"PCM float", "a.mov", picture + noise + h264 + "-c:a pcm_f32le"},
	{"PCM double, 5.1", "a.mov", picture + noise + h264 + "-c:a pcm_f64le -ac 6"},
	{"PCM starting late", "a.mov", picture + "-itsoffset 0.5 " + noise + h264 + "-c:a pcm_s16le"},
	{"PCM 192 kHz", "a.mov", picture + noise + h264 + "-c:a pcm_s24le -ar 192000"},
	{"A-law", "a.mov", picture + noise + h264 + "-c:a pcm_alaw"},
	{"mu-law", "a.mov", picture + noise + h264 + "-c:a pcm_mulaw"},
	{"ADPCM IMA", "a.mov", picture + noise + h264 + "-c:a adpcm_ima_qt"},
	{"ADPCM MS", "a.mov", picture + noise + h264 + "-c:a adpcm_ms"},
	{"MP3", "a.mp4", picture + noise + h264 + "-c:a libmp3lame"},
	{"MP3, QuickTime", "a.mov", picture + noise + h264 + "-c:a libmp3lame"},
	{"MP2", "a.mp4", picture + noise + h264 + "-c:a mp2"},
	{"AC-3", "a.mp4", picture + noise + h264 + "-c:a ac3"},
	{"E-AC-3", "a.mp4", picture + noise + h264 + "-c:a eac3"},
	{"AAC in 3GP", "a.3gp", picture + noise + "-c:v h263 -s 176x144 -c:a aac"},
	{"Opus", "a.mp4", picture + noise48 + h264 + "-c:a libopus"},
	{"FLAC", "a.mp4", picture + noise + h264 + "-c:a flac -sample_fmt s16 -strict -2"},
	{"Vorbis", "a.mp4", picture + noise + h264 + "-c:a libvorbis"},
	{"three tracks", "a.mp4", picture + noise + noise48 + h264 + "-map 0 -map 1 -map 2 -map 1 -c:a aac -c:a:1 ac3 -c:a:2 libmp3lame -disposition:a:0 0 -disposition:a:1 default"},
	{"fragmented", "a.mp4", picture + noise + h264 + "-c:a aac -movflags frag_keyframe+empty_moov"},
	{"fragmented after samples", "a.mp4", picture + noise + h264 + "-c:a aac -movflags frag_keyframe"},
	{"fragmented, base is moof", "a.mp4", picture + noise + h264 + "-c:a aac -movflags frag_keyframe+empty_moov+default_base_moof"},
	{"fragmented, delayed moov", "a.mp4", picture + noise + h264 + "-c:a aac -movflags frag_keyframe+empty_moov+delay_moov+default_base_moof"},
	{"fragmented, separate moofs", "a.mp4", picture + noise + h264 + "-c:a aac -movflags frag_keyframe+empty_moov+separate_moof"},
	{"DASH", "a.mp4", picture + noise + h264 + "-c:a aac -movflags dash+frag_keyframe+empty_moov"},
	{"DASH with a global index", "a.mp4", picture + noise + h264 + "-c:a aac -movflags dash+global_sidx+frag_keyframe+empty_moov"},
	{"CMAF", "a.mp4", picture + noise + h264 + "-c:a aac -movflags cmaf+frag_keyframe"},
	{"CMAF, delayed moov", "a.mp4", picture + noise + h264 + "-c:a aac -movflags cmaf+frag_keyframe+delay_moov"},
	{"fragmented, late", "a.mp4", picture + "-itsoffset 1.3 " + noise + h264 + "-c:a aac -movflags frag_keyframe+empty_moov"},
	{"fragmented, late, delayed moov", "a.mp4", picture + "-itsoffset 1.3 " + noise + h264 + "-c:a aac -movflags frag_keyframe+delay_moov"},
	{"fragmented Opus", "a.mp4", picture + noise48 + h264 + "-c:a libopus -movflags frag_keyframe+empty_moov"},
	{"fragmented Opus, delayed moov", "a.mp4", picture + noise48 + h264 + "-c:a libopus -movflags frag_keyframe+delay_moov"},
	{"fragmented MP3, delayed moov", "a.mp4", picture + noise48 + h264 + "-c:a libmp3lame -movflags frag_keyframe+delay_moov"},
	{"fragmented AC-3", "a.mp4", picture + noise48 + h264 + "-c:a ac3 -movflags frag_keyframe+delay_moov"},
	{"fragmented PCM", "a.mov", picture + noise48 + h264 + "-c:a pcm_s16le -movflags frag_keyframe+empty_moov"},
	{"fragmented FLAC", "a.mp4", picture + noise48 + h264 + "-c:a flac -sample_fmt s16 -strict -2 -movflags frag_keyframe+delay_moov"},
	{"fragmented sound alone", "a.m4a", noise + "-c:a aac -movflags empty_moov+delay_moov -frag_duration 500000"},
	{"fragmented, three tracks", "a.mp4", picture + noise + noise48 + h264 + "-map 0 -map 1 -map 2 -c:a aac -c:a:1 ac3 -movflags frag_keyframe+delay_moov"},
	{"ISM", "a.ismv", picture + noise + h264 + "-c:a aac"},
}

func TestExtractDecodesToTheSameSamples(t *testing.T) {
	t.Parallel()
	for _, s := range shapes {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			file := mediatest.File(t, s.file, s.args)
			data := readFile(t, file)
			m := open(t, data)
			tracks := m.AudioTracks()
			if len(tracks) == 0 {
				t.Fatal("no audio track")
			}
			for i, track := range tracks {
				e, err := m.Extract(t.Context(), i, isobmff.Span{})
				if err != nil {
					t.Fatalf("track %d (%+v): %v", i, track, err)
				}
				virtual := materialised(t, data, e)
				got, want := decode(t, virtual, 0), decode(t, file, i)
				if len(want) == 0 {
					t.Fatal("the original decodes to nothing")
				}
				if !bytes.Equal(got, want) {
					t.Errorf("track %d (%+v) decodes to %d bytes that differ from the original's %d", i, track, len(got), len(want))
				}
				if e.Bytes != track.Bytes {
					t.Errorf("track %d has %d bytes, %d are wanted", i, track.Bytes, e.Bytes)
				}
			}
		})
	}
}

func TestNotISO(t *testing.T) {
	t.Parallel()
	o := &object{data: append([]byte("\x1aE\xdf\xa3 Matroska"), make([]byte, 1<<20)...)}
	if _, err := isobmff.Open(t.Context(), o, isobmff.Options{}); !errors.Is(err, isobmff.ErrNotISO) {
		t.Errorf("got %v", err)
	}
	if n := o.requests.Load(); n != 1 {
		t.Errorf("%d requests to find that out", n)
	}
}

// The file was made by an ffmpeg with an AMR encoder, which few have.
func TestAMRDecodesToTheSameSamples(t *testing.T) {
	t.Parallel()
	file := filepath.Join("testdata", "amr.3gp")
	data := readFile(t, file)
	m := open(t, data)
	e, err := m.Extract(t.Context(), 0, isobmff.Span{})
	if err != nil {
		t.Fatal(err)
	}
	want := decode(t, file, 0)
	if got := decode(t, materialised(t, data, e), 0); !bytes.Equal(got, want) || len(want) < 4*7000 {
		t.Errorf("decodes to %d bytes that differ from the original's %d", len(got), len(want))
	}
	if e, err = m.Extract(t.Context(), 0, isobmff.Span{Start: 700 * time.Millisecond, End: 800 * time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	got := decode(t, materialised(t, data, e), 0)
	at := 4 * (5600 - int(e.Skip))
	if !e.Partial || at < 0 || len(got) < at+4*800 {
		t.Fatalf("partial %v, skip %d, decodes to %d bytes", e.Partial, e.Skip, len(got))
	}
	if d := distance(floats(got[at:at+4*800]), floats(want[4*5600:4*6400])); !(d < 0.01) {
		t.Errorf("a span differs from the original by %g", d)
	}
}

// withEmptyTrack is a file whose moov comes last, with a track without samples before all others.
func withEmptyTrack(t testing.TB, data []byte) []byte {
	t.Helper()
	at := bytes.LastIndex(data, []byte("moov")) - 4
	if at < 0 || at+int(binary.BigEndian.Uint32(data[at:])) != len(data) {
		t.Fatal("moov does not come last")
	}
	empty := &audioTrack{
		id: 99, timescale: 1000, handler: "meta", enabled: true,
		stsd: box("stsd", u32(0, 1), box("mett", zeros(6), []byte{0, 1}, []byte("\x00text/plain\x00"))),
	}
	mvhd := at + 8 + int(binary.BigEndian.Uint32(data[at+8:]))
	return slices.Concat(data[:at], box("moov", data[at+8:mvhd], empty.trak(), data[mvhd:]))
}

func TestEditListsAreTakenAsTheOriginals(t *testing.T) {
	t.Parallel()
	for name, args := range map[string]string{
		"AAC":               picture + noise + h264 + "-c:a aac",
		"AAC starting late": picture + "-itsoffset 1.3 " + noise + h264 + "-c:a aac",
		"Opus":              noise48 + "-c:a libopus",
		"MP3":               noise48 + "-c:a libmp3lame",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			data := withEmptyTrack(t, readFile(t, mediatest.File(t, "a.mp4", args)))
			file := filepath.Join(t.TempDir(), "empty.mp4")
			if err := os.WriteFile(file, data, 0o600); err != nil {
				t.Fatal(err)
			}
			for _, span := range []isobmff.Span{{}, {Start: 0, End: time.Second}} {
				e, err := open(t, data).Extract(t.Context(), 0, span)
				if err != nil {
					t.Fatal(err)
				}
				got, want := decode(t, materialised(t, data, e), 0), decode(t, file, 0)
				if len(got) < len(want) && e.Partial {
					want = want[:len(got)]
				}
				if !bytes.Equal(got, want) || len(want) == 0 {
					t.Errorf("decodes to %d bytes that differ from the original's %d", len(got), len(want))
				}
			}
		})
	}
}

func TestUnusualEditLists(t *testing.T) {
	t.Parallel()
	for _, codec := range []string{"aac", "pcm_s16le"} {
		file := mediatest.File(t, "a.mov", noise+"-c:a "+codec)
		original := readFile(t, file)
		for name, edits := range map[string][][2]int{
			"starts inside":          {{2000, 20000}},
			"starts after a second":  {{1000, 60000}},
			"ends inside":            {{1234, 0}},
			"ends inside, with skip": {{1234, 1024}},
			"two parts":              {{500, 0}, {500, 80000}},
			"two parts, backwards":   {{500, 80000}, {500, 0}},
			"with a pause":           {{500, 0}, {500, -1}, {500, 22050}},
			"late and cut":           {{700, -1}, {900, 30000}},
			"beyond the end":         {{500, 1 << 30}},
			"no duration":            {{0, 1024}},
			"only a pause":           {{500, -1}},
		} {
			t.Run(codec+" "+name, func(t *testing.T) {
				t.Parallel()
				data := withEdits(t, original, edits)
				file := filepath.Join(t.TempDir(), "edits.mov")
				if err := os.WriteFile(file, data, 0o600); err != nil {
					t.Fatal(err)
				}
				want := decode(t, file, 0)
				m := open(t, data)
				e, err := m.Extract(t.Context(), 0, isobmff.Span{})
				if err != nil {
					t.Fatal(err)
				}
				if got := decode(t, materialised(t, data, e), 0); !bytes.Equal(got, want) {
					t.Errorf("decodes to %d bytes that differ from the original's %d", len(got), len(want))
				}
				for _, span := range []isobmff.Span{{Start: 500 * time.Millisecond, End: time.Hour}} {
					e, err := m.Extract(t.Context(), 0, span)
					if err != nil {
						t.Fatal(err)
					}
					got := decode(t, materialised(t, data, e), 0)
					size := 8 // bytes of a moment, stereo
					start := min(len(want), size*int(span.Start*44100/time.Second))
					end := min(len(want), size*int(span.End*44100/time.Second))
					at := start - size*int(e.Skip)
					if at < 0 && start == end {
						continue
					}
					if at < 0 || len(got)-at < end-start {
						t.Errorf("%v: decodes to %d bytes from %d on, too few for %d to %d", span, len(got), size*int(e.Skip), start, end)
						continue
					}
					a, b := floats(got[at:at+end-start]), floats(want[start:end])
					if d := distance(a, b); len(b) > 0 && !(d < 0.05) {
						t.Errorf("%v: differs from the original by %g", span, d)
					}
				}
			})
		}
	}
}

// withEdits is a file whose moov comes last, with another edit list in its only track.
func withEdits(t testing.TB, data []byte, edits [][2]int) []byte {
	t.Helper()
	elst := u32(0, uint32(len(edits)))
	for _, e := range edits {
		elst = append(elst, u32(uint32(e[0]), uint32(e[1]), 1<<16)...)
	}
	out := bytes.Clone(data)
	at := 0
	for _, kind := range []string{"moov", "trak", "edts"} { // from the outside to the inside
		at += bytes.Index(out[at:], []byte(kind))
	}
	edts := at - 4
	old := int(binary.BigEndian.Uint32(out[edts:]))
	fresh := box("edts", box("elst", elst))
	for _, kind := range []string{"moov", "trak"} {
		i := bytes.LastIndex(out[:edts], []byte(kind)) - 4
		binary.BigEndian.PutUint32(out[i:], uint32(int(binary.BigEndian.Uint32(out[i:]))+len(fresh)-old))
	}
	return slices.Concat(out[:edts], fresh, out[edts+old:])
}
