package api

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"
)

const (
	attempts    = 6
	backoffBase = 300 * time.Millisecond
	backoffMax  = 8 * time.Second
	// maxRetryAfter is the longest a server may make a command wait by itself; beyond it, the person decides.
	maxRetryAfter = 30 * time.Second
)

// again marks an error after which the same thing may be tried once more.
type again struct {
	err error
	// after is what the server asked for; 0 means our own backoff.
	after time.Duration
	// progress says that this attempt got further than the one before, so the count starts anew.
	progress bool
}

func (a *again) Error() string { return a.err.Error() }
func (a *again) Unwrap() error { return a.err }

// retry calls op until it succeeds, fails for good, or has failed too often in a row, with a growing, jittered pause
// between. It returns what op returned, without the mark.
func (c *Client) retry(ctx context.Context, op func() error) error {
	for failures := 0; ; {
		err := op()
		mark, ok := errors.AsType[*again](err)
		if !ok {
			return err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if mark.progress {
			failures = 0
		}
		failures++
		if failures >= attempts || mark.after > maxRetryAfter {
			return mark.err
		}
		pause := mark.after
		if pause == 0 {
			pause = min(backoffBase<<(failures-1), backoffMax)
			pause = pause/2 + rand.N(pause/2+1) //nolint:gosec // jitter, not a secret
		}
		if err := c.sleep(ctx, pause); err != nil {
			return err
		}
	}
}

// Sleep waits for d or for the context, whichever ends first.
func Sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}

// transient says whether a status is worth another attempt: the server was overloaded, restarting or out of reach.
func transient(status int) bool {
	return status == http.StatusRequestTimeout || status == http.StatusTooManyRequests || status >= 500
}

// retryAfter reads the header of that name, in seconds or as a date (RFC 9110 §10.2.3); 0 if there is none.
func retryAfter(h http.Header, now time.Time) time.Duration {
	v := h.Get("Retry-After")
	if n, err := strconv.Atoi(v); err == nil && n >= 0 {
		return min(time.Duration(n), 365*24*3600) * time.Second
	}
	if t, err := http.ParseTime(v); err == nil {
		return max(t.Sub(now), 0)
	}
	return 0
}
