// Package report is the result of a run of the benchmark: medians and ratios, as JSON, as a table for the terminal and as
// a table in Markdown.
package report

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Figures are what one way of converting took. Times are in seconds, sizes in bytes, money in US dollars.
type Figures struct {
	Wall float64 `json:"wall"`
	CPU  float64 `json:"cpu"`
	// Bytes are those read of the video, Uploaded those sent; Requests are both ways together.
	Bytes    float64 `json:"bytes"`
	Requests float64 `json:"requests"`
	// USD is for an x86-64 function, USDArm for an arm64 one that takes as long.
	USD    float64 `json:"usd"`
	USDArm float64 `json:"usd_arm"`
	RSS    float64 `json:"rss"`
	// Tmp are bytes written to disk.
	Tmp      float64 `json:"tmp"`
	OutBytes float64 `json:"out_bytes"`
	Uploaded float64 `json:"uploaded"`
}

// Ratio is naive ÷ ours; nil where ours is 0.
type Ratio struct {
	Wall     *float64 `json:"wall"`
	CPU      *float64 `json:"cpu"`
	Bytes    *float64 `json:"bytes"`
	Requests *float64 `json:"requests"`
	USD      *float64 `json:"usd"`
	USDArm   *float64 `json:"usd_arm"`
	RSS      *float64 `json:"rss"`
	Tmp      *float64 `json:"tmp"`
	OutBytes *float64 `json:"out_bytes"`
	Uploaded *float64 `json:"uploaded"`
}

// Input says what was converted.
type Input struct {
	Bytes     int64   `json:"bytes"`
	Seconds   float64 `json:"seconds"`
	AudioRuns int     `json:"audio_runs,omitempty"`
}

// Round is one measurement of both.
type Round struct {
	Naive Figures `json:"naive"`
	Ours  Figures `json:"ours"`
}

// Case is one input's result: medians over the rounds, each figure's by itself.
type Case struct {
	Name string `json:"name"`
	// NaiveIs and OursIs say what is compared when it is not naive with ours.
	NaiveIs string  `json:"naive_is,omitempty"`
	OursIs  string  `json:"ours_is,omitempty"`
	Input   Input   `json:"input"`
	Naive   Figures `json:"naive"`
	Ours    Figures `json:"ours"`
	Ratio   Ratio   `json:"ratio"`
	Rounds  []Round `json:"rounds"`
}

// NewCase computes medians and ratios.
func NewCase(name string, in Input, rounds []Round) Case {
	c := Case{Name: name, Input: in, Rounds: rounds}
	fields := func(f *Figures) []*float64 {
		return []*float64{&f.Wall, &f.CPU, &f.Bytes, &f.Requests, &f.USD, &f.USDArm, &f.RSS, &f.Tmp, &f.OutBytes, &f.Uploaded}
	}
	r := &c.Ratio
	ratios := []**float64{&r.Wall, &r.CPU, &r.Bytes, &r.Requests, &r.USD, &r.USDArm, &r.RSS, &r.Tmp, &r.OutBytes, &r.Uploaded}
	for i := range ratios {
		var naive, ours []float64
		for k := range rounds {
			naive = append(naive, *fields(&rounds[k].Naive)[i])
			ours = append(ours, *fields(&rounds[k].Ours)[i])
		}
		n, o := median(naive), median(ours)
		*fields(&c.Naive)[i], *fields(&c.Ours)[i] = n, o
		if o != 0 {
			ratio := n / o
			*ratios[i] = &ratio
		}
	}
	return c
}

func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	half := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[half]
	}
	return (sorted[half-1] + sorted[half]) / 2
}

// Machine says where it was measured, and with what.
type Machine struct {
	CPU         string `json:"cpu"`
	Cores       int    `json:"cores"`
	MemoryBytes int64  `json:"memory_bytes"`
	Kernel      string `json:"kernel"`
	Arch        string `json:"arch"`
	Go          string `json:"go"`
	Commit      string `json:"commit"`
	NaiveFFmpeg string `json:"naive_ffmpeg"`
	OursFFmpeg  string `json:"ours_ffmpeg"`
}

// Network is the link to the object server.
type Network struct {
	LatencySeconds float64 `json:"latency_seconds"`
	JobBytes       int64   `json:"job_bytes_per_second"`
	ConnBytes      int64   `json:"connection_bytes_per_second"`
}

// Run is a whole run.
type Run struct {
	Date    time.Time `json:"date"`
	Machine Machine   `json:"machine"`
	Network Network   `json:"network"`
	Prices  Prices    `json:"prices"`
	// Workers is how many encoders ours uses at once.
	Workers int    `json:"workers"`
	Rounds  int    `json:"rounds"`
	Cases   []Case `json:"cases"`
}

// Save writes the run into the folder as latest.json, whole or not at all.
func (r *Run) Save(dir string) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("write results: %w", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("write results: %w", err)
	}
	part := filepath.Join(dir, ".latest.json")
	if err := os.WriteFile(part, append(text, '\n'), 0o644); err != nil {
		return fmt.Errorf("write results: %w", err)
	}
	return os.Rename(part, filepath.Join(dir, "latest.json"))
}

// Load reads what Save has written.
func Load(dir string) (*Run, error) {
	text, err := os.ReadFile(filepath.Join(dir, "latest.json"))
	if err != nil {
		return nil, fmt.Errorf("read results: %w", err)
	}
	var r Run
	if err := json.Unmarshal(text, &r); err != nil {
		return nil, fmt.Errorf("read results: %w", err)
	}
	return &r, nil
}
