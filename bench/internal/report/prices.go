package report

import "time"

// Prices are AWS's list prices in us-east-1, in US dollars; the free tier is left out, and so is what transfer costs,
// which inside a region is nothing.
type Prices struct {
	// GBSecond is what one GB of memory costs for one second of a function, on x86-64 and on arm64.
	GBSecond    float64 `json:"gb_second"`
	GBSecondArm float64 `json:"gb_second_arm"`
	// MemoryMB is the memory at which Lambda gives two whole processors.
	MemoryMB int `json:"memory_mb"`
	// Read is a GET or HEAD, Write a PUT, a POST or a part.
	Read  float64 `json:"read"`
	Write float64 `json:"write"`
}

// ListPrices are those the service itself reckons with.
func ListPrices() Prices {
	return Prices{GBSecond: 0.0000166667, GBSecondArm: 0.0000133334, MemoryMB: 3538, Read: 0.0000004, Write: 0.000005}
}

// Cost is what a job of that length with so many requests costs, on x86-64 and on arm64.
func (p Prices) Cost(wall time.Duration, reads, writes int64) (x86, arm float64) {
	gbSeconds := wall.Seconds() * float64(p.MemoryMB) / 1024
	requests := float64(reads)*p.Read + float64(writes)*p.Write
	return gbSeconds*p.GBSecond + requests, gbSeconds*p.GBSecondArm + requests
}
