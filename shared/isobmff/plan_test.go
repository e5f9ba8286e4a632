package isobmff_test

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"mp3converter/shared/isobmff"
	"mp3converter/shared/source"
)

// chunksEvery is a file's sound: n pieces of that length, one every stride bytes.
func chunksEvery(n int, length, stride int64) (want []source.Extent, size int64) {
	for i := range n {
		want = append(want, source.Extent{Offset: 5000 + int64(i)*stride, Length: length})
	}
	return want, 10000 + int64(n)*stride
}

// checkFetch holds a plan to what Plan promises.
func checkFetch(t testing.TB, f isobmff.Fetch, want []source.Extent, size int64) {
	t.Helper()
	var end, bytes int64
	for i, e := range f.Extents {
		if e.Length <= 0 || e.Offset < end || e.End() > size {
			t.Fatalf("request %d, %v, after %d in a file of %d bytes", i, e, end, size)
		}
		end = e.End()
		bytes += e.Length
	}
	if bytes != f.Estimate.Bytes || int64(len(f.Extents)) != f.Estimate.Requests {
		t.Errorf("%d bytes in %d requests, estimated %+v", bytes, len(f.Extents), f.Estimate)
	}
	if bytes > size {
		t.Errorf("%d bytes of %d", bytes, size)
	}
	if f.Estimate.USD > f.Whole.USD*1.0001 {
		t.Errorf("costs %+v, the whole file %+v", f.Estimate, f.Whole)
	}
	for _, w := range want {
		if w.Offset < 0 || w.Length <= 0 || w.Offset >= size {
			continue
		}
		next, stop := w.Offset, w.Offset+min(w.Length, size-w.Offset)
		i, found := slices.BinarySearchFunc(f.Extents, next, func(e source.Extent, at int64) int { return cmp.Compare(e.Offset, at) })
		if !found {
			i--
		}
		for ; i >= 0 && i < len(f.Extents) && f.Extents[i].Offset <= next && next < stop; i++ {
			next = max(next, f.Extents[i].End())
		}
		if next < stop {
			t.Fatalf("%v is fetched up to %d only", w, next)
		}
	}
}

func TestPlans(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		n              int
		length, stride int64
		streamed       bool
		share          float64 // of the file that is fetched, at most
	}{
		"interleaved frame by frame":     {15001, 640, 26000, true, 1.0},
		"a camera, half-second chunks":   {1200, 8000, 1250000, false, 0.03},
		"a phone, half-second chunks":    {1200, 8000, 1000000, false, 0.03},
		"a screen recording":             {3600, 16000, 100000, true, 1.0},
		"4K, a second of sound at once":  {600, 16000, 12 << 20, false, 0.01},
		"sound alone":                    {1, 100 << 20, 100 << 20, true, 1.0},
		"two pieces far from each other": {2, 1 << 20, 1 << 30, false, 0.01},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want, size := chunksEvery(c.n, c.length, c.stride)
			f := isobmff.Plan(want, size, isobmff.Costs{})
			checkFetch(t, f, want, size)
			t.Logf("%+v, the whole file %+v", f.Estimate, f.Whole)
			if f.Streamed != c.streamed {
				t.Errorf("streamed: %v", f.Streamed)
			}
			if share := float64(f.Estimate.Bytes) / float64(size); share > c.share {
				t.Errorf("%.1f %% of the file", 100*share)
			}
		})
	}
}

func TestPlansTakePricesIntoAccount(t *testing.T) {
	t.Parallel()
	want, size := chunksEvery(1200, 8000, 250000)
	dear := isobmff.Plan(want, size, isobmff.Costs{USDPerRequest: 1e-3})
	cheap := isobmff.Plan(want, size, isobmff.Costs{USDPerRequest: 1e-12, Parallel: 1000})
	slow := isobmff.Plan(want, size, isobmff.Costs{Latency: 10 * time.Second})
	busy := isobmff.Plan(want, size, isobmff.Costs{Busy: time.Hour})
	for name, f := range map[string]isobmff.Fetch{"dear": dear, "cheap": cheap, "slow": slow, "busy": busy} {
		checkFetch(t, f, want, size)
		t.Logf("%s: %+v", name, f.Estimate)
	}
	if !dear.Streamed || !slow.Streamed || !busy.Streamed || cheap.Estimate.Bytes > 1200*8000 {
		t.Errorf("dear %v, slow %v, busy %v, cheap %+v", dear.Streamed, slow.Streamed, busy.Streamed, cheap.Estimate)
	}
}

func TestPlansOfAnything(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		size := 1 + r.Int64N(1<<r.IntN(34))
		var want []source.Extent
		at := int64(0)
		for range r.IntN(60) {
			e := source.Extent{Offset: at + r.Int64N(1<<r.IntN(30)), Length: r.Int64N(1 << r.IntN(24))}
			if at = e.End(); r.IntN(20) == 0 {
				at = r.Int64N(size)
			}
			want = append(want, e)
		}
		checkFetch(t, isobmff.Plan(want, size, isobmff.Costs{}), want, size)
	}
	for _, want := range [][]source.Extent{
		nil, {{}}, {{Offset: -5, Length: 3}}, {{Offset: 1 << 62, Length: 1 << 62}}, {{Offset: 0, Length: 1<<63 - 1}},
		{{Offset: 5, Length: 1<<63 - 1}, {Offset: 5, Length: 1<<63 - 1}}, {{Offset: 3, Length: -1 << 63}},
	} {
		checkFetch(t, isobmff.Plan(want, 100, isobmff.Costs{}), want, 100)
		checkFetch(t, isobmff.Plan(want, 1<<62, isobmff.Costs{}), want, 1<<62)
	}
}
