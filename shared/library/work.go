package library

import "time"

// Work is what converting a file took: all attempts together, but for those that died before they could tell.
type Work struct {
	// BytesRead is what was fetched of the video and BytesWritten what was stored of the MP3, whatever was fetched or
	// written twice included; ReadRequests and WriteRequests are what that took of storage.
	BytesRead, BytesWritten     int64
	ReadRequests, WriteRequests int64
	// Wall is the time on the clock. Probe, Measure and Encode are what its stages had of it.
	Wall, Probe, Measure, Encode time.Duration
	// CPU is the processor time of all processes. DecodeCPU, EncodeCPU and JoinCPU are parts of it: to read, decode and
	// filter; to encode; and to join what was encoded side by side.
	CPU, DecodeCPU, EncodeCPU, JoinCPU time.Duration
	// PeakMemory is in bytes, the most that any attempt may have had resident.
	PeakMemory int64
	// Copied says that the video's sound was MP3 already and its frames were kept.
	Copied bool
	// Segments were encoded side by side by that many Workers; Requantised frames were encoded again at their joins.
	Segments, Requantised int64
	Workers               int
	// CostUSD is an estimate, in US dollars.
	CostUSD float64
}

// Plus is the work of an attempt and of the next.
func (w Work) Plus(next Work) Work {
	return Work{
		BytesRead: w.BytesRead + next.BytesRead, BytesWritten: w.BytesWritten + next.BytesWritten,
		ReadRequests: w.ReadRequests + next.ReadRequests, WriteRequests: w.WriteRequests + next.WriteRequests,
		Wall: w.Wall + next.Wall, Probe: w.Probe + next.Probe, Measure: w.Measure + next.Measure, Encode: w.Encode + next.Encode,
		CPU: w.CPU + next.CPU, DecodeCPU: w.DecodeCPU + next.DecodeCPU, EncodeCPU: w.EncodeCPU + next.EncodeCPU, JoinCPU: w.JoinCPU + next.JoinCPU,
		PeakMemory: max(w.PeakMemory, next.PeakMemory), Copied: next.Copied,
		Segments: w.Segments + next.Segments, Requantised: w.Requantised + next.Requantised,
		Workers: max(w.Workers, next.Workers), CostUSD: w.CostUSD + next.CostUSD,
	}
}
