// Package source reads one immutable object by ranges, the way object storage serves them, and makes of it something
// that can be read at any offset: with a bounded memory, with read-ahead where the access is sequential, and with
// retries of the range that broke and of nothing else.
//
// It knows no cloud. An adapter implements Ranges, pinned to one version of the object, and a Reader does the rest.
// A Reader starts goroutines; Close ends and waits for all of them.
package source

import (
	"context"
	"errors"
	"io"
	"time"
)

// Errors that no retry mends. An adapter returns them wrapped, and a Reader passes them on at once.
var (
	// ErrChanged says that the object was replaced while it was being read.
	ErrChanged = errors.New("the object was replaced while it was being read")
	// ErrGone says that the object was removed while it was being read, or had been before.
	ErrGone = errors.New("the object is not there any more")
)

// Ranges opens byte ranges of one object that does not change: every range is of the same version, or the call fails
// with ErrChanged or ErrGone. It is safe for concurrent use.
type Ranges interface {
	// Size is the length of the object in bytes; it is known without asking and never changes.
	Size() int64
	// OpenRange opens length bytes from offset; both lie within the object and length is above 0. A body that ends
	// early or breaks is for the caller to resume. The context governs the body too.
	OpenRange(ctx context.Context, offset, length int64) (io.ReadCloser, error)
}

// Config bounds a Reader. A zero field takes the default.
type Config struct {
	// Budget is how many bytes of the object are kept in memory, those being fetched included: 32 MiB, at least 2.
	Budget int64
	// Block is the longest range asked for in one request: 4 MiB.
	Block int64
	// Parallel is how many read-ahead requests run at once: 4. Together they fetch at most half the budget.
	Parallel int
	// Attempts is how often a range is asked for without a single byte coming, before it is given up: 5.
	Attempts int
	// Backoff is the mean pause before the first retry, doubled with each one after: 200 ms.
	Backoff time.Duration
	// Stall is how long a request may go without a byte before it counts as broken: 20 s.
	Stall time.Duration
}

// minBudget leaves room for a read of usual size, and for read-ahead beside it.
const minBudget = 2 << 20

func (c Config) withDefaults() Config {
	c.Budget = max(orDefault(c.Budget, 32<<20), minBudget)
	c.Block = orDefault(c.Block, 4<<20)
	c.Parallel = orDefault(c.Parallel, 4)
	c.Attempts = orDefault(c.Attempts, 5)
	c.Backoff = orDefault(c.Backoff, 200*time.Millisecond)
	c.Stall = orDefault(c.Stall, 20*time.Second)
	return c
}

func orDefault[T int | int64 | time.Duration](value, byDefault T) T {
	if value <= 0 {
		return byDefault
	}
	return value
}
