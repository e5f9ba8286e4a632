// Package source reads one immutable object by ranges, the way object storage serves them, and makes of it something
// that can be read at any offset: with a bounded memory, with read-ahead, and with retries of the range that broke and
// of nothing else.
//
// It knows no cloud. An adapter implements Ranges, pinned to one version of the object; NewHTTP and NewFile are two. On
// top of it a Reader gives the whole object to someone whose reads are not known beforehand, and Extents gives chosen
// bytes of it by a plan of requests that was made before. Both start goroutines; Close ends and waits for all of them.
package source

import (
	"context"
	"errors"
	"io"
	"time"
)

// Errors that no retry mends. An adapter returns them wrapped, and readers pass them on at once.
var (
	// ErrChanged says that the object was replaced while it was being read.
	ErrChanged = errors.New("the object was replaced while it was being read")
	// ErrGone says that the object was removed while it was being read, or had been before.
	ErrGone = errors.New("the object is not there any more")
	// ErrRefused says that who asks is not let in, or not any more: a presigned URL's time may be over.
	ErrRefused = errors.New("the server refuses")
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

// Config bounds a Reader or Extents. A zero field takes the default.
type Config struct {
	// Budget is how many bytes of the object are kept in memory, those being fetched included: 32 MiB, at least 2.
	Budget int64
	// Block is the longest range asked for in one request: 4 MiB.
	Block int64
	// Parallel says how many bytes are on their way at once, namely that many blocks: 4. Blocks half of which has come
	// count half, so that new ones are asked for at an even pace and not in waves with a round trip of silence between.
	Parallel int
	// MaxRequests is how many requests run at once, however short they are: 24. Short ones cost a round trip and hardly
	// any time beyond it, so that many of them are needed to use the line.
	MaxRequests int
	// Attempts is how often a range is asked for without a single byte coming, before it is given up: 8, which with the
	// pauses between them outlasts some 15 seconds of errors.
	Attempts int
	// Backoff is the mean pause before the first retry, doubled with each one after: 200 ms.
	Backoff time.Duration
	// Stall is how long a request may go without a byte before it counts as broken: 20 s.
	Stall time.Duration
	// Hedge is how long a request may go without an answer before the same is asked a second time, and the first answer
	// taken: by default three times what nine in ten requests took lately, and at least 100 ms; never if negative. At
	// most one request in twenty is made twice, and one more.
	Hedge time.Duration
}

// minBudget leaves room for a read of usual size, and for read-ahead beside it.
const minBudget = 2 << 20

func (c Config) withDefaults() Config {
	c.Budget = max(orDefault(c.Budget, 32<<20), minBudget)
	c.Block = orDefault(c.Block, 4<<20)
	c.Parallel = orDefault(c.Parallel, 4)
	c.MaxRequests = orDefault(c.MaxRequests, 24)
	c.Attempts = orDefault(c.Attempts, 8)
	c.Backoff = orDefault(c.Backoff, 200*time.Millisecond)
	c.Stall = orDefault(c.Stall, 20*time.Second)
	return c
}

// inFlight is how many bytes are on their way at once.
func (c Config) inFlight() int64 { return int64(c.Parallel) * c.Block }

func orDefault[T int | int64 | time.Duration](value, byDefault T) T {
	if value <= 0 {
		return byDefault
	}
	return value
}
