package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// maxBackoff bounds the pause between two tries.
const maxBackoff = 5 * time.Second

// errStalled says that a request went without a byte for too long.
var errStalled = errors.New("no byte came for too long")

// fetcher brings ranges of one object, asking again where they broke, and counts what that took.
type fetcher struct {
	ranges      Ranges
	cfg         Config
	usual       latency
	came, asked atomic.Int64 // bytes and requests
	hedges      atomic.Int64
	losers      sync.WaitGroup // second requests, which end soon after their race does
}

// sink takes the bytes of a range in order.
type sink interface {
	// space is where the next bytes go: at least one, and those beyond left are not used.
	space(left int64) []byte
	// took says that n bytes are there now.
	took(n int)
}

// fetch brings the bytes from offset to end.
func (f *fetcher) fetch(ctx context.Context, offset, end int64, to sink) error {
	var last error
	for tries := 0; offset < end; tries++ {
		if tries >= f.cfg.Attempts {
			return fmt.Errorf("given up after %d tries: %w", tries, last)
		}
		if tries > 0 {
			if err := pause(ctx, f.cfg.Backoff<<min(tries-1, 16)); err != nil {
				return err
			}
		}
		n, err := f.attempt(ctx, offset, end, to)
		offset += n
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case permanent(err):
			return err
		case n > 0:
			tries = 0
		}
		last = err
	}
	return nil
}

// permanent says that trying again mends nothing.
func permanent(err error) bool {
	return errors.Is(err, ErrChanged) || errors.Is(err, ErrGone) || errors.Is(err, ErrRefused)
}

// attempt makes one request for the bytes from offset to end and says how many came.
func (f *fetcher) attempt(ctx context.Context, offset, end int64, to sink) (n int64, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stalled := time.AfterFunc(f.cfg.Stall, func() { cancel(errStalled) })
	defer stalled.Stop()

	body, err := f.open(ctx, offset, end-offset)
	if err != nil {
		return 0, fmt.Errorf("open range %d-%d: %w", offset, end-1, orStalled(ctx, err))
	}
	defer body.Close() // read to its end or given up: it has nothing left to say

	for offset+n < end {
		left := end - offset - n
		p := to.space(left)
		got, err := body.Read(p[:min(int64(len(p)), left)])
		if got > 0 {
			stalled.Reset(f.cfg.Stall)
			f.came.Add(int64(got))
			n += int64(got)
			to.took(got)
		}
		if err != nil && offset+n < end {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return n, fmt.Errorf("read range at %d: %w", offset+n, orStalled(ctx, err))
		}
	}
	return n, nil
}

// orStalled replaces what a request says that was cancelled because it stalled: nobody else wanted it to end.
func orStalled(ctx context.Context, err error) error {
	if errors.Is(context.Cause(ctx), errStalled) {
		return errStalled
	}
	return err
}

// stats says how many bytes have come so far, and in how many requests.
func (f *fetcher) stats() (bytes, requests int64) { return f.came.Load(), f.asked.Load() }

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
