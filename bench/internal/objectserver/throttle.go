package objectserver

import (
	"context"
	"errors"
	"io"
	"os"
	"sync"
	"time"
)

const (
	// quantum is how many bytes pass between two looks at the clock: few enough to be smooth (10 ms at 25 MB/s), enough
	// to cost next to no processor time.
	quantum = 256 << 10
	// slack is how much lateness is made up for. Sleeps end late, more so on a busy machine; without it every quantum
	// would lose what its sleep overslept.
	slack = 20 * time.Millisecond
)

// Link is the network between the clients and the objects.
type Link struct {
	// Latency passes between a request and the first byte of its answer.
	Latency time.Duration
	// Job and Connection are bytes a second, each way: of all connections to one bucket together, and of one connection.
	// 0 is without limit.
	Job, Connection int64
}

// pacer says when bytes may pass. It is safe for concurrent use.
type pacer struct {
	rate float64 // bytes a second; 0: without limit

	mu   sync.Mutex
	free time.Time // when the last byte booked so far has passed
}

// book takes n bytes into the queue and returns when the last of them has passed.
func (p *pacer) book(now time.Time, n int64) time.Time {
	if p.rate == 0 {
		return now
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if late := now.Add(-slack); p.free.Before(late) {
		p.free = late
	}
	p.free = p.free.Add(time.Duration(float64(n) / p.rate * float64(time.Second)))
	return p.free
}

// wire is one direction of one connection during one request: its own pacer and its job's.
type wire struct {
	job *pacer
	own pacer
}

// newWire begins now: what a connection did not use before, it cannot use any more.
func newWire(job *pacer, rate int64) *wire {
	return &wire{job: job, own: pacer{rate: float64(rate), free: time.Now()}}
}

// pass returns once n bytes may have passed.
func (w *wire) pass(ctx context.Context, n int64) error {
	now := time.Now()
	at := w.job.book(now, n)
	if own := w.own.book(now, n); own.After(at) {
		at = own
	}
	return sleep(ctx, at.Sub(now))
}

// send copies n bytes of the file, from where it stands, to the client, which the kernel can do by itself when dst is
// a connection's. It returns how many went out.
func (w *wire) send(ctx context.Context, dst io.Writer, src *os.File, n int64) (int64, error) {
	var sent int64
	for sent < n {
		part := min(n-sent, quantum)
		if err := w.pass(ctx, part); err != nil {
			return sent, err
		}
		m, err := io.CopyN(dst, src, part)
		sent += m
		if err != nil {
			return sent, err
		}
	}
	return sent, nil
}

// receive copies all of src. It returns how many bytes came.
func (w *wire) receive(ctx context.Context, dst io.Writer, src io.Reader) (int64, error) {
	buf := make([]byte, quantum)
	var got, owed int64
	for {
		n, err := src.Read(buf)
		end := errors.Is(err, io.EOF)
		if _, failed := dst.Write(buf[:n]); failed != nil {
			return got, failed
		}
		got += int64(n)
		owed += int64(n)
		if owed >= quantum || end {
			if err := w.pass(ctx, owed); err != nil {
				return got, err
			}
			owed = 0
		}
		if end {
			return got, nil
		}
		if err != nil {
			return got, err
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
