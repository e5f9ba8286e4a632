package isobmff_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"mp3converter/shared/isobmff"
	"mp3converter/shared/mediatest"
	"mp3converter/shared/source"
)

// recording is a sparse file of a camera: chunks of sound every stride bytes, moov at the end or at the start.
func recording(chunks, perChunk int, stride uint64, moovFirst bool) *sparse {
	s := &sparse{}
	s.put(0, ftyp("isom"))
	start := uint64(s.size)
	if moovFirst {
		start += 1 << 20
	}
	var offsets []uint64
	for i := range chunks {
		offsets = append(offsets, start+16+uint64(i+1)*stride-uint64(100*perChunk))
	}
	t := newAAC(2, chunks*perChunk, perChunk, offsets...)
	t.wide = true
	moov := box("moov", movie([]*audioTrack{t}))
	mdat := head("mdat", uint64(chunks)*stride+16)
	if len(mdat) == 8 {
		mdat = slices.Concat(u32(1), []byte("mdat"), u64(uint64(chunks)*stride+16))
	}
	if moovFirst {
		s.put(s.size, moov)
		s.put(s.size, head("free", start-uint64(s.size)))
	}
	s.put(int64(start), mdat)
	s.size = int64(start + uint64(chunks)*stride + 16)
	if !moovFirst {
		s.put(s.size, moov)
	}
	return s
}

func TestFewRequestsFindTheSound(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		file *sparse
		most int64
	}{
		"moov first":                       {recording(300, 22, 1<<20, true), 1},
		"moov first, larger than a page":   {recording(1200, 22, 1<<20, true), 2},
		"moov last, small":                 {recording(1200, 22, 1<<20, false), 2},
		"moov last, 6 hours, large":        {recording(47000, 22, 1<<20, false), 4},
		"moov last, more than a terabyte":  {recording(40000, 22, 32<<20, false), 4},
		"moov first, not read beyond that": {recording(10, 22, 5000, true), 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, err := isobmff.Open(t.Context(), c.file, isobmff.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if n := c.file.requests.Load(); n > c.most {
				t.Errorf("%d reads, want at most %d", n, c.most)
			}
			e, err := m.Extract(t.Context(), 0, isobmff.Span{})
			if err != nil {
				t.Fatal(err)
			}
			reopen(t, c.file, m, 0, e)
		})
	}
}

// reopen reads a virtual file with this package again and holds it to the original.
func reopen(t testing.TB, r isobmff.Source, m *isobmff.Movie, track int, e *isobmff.Extract) {
	t.Helper()
	v := &sparse{}
	v.put(0, e.Header)
	v.size = e.Size()
	again, err := isobmff.Open(t.Context(), v, isobmff.Options{})
	if err != nil {
		t.Fatalf("the virtual file: %v", err)
	}
	tracks := again.AudioTracks()
	if len(tracks) != 1 {
		t.Fatalf("the virtual file has %d audio tracks", len(tracks))
	}
	want := m.AudioTracks()[track]
	if !e.Partial && tracks[0] != want {
		t.Errorf("the virtual file's track is %+v, want %+v", tracks[0], want)
	}
	e2, err := again.Extract(t.Context(), 0, isobmff.Span{})
	if err != nil {
		t.Fatalf("the virtual file: %v", err)
	}
	if e.Bytes > 0 && !slices.Equal(e2.Want, []source.Extent{{Offset: int64(len(e.Header)), Length: e.Bytes}}) {
		t.Errorf("the virtual file wants %v, has %d bytes after %d", e2.Want, e.Bytes, len(e.Header))
	}
	var sum int64
	for i, w := range e.Want {
		if sum += w.Length; w.Length <= 0 || w.Offset < 0 || w.End() > r.Size() || i > 0 && e.Want[i-1].End() == w.Offset {
			t.Fatalf("piece %d, %v, of a file of %d bytes", i, w, r.Size())
		}
	}
	if sum != e.Bytes {
		t.Errorf("the pieces have %d bytes, Bytes says %d", sum, e.Bytes)
	}
}

