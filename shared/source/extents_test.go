package source_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"mp3converter/shared/source"
	"mp3converter/shared/source/sourcetest"
)

// layout is pieces of an object, and requests that cover them.
type layout struct{ want, fetch []source.Extent }

// interleaved is pieces of piece bytes, one in every of stride, each fetched by itself, or with those next to it up to
// long bytes.
func interleaved(size, piece, stride, long int64) (l layout) {
	for off := int64(100); off+piece <= size; off += stride {
		l.want = append(l.want, source.Extent{Offset: off, Length: piece})
		if last := len(l.fetch) - 1; last >= 0 && off+piece-l.fetch[last].Offset <= long {
			l.fetch[last].Length = off + piece - l.fetch[last].Offset
		} else {
			l.fetch = append(l.fetch, source.Extent{Offset: off, Length: piece})
		}
	}
	return l
}

// randomLayout is pieces and gaps of any size, and requests that cut them anywhere.
func randomLayout(rng *rand.Rand, size int64) (l layout) {
	type run = source.Extent
	for at := rng.Int64N(1000); at < size; {
		n := min(1+rng.Int64N(1<<rng.IntN(17)), size-at)
		l.want = append(l.want, run{at, n})
		if at += n; rng.IntN(3) > 0 {
			at += rng.Int64N(1 << rng.IntN(17))
		}
	}
	for _, w := range l.want {
		for at := w.Offset; at < w.End(); {
			n := min(1+rng.Int64N(200<<10), w.End()-at)
			if last := len(l.fetch) - 1; last >= 0 && rng.IntN(3) > 0 && at+n-l.fetch[last].Offset < 300<<10 {
				l.fetch[last].Length = at + n - l.fetch[last].Offset
			} else {
				l.fetch = append(l.fetch, run{at, n})
			}
			at += n
		}
	}
	return l
}

// wanted is what an Extents of the layout is to give.
func (l layout) wanted(data []byte) []byte {
	var all []byte
	for _, w := range l.want {
		all = append(all, data[w.Offset:w.End()]...)
	}
	return all
}

func openExtents(t *testing.T, object *sourcetest.Object, l layout, cfg source.Config) *source.Extents {
	t.Helper()
	cfg.Backoff = max(cfg.Backoff, time.Microsecond)
	e, err := source.NewExtents(t.Context(), object, l.want, l.fetch, cfg)
	if err != nil {
		t.Fatal(err)
	}
	closeAtEnd(t, object, e)
	return e
}

func TestExtentsAreReadAsOneFile(t *testing.T) {
	t.Parallel()
	const size = 3 << 20
	data := content(size)
	rng := rand.New(rand.NewPCG(3, 4))
	layouts := map[string]layout{
		"each piece by itself":         interleaved(size, 8<<10, 100<<10, 0),
		"many pieces in a request":     interleaved(size, 640, 26<<10, 1<<20),
		"long pieces and long gaps":    interleaved(size, 300<<10, 700<<10, 4<<20),
		"all of it":                    {[]source.Extent{{Length: size}}, []source.Extent{{Length: size}}},
		"nothing":                      {nil, []source.Extent{{Length: 100}}},
		"neighbours, and empty pieces": {[]source.Extent{{0, 10}, {10, 20}, {25, 0}, {30, 5}}, []source.Extent{{0, 12}, {12, 100}}},
		"the last byte":                {[]source.Extent{{size - 1, 1}}, []source.Extent{{0, 5}, {size - 10, 10}}},
	}
	for i := range 2 {
		layouts[fmt.Sprint("random ", i)] = randomLayout(rng, size)
	}
	shuffled := randomLayout(rng, 1<<20)
	rng.Shuffle(len(shuffled.want), func(i, j int) {
		shuffled.want[i], shuffled.want[j] = shuffled.want[j], shuffled.want[i]
	})
	shuffled.want = append(shuffled.want, shuffled.want[:3]...)
	layouts["in any order, some of it twice"] = shuffled
	for name, l := range layouts {
		for cfgName, cfg := range map[string]source.Config{
			"default": {}, "small": {Budget: 1, Block: 100_000, MaxRequests: 4}, "one": {Parallel: 1, MaxRequests: 1, Budget: 4 << 20},
		} {
			t.Run(name+", "+cfgName, func(t *testing.T) {
				t.Parallel()
				object := &sourcetest.Object{Data: data, Body: func(_ context.Context, n int, r io.Reader) io.Reader {
					return &uneven{r, rand.New(rand.NewPCG(uint64(n), 0))}
				}}
				e := openExtents(t, object, l, cfg)
				want := l.wanted(data)
				if e.Size() != int64(len(want)) {
					t.Fatalf("size %d, want %d", e.Size(), len(want))
				}
				if err := iotest.TestReader(io.NewSectionReader(e, 0, e.Size()), want[:min(len(want), 100_000)]); len(want) <= 100_000 && err != nil {
					t.Error(err)
				}
				got := make([]byte, len(want)+1)
				if n, err := e.ReadAt(got, 0); n != len(want) || !errors.Is(err, io.EOF) || !bytes.Equal(got[:n], want) {
					t.Fatalf("read %d bytes of %d, error %v", n, len(want), err)
				}
				readAnywhere(t, e, want)
			})
		}
	}
}

