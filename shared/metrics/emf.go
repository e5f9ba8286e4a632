// Package metrics tells the platform in numbers what the service does, and knows what the process has used. It may touch
// nothing but a writer and the process's own accounts.
package metrics

import (
	"encoding/json"
	"io"
	"sync"
	"time"

	"mp3converter/shared/conversion"
)

// Namespace is where CloudWatch keeps the metrics.
const Namespace = "MP3Converter"

// EMF writes the measures of each run as one line in CloudWatch's Embedded Metric Format
// (https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html):
// Lambda's log makes metrics of it, with no call and no permission. Elsewhere it is a line of JSON like any other. It is
// safe for concurrent use; a line that cannot be written is lost.
type EMF struct {
	mu       sync.Mutex
	w        io.Writer
	function string
}

// NewEMF makes one that writes to w, and says that it is of that function.
func NewEMF(w io.Writer, function string) *EMF {
	return &EMF{w: w, function: function}
}

var _ conversion.Meter = (*EMF)(nil)

// line is a run: a metric for each number, a dimension for each string.
type line struct {
	AWS      directive          `json:"_aws"`
	Function string             `json:"function"`
	Outcome  conversion.Outcome `json:"outcome"`

	Converted       int     `json:"Converted"`
	Failed          int     `json:"Failed"`
	DurationSeconds float64 `json:"DurationSeconds"`
	WallSeconds     float64 `json:"WallSeconds"`
	CPUSeconds      float64 `json:"CPUSeconds"`
	BytesRead       int64   `json:"BytesRead"`
	Requests        int64   `json:"Requests"`
	CostUSD         float64 `json:"CostUSD"`
	PeakMemoryBytes int64   `json:"PeakMemoryBytes"`
}

// directive is the specification's metadata object.
type directive struct {
	Timestamp         int64             `json:"Timestamp"` // milliseconds since 1970
	CloudWatchMetrics []metricDirective `json:"CloudWatchMetrics"`
}

type metricDirective struct {
	Namespace  string       `json:"Namespace"`
	Dimensions [][]string   `json:"Dimensions"`
	Metrics    []definition `json:"Metrics"`
}

type definition struct {
	Name string `json:"Name"`
	Unit string `json:"Unit"`
}

// described says which members of a line are dimensions, and which are metrics of what unit.
var described = []metricDirective{{
	Namespace:  Namespace,
	Dimensions: [][]string{{"function", "outcome"}},
	Metrics: []definition{
		{"Converted", "Count"}, {"Failed", "Count"}, {"DurationSeconds", "Seconds"}, {"WallSeconds", "Seconds"},
		{"CPUSeconds", "Seconds"}, {"BytesRead", "Bytes"}, {"Requests", "Count"}, {"CostUSD", "None"}, {"PeakMemoryBytes", "Bytes"},
	},
}}

// Record implements conversion.Meter.
func (m *EMF) Record(r conversion.Run) {
	w := r.Work
	data, err := json.Marshal(line{
		AWS:      directive{Timestamp: time.Now().UnixMilli(), CloudWatchMetrics: described},
		Function: m.function, Outcome: r.Outcome,
		Converted: count(r.Outcome == conversion.Converted), Failed: count(r.Outcome == conversion.Failed),
		DurationSeconds: r.Sound.Seconds(), WallSeconds: w.Wall.Seconds(), CPUSeconds: w.CPU.Seconds(),
		BytesRead: w.BytesRead, Requests: w.ReadRequests + w.WriteRequests, CostUSD: w.CostUSD, PeakMemoryBytes: w.PeakMemory,
	})
	if err != nil {
		return // a number that JSON does not have: nothing that could be told
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	_, _ = m.w.Write(append(data, '\n'))
}

func count(yes bool) int {
	if yes {
		return 1
	}
	return 0
}
