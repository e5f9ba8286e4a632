package cli

import (
	"time"

	"mp3converter/cmd/mp3converter/internal/api"
	"mp3converter/cmd/mp3converter/internal/encode"
)

// report is what encode says with --json: what came of it and what it took, of a run that failed too. Sizes are in
// bytes.
type report struct {
	Input  string `json:"input"`
	Output string `json:"output"`
	// State is ready or failed, as the service names them.
	State api.State `json:"state"`
	Error *fault    `json:"error,omitempty"`

	// Bytes is the length of the MP3, and BytesWritten what was written of it, rewriting included.
	Bytes        int64 `json:"bytes"`
	BytesWritten int64 `json:"bytes_written"`
	// BytesRead and Requests are what was fetched of the input, retries included.
	BytesRead int64 `json:"bytes_read"`
	Requests  int64 `json:"requests"`
	// Samples are counted per channel.
	Samples         int64   `json:"samples"`
	SampleRate      int     `json:"sample_rate"`
	DurationSeconds float64 `json:"duration_seconds"`

	Workers int `json:"workers"`
	// Copied is true when the track was MP3 and its frames were kept; else Segments were encoded side by side, and
	// Requantised of their frames once more when they were joined.
	Copied      bool    `json:"copied"`
	Segments    int64   `json:"segments"`
	Requantised int64   `json:"requantised"`
	Stages      []stage `json:"stages"`
	// WallSeconds is from the opening of the input to the MP3 in its place.
	WallSeconds float64 `json:"wall_seconds"`
	// CPUSeconds is the processor time of everything; OwnCPUSeconds is this process's part of it.
	CPUSeconds    float64 `json:"cpu_seconds"`
	OwnCPUSeconds float64 `json:"own_cpu_seconds"`
	// PeakMemory is the most that the largest child had resident, OwnPeakMemory the most of this process.
	PeakMemory    int64 `json:"peak_memory_bytes"`
	OwnPeakMemory int64 `json:"own_peak_memory_bytes"`
}

// stage is one stage of an encode. Decoding, encoding and joining go on at the same time, so they share the wall-clock
// time that "encode" has, and "decode" and "join" have processor time only.
type stage struct {
	Name        string  `json:"name"`
	WallSeconds float64 `json:"wall_seconds,omitempty"`
	CPUSeconds  float64 `json:"cpu_seconds,omitempty"`
}

func (r *report) took(res encode.Result) {
	s := res.Stats
	r.Bytes, r.BytesWritten, r.BytesRead, r.Requests = res.Bytes, res.Written, s.BytesRead, s.Requests
	r.Samples, r.SampleRate = res.Samples, res.SampleRate
	if res.SampleRate > 0 {
		r.DurationSeconds = float64(res.Samples) / float64(res.SampleRate)
	}
	for _, st := range []struct {
		name      string
		wall, cpu time.Duration
	}{{"probe", s.Probe, 0}, {"measure", s.Measure, 0}, {"decode", 0, s.DecodeCPU}, {"encode", s.Encode, s.EncodeCPU}, {"join", 0, s.JoinCPU}} {
		if st.wall > 0 || st.cpu > 0 {
			r.Stages = append(r.Stages, stage{st.name, st.wall.Seconds(), st.cpu.Seconds()})
		}
	}
	r.Copied, r.Segments, r.Requantised = s.Copied, s.Segments, s.Requantised
	r.WallSeconds = res.Wall.Seconds()
	r.OwnCPUSeconds = res.OwnCPU.Seconds()
	r.CPUSeconds = (s.UserCPU + s.SystemCPU + res.OwnCPU).Seconds()
	r.PeakMemory, r.OwnPeakMemory = s.MaxRSS, res.OwnPeak
}
