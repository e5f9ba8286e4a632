package api

import "mp3converter/shared/library"

// work is what a conversion took, as the API shows it.
type work struct {
	ReadBytes     int64   `json:"read_bytes"`
	WrittenBytes  int64   `json:"written_bytes"`
	ReadRequests  int64   `json:"read_requests"`
	WriteRequests int64   `json:"write_requests"`
	Wall          float64 `json:"wall_seconds"`
	Probe         float64 `json:"probe_seconds"`
	Measure       float64 `json:"measure_seconds"`
	Encode        float64 `json:"encode_seconds"`
	CPU           float64 `json:"cpu_seconds"`
	DecodeCPU     float64 `json:"decode_cpu_seconds"`
	EncodeCPU     float64 `json:"encode_cpu_seconds"`
	JoinCPU       float64 `json:"join_cpu_seconds"`
	PeakMemory    int64   `json:"peak_memory_bytes"`
	Copied        bool    `json:"copied"`
	Segments      int64   `json:"segments"`
	Requantised   int64   `json:"requantised_frames"`
	Workers       int     `json:"workers"`
}

// showWork is nil when nothing has been done.
func showWork(w library.Work) *work {
	if w == (library.Work{}) {
		return nil
	}
	return &work{
		ReadBytes: w.BytesRead, WrittenBytes: w.BytesWritten, ReadRequests: w.ReadRequests, WriteRequests: w.WriteRequests,
		Wall: w.Wall.Seconds(), Probe: w.Probe.Seconds(), Measure: w.Measure.Seconds(), Encode: w.Encode.Seconds(),
		CPU: w.CPU.Seconds(), DecodeCPU: w.DecodeCPU.Seconds(), EncodeCPU: w.EncodeCPU.Seconds(), JoinCPU: w.JoinCPU.Seconds(),
		PeakMemory: w.PeakMemory, Copied: w.Copied, Segments: w.Segments, Requantised: w.Requantised, Workers: w.Workers,
	}
}
