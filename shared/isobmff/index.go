package isobmff

import (
	"cmp"
	"context"
	"errors"
	"math"
	"slices"
	"sync"
	"sync/atomic"

	"mp3converter/shared/source"
)

const (
	// smallFile is the size up to which a file's fragments are looked for whatever it costs: it is but a few requests.
	smallFile = 8 << 20
	// maxReferences bounds how many places a file's index may name.
	maxReferences = 1 << 20
	// maxMfra bounds an index at the end of a file, in bytes.
	maxMfra = 16 << 20
	// maxDepth is how many levels of segment indexes may lie below the first.
	maxDepth = 4
	// trialWalk is how many requests of looking for fragments show what all of it will take.
	trialWalk = 8
)

// fragments reads all movie fragment boxes, in the order of the file.
//
// An index, at the start (sidx) or at the end (mfra), is taken as a hint only: it cuts the file into regions, which are
// walked at the same time, each box by box; every walk must end exactly where the next region begins. So an index that
// lists too little costs time, and one that lies is found out.
func (f *file) fragments(ctx context.Context, from int64, opts Options) ([]moof, error) {
	cuts, err := f.segments(ctx, from)
	if err != nil {
		return nil, err
	}
	if len(cuts) == 0 {
		if cuts, err = f.randomAccess(ctx, from); err != nil {
			return nil, err
		}
	}
	cuts = append(cuts, from)
	slices.Sort(cuts)
	cuts = slices.Compact(cuts)
	cuts = append(cuts, f.size)
	w := &walker{r: f.r, size: f.size, from: from, costs: opts.Costs, regions: len(cuts) - 1}
	w.budget.Store(opts.MaxMoov)
	w.guess.Store(4 << 10)
	if w.tooDear(int64(w.regions)) {
		return nil, fallback("reading its %d fragments would cost more than reading the file", w.regions)
	}
	return w.all(ctx, cuts)
}

// segments finds the segment indexes (ISO 14496-12 §8.16.3) between the movie box and the first fragment, and returns
// where they say that segments begin.
func (f *file) segments(ctx context.Context, from int64) ([]int64, error) {
	var cuts []int64
	for offset, boxes := from, 0; boxes < 64; boxes++ {
		p, err := f.peek(ctx, offset)
		if err != nil {
			return nil, err
		}
		kind, _, size, ok := boxHeader(p)
		if !ok || kind == "moof" || kind == "mdat" || size == 0 || size > f.size-offset {
			return cuts, nil
		}
		if kind == "sidx" && len(cuts) == 0 {
			if cuts, err = f.segmentIndexes(ctx, source.Extent{Offset: offset, Length: size}); err != nil {
				return nil, err
			}
		}
		offset += size
	}
	return cuts, nil
}

// segmentIndexes reads an index and those it refers to, level by level, unless that is dearer than reading the file.
func (f *file) segmentIndexes(ctx context.Context, top source.Extent) ([]int64, error) {
	var cuts []int64
	var bytes, requests int64
	level := []source.Extent{top}
	for depth := 0; len(level) > 0; depth++ {
		if depth > maxDepth || len(level) > maxReferences/16 {
			return nil, fallback("its index has too many levels")
		}
		var length int64
		for _, e := range level {
			if length += e.Length; length > maxMfra {
				return nil, fallback("its index is too long")
			}
		}
		near := groups(level)
		for _, g := range near {
			bytes += g.span().Length
			requests++
		}
		if f.dearer(bytes, requests) {
			return nil, fallback("reading its index would cost more than reading the file")
		}
		p, err := gather(ctx, f.r, near, f.costs.Parallel)
		if err != nil {
			return nil, err
		}
		var below []source.Extent
		for _, e := range level {
			media, nested, ok := segmentIndex(p[:e.Length], e.End(), f.size)
			if p = p[e.Length:]; !ok || len(cuts)+len(media) > maxReferences {
				return nil, fallback("its index makes no sense")
			}
			cuts, below = append(cuts, media...), append(below, nested...)
		}
		level = below
	}
	return cuts, nil
}

