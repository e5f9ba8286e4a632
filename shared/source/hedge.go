package source

import (
	"context"
	"io"
	"slices"
	"sync"
	"time"
)

const (
	// minHedge is the shortest wait before a request is made twice: below it there is little to win.
	minHedge = 100 * time.Millisecond
	// One request in hedgeShare is made twice, and one more.
	hedgeShare = 20
)

// open opens a range. When the object takes much longer to answer than it usually does, the range is asked for once
// more, and the first answer is taken: a server that is slow by chance seldom is so twice.
func (f *fetcher) open(ctx context.Context, offset, length int64) (io.ReadCloser, error) {
	f.asked.Add(1)
	began := time.Now()
	wait := f.cfg.Hedge
	if wait == 0 {
		wait = f.usual.tolerable()
	}
	if wait <= 0 {
		body, err := f.ranges.OpenRange(ctx, offset, length)
		f.usual.note(time.Since(began), err)
		return body, err
	}
	r := &race{fetcher: f, offset: offset, length: length}
	var first context.Context
	first, r.giveUp = context.WithCancel(ctx)
	// Both requests' contexts end with ctx, which the caller cancels once the body is read.
	timer := time.AfterFunc(wait, func() { r.again(ctx) })
	body, err := f.ranges.OpenRange(first, offset, length)
	timer.Stop()
	body, err = r.settle(body, err)
	f.usual.note(time.Since(began), err)
	return body, err
}

// race is between a request and its repetition. The first to answer wins; the other is cancelled.
type race struct {
	*fetcher
	offset, length int64
	giveUp         context.CancelFunc // ends the first request

	mu     sync.Mutex
	over   bool
	second io.ReadCloser      // the second request's answer, if that won
	cancel context.CancelFunc // ends the second request
}

// again makes the second request, in the timer's goroutine.
func (r *race) again(ctx context.Context) {
	r.mu.Lock()
	if r.over || !r.mayHedge() {
		r.mu.Unlock()
		return
	}
	ctx, r.cancel = context.WithCancel(ctx)
	cancel := r.cancel
	r.losers.Add(1)
	r.mu.Unlock()
	defer r.losers.Done()

	body, err := r.ranges.OpenRange(ctx, r.offset, r.length)
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case err != nil: // the first one decides
		cancel()
	case r.over:
		body.Close()
		cancel()
	default:
		r.over, r.second = true, body
		r.giveUp()
	}
}

// mayHedge counts a second request if there may be one.
func (f *fetcher) mayHedge() bool {
	if f.hedges.Add(1) > 1+f.asked.Load()/hedgeShare {
		f.hedges.Add(-1)
		return false
	}
	f.asked.Add(1)
	return true
}

// settle ends the race when the first request has been answered.
func (r *race) settle(body io.ReadCloser, err error) (io.ReadCloser, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.second != nil {
		if err == nil {
			body.Close()
		}
		return r.second, nil
	}
	r.over = true
	if r.cancel != nil {
		r.cancel()
	}
	if err != nil {
		r.giveUp()
	}
	return body, err
}

// latency remembers how long the last requests took to be answered.
type latency struct {
	mu   sync.Mutex
	last [64]time.Duration
	n    int
}

func (l *latency) note(d time.Duration, err error) {
	if err != nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last[l.n%len(l.last)] = d
	l.n++
}

// tolerable is how long an answer may take before it is unusual; 0 if that is not known yet.
func (l *latency) tolerable() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.n < 16 {
		return 0
	}
	last := l.last
	known := last[:min(l.n, len(last))]
	slices.Sort(known)
	return max(minHedge, 3*known[len(known)*9/10])
}
