// Package audio says what a person may ask of an MP3: the options of the HTTP contract, their limits and their defaults.
//
// It is plain data and validation. It knows neither ffmpeg nor LAME; the engine turns a valid Options into an encode.
package audio

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
)

// Mode is how the encoder spends bits.
type Mode string

// The two modes an MP3 is offered in.
const (
	// VBR holds quality constant and lets the bitrate vary.
	VBR Mode = "vbr"
	// CBR holds the bitrate constant.
	CBR Mode = "cbr"
)

// DefaultQuality is the VBR quality used when nothing is asked for: about 190 kbit/s for stereo.
const DefaultQuality = 2

const (
	maxTrack   = 63
	maxSeconds = 7 * 24 * 3600
)

// Bitrates are the CBR rates in kbit/s that every MPEG-1 Layer III decoder must accept (ISO 11172-3, table B.2).
var Bitrates = []int{32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320}

// Options are one person's wishes for one MP3. The zero value asks for nothing special and is valid; WithDefaults
// fills it in. A nil pointer means "not asked for".
type Options struct {
	Mode    Mode `json:"mode,omitempty"`
	Quality *int `json:"quality,omitempty"`
	// Bitrate is in kbit/s.
	Bitrate *int `json:"bitrate,omitempty"`
	// Channels is 1 or 2; nil keeps mono as mono and mixes anything wider down to stereo.
	Channels *int `json:"channels,omitempty"`
	// Track counts the audio tracks from 0; nil takes the one the container marks as default.
	Track *int `json:"track,omitempty"`
	// Start and End are seconds on the track's own time line.
	Start *float64 `json:"start,omitempty"`
	End   *float64 `json:"end,omitempty"`
	// Normalize brings the loudness to -16 LUFS (EBU R128).
	Normalize bool `json:"normalize,omitempty"`
}

// FieldError says what is wrong with one option, in words for the person who sent it.
type FieldError struct {
	Field  string
	Detail string
}

func (e FieldError) Error() string { return e.Field + ": " + e.Detail }

// Parse reads options from JSON, refusing unknown members, and validates them.
// The error is a FieldError, or several joined, when the JSON is well formed but not acceptable.
func Parse(data []byte) (Options, error) {
	var o Options
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&o); err != nil {
		return Options{}, fmt.Errorf("read audio options: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return Options{}, errors.New("read audio options: more than one JSON value")
	}
	return o, o.Validate()
}

// Validate reports every option that is out of range or contradicts another, joined; each is a FieldError.
func (o Options) Validate() error {
	var errs []error
	bad := func(field, format string, args ...any) {
		errs = append(errs, FieldError{Field: "audio." + field, Detail: fmt.Sprintf(format, args...)})
	}
	switch o.Mode {
	case "", VBR:
		if o.Bitrate != nil {
			bad("bitrate", `needs "mode":"cbr"; VBR takes "quality"`)
		}
		if o.Quality != nil && (*o.Quality < 0 || *o.Quality > 9) {
			bad("quality", "must be 0 (best) to 9")
		}
	case CBR:
		if o.Quality != nil {
			bad("quality", `needs "mode":"vbr"; CBR takes "bitrate"`)
		}
		switch {
		case o.Bitrate == nil:
			bad("bitrate", `is required with "mode":"cbr"`)
		case !slices.Contains(Bitrates, *o.Bitrate):
			bad("bitrate", "must be one of %v kbit/s", Bitrates)
		}
	default:
		bad("mode", `must be "vbr" or "cbr"`)
	}
	if o.Channels != nil && *o.Channels != 1 && *o.Channels != 2 {
		bad("channels", "must be 1 (mono) or 2 (stereo)")
	}
	if o.Track != nil && (*o.Track < 0 || *o.Track > maxTrack) {
		bad("track", "must be 0 to %d", maxTrack)
	}
	start := 0.0
	if o.Start != nil {
		start = *o.Start
		if !(start >= 0 && start <= maxSeconds) {
			bad("start", "must be 0 to %d seconds", maxSeconds)
		}
	}
	if o.End != nil {
		switch {
		case math.IsNaN(*o.End) || *o.End <= 0 || *o.End > maxSeconds:
			bad("end", "must be above 0 and at most %d seconds", maxSeconds)
		case *o.End <= start:
			bad("end", "must be after start")
		}
	}
	return errors.Join(errs...)
}

// WithDefaults returns the options with mode, and quality in VBR, filled in.
func (o Options) WithDefaults() Options {
	if o.Mode == "" {
		o.Mode = VBR
	}
	if o.Mode == VBR && o.Quality == nil {
		q := DefaultQuality
		o.Quality = &q
	}
	return o
}
