package isobmff_test

import (
	"errors"
	"slices"
	"testing"

	"mp3converter/shared/isobmff"
)

// nested is a fragmented file of that size, whose index names n further indexes of 32 bytes, each gap bytes after the
// last; twice over the same places, if so asked.
func nested(n int, gap uint32, twice bool, size int64) *sparse {
	sound := newAAC(1, 0, 1)
	sound.times, sound.perChunk, sound.sizes = nil, nil, nil
	sidx := func(first int, references []uint32) []byte {
		p := u32(0, 1, 1000, 0, uint32(first), uint32(len(references)/2))
		for i := 0; i < len(references); i += 2 {
			p = append(p, u32(references[i]<<31|references[i+1], 0, 0)...)
		}
		return box("sidx", p)
	}
	index := slices.Repeat([]uint32{1, 32, 0, gap}, n)
	s := &sparse{}
	s.put(0, ftyp("iso5"))
	s.put(s.size, box("moov", movie([]*audioTrack{sound}, mvex(1))))
	if length := len(sidx(0, index)); twice {
		s.put(s.size, sidx(0, []uint32{1, uint32(length), 1, uint32(length)}))
		s.put(s.size, sidx(length, index))
	}
	s.put(s.size, sidx(0, index))
	s.size = max(size, s.size+int64(n)*(32+int64(gap)))
	return s
}

func TestIndexesOfIndexesAreReadInPieces(t *testing.T) { //nolint:paralleltest // measures memory
	for name, c := range map[string]struct {
		file   *sparse
		most   int64 // bytes read
		memory uint64
	}{
		"all over the file":               {nested(32767, 64<<10, false, 0), 2 << 20, 32 << 20},
		"all over the file, twice":        {nested(32767, 64<<10, true, 0), 4 << 20, 32 << 20},
		"all over a small file, twice":    {nested(2000, 4000, true, 0), 9 << 20, 32 << 20},
		"over a part of a large file":     {nested(2000, 64<<10, false, 10<<30), 200 << 20, 400 << 20},
		"too far apart to be read at all": {nested(32767, 100<<10, false, 0), 4 << 20, 32 << 20},
	} {
		var err error
		total := allocated(func() { _, err = isobmff.Open(t.Context(), c.file, isobmff.Options{}) })
		longest, bytes := c.file.longest.Load(), c.file.bytes.Load()
		t.Logf("%s: %d MB of %d read, %d KB at once at most, %d MB allocated: %v", name, bytes>>20, c.file.size>>20, longest>>10, total>>20, err)
		if !errors.Is(err, isobmff.ErrFallback) {
			t.Errorf("%s: got %v", name, err)
		}
		if longest > 1<<20 || bytes > c.most || total > c.memory {
			t.Errorf("%s: %d bytes at once, %d in all, %d allocated", name, longest, bytes, total)
		}
	}
}

func TestChaptersOfNothingAreBounded(t *testing.T) {
	t.Parallel()
	const samples, stride = 500, 60 << 10
	sound := newAAC(1, 8, 4, 28, 500)
	tracks := []*audioTrack{sound}
	var offsets []uint64
	for i := range samples {
		offsets = append(offsets, 1000+uint64(i)*stride)
	}
	for id := uint32(2); id < 200; id++ {
		text := &audioTrack{
			id: id, timescale: 1000, handler: "text", stsd: box("stsd", u32(0, 1), box("text", zeros(6), []byte{0, 1}, zeros(40))),
			times: []uint32{samples, 1}, perChunk: []uint32{1, 1, 1}, sizes: make([]uint32, samples), offsets: offsets,
		}
		text.sizes[0], text.sizes[samples-1] = 10, 10
		tracks, sound.chap = append(tracks, text), append(sound.chap, id)
	}
	s := &sparse{}
	s.put(0, ftyp("isom"))
	s.put(s.size, head("mdat", samples*stride+2000))
	s.size += samples * stride
	s.size += 2000 - 8
	s.put(s.size, box("moov", movie(tracks)))
	m, err := isobmff.Open(t.Context(), s, isobmff.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Extract(t.Context(), 0, isobmff.Span{}); err != nil {
		t.Fatal(err)
	}
	if bytes, longest := s.bytes.Load(), s.longest.Load(); bytes > 80<<20 || longest > 3<<20 {
		t.Errorf("%d bytes read, %d at once", bytes, longest)
	}
}

func TestRunsOfManySamplesAreBoundedOverAllTracks(t *testing.T) { //nolint:paralleltest // measures memory
	const n, many = 20, 4<<20 - 10
	var tracks []*audioTrack
	var ids []uint32
	var runs []byte
	for id := uint32(1); id <= n; id++ {
		track := newAAC(id, 0, 1)
		track.times, track.perChunk, track.sizes = nil, nil, nil
		tracks, ids = append(tracks, track), append(ids, id)
		// So many samples of one byte, and then one of two: from there on each has its own size.
		runs = append(runs, box("traf", box("tfhd", u32(0x20018, id, 1024, 1)),
			box("trun", u32(1, many, 0)), box("trun", u32(0x201, 1, many, 2)))...)
	}
	s := &sparse{}
	s.put(0, ftyp("iso5"))
	s.put(s.size, box("moov", movie(tracks, mvex(ids...))))
	s.put(s.size, box("moof", box("mfhd", u32(0, 1)), runs))
	s.put(s.size, head("mdat", many+100))
	s.size += many + 100
	total := allocated(func() {
		m, err := isobmff.Open(t.Context(), s, isobmff.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := m.Extract(t.Context(), n-1, isobmff.Span{}); !errors.Is(err, isobmff.ErrFallback) {
			t.Errorf("the last track: %v", err)
		}
	})
	t.Logf("%d MB allocated", total>>20)
	if total > 64<<20 {
		t.Errorf("%d MB allocated for a movie box and a fragment of a few KB", total>>20)
	}
}
