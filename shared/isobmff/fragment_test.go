package isobmff_test

import (
	"errors"
	"slices"
	"testing"

	"mp3converter/shared/isobmff"
	"mp3converter/shared/source"
)

// stream is a fragmented file: n fragments of which each plays packets packets, with an index or without.
type stream struct {
	fragments, packets int
	mdat               uint64
	index              string // "", "sidx", "tree", "mfra", "some"
	gap                uint64 // in time, between fragments
}

func (s stream) build() (*sparse, []source.Extent) {
	f := &sparse{}
	t := newAAC(1, 0, 1)
	t.times, t.perChunk, t.sizes = nil, nil, nil
	f.put(0, ftyp("iso5"))
	f.put(f.size, box("moov", movie([]*audioTrack{t}, mvex(1))))
	each := uint64(len(fragment(1, 0, s.packets, s.mdat))) - uint64(len(head("mdat", s.mdat))) + s.mdat
	sidx := func(references []uint32) []byte {
		p := append(u32(0, 1, 44100, 0, 0), u32(uint32(len(references)))...)
		for _, r := range references {
			p = append(p, u32(r, 1, 0)...)
		}
		return box("sidx", p)
	}
	media := slices.Repeat([]uint32{uint32(each)}, s.fragments)
	inner := uint32(len(sidx(media[:s.fragments/2])))
	half := func() { f.put(f.size, sidx(media[:s.fragments/2])) }
	switch s.index {
	case "sidx":
		f.put(f.size, sidx(media))
	case "tree": // two halves, each after an index of its own
		f.put(f.size, sidx([]uint32{1<<31 | inner, uint32(each) * uint32(s.fragments/2), 1<<31 | inner, uint32(each) * uint32(s.fragments/2)}))
		half()
	}
	var want []source.Extent
	var access []byte
	for i := range s.fragments {
		if s.index == "tree" && i == s.fragments/2 {
			half()
		}
		at := f.size
		if s.index != "some" || i%5 == 0 {
			access = append(access, u32(uint32(i), uint32(at))...)
			access = append(access, 1, 1, 1)
		}
		f.put(at, fragment(1, uint64(i)*(uint64(s.packets)*1024+s.gap), s.packets, s.mdat))
		f.size = at + int64(each)
		want = append(want, source.Extent{Offset: f.size - int64(100*s.packets), Length: int64(100 * s.packets)})
	}
	if s.index == "mfra" || s.index == "some" {
		tfra := box("tfra", u32(0, 1, 0, uint32(len(access)/11)), access)
		f.put(f.size, box("mfra", tfra, box("mfro", u32(0, uint32(8+len(tfra)+16)))))
	}
	return f, want
}

func TestFragmentsAreFound(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		stream
		most int64 // reads
	}{
		"index at the start":        {stream{200, 40, 5 << 20, "sidx", 0}, 206},
		"index in levels":           {stream{200, 40, 5 << 20, "tree", 0}, 208},
		"index at the end":          {stream{200, 40, 5 << 20, "mfra", 0}, 204},
		"index with gaps":           {stream{200, 40, 5 << 20, "some", 0}, 244},
		"no index, large fragments": {stream{100, 40, 8 << 20, "", 0}, 102},
		"no index, small file":      {stream{20, 40, 100 << 10, "", 0}, 22},
		"pauses":                    {stream{20, 40, 5 << 20, "sidx", 300}, 25},
		"one fragment":              {stream{1, 40, 5 << 20, "", 0}, 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, want := c.build()
			m, err := isobmff.Open(t.Context(), f, isobmff.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if n := f.requests.Load(); n > c.most {
				t.Errorf("%d reads, want at most %d", n, c.most)
			}
			e, err := m.Extract(t.Context(), 0, isobmff.Span{})
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(e.Want, want) {
				t.Errorf("wants %d pieces %v, want %d", len(e.Want), e.Want[:min(3, len(e.Want))], len(want))
			}
			if n := m.AudioTracks()[0].Samples; n != int64(c.fragments*c.packets) {
				t.Errorf("%d samples", n)
			}
			reopen(t, f, m, 0, e)
		})
	}
}

func TestFragmentsThatAreDearToFindAreNotLookedFor(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		stream
		most int64
	}{
		"no index, small fragments":  {stream{4000, 40, 300 << 10, "", 0}, 20},
		"index, very many fragments": {stream{20000, 1, 20 << 10, "sidx", 0}, 4},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, _ := c.build()
			_, err := isobmff.Open(t.Context(), f, isobmff.Options{})
			if !errors.Is(err, isobmff.ErrFallback) {
				t.Fatalf("got %v", err)
			}
			if n := f.requests.Load(); n > c.most {
				t.Errorf("%d reads to find that out, want at most %d", n, c.most)
			}
		})
	}
}

func TestIndexesThatLieAreFoundOut(t *testing.T) {
	t.Parallel()
	good, _ := stream{8, 4, 5000, "sidx", 0}.build()
	data := zeros(int(good.size))
	if _, err := good.ReadAtContext(t.Context(), data, 0); err != nil {
		t.Fatal(err)
	}
	at := slices.Index(data, 0) // anything
	for i := 0; i+4 < len(data); i++ {
		if string(data[i:i+4]) == "sidx" {
			at = i
			break
		}
	}
	for _, delta := range []int{-1, 1, 100, -4000} {
		p := slices.Clone(data)
		size := at + 4 + 24 + 12 // of the second segment
		v := int(p[size])<<24 | int(p[size+1])<<16 | int(p[size+2])<<8 | int(p[size+3])
		copy(p[size:], u32(uint32(v+delta)))
		if _, err := isobmff.Open(t.Context(), &object{data: p}, isobmff.Options{}); !errors.Is(err, isobmff.ErrFallback) {
			t.Errorf("off by %d: %v", delta, err)
		}
	}
}