func TestVirtualFilesBeyondFourGigabytes(t *testing.T) {
	t.Parallel()
	// PCM, 5 GB of sound in chunks of a second, one sample entry per moment.
	const second = 96000 * 12
	n := 4400
	var offsets []uint64
	for i := range n {
		offsets = append(offsets, 1000+uint64(i)*(second+5e6))
	}
	track := &audioTrack{
		id: 1, timescale: 96000, handler: "soun", entry: soundEntry("in24", 4, 24, 0), times: []uint32{uint32(n) * 96000, 1},
		perChunk: []uint32{1, 96000, 1}, uniform: 12, offsets: offsets, wide: true,
	}
	s := &sparse{}
	s.put(0, ftyp("qt  "))
	s.put(s.size, head("mdat", uint64(n)*(second+5e6)+2000))
	s.size += int64(n)*(second+5e6) + 2000 - 16
	s.put(s.size, box("moov", movie([]*audioTrack{track})))
	m, err := isobmff.Open(t.Context(), s, isobmff.Options{})
	if err != nil {
		t.Fatal(err)
	}
	e, err := m.Extract(t.Context(), 0, isobmff.Span{})
	if err != nil {
		t.Fatal(err)
	}
	if len(e.Want) != n || e.Bytes != int64(n)*second || len(e.Header) > 50000 {
		t.Errorf("%d pieces with %d bytes, a header of %d bytes", len(e.Want), e.Bytes, len(e.Header))
	}
	reopen(t, s, m, 0, e)
	if e, err = m.Extract(t.Context(), 0, isobmff.Span{Start: time.Hour, End: time.Hour + time.Second}); err != nil {
		t.Fatal(err)
	}
	if e.Bytes > 2*second || e.Skip != 3600*96000 {
		t.Errorf("a second takes %d bytes, skip %d", e.Bytes, e.Skip)
	}
	reopen(t, s, m, 0, e)
}

// plain is a small file with these tracks after an mdat of that many bytes; offsets count from its start, at 28.
func plain(mdat int, tracks ...*audioTrack) []byte {
	return slices.Concat(ftyp("isom"), box("mdat", bytes.Repeat([]byte{0x55}, mdat)), box("moov", movie(tracks)))
}

