package engine

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Code names a kind of permanent failure; it is stable.
type Code string

// The permanent failures.
const (
	// CodeEmptyUpload: the file has no bytes.
	CodeEmptyUpload Code = "empty_upload"
	// CodeNotMedia: the file is no video or sound at all.
	CodeNotMedia Code = "not_media"
	// CodeNoAudio: a video with no sound.
	CodeNoAudio Code = "no_audio"
	// CodeTrackMissing: the audio track asked for does not exist.
	CodeTrackMissing Code = "track_missing"
	// CodeUnsupportedAudio: the sound is in a format that the layer's ffmpeg has no decoder for.
	CodeUnsupportedAudio Code = "unsupported_audio"
	// CodeEncrypted: the sound is under copy protection.
	CodeEncrypted Code = "encrypted"
	// CodeCorrupt: a video that cannot be read, or not to its end.
	CodeCorrupt Code = "corrupt"
	// CodeTooLong: the MP3 would be longer than the limit.
	CodeTooLong Code = "too_long"
	// CodeRangeEmpty: there is no sound between start and end.
	CodeRangeEmpty Code = "range_empty"
	// CodeTimeLimit: the conversion used up its wall-clock or processor time.
	CodeTimeLimit Code = "time_limit"
)

// Failure is a permanent failure: the same file with the same options would fail again.
type Failure struct {
	Code Code
	// Detail is one sentence for the person.
	Detail string
	// Err is what lies behind it, for the log only: it may hold what ffmpeg said about the file. May be nil.
	Err error
}

func (f *Failure) Error() string {
	if f.Err == nil {
		return fmt.Sprintf("%s: %s", f.Code, f.Detail)
	}
	return fmt.Sprintf("%s: %s (%v)", f.Code, f.Detail, f.Err)
}

// Unwrap returns what lies behind the failure.
func (f *Failure) Unwrap() error { return f.Err }

// doubtful is true when another way of reading the file might do better.
func (f *Failure) doubtful() bool {
	switch f.Code {
	case CodeCorrupt, CodeNotMedia, CodeUnsupportedAudio, CodeNoAudio:
		return true
	default:
		return false
	}
}

func fail(code Code, err error, format string, args ...any) *Failure {
	return &Failure{Code: code, Detail: fmt.Sprintf(format, args...), Err: err}
}

// errWall is the cause of a context that ended by Limits.Wall.
var errWall = errors.New("the wall-clock limit of the conversion is reached")

// inWords says a duration as a person would: "6 hours", "7 hours 12 minutes", "3.5 seconds".
func inWords(d time.Duration) string {
	if d < time.Minute {
		s := strings.TrimSuffix(fmt.Sprintf("%.1f", d.Seconds()), ".0")
		if s == "1" {
			return "1 second"
		}
		return s + " seconds"
	}
	if d < 10*time.Minute {
		d = d.Round(time.Second)
	} else {
		d = d.Round(time.Minute)
	}
	var parts []string
	for _, unit := range []struct {
		size time.Duration
		name string
	}{{time.Hour, "hour"}, {time.Minute, "minute"}, {time.Second, "second"}} {
		n := d / unit.size
		d -= n * unit.size
		switch {
		case n == 1:
			parts = append(parts, "1 "+unit.name)
		case n > 1:
			parts = append(parts, fmt.Sprintf("%d %ss", n, unit.name))
		}
	}
	return strings.Join(parts, " ")
}
