package source_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"mp3converter/shared/source"
	"mp3converter/shared/source/sourcetest"
)

// reading is what Reader and Extents have in common.
type reading interface {
	io.ReaderAt
	Size() int64
	Stats() (bytes, requests int64)
	Close()
}

// readings opens all of an object in each way that there is.
var readings = map[string]func(context.Context, source.Ranges, source.Config) reading{
	"Reader": func(ctx context.Context, object source.Ranges, cfg source.Config) reading {
		return source.NewReader(ctx, object, cfg)
	},
	"Extents": func(ctx context.Context, object source.Ranges, cfg source.Config) reading {
		e, err := source.NewExtents(ctx, object, []source.Extent{{Length: object.Size()}}, []source.Extent{{Length: object.Size()}}, cfg)
		if err != nil {
			panic(err)
		}
		return e
	},
}

// readAll reads from the beginning to the end, as the ranged protocol does.
func readAll(r reading) ([]byte, error) {
	data := make([]byte, r.Size())
	for off := 0; off < len(data); off += 256 << 10 {
		p := data[off:min(off+256<<10, len(data))]
		if n, err := r.ReadAt(p, int64(off)); err != nil {
			return data[:off+n], err
		}
	}
	return data, nil
}

// inBubble runs a test of each reading in a time of its own, in which no goroutine may be left at the end.
func inBubble(t *testing.T, object func() *sourcetest.Object, cfg source.Config, test func(t *testing.T, r reading)) {
	for name, open := range readings {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				o := object()
				r := open(t.Context(), o, cfg)
				test(t, r)
				r.Close()
				if n := o.Unclosed(); n != 0 {
					t.Errorf("%d bodies are still open after Close", n)
				}
			})
		})
	}
}

// nowAndThen says that one request in three is to go wrong.
func nowAndThen(n int) bool { return n%3 == 1 }

var errDown = errors.New("503 slow down")

