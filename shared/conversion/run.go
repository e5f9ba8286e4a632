package conversion

import (
	"log/slog"
	"time"

	"mp3converter/shared/engine"
	"mp3converter/shared/library"
)

// Outcome is how a run ended.
type Outcome string

// The outcomes.
const (
	// Converted: the MP3 is there.
	Converted Outcome = "converted"
	// Failed: there will be none.
	Failed Outcome = "failed"
	// Repeated: something went wrong that may go well the next time, so the call is to be repeated.
	Repeated Outcome = "repeated"
	// Dropped: nobody wants the result, because the file was deleted or another run took over.
	Dropped Outcome = "dropped"
)

// Run is one run of a conversion, as it is measured; or that a file was given up without another run, which took nothing.
type Run struct {
	Outcome Outcome
	// Sound is how long the MP3 plays, 0 unless Converted.
	Sound time.Duration
	// Work is what this run took, as far as it is known: of what did not end well, not what it took of the MP3's storage.
	Work library.Work
}

// Meter takes the measures of every run, right after its outcome has been recorded. It is called by many goroutines at
// once, and what it cannot deliver is its own concern.
type Meter interface {
	Record(r Run)
}

// Usage is what this process has used since it began.
type Usage struct {
	CPU time.Duration
	// PeakMemory is the most it had resident, in bytes.
	PeakMemory int64
}

// workOf is what one run of the engine took.
func workOf(s engine.Stats) library.Work {
	return library.Work{
		BytesRead: s.BytesRead, BytesWritten: s.BytesWritten, ReadRequests: s.Requests,
		Probe: s.Probe, Measure: s.Measure, Encode: s.Encode,
		CPU: s.UserCPU + s.SystemCPU, DecodeCPU: s.DecodeCPU, EncodeCPU: s.EncodeCPU, JoinCPU: s.JoinCPU,
		PeakMemory: s.MaxRSS, Copied: s.Copied, Segments: s.Segments, Requantised: s.Requantised,
	}
}

// fields are a run as the log has it; docs/operations.md says what each means.
func fields(w library.Work) []any {
	seconds := func(name string, d time.Duration) slog.Attr { return slog.Float64(name, d.Seconds()) }
	return []any{
		slog.Int64("read_bytes", w.BytesRead), slog.Int64("written_bytes", w.BytesWritten),
		slog.Int64("read_requests", w.ReadRequests), slog.Int64("write_requests", w.WriteRequests),
		seconds("wall_seconds", w.Wall), seconds("probe_seconds", w.Probe),
		seconds("measure_seconds", w.Measure), seconds("encode_seconds", w.Encode),
		seconds("cpu_seconds", w.CPU), seconds("decode_cpu_seconds", w.DecodeCPU),
		seconds("encode_cpu_seconds", w.EncodeCPU), seconds("join_cpu_seconds", w.JoinCPU),
		slog.Int64("peak_memory_bytes", w.PeakMemory), slog.Bool("copied", w.Copied),
		slog.Int64("segments", w.Segments), slog.Int64("requantised_frames", w.Requantised),
		slog.Int("workers", w.Workers), slog.Float64("cost_usd", w.CostUSD),
	}
}
