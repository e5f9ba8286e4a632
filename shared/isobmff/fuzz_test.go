package isobmff_test

import (
	"encoding/binary"
	"errors"
	"slices"
	"testing"
	"time"

	"mp3converter/shared/isobmff"
	"mp3converter/shared/mediatest"
	"mp3converter/shared/source"
)

// seeds are small files of every shape.
func seeds(t testing.TB) [][]byte {
	late := newAAC(2, 8, 4, 28, 500)
	late.edits, late.chap = [][2]int{{200, -1}, {1000, 1024}}, []uint32{3}
	pcm := &audioTrack{
		id: 1, timescale: 8000, handler: "soun", entry: soundEntry("sowt", 1, 16, 8000), times: []uint32{300, 1},
		perChunk: []uint32{1, 100, 1}, uniform: 2, offsets: []uint64{28, 300, 800},
	}
	v1 := *pcm
	v1.entry = box("ima4", zeros(6), []byte{0, 1, 0, 1}, zeros(6), []byte{0, 1, 0, 16}, zeros(4), u32(8000<<16, 64, 34, 34, 2))
	v1.times, v1.perChunk, v1.uniform = []uint32{192, 1}, []uint32{1, 64, 1}, 1
	half := newAAC(1, 8, 4, 28, 500)
	half.samples = box("stz2", u32(0, 4, 8), []byte{0x12, 0x34, 0x56, 0x78})
	half.wide = true
	text := &audioTrack{
		id: 3, timescale: 1000, handler: "text", stsd: box("stsd", u32(0, 1), box("text", zeros(6), []byte{0, 1}, zeros(40))),
		times: []uint32{2, 500}, perChunk: []uint32{1, 1, 1}, sizes: []uint32{10, 12}, offsets: []uint64{1000, 1100},
	}
	video := &audioTrack{id: 4, timescale: 1000, handler: "vide", entry: soundEntry("avc1", 0, 0, 0)}
	content := movie([]*audioTrack{video, late, text}, box("udta", box("meta", u32(0), box("ilst"))))
	first := slices.Concat(ftyp("isom"), box("moov", content), box("mdat", zeros(1200)))
	list := [][]byte{
		plain(1200, late, text), plain(1000, pcm), plain(1000, &v1), plain(1200, half), plain(1200, video, late, text), first,
		slices.Concat(ftyp("qt  "), box("mdat", zeros(1200)), mediatest.Compressed(box("moov", content))),
		slices.Concat(head("wide", 8), u32(0), []byte("mdat"), zeros(10)),
	}
	for _, index := range []string{"", "sidx", "tree", "mfra", "some"} {
		f, _ := stream{6, 3, 400, index, 100}.build()
		data := zeros(int(f.size))
		if _, err := f.ReadAtContext(t.Context(), data, 0); err != nil {
			t.Fatal(err)
		}
		list = append(list, data)
	}
	for _, data := range slices.Clone(list) {
		list = append(list, data[:len(data)/2], data[:len(data)*7/8])
	}
	return list
}

func FuzzOpen(f *testing.F) {
	for _, data := range seeds(f) {
		f.Add(data, int64(0), int64(0))
		f.Add(data, int64(30*time.Millisecond), int64(90*time.Millisecond))
	}
	f.Fuzz(func(t *testing.T, data []byte, start, end int64) {
		if len(data) > 1<<20 {
			t.Skip()
		}
		span := isobmff.Span{Start: time.Duration(start), End: time.Duration(end)}
		var failed error
		begin := time.Now()
		total := allocated(func() { failed = extractAll(t, data, span) })
		if limit := uint64(96<<20) + 100*uint64(len(data)); total > limit {
			t.Errorf("%d bytes allocated for a file of %d", total, len(data))
		}
		if took := time.Since(begin); took > 10*time.Second {
			t.Errorf("took %v for a file of %d bytes", took, len(data))
		}
		if failed != nil && !errors.Is(failed, isobmff.ErrFallback) && !errors.Is(failed, isobmff.ErrNotISO) {
			t.Errorf("got %v, which says nothing about the file", failed)
		}
	})
}

// extractAll opens a file, extracts each track, and reads what comes out again.
func extractAll(t *testing.T, data []byte, span isobmff.Span) error {
	o := &object{data: data}
	m, err := isobmff.Open(t.Context(), o, isobmff.Options{})
	if err != nil {
		return err
	}
	var failed error
	for i, track := range m.AudioTracks() {
		e, err := m.Extract(t.Context(), i, span)
		if err != nil {
			failed = err
			continue
		}
		if e.Bytes > int64(len(data)) || track.Bytes > int64(len(data)) || e.Skip < 0 {
			t.Errorf("%d of %d bytes, skip %d, of a file of %d bytes", e.Bytes, track.Bytes, e.Skip, len(data))
		}
		reopen(t, o, m, i, e)
		checkFetch(t, isobmff.Plan(e.Want, o.Size(), isobmff.Costs{}), e.Want, o.Size())
	}
	return failed
}

func FuzzPlan(f *testing.F) {
	f.Add(u64(0, 100, 200, 5, 1<<40, 7), int64(1<<41), int64(30e6), int64(16))
	f.Add(u64(200, 5, 0, 100, 50, 100), int64(150), int64(0), int64(1))
	f.Add(u64(1<<63, 5, 1<<62, 1<<62), int64(1<<62), int64(1), int64(1<<40))
	f.Fuzz(func(t *testing.T, pairs []byte, size, latency, parallel int64) {
		var want []source.Extent
		for p := pairs; len(p) >= 16 && len(want) < 1000; p = p[16:] {
			want = append(want, source.Extent{Offset: int64(binary.BigEndian.Uint64(p)), Length: int64(binary.BigEndian.Uint64(p[8:]))})
		}
		if size < 0 {
			return
		}
		costs := isobmff.Costs{Latency: time.Duration(latency), Parallel: int(parallel)}
		checkFetch(t, isobmff.Plan(want, size, costs), want, size)
	})
}