// dearer says whether so many bytes and requests cost more than reading the file. Of a small one they are but a few
// pages, as long as those are not read again and again.
func (f *file) dearer(bytes, requests int64) bool {
	if f.size <= smallFile {
		return bytes > f.size
	}
	return f.costs.estimate(bytes, requests).USD > f.costs.stream(f.size).USD
}

// segmentIndex reads an sidx box that ends at anchor: where segments begin, and further indexes.
func segmentIndex(p []byte, anchor, fileSize int64) (media []int64, nested []source.Extent, ok bool) {
	b, _, ok := nextBox(p)
	if !ok || b.kind != "sidx" {
		return nil, nil, false
	}
	f := fields{p: b.body}
	version, _ := f.full()
	f.skip(8) // reference ID, timescale
	f.wide(version)
	offset := f.wide(version)
	f.u16()
	count := int(f.u16())
	if f.short || count*12 > len(f.p) || offset > uint64(fileSize) {
		return nil, nil, false
	}
	at := anchor + int64(offset)
	for range count {
		v := f.u32()
		f.skip(8) // duration, access point
		size := int64(v & math.MaxInt32)
		if at > fileSize || size > fileSize-at {
			return nil, nil, false
		}
		if v>>31 == 1 {
			nested = append(nested, source.Extent{Offset: at, Length: size})
		}
		if media = append(media, at); size == 0 {
			return nil, nil, false
		}
		at += size
	}
	if at < fileSize {
		media = append(media, at)
	}
	return media, nested, true
}

// randomAccess finds the index at the end of the file (ISO 14496-12 §8.8.9 to §8.8.11) and returns where it says that
// fragments begin; nothing, when there is none.
func (f *file) randomAccess(ctx context.Context, from int64) ([]int64, error) {
	tail, err := f.peek(ctx, max(from, f.size-16))
	if err != nil {
		return nil, err
	}
	b, _, ok := nextBox(tail)
	if !ok || b.kind != "mfro" || len(b.body) != 8 {
		return nil, nil
	}
	g := fields{p: b.body[4:]}
	length := int64(g.u32())
	if length < 8+16 || length > maxMfra || length > f.size-from {
		return nil, nil
	}
	p, err := f.load(ctx, f.size-length, length)
	if err != nil {
		return nil, err
	}
	mfra, _, ok := nextBox(p)
	if !ok || mfra.kind != "mfra" {
		return nil, nil
	}
	cuts := []int64{f.size - length}
	for b, rest, ok := nextBox(mfra.body); ok; b, rest, ok = nextBox(rest) {
		if b.kind == "tfra" {
			cuts = append(cuts, accessPoints(b.body, from, f.size-length)...)
		}
	}
	if len(cuts) > maxReferences {
		return nil, fallback("its index is too long")
	}
	return cuts, nil
}

// accessPoints reads the fragments' offsets off a tfra box.
func accessPoints(body []byte, from, end int64) []int64 {
	f := fields{p: body}
	version, _ := f.full()
	f.u32()
	lengths := f.u32()
	count := int(f.u32())
	numbers := int(lengths>>4&3+lengths>>2&3+lengths&3) + 3 // bytes of the numbers in each entry
	var cuts []int64
	for range count {
		if len(f.p) < 8 {
			break
		}
		f.wide(version)
		offset := f.wide(version)
		f.skip(numbers)
		if offset > uint64(from) && offset < uint64(end) {
			cuts = append(cuts, int64(offset))
		}
	}
	return cuts
}

// walker reads the movie fragment boxes of regions of the file.
type walker struct {
	r          Source
	size, from int64
	costs      Costs
	regions    int
	budget     atomic.Int64 // bytes of fragment boxes that may still come
	guess      atomic.Int64 // how long the next one will be

	mu               sync.Mutex
	requests, walked int64 // so far, and over how many bytes of the file
}

