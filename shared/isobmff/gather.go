package isobmff

import (
	"context"
	"sync"

	"mp3converter/shared/source"
)

const (
	// nearby is the gap between two pieces that is read rather than skipped by a request of its own.
	nearby = 64 << 10
	// maxSpan is how far a group of pieces reaches, in bytes with the gaps: that much is in memory while it is read.
	maxSpan = 1 << 20
)

// group is pieces of the file that are read in one go: ascending, none overlapping the next, and within maxSpan unless
// it is one piece alone.
type group []source.Extent

// span is what of the file that is, gaps and all.
func (g group) span() source.Extent {
	return source.Extent{Offset: g[0].Offset, Length: g[len(g)-1].End() - g[0].Offset}
}

// groups divides pieces, whose order it keeps.
func groups(wanted []source.Extent) []group {
	var all []group
	for i := 0; i < len(wanted); {
		j := i + 1
		for j < len(wanted) {
			gap := wanted[j].Offset - wanted[j-1].End()
			if gap < 0 || gap > nearby || wanted[j].End()-wanted[i].Offset > maxSpan {
				break
			}
			j++
		}
		all = append(all, wanted[i:j:j])
		i = j
	}
	return all
}

// gather reads groups into one slice, piece after piece, as many at a time as parallel says. What it holds beside that
// slice is maxSpan for each of these.
func gather(ctx context.Context, r Source, all []group, parallel int) ([]byte, error) {
	var total int64
	for _, g := range all {
		total += g.length()
	}
	out := make([]byte, total)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	slots := make(chan struct{}, parallel)
	rest := out
	for _, g := range all {
		slots <- struct{}{}
		if ctx.Err() != nil {
			break
		}
		p := rest[:g.length()]
		rest = rest[len(p):]
		wg.Go(func() {
			defer func() { <-slots }()
			if err := g.read(ctx, r, p); err != nil {
				cancel(err) // the first counts
			}
		})
	}
	wg.Wait()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return out, nil
}

// length is that of the pieces together.
func (g group) length() (sum int64) {
	for _, e := range g {
		sum += e.Length
	}
	return sum
}

// read reads the pieces into p, one after the other.
func (g group) read(ctx context.Context, r Source, p []byte) error {
	span := g.span()
	if span.Length == int64(len(p)) {
		return readFull(ctx, r, p, span.Offset)
	}
	buf := make([]byte, span.Length)
	if err := readFull(ctx, r, buf, span.Offset); err != nil {
		return err
	}
	for _, e := range g {
		p = p[copy(p, buf[e.Offset-span.Offset:e.End()-span.Offset]):]
	}
	return nil
}
