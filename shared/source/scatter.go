package source

import "sync"

// scratchSize is how much is read at once where pieces and gaps alternate.
const scratchSize = 32 << 10

var scratches = sync.Pool{New: func() any { return new([scratchSize]byte) }}

// scatter is a sink that keeps the bytes of the pieces and throws those between away. It keeps them in memory that is
// used in a circle: the byte at a position goes to position modulo length.
type scatter struct {
	pieces   []Extent
	piece    int   // the next byte is of this piece or before it
	offset   int64 // of the next byte in the object
	into     []byte
	position int64 // of the next byte kept
	scratch  *[scratchSize]byte
	straight bool // the space handed out is in into
	// arrived, if set, is told how many bytes came and how many of them were kept.
	arrived func(n, kept int64)
}

func (s *scatter) space(int64) []byte {
	p := s.pieces[s.piece]
	left := p.End() - s.offset
	if s.straight = s.offset >= p.Offset && left >= scratchSize; s.straight {
		at := s.position % int64(len(s.into))
		return s.into[at:min(at+left, int64(len(s.into)))]
	}
	if s.scratch == nil {
		s.scratch = scratches.Get().(*[scratchSize]byte)
	}
	return s.scratch[:]
}

func (s *scatter) took(n int) {
	kept := int64(n)
	if s.straight {
		s.offset += kept
		s.next()
	} else {
		kept = s.keep(s.scratch[:n])
	}
	s.position += kept
	if s.arrived != nil {
		s.arrived(int64(n), kept)
	}
}

// next goes on to the next piece if this one is complete.
func (s *scatter) next() {
	if s.offset == s.pieces[s.piece].End() {
		s.piece++
	}
}

// keep copies what is wanted of data, and says how much that was.
func (s *scatter) keep(data []byte) (kept int64) {
	for len(data) > 0 && s.piece < len(s.pieces) {
		p := s.pieces[s.piece]
		n := min(p.Offset-s.offset, int64(len(data)))
		if n <= 0 {
			n = min(p.End()-s.offset, int64(len(data)))
			circle := int64(len(s.into))
			at := (s.position + kept) % circle
			copied := copy(s.into[at:], data[:n])
			copy(s.into, data[copied:n])
			kept += n
		}
		s.offset += n
		data = data[n:]
		s.next()
	}
	return kept
}

// done gives the scratch space back.
func (s *scatter) done() {
	if s.scratch != nil {
		scratches.Put(s.scratch)
		s.scratch = nil
	}
}
