package source_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"testing"

	"mp3converter/shared/source"
	"mp3converter/shared/source/sourcetest"
)

// frames are n pieces of 400 bytes, one in every of stride, and what fetches all of it.
func frames(n, stride int64) layout {
	l := interleaved(n*stride+100, 400, stride, 0)
	l.fetch = []source.Extent{{Offset: 100, Length: (n-1)*stride + 400}}
	return l
}

// orders are those in which a file may have its sound.
var orders = map[string]func(want []source.Extent){
	"reversed": func(want []source.Extent) { slices.Reverse(want) },
	"shuffled": func(want []source.Extent) {
		rand.New(rand.NewPCG(1, 1)).Shuffle(len(want), func(i, j int) { want[i], want[j] = want[j], want[i] })
	},
	"two parts by turns": func(want []source.Extent) {
		all, half := slices.Clone(want), len(want)/2
		for i := range half {
			want[2*i], want[2*i+1] = all[i], all[half+i]
		}
	},
}

func TestSoundOutOfOrderComesInFewRequests(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		order     string
		n, stride int64
		budget    int64
		requests  int64 // at most
		times     int64 // how often all of the object may be read
	}{
		"all in memory, reversed":           {"reversed", 10000, 400, 8 << 20, 4, 1},
		"all in memory, shuffled":           {"shuffled", 10000, 400, 8 << 20, 4, 1},
		"all in memory, two parts":          {"two parts by turns", 10000, 400, 8 << 20, 4, 1},
		"more than memory, reversed":        {"reversed", 30000, 400, 4 << 20, 40, 1},
		"more than memory, two parts":       {"two parts by turns", 30000, 400, 4 << 20, 50, 1},
		"more than memory, shuffled":        {"shuffled", 30000, 400, 4 << 20, 200, 9},
		"between pictures, reversed":        {"reversed", 10000, 3000, 2 << 20, 200, 1},
		"between pictures, two parts":       {"two parts by turns", 10000, 3000, 2 << 20, 200, 1},
		"between large pictures, two parts": {"two parts by turns", 6000, 4000, 2 << 20, 100, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := frames(tc.n, tc.stride)
			orders[tc.order](l.want)
			data := content(int(tc.n*tc.stride + 100))
			e := openExtents(t, &sourcetest.Object{Data: data}, l, source.Config{Budget: tc.budget, Hedge: -1})
			if got, err := readAll(e); err != nil || !bytes.Equal(got, l.wanted(data)) {
				t.Fatalf("wrong bytes, or error %v", err)
			}
			n, requests := e.Stats()
			t.Logf("%d bytes of %d in %d requests", n, len(data), requests)
			if requests > tc.requests || n > tc.times*int64(len(data))*101/100 { // where batches are cut, a little comes twice
				t.Errorf("%d bytes in %d requests, want %d times %d in %d", n, requests, tc.times, len(data), tc.requests)
			}
		})
	}
}

func TestBatchesGoOnAfterFaults(t *testing.T) {
	t.Parallel()
	l := frames(12000, 500)
	data := content(12000*500 + 100)
	orders["shuffled"](l.want)
	l.want = append(l.want, l.want[:500]...) // some of it twice
	l.want = append(l.want, source.Extent{Offset: 0, Length: 5 << 20})
	l.fetch = []source.Extent{{Length: 3 << 20}, {Offset: 3 << 20, Length: int64(len(data)) - 3<<20}}
	want := l.wanted(data)
	object := &sourcetest.Object{
		Data: data,
		Open: func(_ context.Context, n int, _, _ int64) error {
			if nowAndThen(n) {
				return errDown
			}
			return nil
		},
		Body: func(_ context.Context, n int, body io.Reader) io.Reader {
			if n%4 == 0 {
				return io.LimitReader(body, 30_000)
			}
			return body
		},
	}
	e := openExtents(t, object, l, source.Config{Budget: 2 << 20, Block: 300_000})
	got := make([]byte, len(want)+1)
	if n, err := e.ReadAt(got, 0); n != len(want) || !errors.Is(err, io.EOF) || !bytes.Equal(got[:n], want) {
		t.Fatalf("read %d bytes of %d, error %v", n, len(want), err)
	}
	readAnywhere(t, e, want)
}

func TestAnErrorEndsABatch(t *testing.T) {
	t.Parallel()
	l := frames(12000, 500)
	slices.Reverse(l.want)
	object := &sourcetest.Object{Data: content(12000*500 + 100), Open: func(_ context.Context, _ int, offset, _ int64) error {
		if offset < 2<<20 {
			return source.ErrGone
		}
		return nil
	}}
	e := openExtents(t, object, l, source.Config{Budget: 2 << 20, Block: 300_000})
	if got, err := readAll(e); !errors.Is(err, source.ErrGone) || len(got) < 1<<20 {
		t.Errorf("read %d bytes, error %v", len(got), err)
	}
}
