package aws

import (
	"time"

	"mp3converter/shared/library"
)

// workItem is library.Work as the table holds it, in one map: with short names, as every list reads them too. Times are
// nanoseconds.
type workItem struct {
	BytesRead     int64         `dynamodbav:"br,omitempty"`
	BytesWritten  int64         `dynamodbav:"bw,omitempty"`
	ReadRequests  int64         `dynamodbav:"rr,omitempty"`
	WriteRequests int64         `dynamodbav:"rw,omitempty"`
	Wall          time.Duration `dynamodbav:"t,omitempty"`
	Probe         time.Duration `dynamodbav:"tp,omitempty"`
	Measure       time.Duration `dynamodbav:"tm,omitempty"`
	Encode        time.Duration `dynamodbav:"te,omitempty"`
	CPU           time.Duration `dynamodbav:"c,omitempty"`
	DecodeCPU     time.Duration `dynamodbav:"cd,omitempty"`
	EncodeCPU     time.Duration `dynamodbav:"ce,omitempty"`
	JoinCPU       time.Duration `dynamodbav:"cj,omitempty"`
	PeakMemory    int64         `dynamodbav:"m,omitempty"`
	Copied        bool          `dynamodbav:"k,omitempty"`
	Segments      int64         `dynamodbav:"s,omitempty"`
	Requantised   int64         `dynamodbav:"q,omitempty"`
	Workers       int           `dynamodbav:"w,omitempty"`
	CostUSD       float64       `dynamodbav:"usd,omitempty"`
}

// work is what the item says; nothing when there is none.
func (it *workItem) work() library.Work {
	if it == nil {
		return library.Work{}
	}
	return library.Work(*it)
}