// progress counts what a step took, and says whether to give up.
func (w *walker) progress(requests, walked int64) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.requests += requests
	w.walked += walked
	if w.requests <= trialWalk || requests == 0 {
		return nil
	}
	if share := float64(w.size-w.from) / float64(w.walked); w.tooDear(int64(float64(w.requests) * share)) {
		return fallback("looking for its fragments would cost more than reading the file")
	}
	return nil
}

// window is the part of the file that was read last in a region, and how many requests have been made since the last
// step.
type window struct {
	p        []byte
	at       int64
	requests int64
}

// tooDear says whether so many requests for fragments, and as many for the sound in them, cost more than reading on.
func (w *walker) tooDear(requests int64) bool {
	if w.size <= smallFile {
		return false
	}
	inFlight := float64(min(w.regions, w.costs.Parallel))
	walk := w.costs.total(float64(requests)*w.costs.Latency.Seconds()/inFlight, 2*float64(requests))
	stream := w.costs.stream(w.size - w.from)
	return walk > stream.USD
}

// all walks the regions between the cuts.
func (w *walker) all(ctx context.Context, cuts []int64) ([]moof, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	found := make([][]moof, w.regions)
	slots := make(chan struct{}, w.costs.Parallel)
	var wg sync.WaitGroup
	var once sync.Once
	var failed error
	for i := range w.regions {
		slots <- struct{}{}
		if ctx.Err() != nil {
			break
		}
		wg.Go(func() {
			defer func() { <-slots }()
			var err error
			if found[i], err = w.region(ctx, cuts[i], cuts[i+1]); err != nil {
				once.Do(func() { failed = err })
				cancel(err)
			}
		})
	}
	wg.Wait()
	if failed != nil {
		return nil, failed
	}
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	return slices.Concat(found...), nil
}

// region walks the boxes from start to end.
func (w *walker) region(ctx context.Context, start, end int64) ([]moof, error) {
	var found []moof
	var buf window
	for pos := start; pos < end; {
		p, err := w.read(ctx, &buf, pos, 16)
		if err != nil {
			return nil, err
		}
		kind, header, size, ok := boxHeader(p)
		if !ok {
			if end == w.size {
				return found, nil // rubbish after the last box
			}
			return nil, fallback("there is no box at %d", pos)
		}
		if size == 0 {
			size = w.size - pos
		}
		if size > end-pos {
			return nil, fallback("the %q box at %d is longer than its segment", kind, pos)
		}
		if kind == "moof" {
			if w.budget.Add(-size-64) < 0 {
				return nil, fallback("its fragments have too many headers")
			}
			if p, err = w.read(ctx, &buf, pos, int(size)); err != nil {
				return nil, err
			}
			found = append(found, moof{offset: pos, body: slices.Clone(p[header:size])})
			w.guess.Store(min(max(w.guess.Load(), size+size/4+16), headSize))
		}
		pos += size
		if err := w.progress(buf.requests, size); err != nil {
			return nil, err
		}
		buf.requests = 0
	}
	return found, nil
}

// read returns n bytes at pos, fewer at the end of the file, with some more read ahead: a fragment's header and, at its
// end, that of the box after it.
func (w *walker) read(ctx context.Context, buf *window, pos int64, n int) ([]byte, error) {
	n = int(min(int64(n), w.size-pos))
	end := buf.at + int64(len(buf.p))
	if pos < buf.at || pos+int64(n) > end {
		length := min(max(int64(n)+16, w.guess.Load()), w.size-pos)
		const page = headSize // reads within a page that has been read cost nothing
		if end == 0 || (pos+length-1)/page != (end-1)/page {
			buf.requests++
		}
		p := make([]byte, length)
		if err := readFull(ctx, w.r, p, pos); err != nil {
			if cause := context.Cause(ctx); cause != nil && !errors.Is(err, cause) {
				return nil, errors.Join(err, cause)
			}
			return nil, err
		}
		buf.p, buf.at = p, pos
	}
	return buf.p[pos-buf.at:][:n], nil
}

// compareExtents orders by place.
func compareExtents(a, b source.Extent) int { return cmp.Compare(a.Offset, b.Offset) }
