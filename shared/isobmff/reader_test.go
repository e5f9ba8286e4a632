package isobmff_test

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"testing"

	"mp3converter/shared/isobmff"
	"mp3converter/shared/source"
)

// ranges is a sparse file as an object of a store.
type ranges struct{ *sparse }

func (r ranges) OpenRange(ctx context.Context, offset, length int64) (io.ReadCloser, error) {
	p := make([]byte, length)
	if _, err := r.ReadAtContext(ctx, p, offset); err != nil {
		return nil, err
	}
	return io.NopCloser(bytes.NewReader(p)), nil
}

func TestThroughAReaderOfPages(t *testing.T) {
	t.Parallel()
	indexed, _ := stream{300, 86, 5 << 20, "sidx", 0}.build()
	atEnd, _ := stream{300, 86, 5 << 20, "mfra", 0}.build()
	unindexed, _ := stream{300, 86, 5 << 20, "", 0}.build()
	for name, c := range map[string]struct {
		file           *sparse
		bytes, request int64
	}{
		"a camera, moov last":         {recording(1200, 22, 1250000, false), 400 << 10, 4},
		"a camera, moov first":        {recording(1200, 22, 1250000, true), 300 << 10, 3},
		"two hours, moov last":        {recording(14400, 22, 1250000, false), 2 << 20, 5},
		"fragments, index first":      {indexed, 300 * 140 << 10, 310},
		"fragments, index at the end": {atEnd, 300 * 140 << 10, 310},
		"fragments, no index":         {unindexed, 300 * 140 << 10, 310},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := source.NewReader(t.Context(), ranges{c.file}, source.Config{})
			defer r.Close()
			m, err := isobmff.Open(t.Context(), r, isobmff.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := m.Extract(t.Context(), 0, isobmff.Span{}); err != nil {
				t.Fatal(err)
			}
			n, requests := r.Stats()
			t.Logf("%d KB in %d requests of a file of %d MB", n>>10, requests, c.file.Size()>>20)
			if n > c.bytes || requests > c.request {
				t.Errorf("%d bytes in %d requests, want at most %d in %d", n, requests, c.bytes, c.request)
			}
		})
	}
}

// TestSoundOutOfOrderCostsLittleMore reads sound whose pieces lie out of order, more of it than memory takes, and holds
// what that took to the planner's own estimate of the same pieces in order.
func TestSoundOutOfOrderCostsLittleMore(t *testing.T) {
	t.Parallel()
	const n, budget = 20000, 4 << 20
	random := rand.New(rand.NewPCG(7, 8)).Perm(n)
	for name, c := range map[string]struct {
		stride int64
		order  func(i int) int
		most   float64 // times the estimate
	}{
		"sound alone, reversed":   {500, func(i int) int { return n - 1 - i }, 2},
		"sound alone, two parts":  {500, func(i int) int { return i%2*n/2 + i/2 }, 2},
		"sound alone, shuffled":   {500, func(i int) int { return random[i] }, 8}, // which are as many batches
		"with pictures, reversed": {5000, func(i int) int { return n - 1 - i }, 2},
		"with pictures, shuffled": {5000, func(i int) int { return random[i] }, 8},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := make([]source.Extent, n)
			for i := range want {
				want[i] = source.Extent{Offset: int64(c.order(i)) * c.stride, Length: 500}
			}
			file := &sparse{size: n * c.stride}
			fetch := isobmff.Plan(want, file.size, isobmff.Costs{})
			e, err := source.NewExtents(t.Context(), ranges{file}, want, fetch.Extents, source.Config{Budget: budget, Hedge: -1})
			if err != nil {
				t.Fatal(err)
			}
			defer e.Close()
			if _, err := io.Copy(io.Discard, io.NewSectionReader(e, 0, e.Size())); err != nil {
				t.Fatal(err)
			}
			took := isobmff.Costs{}.Estimate(e.Stats())
			t.Logf("%+v, in order %+v", took, fetch.Estimate)
			if took.USD > c.most*fetch.Estimate.USD {
				t.Errorf("costs %.1f times what it does in order", took.USD/fetch.Estimate.USD)
			}
		})
	}
}
