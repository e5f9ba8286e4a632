package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"sync"
)

// Extents reads chosen bytes of an object, one after the other, as if they were one file. They are fetched by a plan,
// from the beginning on and as far ahead as memory goes, whether somebody reads or not; of what the plan fetches besides
// nothing is kept. It is safe for concurrent use, but made for one reader who goes forward with small steps back: reads
// elsewhere work, each with a request of its own, until two follow each other and the fetching moves there.
type Extents struct {
	fetcher
	plan
	shuffle *shuffle // nil if what is wanted is in order, or is nothing
	total   int64
	ctx     context.Context
	cancel  context.CancelFunc
	reads   sync.WaitGroup // those that fetch for themselves

	mu     sync.Mutex
	window window
	aside  int64 // where the last read beside the window ended
}

// NewExtents reads the bytes of want, one after the other, as if they were one file, by the requests in fetch. These
// are in order, do not overlap and cover all of want; such as are longer than a block are split. Neither slice is kept.
// want may be in any order. If memory does not take all of it then, it is fetched in batches, and what a request brings
// for several of them is fetched as often. Fetching begins at once. The context governs everything that is fetched; the
// caller must Close the result.
func NewExtents(ctx context.Context, ranges Ranges, want, fetch []Extent, cfg Config) (*Extents, error) {
	e := &Extents{fetcher: fetcher{ranges: ranges, cfg: cfg.withDefaults()}, aside: -1}
	var err error
	if e.total, err = checkWant(want, ranges.Size()); err != nil {
		return nil, fmt.Errorf("plan reads: %w", err)
	}
	memory := e.cfg.Budget - min(e.cfg.Budget/4, int64(e.cfg.MaxRequests)*scratchSize)
	e.cfg.Block = min(e.cfg.Block, memory/4)
	if err = checkFetch(fetch, ranges.Size()); err == nil {
		if pieces, ok := ascending(want); ok {
			err = e.add(pieces, fetch, e.cfg.Block, math.MaxInt64)
		} else {
			e.shuffle, err = newShuffle(&e.plan, want, fetch, e.cfg.Block, memory)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("plan reads: %w", err)
	}
	e.ctx, e.cancel = context.WithCancel(ctx)
	e.window.ring = make([]byte, min(memory, e.size))
	e.mu.Lock()
	defer e.mu.Unlock()
	e.moveWindow(0)
	return e, nil
}

// Size is the sum of what is wanted, in bytes.
func (e *Extents) Size() int64 { return e.total }

// Stats says how many bytes have come from the object so far, those that were not wanted too, and in how many requests,
// repeated ones included.
func (e *Extents) Stats() (bytes, requests int64) { return e.stats() }

// Close ends all fetching, waits for it, and lets go of the memory. Reads after it fail.
func (e *Extents) Close() {
	e.cancel()
	e.mu.Lock() // whoever starts a fetch has looked at the context under the lock
	fetches := e.window.fetches
	e.mu.Unlock()
	fetches.Wait()
	e.reads.Wait()
	e.losers.Wait()
	e.mu.Lock()
	defer e.mu.Unlock()
	e.window = window{fetches: fetches}
}

// ReadAt implements io.ReaderAt.
func (e *Extents) ReadAt(p []byte, off int64) (int, error) {
	return e.ReadAtContext(e.ctx, p, off)
}

// ReadAtContext is ReadAt, except that it also returns when ctx ends; what is being fetched then goes on.
func (e *Extents) ReadAtContext(ctx context.Context, p []byte, off int64) (n int, err error) {
	if off < 0 {
		return 0, errors.New("read extents: negative offset")
	}
	for n < len(p) && off < e.total {
		position, run := off, e.total-off
		if e.shuffle != nil {
			position, run = e.shuffle.position(&e.plan, off)
		}
		part := p[n:]
		got, err := e.read(ctx, part[:min(int64(len(part)), run)], position, n == 0)
		n, off = n+got, off+int64(got)
		if err != nil {
			return n, fmt.Errorf("read extents at %d: %w", off, err)
		}
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// read reads what of p lies in one request, or less; first says that the caller's read begins here.
func (e *Extents) read(ctx context.Context, p []byte, position int64, first bool) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	asked := false // so that an error from before, which may have passed, is not taken for an answer
	for {
		if e.ctx.Err() != nil {
			return 0, context.Cause(e.ctx)
		}
		b := e.window.reach(e, position)
		if b == nil {
			if e.window.idle() && e.follow(position, len(p), first) {
				e.moveWindow(e.begin(position))
				continue
			}
			return e.readAside(ctx, p, position)
		}
		need := b.end
		if position < b.end {
			need = min(b.end, position+int64(len(p)))
			if b.have >= need {
				n := e.window.copyOut(p[:min(int64(len(p)), b.have-position)], position)
				e.window.advance(e, position+int64(n))
				return n, nil
			}
		}
		if b.err != nil {
			if asked || permanent(b.err) && !b.told {
				b.told = true
				return 0, b.err
			}
			e.start(b)
		}
		asked = true
		wake := b.wait(need)
		e.window.readers++
		e.mu.Unlock()
		select {
		case <-wake:
		case <-ctx.Done():
		}
		e.mu.Lock()
		e.window.readers--
		if ctx.Err() != nil {
			return 0, context.Cause(ctx)
		}
	}
}

// follow says whether the window should move to a read that it does not reach: when the last one was there too.
func (e *Extents) follow(position int64, n int, first bool) bool {
	return first && position == e.aside || !first && e.shuffle != nil || e.spans(position, n) > 2
}

// begin is where a window has to begin that holds a position and what may be read right after it.
func (e *Extents) begin(position int64) int64 {
	if e.shuffle != nil {
		return e.shuffle.begin(position)
	}
	return position
}

// spans says in how many requests n bytes from a position are.
func (e *Extents) spans(position int64, n int) int {
	return e.find(position+int64(n)-1) - e.find(position) + 1
}

// readAside reads what of p lies in one request, or less, straight from the object. The caller holds the lock, which
// is released meanwhile.
func (e *Extents) readAside(ctx context.Context, p []byte, position int64) (int, error) {
	e.reads.Add(1)
	defer e.reads.Done()
	e.mu.Unlock()
	defer e.mu.Lock()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(e.ctx, func() { cancel(context.Cause(e.ctx)) })()

	request := e.find(position)
	p = p[:min(int64(len(p)), e.end(request)-position)]
	piece, offset := e.locate(request, position)
	_, last := e.locate(request, position+int64(len(p))-1)
	s := &scatter{pieces: e.pieces, piece: piece, offset: offset, into: p}
	defer s.done()
	if err := e.fetch(ctx, offset, last+1, s); err != nil {
		return int(s.position), err
	}
	e.mu.Lock()
	e.aside = position + int64(len(p))
	e.mu.Unlock()
	return len(p), nil
}

// moveWindow empties the window and lets it begin at a position. The caller holds the lock, which is released meanwhile.
func (e *Extents) moveWindow(position int64) {
	w := &e.window
	w.moving = true
	if w.stop != nil {
		w.stop()
		e.mu.Unlock()
		w.fetches.Wait() // the memory is theirs until then
		e.mu.Lock()
	}
	ctx, stop := context.WithCancel(e.ctx)
	*w = window{ring: w.ring, low: position, position: position, ctx: ctx, stop: stop, fetches: new(sync.WaitGroup)}
	if position < e.size {
		w.first = e.find(position)
	}
	w.pump(e)
}

// start has what is missing of a block fetched. The caller holds the lock.
func (e *Extents) start(b *block) {
	w := &e.window
	piece, offset := e.locate(b.request, b.have)
	end := e.requests[b.request].End()
	left := end - offset
	b.err, b.told, b.running = nil, false, true
	w.running++
	w.inFlight += left
	s := &scatter{pieces: e.pieces, piece: piece, offset: offset, into: w.ring, position: b.have}
	s.arrived = func(n, kept int64) {
		e.mu.Lock()
		defer e.mu.Unlock()
		left -= n
		w.inFlight -= n
		b.have += kept
		b.tell()
		w.pump(e)
	}
	ctx := w.ctx
	w.fetches.Go(func() {
		defer s.done()
		err := e.fetch(ctx, offset, end, s)
		e.mu.Lock()
		defer e.mu.Unlock()
		w.running--
		w.inFlight -= left
		b.err, b.running = err, false
		b.tell()
		w.advance(e, w.position)
	})
}
