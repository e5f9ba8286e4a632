package source_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"mp3converter/shared/source"
	"mp3converter/shared/source/sourcetest"
)

// content is n bytes that look alike nowhere.
func content(n int) []byte {
	data := make([]byte, n)
	rng := rand.NewChaCha8([32]byte{1})
	_, _ = rng.Read(data)
	return data
}

func open(t *testing.T, object *sourcetest.Object, cfg source.Config) *source.Reader {
	t.Helper()
	cfg.Backoff = max(cfg.Backoff, time.Microsecond)
	r := source.NewReader(t.Context(), object, cfg)
	closeAtEnd(t, object, r)
	return r
}

// closeAtEnd closes a reader when its test ends, which must leave no body of the object open.
func closeAtEnd(t *testing.T, object *sourcetest.Object, reader interface{ Close() }) {
	t.Helper()
	t.Cleanup(func() {
		reader.Close()
		if n := object.Unclosed(); n != 0 {
			t.Errorf("%d bodies are still open after Close", n)
		}
	})
}

func TestReadAtAnyOffset(t *testing.T) {
	t.Parallel()
	data := content(5<<20 + 123)
	for name, cfg := range map[string]source.Config{
		"with default limits":       {},
		"with the smallest budget":  {Budget: 1, Block: 128 << 10},
		"with one request at once":  {Parallel: 1},
		"with blocks below a page":  {Block: 1000},
		"with many tiny read-ahead": {Block: 64 << 10, Parallel: 16},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := open(t, &sourcetest.Object{Data: data}, cfg)
			rng := rand.New(rand.NewPCG(1, 2))
			for range 300 {
				off, n := rng.Int64N(int64(len(data)+1000)), rng.IntN(700<<10)
				p := make([]byte, n)
				got, err := r.ReadAt(p, off)
				want := data[min(off, int64(len(data))):min(off+int64(n), int64(len(data)))]
				if !bytes.Equal(p[:got], want) {
					t.Fatalf("ReadAt(%d bytes, %d) gave %d bytes, not the %d of the object", n, off, got, len(want))
				}
				if short := len(want) < n || off >= int64(len(data)); short != errors.Is(err, io.EOF) || !short && err != nil {
					t.Fatalf("ReadAt(%d bytes, %d): error %v", n, off, err)
				}
			}
		})
	}
}

func TestReadersTogether(t *testing.T) {
	t.Parallel()
	data := content(6 << 20)
	r := open(t, &sourcetest.Object{Data: data}, source.Config{Budget: 2 << 20, Block: 256 << 10})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			got, err := io.ReadAll(io.NewSectionReader(r, 0, r.Size()))
			if err != nil || !bytes.Equal(got, data) {
				t.Errorf("read %d bytes, error %v", len(got), err)
			}
		})
	}
	wg.Wait()
}

func TestSequentialReadingFetchesEachByteOnceInLongRanges(t *testing.T) {
	t.Parallel()
	data := content(48 << 20)
	object := &sourcetest.Object{Data: data}
	r := open(t, object, source.Config{})
	p := make([]byte, 256<<10)
	for off := int64(0); off < r.Size(); off += int64(len(p)) {
		if _, err := r.ReadAt(p, off); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(p, data[off:off+int64(len(p))]) {
			t.Fatalf("wrong bytes at %d", off)
		}
	}
	got, requests := r.Stats()
	if got != r.Size() {
		t.Errorf("fetched %d bytes of an object of %d", got, r.Size())
	}
	if requests > 30 {
		t.Errorf("%d requests for %d MiB: %v", requests, r.Size()>>20, object.Opened())
	}
}

func TestLookingAtHeadAndTailFetchesLittle(t *testing.T) {
	t.Parallel()
	object := &sourcetest.Object{Data: content(32 << 20)}
	r := open(t, object, source.Config{})
	for _, off := range []int64{0, 32<<20 - 1024, 32<<20 - 4096, 16 << 20, 0, 4096} {
		if _, err := r.ReadAt(make([]byte, 1024), off); err != nil {
			t.Fatal(err)
		}
	}
	if bytes, requests := r.Stats(); bytes > 256<<10 || requests > 3 {
		t.Errorf("fetched %d bytes in %d requests: %v", bytes, requests, object.Opened())
	}
}

