package source_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"mp3converter/shared/source"
)

// link is how a server is reached: what object storage looks like from a function.
type link struct {
	latency       time.Duration // from request to first byte
	total, single float64       // bytes a second, of all connections and of one; 0 is no limit
	stragglers    float64       // the share of requests that take straggle longer
	straggle      time.Duration

	mu   sync.Mutex
	free time.Time // when the line is free again
}

var storage = link{latency: 30 * time.Millisecond, total: 75e6, single: 25e6}

// slot reserves the line for n bytes and says when they are through.
func (l *link) slot(n int) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	if late := time.Now().Add(-20 * time.Millisecond); l.free.Before(late) {
		l.free = late // what this machine is late is made up for
	}
	l.free = l.free.Add(time.Duration(float64(n) / l.total * 1e9))
	return l.free
}

// serve serves size bytes, all the same, through the link.
func (l *link) serve(b *testing.B, size int64) source.Ranges {
	b.Helper()
	chunk := make([]byte, 32<<10)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var first, last int64
		_, _ = fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-%d", &first, &last)
		time.Sleep(l.latency)
		if rand.Float64() < l.stragglers && last > first {
			time.Sleep(l.straggle)
		}
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", first, last, size))
		w.Header().Set("Content-Length", fmt.Sprint(last-first+1))
		w.Header().Set("ETag", `"1"`)
		w.WriteHeader(http.StatusPartialContent)
		free := time.Now()
		for left := last - first + 1; left > 0; left -= int64(len(chunk)) {
			n := int(min(left, int64(len(chunk))))
			if l.total > 0 {
				free = free.Add(time.Duration(float64(n) / l.single * 1e9))
				if shared := l.slot(n); shared.After(free) {
					free = shared
				}
				time.Sleep(time.Until(free))
			}
			if _, err := w.Write(chunk[:n]); err != nil {
				return
			}
		}
	}))
	b.Cleanup(server.Close)
	object, err := source.NewHTTP(b.Context(), nil, server.URL)
	if err != nil {
		b.Fatal(err)
	}
	return object
}

func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// measure reports the rate and the CPU time, the server's included, of reading n bytes once.
func measure(b *testing.B, n int64, read func() (requests int64, err error)) {
	b.Helper()
	began, used := time.Now(), cpu()
	var requests int64
	for b.Loop() {
		var err error
		if requests, err = read(); err != nil {
			b.Fatal(err)
		}
	}
	bytes := float64(n) * float64(b.N)
	b.ReportMetric(bytes/1e6/time.Since(began).Seconds(), "MB/s")
	b.ReportMetric((cpu()-used).Seconds()/bytes*1e9, "cpu-s/GB")
	b.ReportMetric(float64(requests), "requests")
	b.ReportMetric(time.Since(began).Seconds()/float64(b.N), "s")
	b.ReportMetric(0, "ns/op")
}

// sequential reads all of r as the ranged protocol does.
func sequential(r io.ReaderAt, size int64) error {
	p := make([]byte, 256<<10)
	for off := int64(0); off < size; off += int64(len(p)) {
		if _, err := r.ReadAt(p[:min(int64(len(p)), size-off)], off); err != nil {
			return err
		}
	}
	return nil
}

func readerRun(object source.Ranges, cfg source.Config) func() (int64, error) {
	return func() (int64, error) {
		r := source.NewReader(context.Background(), object, cfg)
		defer r.Close()
		err := sequential(r, r.Size())
		_, requests := r.Stats()
		return requests, err
	}
}

func extentsRun(object source.Ranges, l layout, cfg source.Config) func() (int64, error) {
	return func() (int64, error) {
		e, err := source.NewExtents(context.Background(), object, l.want, l.fetch, cfg)
		if err != nil {
			return 0, err
		}
		defer e.Close()
		err = sequential(e, e.Size())
		_, requests := e.Stats()
		return requests, err
	}
}

