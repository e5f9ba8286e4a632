package conversion

import "time"

// Prices estimate what a conversion costs, in US dollars.
type Prices struct {
	// GBSecond is the price of one GB of memory for one second of a function; MemoryMB is what the function has.
	GBSecond float64
	MemoryMB int
	// Read and Write are the prices of one storage request.
	Read, Write float64
}

// ListPrices are AWS's in us-east-1 for an x86-64 function with that much memory: the free tier and transfer, which
// costs nothing inside a region, left out.
func ListPrices(memoryMB int) Prices {
	return Prices{GBSecond: 0.0000166667, MemoryMB: memoryMB, Read: 0.0000004, Write: 0.000005}
}

// Second is the price of one second of the function.
func (p Prices) Second() float64 { return float64(p.MemoryMB) / 1024 * p.GBSecond }

func (p Prices) cost(d time.Duration, o output) float64 {
	return d.Seconds()*p.Second() + float64(o.engine.Stats.Requests)*p.Read + float64(o.requests)*p.Write
}