// stall waits until nobody wants the answer any more.
func stall(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

func TestFaultsThatPass(t *testing.T) {
	t.Parallel()
	data := content(20 << 20)
	type (
		opened = func(ctx context.Context, n int, offset, length int64) error
		body   = func(ctx context.Context, n int, r io.Reader) io.Reader
	)
	open := func(fail func(context.Context) error) opened {
		return func(ctx context.Context, n int, _, _ int64) error {
			if nowAndThen(n) {
				return fail(ctx)
			}
			return nil
		}
	}
	broken := func(change func(context.Context, io.Reader) io.Reader) body {
		return func(ctx context.Context, n int, r io.Reader) io.Reader {
			if nowAndThen(n) {
				return change(ctx, r)
			}
			return r
		}
	}
	for name, o := range map[string]struct {
		open opened
		body body
	}{
		"answers that never come": {open: open(stall)},
		"answers that come late": {open: open(func(ctx context.Context) error {
			select {
			case <-time.After(3 * time.Second):
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})},
		"errors": {open: open(func(context.Context) error { return errDown })},
		"bodies that stall": {body: broken(func(ctx context.Context, r io.Reader) io.Reader {
			return io.MultiReader(io.LimitReader(r, 100_000), stuck{ctx})
		})},
		"bodies that are cut":   {body: broken(func(_ context.Context, r io.Reader) io.Reader { return io.LimitReader(r, 100_000) })},
		"bodies without a byte": {body: broken(func(context.Context, io.Reader) io.Reader { return strings.NewReader("") })},
		"bodies that are too long": {body: func(_ context.Context, _ int, r io.Reader) io.Reader {
			return io.MultiReader(r, strings.NewReader(strings.Repeat("x", 1000)))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			object := func() *sourcetest.Object { return &sourcetest.Object{Data: data, Open: o.open, Body: o.body} }
			inBubble(t, object, source.Config{Block: 1 << 20}, func(t *testing.T, r reading) {
				began := time.Now()
				if got, err := readAll(r); err != nil || !bytes.Equal(got, data) {
					t.Errorf("read %d bytes, error %v", len(got), err)
				}
				if n, _ := r.Stats(); n != int64(len(data)) {
					t.Errorf("fetched %d bytes of %d", n, len(data))
				}
				if took := time.Since(began); took > 5*time.Minute {
					t.Errorf("took %v", took)
				}
			})
		})
	}
}

func TestFaultsThatStay(t *testing.T) {
	t.Parallel()
	data := content(20 << 20)
	for name, tc := range map[string]struct {
		fail func(context.Context) error
		want error
		most time.Duration
	}{
		"an object replaced":      {func(context.Context) error { return fmt.Errorf("get: %w", source.ErrChanged) }, source.ErrChanged, 0},
		"an object removed":       {func(context.Context) error { return fmt.Errorf("get: %w", source.ErrGone) }, source.ErrGone, 0},
		"a storage that is down":  {func(context.Context) error { return errDown }, errDown, 30 * time.Second},
		"a storage that is stuck": {stall, nil, 200 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			object := func() *sourcetest.Object {
				return &sourcetest.Object{Data: data, Open: func(ctx context.Context, _ int, offset, length int64) error {
					if offset+length > 10<<20 {
						return tc.fail(ctx)
					}
					return nil
				}}
			}
			inBubble(t, object, source.Config{Block: 1 << 20}, func(t *testing.T, r reading) {
				began := time.Now()
				got, err := readAll(r)
				if err == nil || tc.want != nil && !errors.Is(err, tc.want) || errors.Is(err, context.Canceled) {
					t.Errorf("error %v, want %v", err, tc.want)
				}
				if !bytes.Equal(got, data[:len(got)]) || len(got) < 8<<20 {
					t.Errorf("before it, %d bytes came, right or not", len(got))
				}
				if took := time.Since(began); took > tc.most {
					t.Errorf("took %v", took)
				}
			})
		})
	}
}

func TestReadingGoesOnWhenTheStorageIsBack(t *testing.T) {
	t.Parallel()
	data := content(20 << 20)
	var until time.Time
	object := func() *sourcetest.Object {
		return &sourcetest.Object{Data: data, Open: func(context.Context, int, int64, int64) error {
			if time.Now().Before(until) {
				return errDown
			}
			return nil
		}}
	}
	for name, open := range readings {
		synctest.Test(t, func(t *testing.T) {
			until = time.Now().Add(time.Minute)
			r := open(t.Context(), object(), source.Config{})
			defer r.Close()
			for tries := 0; ; tries++ {
				got, err := readAll(r)
				if err == nil {
					if !bytes.Equal(got, data) {
						t.Errorf("%s: wrong bytes", name)
					}
					break
				}
				if !errors.Is(err, errDown) || tries == 10 {
					t.Fatalf("%s: error %v", name, err)
				}
			}
		})
	}
}

func TestClosingInTheMiddle(t *testing.T) {
	t.Parallel()
	data := content(20 << 20)
	for _, where := range []string{"an answer", "a body", "a pause"} {
		object := func() *sourcetest.Object {
			o := &sourcetest.Object{Data: data}
			switch where {
			case "an answer":
				o.Open = func(ctx context.Context, _ int, _, _ int64) error { return stall(ctx) }
			case "a body":
				o.Body = func(ctx context.Context, _ int, r io.Reader) io.Reader {
					return io.MultiReader(io.LimitReader(r, 1000), stuck{ctx})
				}
			default:
				o.Open = func(context.Context, int, int64, int64) error { return errDown }
			}
			return o
		}
		t.Run("of "+where, func(t *testing.T) {
			t.Parallel()
			inBubble(t, object, source.Config{}, func(t *testing.T, r reading) {
				var wg sync.WaitGroup
				for i := range 4 {
					wg.Go(func() {
						if _, err := r.ReadAt(make([]byte, 100_000), int64(i)*6<<20); !errors.Is(err, context.Canceled) {
							t.Errorf("error %v", err)
						}
					})
				}
				synctest.Wait()
				began := time.Now()
				r.Close()
				wg.Wait()
				if took := time.Since(began); took > 0 {
					t.Errorf("took %v", took)
				}
			})
		})
	}
}

func TestSlowAnswersAreAskedForAgain(t *testing.T) {
	t.Parallel()
	data := content(40 << 20)
	usual := func(ctx context.Context, d time.Duration) error {
		select {
		case <-time.After(d):
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	for name, tc := range map[string]struct {
		hedge       time.Duration
		slow        func(n int) bool
		extra, most int64
		within      time.Duration
	}{
		"never, if not wanted":           {-1, func(n int) bool { return n == 100 }, 0, 0, 20 * time.Second},
		"when one is unusual":            {0, func(n int) bool { return n == 100 }, 1, 1, 5 * time.Second},
		"after a time that is set":       {50 * time.Millisecond, func(n int) bool { return n == 1 }, 1, 1, 5 * time.Second},
		"not when all of them are":       {0, func(int) bool { return true }, 0, 0, time.Hour},
		"at most one in twenty, and one": {50 * time.Millisecond, func(int) bool { return true }, 1, 1 + 640/19, time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			object := func() *sourcetest.Object {
				return &sourcetest.Object{Data: data, Open: func(ctx context.Context, n int, _, _ int64) error {
					if tc.slow(n) {
						return usual(ctx, 10*time.Second)
					}
					return usual(ctx, 30*time.Millisecond)
				}}
			}
			l := interleaved(int64(len(data)), 1<<10, 64<<10, 0)
			synctest.Test(t, func(t *testing.T) {
				o := object()
				began := time.Now()
				e, err := source.NewExtents(t.Context(), o, l.want, l.fetch, source.Config{Hedge: tc.hedge})
				if err != nil {
					t.Fatal(err)
				}
				if got, err := readAll(e); err != nil || !bytes.Equal(got, l.wanted(data)) {
					t.Errorf("read %d bytes, error %v", len(got), err)
				}
				_, requests := e.Stats()
				if extra := requests - int64(len(l.fetch)); extra < tc.extra || extra > tc.most {
					t.Errorf("%d requests were made twice, want %d to %d", extra, tc.extra, tc.most)
				}
				if took := time.Since(began); took > tc.within {
					t.Errorf("took %v", took)
				}
				e.Close()
				if n := o.Unclosed(); n != 0 {
					t.Errorf("%d bodies are still open after Close", n)
				}
			})
		})
	}
}

func TestFarReadsMoveTheFetchingOnlyWhenTheyGoOn(t *testing.T) {
	t.Parallel()
	const size = 64 << 20
	data := content(size)
	synctest.Test(t, func(t *testing.T) {
		object := &sourcetest.Object{Data: data}
		e := readings["Extents"](t.Context(), object, source.Config{Budget: 4 << 20, Block: 1 << 20})
		defer e.Close()
		rng := rand.New(rand.NewPCG(5, 6))
		read := func(off int64) {
			t.Helper()
			p := make([]byte, 10_000)
			if _, err := e.ReadAt(p, off); err != nil || !bytes.Equal(p, data[off:off+10_000]) {
				t.Fatalf("at %d: wrong bytes, or error %v", off, err)
			}
		}
		read(0)
		synctest.Wait()
		before, _ := e.Stats()
		for range 10 {
			read(30<<20 + rng.Int64N(20<<20))
			read(10_000)
		}
		if after, _ := e.Stats(); after-before != 10*10_000 {
			t.Errorf("ten reads elsewhere fetched %d bytes", after-before)
		}
		for off := int64(40 << 20); off < 50<<20; off += 10_000 {
			read(off)
		}
		after, _ := e.Stats()
		if got := after - before - 100_000; got < 10<<20 || got > 15<<20 {
			t.Errorf("reading on there fetched %d bytes", got)
		}
	})
}
