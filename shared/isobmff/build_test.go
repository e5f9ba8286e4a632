package isobmff_test

import (
	"bytes"
	"context"
	"io"
	"slices"
	"sync/atomic"

	"mp3converter/shared/mediatest"
)

// The builders in this file make small files of every shape in memory, and large ones that are mostly not there.

// Short names for what is written often.
var box, u32, u64 = mediatest.Box, mediatest.U32, mediatest.U64

func zeros(n int) []byte { return make([]byte, n) }

func ftyp(brand string) []byte { return box("ftyp", []byte(brand), u32(512), []byte(brand)) }

// audioTrack is a track to build.
type audioTrack struct {
	id, timescale uint32
	handler       string
	enabled       bool
	entry         []byte   // sample entry; nil: AAC
	stsd          []byte   // instead of one made of entry
	dref          []byte   // instead of a self-contained one
	edits         [][2]int // duration, time
	times         []uint32 // count, duration
	perChunk      []uint32 // first chunk, samples, description
	uniform       uint32
	sizes         []uint32
	offsets       []uint64
	wide          bool   // co64
	samples       []byte // instead of stsz
	chap          []uint32
}

// soundEntry is a version 0 sample entry.
func soundEntry(format string, channels, bits, rate int, children ...[]byte) []byte {
	return box(format, slices.Concat(append([][]byte{
		zeros(6), {0, 1}, zeros(8), {0, byte(channels)}, {0, byte(bits)}, zeros(4), u32(uint32(rate) << 16),
	}, children...)...))
}

// aacEntry is an AAC-LC stereo sample entry for 44.1 kHz.
func aacEntry() []byte {
	config := []byte{5, 2, 0x12, 0x10}
	decoder := append([]byte{4, byte(13 + len(config)), 0x40, 0x15}, append(zeros(11), config...)...)
	es := append([]byte{3, byte(3 + len(decoder)), 0, 1, 0}, decoder...)
	return soundEntry("mp4a", 2, 16, 44100, box("esds", u32(0), es))
}

// newAAC is an AAC track of n packets, 100 bytes each, in chunks of perChunk.
func newAAC(id uint32, n, perChunk int, offsets ...uint64) *audioTrack {
	t := &audioTrack{id: id, timescale: 44100, handler: "soun", enabled: true, times: []uint32{uint32(n), 1024}, offsets: offsets}
	t.perChunk = []uint32{1, uint32(perChunk), 1}
	if rest := n - (len(offsets)-1)*perChunk; rest != perChunk && len(offsets) > 0 {
		t.perChunk = append(t.perChunk, uint32(len(offsets)), uint32(rest), 1)
	}
	for range n {
		t.sizes = append(t.sizes, 100)
	}
	if n > 0 {
		t.sizes[n-1] = 99 // not all alike
	}
	return t
}

func (t *audioTrack) trak() []byte {
	flags := uint32(0)
	if t.enabled {
		flags = 3
	}
	var edts, tref []byte
	if t.edits != nil {
		elst := u32(0, uint32(len(t.edits)))
		for _, e := range t.edits {
			elst = append(elst, u32(uint32(e[0]), uint32(e[1]), 1<<16)...)
		}
		edts = box("edts", box("elst", elst))
	}
	if t.chap != nil {
		tref = box("tref", box("chap", u32(t.chap...)))
	}
	entry := t.entry
	if entry == nil {
		entry = aacEntry()
	}
	stsd, dref, samples := t.stsd, t.dref, t.samples
	if stsd == nil {
		stsd = box("stsd", u32(0, 1), entry)
	}
	if dref == nil {
		dref = box("dref", u32(0, 1), box("url ", u32(1)))
	}
	if samples == nil {
		n := len(t.sizes)
		if t.uniform != 0 {
			n = int(t.times[0])
		}
		samples = box("stsz", u32(0, t.uniform, uint32(n)), u32(t.sizes...))
	}
	stco := box("co64", u32(0, uint32(len(t.offsets))), u64(t.offsets...))
	if !t.wide {
		var small []uint32
		for _, o := range t.offsets {
			small = append(small, uint32(o))
		}
		stco = box("stco", u32(0, uint32(len(small))), u32(small...))
	}
	return box("trak",
		box("tkhd", u32(flags, 0, 0, t.id, 0, 0), zeros(60)), edts, tref,
		box("mdia",
			box("mdhd", u32(0, 0, 0, t.timescale, 0, 0)),
			box("hdlr", u32(0, 0), []byte(t.handler), zeros(13)),
			box("minf", box("smhd", zeros(8)), box("dinf", dref),
				box("stbl", stsd,
					box("stts", u32(0, uint32(len(t.times)/2)), u32(t.times...)),
					box("stsc", u32(0, uint32(len(t.perChunk)/3)), u32(t.perChunk...)),
					samples, stco))))
}

