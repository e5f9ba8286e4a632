package engine_test

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"mp3converter/shared/mediatest"
)

// atom is a box of an MP4 that can be changed: a container has children, every other box a body.
type atom struct {
	kind     string
	body     []byte
	children []*atom
}

const containers = "moov trak mdia minf stbl edts dinf moof traf mvex"

// parseAtoms takes an MP4 apart.
func parseAtoms(t testing.TB, data []byte) []*atom {
	t.Helper()
	var all []*atom
	for len(data) > 0 {
		if len(data) < 8 {
			t.Fatalf("%d bytes left where a box should be", len(data))
		}
		size, header := uint64(binary.BigEndian.Uint32(data)), uint64(8)
		if size == 1 {
			size, header = binary.BigEndian.Uint64(data[8:]), 16
		}
		if size < header || size > uint64(len(data)) {
			t.Fatalf("a box %q of %d bytes", data[4:8], size)
		}
		a := &atom{kind: string(data[4:8]), body: data[header:size]}
		if strings.Contains(containers, a.kind) {
			a.children, a.body = parseAtoms(t, a.body), nil
		}
		all = append(all, a)
		data = data[size:]
	}
	return all
}

func (a *atom) bytes() []byte {
	return box(a.kind, append([]byte(nil), a.body...), join(a.children))
}

// Short names for what is written often.
var box, u32, u64 = mediatest.Box, mediatest.U32, mediatest.U64

func join(atoms []*atom) []byte {
	var all []byte
	for _, a := range atoms {
		all = append(all, a.bytes()...)
	}
	return all
}

// child is the first box at a path like "trak/mdia/mdhd" below a.
func (a *atom) child(t testing.TB, path string) *atom {
	t.Helper()
	for kind := range strings.SplitSeq(path, "/") {
		i := slices.IndexFunc(a.children, func(c *atom) bool { return c.kind == kind })
		if i < 0 {
			t.Fatalf("no box %s of %s in %s", kind, path, a.kind)
		}
		a = a.children[i]
	}
	return a
}

// m4a is an MP4 of one audio track, taken apart.
type m4a struct {
	ftyp, moov *atom
	packets    [][]byte
}

// takeApart reads an MP4 that ffmpeg made of one audio track alone, whose packets lie one after the other.
func takeApart(t testing.TB, data []byte) *m4a {
	t.Helper()
	m := &m4a{}
	var mdat []byte
	for _, a := range parseAtoms(t, data) {
		switch a.kind {
		case "ftyp":
			m.ftyp = a
		case "moov":
			m.moov = a
		case "mdat":
			mdat = a.body
		}
	}
	stsz := m.moov.child(t, "trak/mdia/minf/stbl/stsz").body
	uniform, count := binary.BigEndian.Uint32(stsz[4:]), binary.BigEndian.Uint32(stsz[8:])
	for i := range count {
		size := uniform
		if uniform == 0 {
			size = binary.BigEndian.Uint32(stsz[12+4*i:])
		}
		m.packets = append(m.packets, mdat[:size])
		mdat = mdat[size:]
	}
	return m
}

func (m *m4a) stbl(t testing.TB) *atom { return m.moov.child(t, "trak/mdia/minf/stbl") }

// edits replaces the edit list: pairs of a duration in the movie's clock and a time in the track's.
func (m *m4a) edits(t testing.TB, edits ...[2]int) *m4a {
	t.Helper()
	trak := m.moov.child(t, "trak")
	trak.children = slices.DeleteFunc(trak.children, func(a *atom) bool { return a.kind == "edts" })
	if len(edits) > 0 {
		elst := u32(0, uint32(len(edits)))
		for _, e := range edits {
			elst = append(elst, u32(uint32(e[0]), uint32(int32(e[1])), 1<<16)...)
		}
		trak.children = slices.Insert(trak.children, 1, &atom{kind: "edts", children: []*atom{{kind: "elst", body: elst}}})
	}
	return m
}

// layout says how the packets of an MP4 are put into a file.
type layout struct {
	perChunk  int    // packets; 0: all in one chunk
	gap       int    // bytes of something else before each chunk
	wide      bool   // co64 instead of stco
	mdat      string // "": the usual header; "large": one of 64 bits; "open": size 0, up to the end of the file
	moovFirst bool
	moov      func(moov []byte) []byte // changes the finished movie box
}

// assemble makes the file.
func (m *m4a) assemble(t testing.TB, l layout) []byte {
	t.Helper()
	if l.perChunk == 0 {
		l.perChunk = len(m.packets)
	}
	var mdat []byte
	var at []uint64
	for chunk := range slices.Chunk(m.packets, l.perChunk) {
		mdat = append(mdat, bytes.Repeat([]byte{0x5a}, l.gap)...)
		at = append(at, uint64(len(mdat)))
		mdat = append(mdat, bytes.Join(chunk, nil)...)
	}
	stbl := m.stbl(t)
	stbl.children = slices.DeleteFunc(stbl.children, func(a *atom) bool {
		return a.kind == "stco" || a.kind == "co64" || a.kind == "stsc"
	})
	stsc := u32(0, 1, 1, uint32(l.perChunk), 1)
	if rest := len(m.packets) % l.perChunk; rest > 0 && len(at) > 1 {
		stsc = u32(0, 2, 1, uint32(l.perChunk), 1, uint32(len(at)), uint32(rest), 1)
	}
	stco := &atom{}
	stbl.children = append(stbl.children, &atom{kind: "stsc", body: stsc}, stco)

	ftyp := m.ftyp.bytes()
	movie := func(base uint64) []byte {
		stco.kind, stco.body = "stco", u32(0, uint32(len(at)))
		if l.wide {
			stco.kind = "co64"
		}
		for _, offset := range at {
			if l.wide {
				stco.body = append(stco.body, u64(base+offset)...)
			} else {
				stco.body = append(stco.body, u32(uint32(base+offset))...)
			}
		}
		moov := m.moov.bytes()
		if l.moov != nil {
			moov = l.moov(moov)
		}
		return moov
	}
	var head []byte
	switch l.mdat {
	case "large":
		head = slices.Concat(u32(1), []byte("mdat"), u64(uint64(16+len(mdat))))
	case "open":
		head = slices.Concat(u32(0), []byte("mdat"))
	default:
		head = slices.Concat(u32(uint32(8+len(mdat))), []byte("mdat"))
	}
	if l.moovFirst || l.mdat == "open" {
		base, moov := uint64(0), []byte(nil)
		for range 4 { // the offsets depend on the length of the box, which does not, or hardly, depend on them
			moov = movie(base)
			base = uint64(len(ftyp) + len(moov) + len(head))
		}
		if !bytes.Equal(moov, movie(base)) {
			t.Fatal("the movie box does not settle")
		}
		return slices.Concat(ftyp, moov, head, mdat)
	}
	return slices.Concat(ftyp, head, mdat, movie(uint64(len(ftyp)+len(head))))
}

// odd is a movie box that ffmpeg reads like any other, but of which no excerpt is made: something in it is no box.
func odd(moov []byte) []byte {
	return box("moov", moov[8:], u32(4), []byte("junk"))
}
