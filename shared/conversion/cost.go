package conversion

import (
	"cmp"
	"time"

	"mp3converter/shared/library"
)

// Prices estimate what a conversion costs, in US dollars: the time of the function and its requests to storage. The free
// tier is left out, and so is what is too little to matter, such as the writes to the table.
type Prices struct {
	// GBSecond is the price of one GB of memory for one second of a function; MemoryMB is what the function has.
	GBSecond float64
	MemoryMB int
	// Read and Write are the prices of one storage request: GET and HEAD; PUT and POST.
	Read, Write float64
}

// lambdaPrices are Lambda's prices of a GB-second in its first tier, by Go's names of the architectures. Most regions have
// these; the few that are dearer are not told apart (PRICE_GB_SECOND is for them).
var lambdaPrices = map[string]float64{"amd64": 0.0000166667, "arm64": 0.0000133334}

// storagePrices are S3's prices of 1,000 requests to the standard class, where they are not those of us-east-1.
var storagePrices = map[string]struct{ read, write float64 }{
	"us-west-1":      {0.00044, 0.0055},
	"ca-central-1":   {0.00044, 0.0055},
	"eu-central-1":   {0.00043, 0.0054},
	"eu-west-2":      {0.00042, 0.0053},
	"eu-west-3":      {0.00042, 0.0053},
	"ap-northeast-1": {0.00037, 0.0047},
	"ap-northeast-2": {0.00035, 0.0045},
	"ap-southeast-2": {0.00044, 0.0055},
	"sa-east-1":      {0.00056, 0.007},
}

// ListPrices are AWS's for a function with that much memory. An architecture is named as Go does. A region or an
// architecture that is not known has the prices of us-east-1, and of amd64. Transfer inside a region costs nothing.
func ListPrices(region, architecture string, memoryMB int) Prices {
	p := Prices{GBSecond: lambdaPrices["amd64"], MemoryMB: memoryMB, Read: 0.0004 / 1000, Write: 0.005 / 1000}
	if price, ok := lambdaPrices[architecture]; ok {
		p.GBSecond = price
	}
	if price, ok := storagePrices[region]; ok {
		p.Read, p.Write = price.read/1000, price.write/1000
	}
	return p
}

// With are the prices, with those in their place that are not 0 in other.
func (p Prices) With(other Prices) Prices {
	p.GBSecond = cmp.Or(other.GBSecond, p.GBSecond)
	p.Read, p.Write = cmp.Or(other.Read, p.Read), cmp.Or(other.Write, p.Write)
	return p
}

// Second is the price of one second of the function.
func (p Prices) Second() float64 { return float64(p.MemoryMB) / 1024 * p.GBSecond }

func (p Prices) cost(w library.Work) float64 {
	return w.Wall.Seconds()*p.Second() + float64(w.ReadRequests)*p.Read + float64(w.WriteRequests)*p.Write
}

// stopwatch measures a run.
type stopwatch struct {
	c     *Converter
	began time.Time
	used  Usage // by this process before
}

func (c *Converter) startWatch() stopwatch {
	return stopwatch{c: c, began: time.Now(), used: c.usage()}
}

// stop adds to what the engine says of its work what only the whole process knows.
func (s stopwatch) stop(w library.Work) library.Work {
	used := s.c.usage()
	w.Wall = time.Since(s.began)
	w.CPU += used.CPU - s.used.CPU
	w.PeakMemory += used.PeakMemory
	w.Workers = s.c.Workers
	w.CostUSD = s.c.Prices.cost(w)
	return w
}

func (c *Converter) usage() Usage {
	if c.Usage == nil {
		return Usage{}
	}
	return c.Usage()
}
