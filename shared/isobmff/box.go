package isobmff

import (
	"encoding/binary"
	"iter"
	"math"
)

// box is one box (atom) in memory.
type box struct {
	kind string
	raw  []byte // with its header
	body []byte
}

// boxHeader reads a box's header (ISO 14496-12 §4.2): its type, the length of the header and the size of the whole box;
// size 0 says that the box goes on to the end of the file. Not ok when p is too short or the size is none.
func boxHeader(p []byte) (kind string, header int, size int64, ok bool) {
	if len(p) < 8 {
		return "", 0, 0, false
	}
	size, header = int64(binary.BigEndian.Uint32(p)), 8
	switch {
	case size == 0:
	case size == 1:
		if len(p) < 16 {
			return "", 0, 0, false
		}
		large := binary.BigEndian.Uint64(p[8:])
		if large < 16 || large > math.MaxInt64 {
			return "", 0, 0, false
		}
		size, header = int64(large), 16
	case size < 8:
		return "", 0, 0, false
	}
	return string(p[4:8]), header, size, true
}

// nextBox splits the first box off a container's body. Not ok at its end: what is left is empty, or no box.
func nextBox(p []byte) (b box, rest []byte, ok bool) {
	kind, header, size, ok := boxHeader(p)
	if !ok || size > int64(len(p)) {
		return box{}, p, false
	}
	if size == 0 {
		size = int64(len(p))
	}
	return box{kind: kind, raw: p[:size], body: p[header:size]}, p[size:], true
}

// boxes iterates over the boxes in a container's body. It sets broken when there is something that is no box, or one
// without a length: some programs read it up to the end, and copied elsewhere it would take in what follows there.
func boxes(p []byte, broken *bool) iter.Seq[box] {
	return func(yield func(box) bool) {
		for len(p) >= 8 {
			b, rest, ok := nextBox(p)
			if !ok || binary.BigEndian.Uint32(p) == 0 {
				*broken = *broken || !ok || b.kind != "\x00\x00\x00\x00" // that is padding
				return
			}
			if !yield(b) {
				return
			}
			p = rest
		}
	}
}

// child is the first box of that type in a container's body.
func child(p []byte, kind string) (box, bool) {
	for b, rest, ok := nextBox(p); ok; b, rest, ok = nextBox(rest) {
		if b.kind == kind {
			return b, true
		}
	}
	return box{}, false
}

// fields reads big-endian numbers off a box's body. After its end it gives zeros, and short is true.
type fields struct {
	p     []byte
	short bool
}

func (f *fields) take(n int) []byte {
	if n > len(f.p) {
		f.p, f.short = nil, true
		return make([]byte, n)
	}
	p := f.p[:n]
	f.p = f.p[n:]
	return p
}

func (f *fields) skip(n int) {
	if n > len(f.p) {
		f.p, f.short = nil, true
		return
	}
	f.p = f.p[n:]
}

func (f *fields) u16() uint16 { return binary.BigEndian.Uint16(f.take(2)) }
func (f *fields) u32() uint32 { return binary.BigEndian.Uint32(f.take(4)) }
func (f *fields) u64() uint64 { return binary.BigEndian.Uint64(f.take(8)) }

// full reads the version and flags that a full box begins with.
func (f *fields) full() (version byte, flags uint32) {
	v := f.u32()
	return byte(v >> 24), v & 0xffffff
}

// wide is a 64-bit number in version 1 of a box and a 32-bit one before.
func (f *fields) wide(version byte) uint64 {
	if version == 1 {
		return f.u64()
	}
	return uint64(f.u32())
}

// writer builds boxes.
type writer struct{ p []byte }

func (w *writer) u32(v uint32) { w.p = binary.BigEndian.AppendUint32(w.p, v) }
func (w *writer) u64(v uint64) { w.p = binary.BigEndian.AppendUint64(w.p, v) }
func (w *writer) raw(p []byte) { w.p = append(w.p, p...) }

// box writes a box whose body fill writes.
func (w *writer) box(kind string, fill func()) {
	at := len(w.p)
	w.u32(0)
	w.p = append(w.p, kind...)
	fill()
	binary.BigEndian.PutUint32(w.p[at:], uint32(len(w.p)-at))
}