func all(size int64) layout {
	return layout{[]source.Extent{{Length: size}}, []source.Extent{{Length: size}}}
}

// BenchmarkStorage reads from what object storage looks like: 30 ms, 25 MB/s a connection, 75 MB/s in all.
func BenchmarkStorage(b *testing.B) {
	const size = int64(400e6)
	b.Run("Reader", func(b *testing.B) {
		measure(b, size, readerRun(storage.serve(b, size), source.Config{}))
	})
	b.Run("plain, 6 at once", func(b *testing.B) {
		object := storage.serve(b, size)
		measure(b, size, func() (int64, error) {
			var next atomic.Int64
			var wg sync.WaitGroup
			for range 6 {
				wg.Go(func() {
					for off := next.Add(4 << 20); off <= size; off = next.Add(4 << 20) {
						if err := plain(b.Context(), object, off-4<<20, 4<<20); err != nil {
							b.Error(err)
						}
					}
				})
			}
			wg.Wait()
			return size >> 22, nil
		})
	})
	b.Run("Extents/all", func(b *testing.B) {
		measure(b, size, extentsRun(storage.serve(b, size), all(size), source.Config{}))
	})
	b.Run("Extents/640 B in 26 KB, by 4 MiB", func(b *testing.B) {
		measure(b, size, extentsRun(storage.serve(b, size), interleaved(size, 640, 26<<10, 4<<20), source.Config{}))
	})
	b.Run("Extents/1200 times 8 KB", func(b *testing.B) {
		measure(b, 1200*8<<10, extentsRun(storage.serve(b, size), interleaved(size, 8<<10, size/1200, 0), source.Config{}))
	})
}

// BenchmarkStragglers has one request in fifty take a second longer.
func BenchmarkStragglers(b *testing.B) {
	const size = int64(200e6)
	slow := link{latency: storage.latency, total: storage.total, single: storage.single, stragglers: 0.02, straggle: time.Second}
	for name, hedge := range map[string]time.Duration{"hedged": 0, "not hedged": -1} {
		cfg := source.Config{Hedge: hedge}
		b.Run("Reader/"+name, func(b *testing.B) {
			measure(b, size, readerRun(slow.serve(b, size), cfg))
		})
		b.Run("Extents/1200 times 8 KB/"+name, func(b *testing.B) {
			measure(b, 1200*8<<10, extentsRun(slow.serve(b, size), interleaved(size, 8<<10, size/1200, 0), cfg))
		})
	}
}

// plain reads a range and does nothing with it.
func plain(ctx context.Context, object source.Ranges, off, n int64) error {
	body, err := object.OpenRange(ctx, off, n)
	if err != nil {
		return err
	}
	defer body.Close()
	_, err = io.CopyBuffer(struct{ io.Writer }{io.Discard}, body, make([]byte, 64<<10))
	return err
}

// BenchmarkCPU compares with the plainest loop over the same ranges, through a link without limits.
func BenchmarkCPU(b *testing.B) {
	const size = int64(1 << 30)
	free := link{}
	b.Run("plain", func(b *testing.B) {
		object := free.serve(b, size)
		measure(b, size, func() (requests int64, err error) {
			for off := int64(0); off < size; off += 4 << 20 {
				if err := plain(b.Context(), object, off, 4<<20); err != nil {
					return 0, err
				}
				requests++
			}
			return requests, nil
		})
	})
	b.Run("Reader", func(b *testing.B) {
		measure(b, size, readerRun(free.serve(b, size), source.Config{}))
	})
	b.Run("Extents/all", func(b *testing.B) {
		measure(b, size, extentsRun(free.serve(b, size), all(size), source.Config{}))
	})
	b.Run("Extents/640 B in 26 KB, by 4 MiB", func(b *testing.B) {
		measure(b, size, extentsRun(free.serve(b, size), interleaved(size, 640, 26<<10, 4<<20), source.Config{}))
	})
}