// movie is a movie box's content: header, tracks, and what else is given.
func movie(tracks []*audioTrack, more ...[]byte) []byte {
	p := box("mvhd", u32(0, 0, 0, 1000, 0), zeros(80))
	for _, t := range tracks {
		p = append(p, t.trak()...)
	}
	return append(p, bytes.Join(more, nil)...)
}

// mvex has the defaults for fragments of some tracks.
func mvex(ids ...uint32) []byte {
	var p []byte
	for _, id := range ids {
		p = append(p, box("trex", u32(0, id, 1, 0, 0, 0))...)
	}
	return box("mvex", p)
}

// fragment is a moof with n packets of 100 bytes, which lie at the end of the mdat that follows it, and that mdat's
// header; the caller leaves room for the rest.
func fragment(id uint32, base uint64, n int, mdat uint64) []byte {
	var p []byte
	for data := uint64(0); ; { // the offset depends on the length of the box, which does not depend on it
		run := u32(0x201, uint32(n), uint32(data))
		for range n {
			run = append(run, u32(100)...)
		}
		p = box("moof", box("mfhd", u32(0, 1)), box("traf",
			box("tfhd", u32(0x20008, id, 1024)), box("tfdt", u32(1<<24), u64(base)), box("trun", run)))
		if at := uint64(len(p)) + mdat - uint64(100*n); at != data {
			data = at
			continue
		}
		return append(p, head("mdat", mdat)...)
	}
}

// sparse is a file of which only some pieces are there; the rest is zeros. It counts requests as a source of pages
// would make them.
type sparse struct {
	size     int64
	at       []int64
	pieces   [][]byte
	requests atomic.Int64
	bytes    atomic.Int64
	longest  atomic.Int64 // read
}

// put adds a piece; pieces ascend.
func (s *sparse) put(at int64, p []byte) {
	s.at, s.pieces = append(s.at, at), append(s.pieces, p)
	s.size = max(s.size, at+int64(len(p)))
}

func (s *sparse) Size() int64 { return s.size }

func (s *sparse) ReadAtContext(ctx context.Context, p []byte, offset int64) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	n := int(min(int64(len(p)), s.size-offset))
	if n <= 0 {
		return 0, io.EOF
	}
	s.requests.Add(1)
	s.bytes.Add(int64(n))
	for longest := s.longest.Load(); int64(n) > longest && !s.longest.CompareAndSwap(longest, int64(n)); longest = s.longest.Load() {
	}
	clear(p[:n])
	first, found := slices.BinarySearch(s.at, offset)
	if !found && first > 0 {
		first--
	}
	for i := first; i < len(s.at) && s.at[i] < offset+int64(n); i++ {
		if d := s.at[i] - offset; d >= 0 {
			copy(p[d:n], s.pieces[i])
		} else if -d < int64(len(s.pieces[i])) {
			copy(p[:n], s.pieces[i][-d:])
		}
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// head is the header of a box of any size.
func head(kind string, size uint64) []byte {
	if size < 1<<32 {
		return append(u32(uint32(size)), kind...)
	}
	return slices.Concat(u32(1), []byte(kind), u64(size))
}