// readAnywhere reads here and there, with some order in it.
func readAnywhere(t *testing.T, e *source.Extents, want []byte) {
	t.Helper()
	rng := rand.New(rand.NewPCG(1, 2))
	at := int64(0)
	for range 200 {
		switch rng.IntN(6) {
		case 0:
			at = rng.Int64N(int64(len(want) + 100))
		case 1:
			at = max(0, at-rng.Int64N(300_000))
		case 2:
			at += rng.Int64N(300_000)
		}
		p := make([]byte, rng.IntN(100_000))
		n, err := e.ReadAt(p, at)
		lo, hi := min(at, int64(len(want))), min(at+int64(len(p)), int64(len(want)))
		if !bytes.Equal(p[:n], want[lo:hi]) || (n < len(p)) != errors.Is(err, io.EOF) || n == len(p) && err != nil {
			t.Fatalf("ReadAt(%d bytes, %d) of %d: %d bytes, error %v", len(p), at, len(want), n, err)
		}
		at += int64(n)
	}
}

// uneven gives now many, now few bytes at a time.
type uneven struct {
	r   io.Reader
	rng *rand.Rand
}

func (u *uneven) Read(p []byte) (int, error) {
	return u.r.Read(p[:min(len(p), 1+u.rng.IntN(1<<(6+u.rng.IntN(12))))])
}

func TestExtentsTogether(t *testing.T) {
	t.Parallel()
	data := content(6 << 20)
	l := interleaved(6<<20, 20<<10, 30<<10, 1<<20)
	want := l.wanted(data)
	e := openExtents(t, &sourcetest.Object{Data: data}, l, source.Config{Budget: 2 << 20, Block: 256 << 10})
	var wg sync.WaitGroup
	for i := range 6 {
		wg.Go(func() {
			from := int64(i) * e.Size() / 6
			got, err := io.ReadAll(io.NewSectionReader(e, from, e.Size()-from))
			if err != nil || !bytes.Equal(got, want[from:]) {
				t.Errorf("read %d bytes, error %v", len(got), err)
			}
		})
	}
	wg.Wait()
}

