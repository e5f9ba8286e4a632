package source

import (
	"errors"
	"fmt"
	"math"
	"sort"
)

// plan says which bytes are wanted and by which requests they come. What is wanted is numbered through, in the order in
// which it is fetched: positions. That is the order of the object, or that of the batches of a shuffle. A million pieces
// cost 16 MB.
type plan struct {
	pieces   []Extent // what is wanted: ascending in a batch, with a gap between each two
	requests []request
	size     int64 // of the pieces together
}

// request is a range to ask for. It begins and ends with wanted bytes.
type request struct {
	Extent
	at    int64 // the position of its first byte
	piece int   // which holds that
}

// checkFetch makes sure that requests are in order, and within the object.
func checkFetch(fetch []Extent, objectSize int64) error {
	last := int64(0)
	for _, f := range fetch {
		if f.Offset < last || f.Length < 0 || f.Length > objectSize-f.Offset {
			return fmt.Errorf("request of %d bytes at %d: overlaps or not in order, or not within %d bytes", f.Length, f.Offset, objectSize)
		}
		last = f.End()
	}
	return nil
}

// add plans for pieces, which ascend, with a gap between each two, and may keep them. They come by those of fetch that
// they lie in, cut to at most block bytes, and so that no gap is fetched that is longer than that.
func (p *plan) add(pieces, fetch []Extent, block, gap int64) error {
	if len(pieces) == 0 {
		return nil
	}
	piece := len(p.pieces)
	if p.pieces == nil {
		p.pieces = pieces
	} else {
		p.pieces = append(p.pieces, pieces...)
	}
	next := pieces[0].Offset // the first wanted byte that no request has brought
	begin := sort.Search(len(fetch), func(i int) bool { return fetch[i].End() > next })
	for _, f := range fetch[begin:] {
		for piece < len(p.pieces) && f.Offset <= next && next < f.End() {
			r := request{Extent: Extent{Offset: next}, at: p.size, piece: piece}
			stop := min(f.End(), next+block)
			end := next
			for piece < len(p.pieces) && next < stop && next-end <= gap {
				n := min(p.pieces[piece].End(), stop) - next
				p.size += n
				next += n
				end = next
				if next == p.pieces[piece].End() {
					if piece++; piece < len(p.pieces) {
						next = p.pieces[piece].Offset
					}
				}
			}
			r.Length = end - r.Offset
			p.requests = append(p.requests, r)
		}
		if piece == len(p.pieces) {
			return nil
		}
	}
	return fmt.Errorf("byte %d is wanted, but no request covers it", next)
}

// end is the position behind a request's last byte.
func (p *plan) end(request int) int64 {
	if request+1 < len(p.requests) {
		return p.requests[request+1].at
	}
	return p.size
}

// find says which request brings the byte at a position.
func (p *plan) find(position int64) int {
	return sort.Search(len(p.requests), func(i int) bool { return p.requests[i].at > position }) - 1
}

// locate says where in the object the byte at a position is that a request brings, and in which piece.
func (p *plan) locate(request int, position int64) (piece int, offset int64) {
	r := p.requests[request]
	piece, offset = r.piece, r.Offset
	for left := position - r.at; ; {
		n := p.pieces[piece].End() - offset
		if left < n {
			return piece, offset + left
		}
		left -= n
		piece++
		offset = p.pieces[piece].Offset
	}
}

// ascending returns the pieces of want in a slice of its own, neighbours joined; not ok if they are not in order.
func ascending(want []Extent) (pieces []Extent, ok bool) {
	n := 0
	var last int64 = -1
	for _, w := range want {
		if w.Length == 0 {
			continue
		}
		if w.Offset < last {
			return nil, false
		}
		if w.Offset > last {
			n++
		}
		last = w.End()
	}
	pieces = make([]Extent, 0, n)
	for _, w := range want {
		pieces = join(pieces, w)
	}
	return pieces, true
}

// join appends w, or makes the last piece longer by it.
func join(pieces []Extent, w Extent) []Extent {
	if w.Length == 0 {
		return pieces
	}
	if last := len(pieces) - 1; last >= 0 && w.Offset <= pieces[last].End() {
		pieces[last].Length = max(pieces[last].End(), w.End()) - pieces[last].Offset
		return pieces
	}
	return append(pieces, w)
}

// checkWant returns the sum of the lengths.
func checkWant(want []Extent, objectSize int64) (size int64, err error) {
	for _, w := range want {
		if w.Offset < 0 || w.Length < 0 || w.Length > objectSize-w.Offset {
			return 0, fmt.Errorf("%d bytes at %d are wanted of an object of %d", w.Length, w.Offset, objectSize)
		}
		if size > math.MaxInt64-w.Length {
			return 0, errors.New("more bytes are wanted than can be counted")
		}
		size += w.Length
	}
	return size, nil
}
