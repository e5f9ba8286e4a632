package isobmff

import (
	"math"
	"slices"
	"time"

	"mp3converter/shared/source"
)

// Costs are what reading costs, in time and in money. A zero field takes the default, which is near what a function on
// AWS meets when it reads from S3.
type Costs struct {
	// Latency is the time from a request to its first byte: 30 ms.
	Latency time.Duration
	// Bandwidth is how fast all requests together deliver, in bytes per second: 75 MB/s.
	Bandwidth float64
	// PerConnection is how fast one request delivers, in bytes per second: 25 MB/s.
	PerConnection float64
	// Parallel is how many requests are under way at once: 24.
	Parallel int
	// Block is the longest request, in bytes: 4 MiB, and at least 64 KiB; more in a file of terabytes.
	Block int64
	// USDPerRequest is the price of a request: 4e-7.
	USDPerRequest float64
	// USDPerSecond is the price of the function that waits: 2.9e-5, a Lambda function with one full core (1769 MB).
	USDPerSecond float64
	// WaitUSDPerSecond is what a second of a person's waiting counts: 1e-4, which is 0.36 USD an hour. So time weighs
	// about four times what the bill alone would make it.
	WaitUSDPerSecond float64
	// Busy is how long the function works anyway while bytes come in: reading that is faster than that gains nothing.
	Busy time.Duration
}

func (c Costs) withDefaults() Costs {
	c.Latency = positive(c.Latency, 30*time.Millisecond)
	c.Bandwidth = positive(c.Bandwidth, 75e6)
	c.PerConnection = positive(c.PerConnection, 25e6)
	c.Parallel = positive(c.Parallel, 24)
	c.Block = max(positive(c.Block, 4<<20), 64<<10)
	c.USDPerRequest = positive(c.USDPerRequest, 4e-7)
	c.USDPerSecond = positive(c.USDPerSecond, 2.9e-5)
	c.WaitUSDPerSecond = positive(c.WaitUSDPerSecond, 1e-4)
	return c
}

func positive[T int | int64 | float64 | time.Duration](value, byDefault T) T {
	if value > 0 {
		return value
	}
	return byDefault
}

// total is what counts: money for requests, and time, the function's and the person's.
func (c Costs) total(seconds, requests float64) float64 {
	return requests*c.USDPerRequest + max(seconds, c.Busy.Seconds())*(c.USDPerSecond+c.WaitUSDPerSecond)
}

// estimate is what so many requests for so many bytes take: their delays run side by side, as many as are under way at
// once; their bytes share the connections and the line.
func (c Costs) estimate(bytes, requests int64) Estimate {
	inFlight := float64(max(1, min(int64(c.Parallel), requests)))
	each := float64(requests) * c.Latency.Seconds() / inFlight
	seconds := max(each+float64(bytes)/c.PerConnection/inFlight, c.Latency.Seconds()+float64(bytes)/c.Bandwidth)
	if requests == 0 {
		seconds = 0
	}
	return Estimate{Bytes: bytes, Requests: requests, Seconds: seconds, USD: c.total(seconds, float64(requests))}
}

// stream is the estimate of reading bytes in full blocks.
func (c Costs) stream(bytes int64) Estimate {
	return c.estimate(bytes, bytes/c.Block+min(1, bytes%c.Block))
}

// Estimate is what a way of reading takes.
type Estimate struct {
	Bytes, Requests int64
	Seconds         float64
	// USD is what is compared: the price of the requests and of the function's time, and the person's waiting.
	USD float64
}

// Fetch is how wanted pieces are read.
type Fetch struct {
	// Extents are the requests: ascending, not overlapping, none longer than a block. Every wanted byte is in one of
	// them; a piece may go on in the next.
	Extents []source.Extent
	// Streamed is true when they are one run from the first wanted byte to the last, gaps and all.
	Streamed bool
	// Estimate is what that takes; Whole is what reading the whole file would.
	Estimate, Whole Estimate
}

// Plan decides in which requests to read the wanted pieces of a file of that size. Gaps between neighbours are read when
// that is cheaper than a request of its own: how long such a gap may be is found by trying. The pieces may be in any
// order and may overlap; the requests ascend and do not.
func Plan(want []source.Extent, size int64, costs Costs) Fetch {
	c := costs.withDefaults()
	best := Fetch{Whole: c.stream(size)}
	want = ascending(want, size)
	if len(want) == 0 {
		return best
	}
	// More requests than this are no plan but a burden; only pieces of terabytes come near.
	c.Block = max(c.Block, size>>20)
	chosen, block, first := int64(0), c.Block, true
	try := func(gap, length int64) {
		if e := c.estimate(coalesced(want, gap, length, nil)); first || e.USD < best.Estimate.USD {
			best.Estimate, chosen, block, first = e, gap, length, false
		}
	}
	for _, gap := range gaps(c) {
		try(gap, c.Block)
	}
	for length := c.Block / 2; length >= c.Block/16; length /= 2 { // a short run comes sooner in several requests
		try(chosen, length)
	}
	runs := 0
	best.Extents = make([]source.Extent, 0, best.Estimate.Requests)
	coalesced(want, chosen, block, func(e source.Extent) {
		best.Extents = blocks(best.Extents, e, block)
		runs++
	})
	best.Streamed = runs == 1
	return best
}

// gaps are the longest gaps to try to read over, ascending, a doubling each.
func gaps(c Costs) []int64 {
	list := []int64{0}
	for gap := 4096.0; gap < 64*float64(c.Block); gap *= 2 {
		list = append(list, int64(gap))
	}
	return append(list, math.MaxInt64/2)
}

// coalesced visits the runs that pieces make when gaps up to that length are read over, and counts their bytes and the
// requests they take.
func coalesced(want []source.Extent, gap, block int64, visit func(source.Extent)) (bytes, requests int64) {
	run := want[0]
	end := func() {
		bytes += run.Length
		requests += (run.Length-1)/block + 1
		if visit != nil {
			visit(run)
		}
	}
	for _, e := range want[1:] {
		if e.Offset-run.End() <= gap {
			run.Length = e.End() - run.Offset
			continue
		}
		end()
		run = e
	}
	end()
	return bytes, requests
}

// blocks cuts a run into requests of about equal length, none longer than a block.
func blocks(to []source.Extent, run source.Extent, block int64) []source.Extent {
	n := (run.Length-1)/block + 1
	for i := range n {
		start, end := run.Length/n*i+min(i, run.Length%n), run.Length/n*(i+1)+min(i+1, run.Length%n)
		to = append(to, source.Extent{Offset: run.Offset + start, Length: end - start})
	}
	return to
}

// ascending is the same bytes in the order of the file, each once, and none beyond its end; the same slice, if it is so
// already.
func ascending(want []source.Extent, size int64) []source.Extent {
	end, fine := int64(0), true
	for _, e := range want {
		if e.Length <= 0 || e.Offset < end || e.Length > size-e.Offset {
			fine = false
			break
		}
		end = e.End()
	}
	if fine {
		return want
	}
	var inside []source.Extent
	for _, e := range want {
		if e.Length > 0 && e.Offset >= 0 && e.Offset < size {
			e.Length = min(e.Length, size-e.Offset)
			inside = append(inside, e)
		}
	}
	slices.SortFunc(inside, compareExtents)
	merged := inside[:0]
	for _, e := range inside {
		if n := len(merged); n > 0 && e.Offset <= merged[n-1].End() {
			merged[n-1].Length = max(merged[n-1].End(), e.End()) - merged[n-1].Offset
			continue
		}
		merged = append(merged, e)
	}
	return merged
}