func TestPlansThatAreRefused(t *testing.T) {
	t.Parallel()
	object := &sourcetest.Object{Data: content(1000)}
	for name, l := range map[string]layout{
		"nothing fetched":               {[]source.Extent{{0, 1}}, nil},
		"a hole in a piece":             {[]source.Extent{{0, 100}}, []source.Extent{{0, 50}, {51, 100}}},
		"the beginning missing":         {[]source.Extent{{5, 100}}, []source.Extent{{6, 500}}},
		"the end missing":               {[]source.Extent{{5, 100}}, []source.Extent{{0, 104}}},
		"a piece between two requests":  {[]source.Extent{{0, 5}, {20, 5}, {50, 5}}, []source.Extent{{0, 10}, {40, 100}}},
		"pieces out of order, one lost": {[]source.Extent{{50, 5}, {0, 5}, {20, 5}}, []source.Extent{{0, 10}, {40, 100}}},
		"requests out of order":         {nil, []source.Extent{{50, 5}, {0, 5}}},
		"requests that overlap":         {nil, []source.Extent{{0, 10}, {9, 5}}},
		"a request beyond the object":   {nil, []source.Extent{{900, 101}}},
		"a request of absurd length":    {nil, []source.Extent{{900, 1<<63 - 1}}},
		"a request of less than no":     {nil, []source.Extent{{900, -1}}},
		"a piece beyond the object":     {[]source.Extent{{999, 2}}, []source.Extent{{900, 100}}},
		"a piece of absurd length":      {[]source.Extent{{1, 1<<63 - 1}}, []source.Extent{{0, 1000}}},
		"a piece before the object":     {[]source.Extent{{-1, 2}}, []source.Extent{{0, 1000}}},
		"a piece of negative length":    {[]source.Extent{{5, -2}}, []source.Extent{{0, 1000}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if e, err := source.NewExtents(t.Context(), object, l.want, l.fetch, source.Config{}); err == nil {
				e.Close()
				t.Error("no error")
			}
		})
	}
}

func TestExtentsFetchWhatIsPlannedAndOnce(t *testing.T) {
	t.Parallel()
	data := content(32 << 20)
	l := interleaved(32<<20, 30<<10, 100<<10, 2<<20)
	object := &sourcetest.Object{Data: data}
	e := openExtents(t, object, l, source.Config{Budget: 2 << 20})
	if got, err := io.ReadAll(io.NewSectionReader(e, 0, e.Size())); err != nil || !bytes.Equal(got, l.wanted(data)) {
		t.Fatalf("wrong bytes, or error %v", err)
	}
	var planned int64
	for _, f := range l.fetch {
		planned += f.Length
	}
	// Requests longer than the memory allows are split, where the gap between two pieces need not be fetched.
	if bytes, requests := e.Stats(); bytes > planned || bytes < e.Size() || requests > 120 {
		t.Errorf("fetched %d bytes in %d requests for %d in %d planned", bytes, requests, planned, len(l.fetch))
	}
}

func TestTheFirstBytesNeedNotWaitForTheBlock(t *testing.T) {
	t.Parallel()
	data := content(4 << 20)
	object := &sourcetest.Object{Data: data, Body: func(ctx context.Context, _ int, r io.Reader) io.Reader {
		return io.MultiReader(io.LimitReader(r, 10_000), stuck{ctx})
	}}
	e := openExtents(t, object, layout{[]source.Extent{{0, 4 << 20}}, []source.Extent{{0, 4 << 20}}}, source.Config{})
	got := make([]byte, 10_000)
	if _, err := e.ReadAt(got, 0); err != nil || !bytes.Equal(got, data[:10_000]) {
		t.Errorf("wrong bytes, or error %v", err)
	}
}

// stuck gives nothing until its context ends.
type stuck struct{ ctx context.Context }

func (s stuck) Read([]byte) (int, error) {
	<-s.ctx.Done()
	return 0, s.ctx.Err()
}

func TestManyShortRequestsRunAtOnceAndFewLongOnes(t *testing.T) {
	t.Parallel()
	const size = 64 << 20
	data := content(size)
	for name, tc := range map[string]struct {
		layout   layout
		min, max int
	}{
		"short": {interleaved(size, 8<<10, 100<<10, 0), 24, 24},
		"long":  {layout{[]source.Extent{{0, size}}, []source.Extent{{0, size}}}, 4, 4},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var mu sync.Mutex
			running, reached := 0, make(chan struct{})
			object := &sourcetest.Object{Data: data, Open: func(ctx context.Context, _ int, _, _ int64) error {
				mu.Lock()
				if running++; running == tc.min {
					close(reached)
				} else if running > tc.max {
					t.Errorf("%d requests at once", running)
				}
				mu.Unlock()
				<-ctx.Done()
				return ctx.Err()
			}}
			openExtents(t, object, tc.layout, source.Config{Hedge: -1})
			<-reached
		})
	}
}