func TestOddFilesAreLeftToTheGeneralWay(t *testing.T) {
	t.Parallel()
	good := func() *audioTrack { return newAAC(1, 8, 4, 28, 500) }
	change := func(f func(*audioTrack)) []byte {
		a := good()
		f(a)
		return plain(1200, a)
	}
	for name, data := range map[string][]byte{
		"no movie box":         slices.Concat(ftyp("isom"), box("mdat", zeros(100))),
		"movie box cut off":    plain(1200, good())[:1500],
		"mdat cut off":         plain(1200, good())[:600],
		"chunk beyond the end": change(func(a *audioTrack) { a.offsets[1] = 5000 }),
		"chunks overlap":       change(func(a *audioTrack) { a.offsets[1] = 100 }),
		"zero timescale":       change(func(a *audioTrack) { a.timescale = 0 }),
		"another file": change(func(a *audioTrack) {
			a.dref = box("dref", u32(0, 1), box("url ", u32(0), []byte("http://there\x00")))
		}),
		"changing format": change(func(a *audioTrack) {
			a.stsd = box("stsd", u32(0, 2), aacEntry(), aacEntry())
			a.perChunk = []uint32{1, 4, 1, 2, 4, 2}
		}),
		"fewer sizes than samples":    change(func(a *audioTrack) { a.sizes = a.sizes[:7] }),
		"no times":                    change(func(a *audioTrack) { a.times = nil }),
		"empty chunk":                 change(func(a *audioTrack) { a.perChunk = []uint32{1, 0, 1, 2, 4, 1} }),
		"chunks out of order":         change(func(a *audioTrack) { a.perChunk = []uint32{1, 4, 1, 1, 4, 1} }),
		"chunks that are not there":   change(func(a *audioTrack) { a.perChunk = []uint32{1, 4, 1, 7, 4, 1} }),
		"first chunk not the first":   change(func(a *audioTrack) { a.perChunk = []uint32{2, 4, 1} }),
		"encrypted":                   change(func(a *audioTrack) { a.entry = soundEntry("enca", 2, 16, 44100) }),
		"encrypted by iTunes":         change(func(a *audioTrack) { a.entry = soundEntry("drms", 2, 16, 44100) }),
		"protected":                   change(func(a *audioTrack) { a.entry = soundEntry("mp4a", 2, 16, 44100, box("sinf", zeros(8))) }),
		"no sample entry":             change(func(a *audioTrack) { a.stsd = box("stsd", u32(0, 0)) }),
		"sound in a track of data":    change(func(a *audioTrack) { a.handler = "data" }),
		"a lying count of sizes":      change(func(a *audioTrack) { a.samples = box("stsz", u32(0, 0, 1<<32-1)) }),
		"a lying count of half sizes": change(func(a *audioTrack) { a.samples = box("stz2", u32(0, 4, 1<<32-1)) }),
		"a chapter track of sound":    change(func(a *audioTrack) { a.chap = []uint32{1} }),
		"PCM with other sizes": change(func(a *audioTrack) {
			a.entry, a.times, a.uniform, a.sizes = soundEntry("sowt", 2, 16, 44100), []uint32{8, 2}, 100, nil
		}),
		"a table without a length": change(func(a *audioTrack) { a.stsd = slices.Concat(u32(0), []byte("stsd"), u32(0, 1), aacEntry()) }),
		"a last box in a track that is too long": slices.Concat(ftyp("isom"), box("mdat", zeros(1200)), box("moov",
			box("mvhd", u32(0, 0, 0, 1000, 0), zeros(80)), box("trak", good().trak()[8:], u32(100), []byte("edts"), box("elst", u32(0, 0))))),
		"two edit lists": slices.Concat(ftyp("isom"), box("mdat", zeros(1200)), box("moov",
			box("mvhd", u32(0, 0, 0, 1000, 0), zeros(80)), box("trak", good().trak()[8:], box("edts", box("elst", u32(0, 0)), box("elst", u32(0, 0)))))),
		"fragment before the movie box": slices.Concat(ftyp("isom"), box("moof"), plain(1200, good())),
		"two file types":                slices.Concat(ftyp("isom"), plain(1200, good())),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, err := isobmff.Open(t.Context(), &object{data: data}, isobmff.Options{})
			if err == nil {
				_, err = m.Extract(t.Context(), 0, isobmff.Span{})
			}
			if !errors.Is(err, isobmff.ErrFallback) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestSourceErrorsAreTheSources(t *testing.T) {
	t.Parallel()
	short := &sparse{}
	short.put(0, plain(1200, newAAC(1, 8, 4, 28, 500)))
	_, err := isobmff.Open(t.Context(), failing{short}, isobmff.Options{})
	if !errors.Is(err, errBroken) || errors.Is(err, isobmff.ErrFallback) || errors.Is(err, isobmff.ErrNotISO) {
		t.Errorf("got %v", err)
	}
}

var errBroken = errors.New("broken")

type failing struct{ *sparse }

func (failing) ReadAtContext(_ context.Context, _ []byte, _ int64) (int, error) { return 0, errBroken }

func TestTracksAreDescribed(t *testing.T) {
	t.Parallel()
	first, second := newAAC(7, 8, 4, 28, 500), newAAC(9, 3, 3, 1000)
	first.enabled = false
	secret := newAAC(11, 1, 1, 1100)
	secret.entry = soundEntry("enca", 6, 16, 48000)
	m := open(t, plain(1400, first, second, secret))
	want := []isobmff.Track{
		{ID: 7, Codec: "mp4a", Timescale: 44100, Duration: 8 * 1024 * time.Second / 44100, SampleRate: 44100, Channels: 2, Samples: 8, Bytes: 799},
		{ID: 9, Codec: "mp4a", Timescale: 44100, Duration: 3 * 1024 * time.Second / 44100, SampleRate: 44100, Channels: 2, Samples: 3, Bytes: 299, Default: true},
		{ID: 11, Codec: "enca", Timescale: 44100, SampleRate: 48000, Channels: 6, Default: true, Encrypted: true},
	}
	if got := m.AudioTracks(); !slices.Equal(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
	if got := m.DefaultTrack(); got != 1 {
		t.Errorf("default track %d", got)
	}
	if open(t, plain(10)).DefaultTrack() != -1 {
		t.Error("a default track among none")
	}
}

func TestCompressedMovieBox(t *testing.T) {
	t.Parallel()
	track := newAAC(1, 8, 4, 28, 500)
	data := slices.Concat(ftyp("qt  "), box("mdat", zeros(1200)), mediatest.Compressed(box("moov", movie([]*audioTrack{track}))))
	m := open(t, data)
	e, err := m.Extract(t.Context(), 0, isobmff.Span{})
	if err != nil {
		t.Fatal(err)
	}
	if want := []source.Extent{{Offset: 28, Length: 400}, {Offset: 500, Length: 399}}; !slices.Equal(e.Want, want) {
		t.Errorf("got %v, want %v", e.Want, want)
	}
	reopen(t, &object{data: data}, m, 0, e)
}

// allocated is what f allocates in all.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

func TestALargeMovieBoxTakesMemoryInProportion(t *testing.T) { //nolint:paralleltest // measures memory
	// Six hours of AAC in a million chunks, beside a video whose tables make up for 50 MB.
	const n = 1 << 20
	var offsets []uint64
	for i := range n {
		offsets = append(offsets, 40+uint64(i)*26000)
	}
	sound := newAAC(2, n, 1, offsets...)
	sound.wide = true
	video := &audioTrack{id: 1, timescale: 90000, handler: "vide", entry: soundEntry("avc1", 0, 0, 0), sizes: make([]uint32, 10<<20)}
	s := &sparse{}
	s.put(0, ftyp("isom"))
	s.put(s.size, head("mdat", n*26000+100))
	s.size += n*26000 + 100 - 16
	moov := box("moov", movie([]*audioTrack{video, sound}))
	if len(moov) < 50e6 {
		t.Fatalf("a movie box of %d bytes", len(moov))
	}
	s.put(s.size, moov)
	var e *isobmff.Extract
	start := time.Now()
	var took time.Duration
	total := allocated(func() {
		m, err := isobmff.Open(t.Context(), s, isobmff.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if e, err = m.Extract(t.Context(), 0, isobmff.Span{}); err != nil {
			t.Fatal(err)
		}
		took = time.Since(start)
		reopen(t, s, m, 0, e)
	})
	t.Logf("%d MB allocated for a movie box of %d MB and a header of %d MB, in %v, in %d reads", total>>20, len(moov)>>20, len(e.Header)>>20, took, s.requests.Load())
	if total > 400<<20 {
		t.Errorf("%d MB allocated", total>>20)
	}
	if len(e.Want) != n {
		t.Errorf("%d pieces", len(e.Want))
	}
}

func TestLyingCountsCostNothing(t *testing.T) { //nolint:paralleltest // measures memory
	for _, kind := range []string{"stts", "stsc", "stco", "co64", "stsz", "stz2", "elst", "stsd", "trun"} {
		data := plain(1200, newAAC(1, 8, 4, 28, 500))
		data = append(data, mvex(1)...)
		if at := bytes.Index(data, []byte(kind)); at > 0 {
			where := at + 8
			if kind == "stsz" {
				where += 4
			}
			binary.BigEndian.PutUint32(data[where:], 1<<32-1)
		}
		if total := allocated(func() {
			if m, err := isobmff.Open(t.Context(), &object{data: data}, isobmff.Options{}); err == nil {
				_, _ = m.Extract(t.Context(), 0, isobmff.Span{})
			}
		}); total > 1<<20 {
			t.Errorf("%s: %d bytes allocated", kind, total)
		}
	}
}

func TestManySmallBoxesTakeTimeInProportion(t *testing.T) { //nolint:paralleltest // measures memory and time
	track := newAAC(1, 8, 4, 28, 500).trak()
	many := func(kind string) []byte { return bytes.Repeat(box(kind), 1<<20) }
	mvhd := box("mvhd", u32(0, 0, 0, 1000, 0), zeros(80))
	for name, content := range map[string][]byte{
		"in the movie":        slices.Concat(mvhd, many("udta"), track),
		"tracks":              slices.Concat(mvhd, many("trak")),
		"in a track":          slices.Concat(mvhd, box("trak", track[8:], many("udta"))),
		"headers in a track":  slices.Concat(mvhd, box("trak", track[8:], many("tkhd"))),
		"tables":              slices.Concat(mvhd, box("trak", box("mdia", box("minf", box("stbl", many("stts")))))),
		"groups":              slices.Concat(mvhd, box("trak", box("mdia", box("minf", box("stbl", many("sgpd")))))),
		"defaults":            slices.Concat(mvhd, track, box("mvex", many("trex"))),
		"of an unknown kind":  slices.Concat(mvhd, many("what"), track),
		"media":               slices.Concat(mvhd, box("trak", many("mdia"))),
		"references":          slices.Concat(mvhd, box("trak", box("tref", box("chap", zeros(8<<20))))),
		"handlers in a track": slices.Concat(mvhd, box("trak", box("mdia", many("hdlr")))),
	} {
		data := slices.Concat(ftyp("isom"), box("mdat", zeros(1200)), box("moov", content))
		start := time.Now()
		total := allocated(func() {
			if m, err := isobmff.Open(t.Context(), &object{data: data}, isobmff.Options{}); err == nil && len(m.AudioTracks()) > 0 {
				_, _ = m.Extract(t.Context(), 0, isobmff.Span{})
			}
		})
		if took := time.Since(start); took > 5*time.Second || total > 300<<20 {
			t.Errorf("%s: took %v and %d MB", name, took, total>>20)
		}
	}
}

func TestChapterTracksCannotMultiplyTheFile(t *testing.T) { //nolint:paralleltest // measures memory
	const length = 3 << 20
	sound := newAAC(1, 8, 4, 28, 500)
	tracks := []*audioTrack{sound}
	for id := uint32(2); id < 300; id++ {
		tracks = append(tracks, &audioTrack{
			id: id, timescale: 1000, handler: "text", stsd: box("stsd", u32(0, 1), box("text", zeros(6), []byte{0, 1}, zeros(40))),
			times: []uint32{1, 1}, perChunk: []uint32{1, 1, 1}, sizes: []uint32{length}, offsets: []uint64{28},
		})
		sound.chap = append(sound.chap, id)
	}
	data := plain(length, tracks...)
	total := allocated(func() {
		e, err := open(t, data).Extract(t.Context(), 0, isobmff.Span{})
		if err != nil {
			t.Fatal(err)
		}
		if len(e.Header) > 5<<20 {
			t.Errorf("a header of %d bytes", len(e.Header))
		}
	})
	if total > 64<<20 {
		t.Errorf("%d MB allocated", total>>20)
	}
}

func TestAMovieIsSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	sound := newAAC(2, 8, 4, 28, 500)
	sound.chap = []uint32{3}
	text := &audioTrack{
		id: 3, timescale: 1000, handler: "text", stsd: box("stsd", u32(0, 1), box("text", zeros(6), []byte{0, 1}, zeros(40))),
		times: []uint32{2, 500}, perChunk: []uint32{1, 1, 1}, sizes: []uint32{10, 12}, offsets: []uint64{1000, 1100},
	}
	m := open(t, plain(1200, sound, text))
	headers := make([][]byte, 8)
	var wg sync.WaitGroup
	for i := range headers {
		wg.Go(func() {
			e, err := m.Extract(t.Context(), 0, isobmff.Span{})
			if err != nil {
				t.Error(err)
				return
			}
			headers[i] = e.Header
		})
	}
	wg.Wait()
	for _, h := range headers[1:] {
		if !bytes.Equal(h, headers[0]) {
			t.Error("extracts of the same track differ")
		}
	}
}
