package source

import (
	"context"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"mp3converter/shared/source/sourcetest"
)

// TestReadersHoldNoMoreThanTheBudget has many read at once, here and there, in pieces large and small, from a storage that
// breaks again and again.
func TestReadersHoldNoMoreThanTheBudget(t *testing.T) {
	t.Parallel()
	const budget = 4 << 20
	var r *Reader
	object := &sourcetest.Object{Data: make([]byte, 24<<20), Body: func(_ context.Context, n int, body io.Reader) io.Reader {
		r.mu.Lock()
		defer r.mu.Unlock()
		if held := (len(r.pages) + len(r.spare)) * pageSize; held > budget {
			t.Errorf("%d bytes are held, of %d", held, budget)
		}
		if n%4 == 0 {
			return io.LimitReader(body, 30_000)
		}
		return body
	}}
	r = NewReader(t.Context(), object, Config{Budget: budget, Block: 512 << 10, Backoff: time.Microsecond})
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(i), 0))
			p := make([]byte, 2<<20)
			for range 20 {
				n := 1 + rng.IntN(len(p))
				if _, err := r.ReadAt(p[:n], rng.Int64N(r.size-int64(n))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	r.Close()
	if r.inFlight != 0 || r.running != 0 {
		t.Errorf("%d bytes in %d requests are said to be on their way", r.inFlight, r.running)
	}
}

// TestExtentsHoldNoMoreThanTheBudget lets them fetch as far ahead as they will.
func TestExtentsHoldNoMoreThanTheBudget(t *testing.T) {
	t.Parallel()
	const size, budget = 24 << 20, 4 << 20
	object := &sourcetest.Object{Data: make([]byte, size)}
	whole := []Extent{{Length: size}}
	e, err := NewExtents(t.Context(), object, whole, whole, Config{Budget: budget})
	if err != nil {
		t.Fatal(err)
	}
	p := make([]byte, 100_000)
	for off := int64(0); off < size; off += int64(len(p)) {
		e.mu.Lock()
		fetches := e.window.fetches
		e.mu.Unlock()
		fetches.Wait() // nothing more is fetched unless somebody reads
		if got, _ := e.Stats(); got > off+budget || got < min(off+budget/2, size) {
			t.Fatalf("having read to %d, %d bytes were fetched", off, got)
		}
		if _, err := e.ReadAt(p, off); err != nil && off+int64(len(p)) <= size {
			t.Fatal(err)
		}
	}
	if held := cap(e.window.ring); held > budget {
		t.Errorf("%d bytes are held", held)
	}
	e.Close()
	if w := &e.window; w.inFlight != 0 || w.running != 0 || w.ring != nil {
		t.Errorf("%d bytes in %d requests are said to be on their way", w.inFlight, w.running)
	}
}

// FuzzPlan holds plans of any pieces and requests to what is simple to say of them.
func FuzzPlan(f *testing.F) {
	f.Add([]byte{0, 5, 10, 5}, []byte{0, 20})
	f.Add([]byte{10, 5, 0, 5}, []byte{0, 3, 3, 20})
	f.Fuzz(func(t *testing.T, w, r []byte) {
		want, fetch := extents(w), extents(r)
		object := &sourcetest.Object{Data: make([]byte, 256)}
		covered, expected := make([]bool, 1024), []byte{}
		for i := range object.Data {
			object.Data[i] = byte(i)
		}
		ok, last := true, int64(0)
		for _, x := range fetch {
			ok = ok && x.Offset >= last && x.End() <= 256
			last = x.End()
			for i := x.Offset; i < x.End(); i++ {
				covered[i] = true
			}
		}
		for _, x := range want {
			ok = ok && x.End() <= 256
			for i := x.Offset; i < x.End(); i++ {
				ok = ok && covered[i]
				expected = append(expected, byte(i))
			}
		}
		e, err := NewExtents(t.Context(), object, want, fetch, Config{Block: 7, Parallel: 2})
		if (err == nil) != ok {
			t.Fatalf("error %v, but the plan is sound: %v", err, ok)
		}
		if err != nil {
			return
		}
		defer e.Close()
		if got, err := io.ReadAll(io.NewSectionReader(e, 0, e.Size())); err != nil || string(got) != string(expected) {
			t.Fatalf("got %v, %v, want %v", got, err, expected)
		}
	})
}

// extents reads pairs of offset and length.
func extents(b []byte) (list []Extent) {
	for ; len(b) >= 2; b = b[2:] {
		list = append(list, Extent{int64(b[0]), int64(b[1])})
	}
	return list
}
