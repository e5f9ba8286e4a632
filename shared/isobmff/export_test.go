package isobmff

// Estimate is what so many bytes in so many requests take.
func (c Costs) Estimate(bytes, requests int64) Estimate {
	return c.withDefaults().estimate(bytes, requests)
}
