package engine

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
)

// loudness is what ffmpeg's loudnorm filter measured (EBU R128). The targets, -16 LUFS and -1.5 dBTP, are the child's: half
// a decibel below the -1 that is promised, for what the encoder adds. It prints its numbers as strings.
type loudness struct {
	Integrated number64 `json:"input_i"`
	TruePeak   number64 `json:"input_tp"`
	Range      number64 `json:"input_lra"`
	Threshold  number64 `json:"input_thresh"`
}

// number64 is a number in quotes; "-inf" is one.
type number64 float64

// UnmarshalJSON implements json.Unmarshaler.
func (n *number64) UnmarshalJSON(data []byte) error {
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		return fmt.Errorf("loudness %s: %w", data, err)
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return fmt.Errorf("loudness %q: %w", text, err)
	}
	*n = number64(f)
	return nil
}

// parseLoudness finds the measurement among a child's last words.
func parseLoudness(words string) (loudness, error) {
	data := []byte(words)
	open := bytes.LastIndexByte(data, '{')
	if open < 0 {
		return loudness{}, fmt.Errorf("no loudness in %q", words)
	}
	var l loudness
	if err := json.NewDecoder(bytes.NewReader(data[open:])).Decode(&l); err != nil {
		return loudness{}, fmt.Errorf("read loudness: %w", err)
	}
	return l, nil
}

// gain is what the encode command is told, so that the child brings the sound to the target: by one gain for all of it
// where the peaks allow that, else by loudnorm's limiter. Empty for silence, and for what is louder or softer than
// loudnorm can be told.
func (l loudness) gain() string {
	i, tp, thresh := float64(l.Integrated), float64(l.TruePeak), float64(l.Threshold)
	if !(i > -70 && i <= 0 && tp > -99 && tp < 99 && thresh > -99 && thresh <= 0) {
		return ""
	}
	return fmt.Sprintf(" gain=1 i=%.2f lra=%.2f tp=%.2f thresh=%.2f", i, math.Min(math.Max(float64(l.Range), 0.01), 99), tp, thresh)
}
