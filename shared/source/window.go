package source

import (
	"context"
	"slices"
	"sync"
)

// window is the part of the wanted bytes that is in memory or on its way there: a ring that moves forward with the
// reader. Everything in it is guarded by the lock of its Extents.
type window struct {
	ring     []byte // the byte at a position is at position modulo length
	low      int64  // the positions from here on are kept
	position int64  // where reading goes on
	first    int    // the request of blocks[0]
	blocks   []*block
	running  int   // requests
	inFlight int64 // bytes asked for and not there yet
	readers  int   // that wait for a block
	moving   bool

	ctx     context.Context
	stop    context.CancelFunc
	fetches *sync.WaitGroup
}

// block is what one request brings.
type block struct {
	request   int
	have, end int64 // positions: what is there ends at have, what will be there at end
	err       error
	told      bool // a reader knows of err
	running   bool
	wake      chan struct{} // closed when have reaches need, or nothing more comes; nil if nobody waits
	need      int64
}

// wait returns a channel that is closed once the bytes below need are there, if not earlier.
func (b *block) wait(need int64) <-chan struct{} {
	if b.wake == nil {
		b.wake, b.need = make(chan struct{}), need
	}
	b.need = min(b.need, need)
	return b.wake
}

func (b *block) tell() {
	if b.wake != nil && (b.have >= b.need || !b.running) {
		close(b.wake)
		b.wake = nil
	}
}

// idle says that nobody minds if the window moves.
func (w *window) idle() bool { return w.readers == 0 && !w.moving }

// reach returns the block that a position is in, having moved forward if need be; nil if that is too far away. Of a
// shuffle any byte may be next that there is room for: one that has not been asked for is waited for, and the block is
// then one that must come before it.
func (w *window) reach(e *Extents, position int64) *block {
	far := w.end() + maxGap
	if e.shuffle != nil {
		far = w.low + int64(len(w.ring)) - 1
	}
	if w.moving || position < w.low || position > far {
		return nil
	}
	w.advance(e, position)
	switch {
	case position < w.low:
		return nil
	case position >= w.end() && e.shuffle != nil:
		if i := slices.IndexFunc(w.blocks, func(b *block) bool { return b.have < b.end }); i >= 0 {
			return w.blocks[i]
		}
		return nil
	case position >= w.end():
		return nil
	}
	lo, hi := 0, len(w.blocks)
	for hi-lo > 1 {
		if mid := (lo + hi) / 2; w.blocks[mid].start(e) <= position {
			lo = mid
		} else {
			hi = mid
		}
	}
	return w.blocks[lo]
}

func (b *block) start(e *Extents) int64 { return e.requests[b.request].at }

// end is the position behind what is there or on its way.
func (w *window) end() int64 {
	if len(w.blocks) == 0 {
		return w.low
	}
	return w.blocks[len(w.blocks)-1].end
}

// advance gives up what lies well behind a reader's position, except where bytes are still on their way or there is room
// for all, and has more fetched for it.
func (w *window) advance(e *Extents, position int64) {
	w.position = max(w.position, position)
	low := min(w.position-int64(len(w.ring))/8, w.end())
	switch {
	case e.size <= int64(len(w.ring)):
		low = w.low
	case e.shuffle != nil:
		low = min(low, e.shuffle.begin(max(0, w.position-1))) // the byte before may be a batch's last that is first to be read
	}
	done := 0
	for ; done < len(w.blocks); done++ {
		b := w.blocks[done]
		if b.have < b.end {
			low = min(low, b.have)
			break
		}
		if b.end > low {
			break
		}
	}
	w.low = max(w.low, low)
	clear(w.blocks[:done])
	w.blocks = w.blocks[done:]
	w.first += done
	w.pump(e)
}

// pump asks for what comes next, as far as memory and the limits on what is on its way allow. After an error it waits
// for somebody to ask again.
func (w *window) pump(e *Extents) {
	for e.ctx.Err() == nil && w.ctx.Err() == nil {
		next := w.first + len(w.blocks)
		if next >= len(e.requests) || e.end(next) > w.low+int64(len(w.ring)) {
			return
		}
		length := e.requests[next].Length
		if w.running >= e.cfg.MaxRequests || w.running > 0 && w.inFlight+length > e.cfg.inFlight() {
			return
		}
		if last := len(w.blocks) - 1; last >= 0 && w.blocks[last].err != nil {
			return
		}
		b := &block{request: next, have: max(e.requests[next].at, w.low), end: e.end(next)}
		w.blocks = append(w.blocks, b)
		e.start(b)
	}
}

// copyOut copies bytes that are there.
func (w *window) copyOut(p []byte, position int64) int {
	n := copy(p, w.ring[position%int64(len(w.ring)):])
	return n + copy(p[n:], w.ring)
}