func TestMemoryStaysWithinTheBudget(t *testing.T) {
	t.Parallel()
	object := &sourcetest.Object{Data: content(16 << 20)}
	r := open(t, object, source.Config{Budget: 4 << 20, Block: 512 << 10})
	for range 2 {
		if _, err := io.Copy(io.Discard, io.NewSectionReader(r, 0, r.Size())); err != nil {
			t.Fatal(err)
		}
	}
	if got, _ := r.Stats(); got < 2*r.Size()-4<<20 {
		t.Errorf("fetched %d bytes for two passes: more than the budget was kept", got)
	}
}

func TestBrokenRangesAreResumedWhereTheyBroke(t *testing.T) {
	t.Parallel()
	data := content(3 << 20)
	broken := errors.New("connection reset")
	for name, body := range map[string]func(io.Reader) io.Reader{
		"with an error": func(r io.Reader) io.Reader {
			return io.MultiReader(io.LimitReader(r, 100_000), iotest.ErrReader(broken))
		},
		"with an early end": func(r io.Reader) io.Reader { return io.LimitReader(r, 100_000) },
		"byte by byte, then an error with the last bytes": func(r io.Reader) io.Reader {
			return iotest.DataErrReader(io.LimitReader(iotest.HalfReader(r), 70_000))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			object := &sourcetest.Object{Data: data, Body: func(_ context.Context, _ int, r io.Reader) io.Reader { return body(r) }}
			r := open(t, object, source.Config{Attempts: 2})
			got := make([]byte, len(data))
			if _, err := r.ReadAt(got, 0); err != nil || !bytes.Equal(got, data) {
				t.Fatalf("wrong bytes, or error %v", err)
			}
			if n, _ := r.Stats(); n != int64(len(data)) {
				t.Errorf("fetched %d bytes of %d: some twice", n, len(data))
			}
		})
	}
}

func TestAStalledRequestIsMadeAgain(t *testing.T) {
	t.Parallel()
	data := content(100_000)
	object := &sourcetest.Object{Data: data, Open: func(ctx context.Context, n int, _, _ int64) error {
		if n == 1 {
			<-ctx.Done()
			return ctx.Err()
		}
		return nil
	}}
	r := open(t, object, source.Config{Stall: 10 * time.Millisecond})
	got := make([]byte, len(data))
	if _, err := r.ReadAt(got, 0); err != nil || !bytes.Equal(got, data) {
		t.Fatalf("wrong bytes, or error %v", err)
	}
}

func TestErrorsOfTheObject(t *testing.T) {
	t.Parallel()
	down := errors.New("storage is down")
	for _, tc := range []struct {
		name     string
		err      error
		requests int64
	}{
		{"an object replaced meanwhile is not tried again", source.ErrChanged, 1},
		{"an object removed meanwhile is not tried again", source.ErrGone, 1},
		{"storage that stays down is given up after the attempts", down, 3},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			fail := true
			object := &sourcetest.Object{Data: content(1000), Open: func(context.Context, int, int64, int64) error {
				if fail {
					return tc.err
				}
				return nil
			}}
			r := open(t, object, source.Config{Attempts: 3})
			if _, err := r.ReadAt(make([]byte, 10), 5); !errors.Is(err, tc.err) {
				t.Fatalf("error %v, want %v", err, tc.err)
			}
			if _, requests := r.Stats(); requests != tc.requests {
				t.Errorf("%d requests, want %d", requests, tc.requests)
			}
			fail = false
			if _, err := r.ReadAt(make([]byte, 10), 5); err != nil {
				t.Errorf("after the storage came back: %v", err)
			}
		})
	}
}

func TestReadsEndWithTheirContextAndWithClose(t *testing.T) {
	t.Parallel()
	started := make(chan struct{}, 8)
	object := &sourcetest.Object{Data: content(1000), Open: func(ctx context.Context, _ int, _, _ int64) error {
		started <- struct{}{}
		<-ctx.Done()
		return ctx.Err()
	}}
	r := open(t, object, source.Config{})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-started
		cancel()
	}()
	if _, err := r.ReadAtContext(ctx, make([]byte, 10), 0); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled read: error %v", err)
	}
	done := make(chan error)
	go func() {
		_, err := r.ReadAt(make([]byte, 10), 0)
		done <- err
	}()
	r.Close()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("read of a closed reader: error %v", err)
	}
}

func TestReadingAnEmptyObject(t *testing.T) {
	t.Parallel()
	r := open(t, &sourcetest.Object{}, source.Config{})
	if n, err := r.ReadAt(make([]byte, 1), 0); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("ReadAt = %d, %v", n, err)
	}
}
