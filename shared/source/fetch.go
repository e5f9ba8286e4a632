package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"time"
)

// maxBackoff bounds the pause between two tries.
const maxBackoff = 5 * time.Second

// fetch is one range on its way: pages that follow each other, filled in order.
type fetch struct {
	pages  []*page
	offset int64 // of the next byte
	end    int64
}

// fetchMissing starts fetching whatever of pages lo to hi is neither there nor on its way. The caller holds the lock.
func (r *Reader) fetchMissing(lo, hi int64, ahead bool) {
	for i := lo; i <= hi; i++ {
		if r.pages[i] != nil {
			continue
		}
		n := int64(1)
		for i+n <= hi && r.pages[i+n] == nil {
			n++
		}
		r.start(i, n, ahead)
		i += n - 1
	}
}

func (r *Reader) start(first, n int64, ahead bool) {
	r.evict(n)
	f := &fetch{offset: first * pageSize, end: min((first+n)*pageSize, r.size)}
	for i := range n {
		pg := r.newPage(first + i)
		r.pages[pg.index] = pg
		f.pages = append(f.pages, pg)
	}
	if ahead {
		r.fetching++
	}
	r.wg.Go(func() {
		err := r.fill(f)
		r.mu.Lock()
		defer r.mu.Unlock()
		if ahead {
			r.fetching--
		}
		for _, pg := range f.pages { // those that did not come, for this error
			delete(r.pages, pg.index)
			pg.err = err
			close(pg.ready)
		}
	})
}

// fill reads the range to its end, asking again from where it broke.
func (r *Reader) fill(f *fetch) error {
	var last error
	for tries := 0; len(f.pages) > 0; tries++ {
		if tries >= r.cfg.Attempts {
			return fmt.Errorf("given up after %d tries: %w", tries, last)
		}
		if tries > 0 {
			if err := pause(r.ctx, r.cfg.Backoff<<(tries-1)); err != nil {
				return err
			}
		}
		before := f.offset
		err := r.attempt(f)
		switch {
		case r.ctx.Err() != nil:
			return context.Cause(r.ctx)
		case errors.Is(err, ErrChanged) || errors.Is(err, ErrGone):
			return err
		case f.offset > before:
			tries = 0
		}
		last = err
	}
	return nil
}

// attempt makes one request for what is left of the range and takes what comes.
func (r *Reader) attempt(f *fetch) error {
	ctx, cancel := context.WithCancel(r.ctx)
	defer cancel()
	stalled := time.AfterFunc(r.cfg.Stall, cancel)
	defer stalled.Stop()

	r.mu.Lock()
	r.requests++
	r.mu.Unlock()
	body, err := r.ranges.OpenRange(ctx, f.offset, f.end-f.offset)
	if err != nil {
		return fmt.Errorf("open range %d-%d: %w", f.offset, f.end-1, err)
	}
	defer body.Close() // read to its end or given up: it has nothing left to say

	for len(f.pages) > 0 {
		pg := f.pages[0]
		n, err := body.Read(pg.data[f.offset-pg.index*pageSize:])
		if n > 0 {
			stalled.Reset(r.cfg.Stall)
			r.arrived(f, int64(n))
		}
		if err != nil && len(f.pages) > 0 {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return fmt.Errorf("read range at %d: %w", f.offset, err)
		}
	}
	return nil
}

// arrived counts n bytes and hands the page to its readers when they complete it.
func (r *Reader) arrived(f *fetch, n int64) {
	pg := f.pages[0]
	f.offset += n
	r.mu.Lock()
	defer r.mu.Unlock()
	r.bytes += n
	if f.offset-pg.index*pageSize == int64(len(pg.data)) {
		pg.entry = r.recent.PushFront(pg)
		f.pages = f.pages[1:]
		close(pg.ready)
	}
}

// pause waits about d, between half and one and a half of it, so that many readers do not come back together.
func pause(ctx context.Context, d time.Duration) error {
	d = min(d, maxBackoff)
	d = d/2 + rand.N(d) //nolint:gosec // spreads retries; nothing to guess
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
