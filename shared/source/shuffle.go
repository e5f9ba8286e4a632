package source

import (
	"cmp"
	"math"
	"slices"
	"sort"
)

// maxVain is the longest gap that is fetched in a batch of a shuffle, of which the plan from outside knows nothing. By the
// costs that package isobmff plans with, a request among 24 costs 4.3 ms, delay and price, in which 330 KB come.
const maxVain = 256 << 10

// shuffle leads from an order that is not the object's, in which bytes may also be wanted twice, to positions. These go by
// batches of what is wanted one after the other. Of a batch the pieces come in the order of the object, in few requests,
// and stay in memory until it has been read, whatever its order; so pieces that lie close to each other, which were to be
// read at different times, cost no request each. If memory takes all, that is one batch.
type shuffle struct {
	want    []Extent
	ends    []int64 // of want, one after the other
	at      []int64 // the positions where the plan's pieces begin
	batches []batch
}

// batch is where a batch begins.
type batch struct {
	want, piece int // the index of its first one
	at          int64
}

// newShuffle adds to the plan what is wanted in any order; room is how much is kept in memory.
func newShuffle(p *plan, want, fetch []Extent, block, room int64) (*shuffle, error) {
	s := &shuffle{}
	pieces := joined(want)
	limit, gap := int64(math.MaxInt64), int64(math.MaxInt64)
	if sum(pieces) > room {
		limit, gap = room/2, maxVain // one is read while the next one comes
	}
	for rest := slices.Clone(want); len(rest) > 0; {
		b := batch{want: len(s.want), piece: len(p.pieces), at: p.size}
		if rest = s.take(rest, limit); b.want == len(s.want) {
			break
		}
		if err := p.add(joined(s.want[b.want:]), fetch, block, gap); err != nil {
			return nil, err
		}
		s.batches = append(s.batches, b)
	}
	var at int64
	for _, piece := range p.pieces {
		s.at = append(s.at, at)
		at += piece.Length
	}
	return s, nil
}

// take takes what is wanted next, up to limit bytes, and returns the rest, for which it writes into want.
func (s *shuffle) take(want []Extent, limit int64) (rest []Extent) {
	var end int64
	if last := len(s.ends) - 1; last >= 0 {
		end = s.ends[last]
	}
	for i, w := range want {
		if limit == 0 {
			return want[i:]
		}
		n := min(w.Length, limit)
		if n > 0 {
			end += n
			s.want, s.ends = append(s.want, Extent{w.Offset, n}), append(s.ends, end)
		}
		if limit -= n; n < w.Length {
			want[i] = Extent{w.Offset + n, w.Length - n}
			return want[i:]
		}
	}
	return nil
}

// position says where what is at off really is, and how many bytes follow there in order.
func (s *shuffle) position(p *plan, off int64) (position, n int64) {
	i := sort.Search(len(s.ends), func(i int) bool { return s.ends[i] > off })
	n = s.ends[i] - off
	offset := s.want[i].End() - n
	k := sort.Search(len(s.batches), func(k int) bool { return s.batches[k].want > i }) - 1
	first, end := s.batches[k].piece, len(p.pieces)
	if k+1 < len(s.batches) {
		end = s.batches[k+1].piece
	}
	piece := first + sort.Search(end-first, func(j int) bool { return p.pieces[first+j].Offset > offset }) - 1
	return s.at[piece] + offset - p.pieces[piece].Offset, n
}

// begin is where the batch begins that a position is in.
func (s *shuffle) begin(position int64) int64 {
	return s.batches[sort.Search(len(s.batches), func(k int) bool { return s.batches[k].at > position })-1].at
}

// joined are the same bytes in the order of the object, each once, neighbours in one piece.
func joined(want []Extent) (pieces []Extent) {
	sorted := slices.SortedFunc(slices.Values(want), func(a, b Extent) int { return cmp.Compare(a.Offset, b.Offset) })
	for _, w := range sorted {
		pieces = join(pieces, w)
	}
	return pieces
}

func sum(pieces []Extent) (size int64) {
	for _, p := range pieces {
		size += p.Length
	}
	return size
}
