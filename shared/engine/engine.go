// Package engine makes an MP3 of the sound of a video: video bytes in by ranges, MP3 bytes out in order.
//
// Today ffmpeg does the work, as a child process with a fixed argument list: ffprobe says what the file is, a plan is
// made from that and from the person's options, and one run of ffmpeg (two, to normalize) carries it out. The child
// has no network and no disk: it asks this process for bytes, and hands the result over, in the ranged protocol that
// the project's ffmpeg layer adds to it. Nothing is held whole in memory.
//
// The input is taken for hostile. The child gets an empty environment and limits on CPU, memory, files, time and
// output; nothing that a person or a file says reaches its command line but numbers; it is killed, with everything it
// may have started, when the context ends, and it does not outlive this process.
//
// A conversion ends in a Result, in a Failure, which no retry mends and which says why in words for the person, or in
// another error, which is worth a retry.
//
// The package needs Linux.
package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"mp3converter/shared/audio"
	"mp3converter/shared/source"
)

// Rewritable is how many bytes from the start of the MP3 may be written again before Convert returns: the header that
// says how long the MP3 is can only be filled in at the end.
const Rewritable = 1 << 20

// Limits bound what one conversion may use. A zero field takes the default.
type Limits struct {
	// Wall is how long a conversion may take: 14 minutes, a minute less than a function may run. A context that ends
	// earlier ends it with an error that is worth a retry.
	Wall time.Duration
	// CPU is how much processor time all children of a conversion may use together: 30 minutes.
	CPU time.Duration
	// Memory is how much address space a child may have, in bytes: 1 GiB. What it touches is a fraction of that.
	Memory int64
	// Output is the longest MP3 in bytes: 2 GiB.
	Output int64
	// MaxDuration is the longest MP3 in time: 6 hours.
	MaxDuration time.Duration
}

func (l Limits) withDefaults() Limits {
	l.Wall = orDefault(l.Wall, 14*time.Minute)
	l.CPU = orDefault(l.CPU, 30*time.Minute)
	l.Memory = orDefault(l.Memory, 1<<30)
	l.Output = orDefault(l.Output, 2<<30)
	l.MaxDuration = orDefault(l.MaxDuration, 6*time.Hour)
	return l
}

func orDefault[T int64 | time.Duration](value, byDefault T) T {
	if value <= 0 {
		return byDefault
	}
	return value
}

// Config says how to make an Engine.
type Config struct {
	// FFmpeg is the path of the layer's ffmpeg; empty: looked for on PATH. ffprobe must lie beside it.
	FFmpeg string
	Limits Limits
	// Source bounds the reading of the video.
	Source source.Config
}

// Engine converts. It holds no state of a conversion and is safe for concurrent use.
type Engine struct {
	ffmpeg  string
	ffprobe string
	limits  Limits
	source  source.Config
}

// New finds ffmpeg and ffprobe and makes sure that both speak the ranged protocol.
func New(ctx context.Context, cfg Config) (*Engine, error) {
	name := cfg.FFmpeg
	if name == "" {
		name = "ffmpeg"
	}
	ffmpeg, err := exec.LookPath(name)
	if err != nil {
		return nil, fmt.Errorf("find ffmpeg: %w", err)
	}
	ffprobe, err := exec.LookPath(filepath.Join(filepath.Dir(ffmpeg), "ffprobe"))
	if err != nil {
		return nil, fmt.Errorf("find ffprobe beside ffmpeg: %w", err)
	}
	for _, path := range []string{ffmpeg, ffprobe} {
		asking, cancel := context.WithTimeout(ctx, 30*time.Second)
		out, err := exec.CommandContext(asking, path, "-hide_banner", "-protocols").Output() //nolint:gosec // the operator's own path
		cancel()
		if err != nil {
			return nil, fmt.Errorf("ask %s for its protocols: %w", path, err)
		}
		if !strings.Contains(string(out), "\n  ranged\n") {
			return nil, fmt.Errorf("%s has no \"ranged\" protocol: it is not the one of this project's layer", path)
		}
	}
	return &Engine{ffmpeg: ffmpeg, ffprobe: ffprobe, limits: cfg.Limits.withDefaults(), source: cfg.Source}, nil
}

// Result says what a conversion made and what it took.
type Result struct {
	// Bytes is the length of the MP3.
	Bytes int64
	// Duration is how long the MP3 plays, exact to the sample.
	Duration time.Duration
	// Samples is the same, counted per channel at SampleRate.
	Samples    int64
	SampleRate int
	Stats      Stats
}

// Stats are the costs of a conversion.
type Stats struct {
	// BytesRead and Requests are what was fetched of the video, retries included.
	BytesRead, Requests int64
	// Probe, Measure and Encode are the wall-clock times of the stages; Measure is 0 unless loudness was asked for.
	Probe, Measure, Encode time.Duration
	// UserCPU and SystemCPU are the processor times of all children.
	UserCPU, SystemCPU time.Duration
	// MaxRSS is the most memory any child had resident, in bytes; or this process, when it started the child, if that
	// was more: Linux counts from there.
	MaxRSS int64
}

// Convert reads the video in src and writes the MP3 to dst, by WriteAt calls that follow each other without a gap;
// before it returns, bytes below Rewritable may be written once more. It calls them from one goroutine at a time, and
// writes nothing for a video it refuses outright. The options must be valid.
//
// progress, unless nil, is called with a percentage that never falls, 0 to 99, from one goroutine at a time, about
// twice a second.
//
// The error is a Failure when no retry can help. It is the context's when that ended. What was written of a
// conversion that failed is to be thrown away.
func (e *Engine) Convert(ctx context.Context, src source.Ranges, dst io.WriterAt, opts audio.Options, progress func(percent int)) (Result, error) {
	if src.Size() == 0 {
		return Result{}, fail(CodeEmptyUpload, nil, "The uploaded file is empty.")
	}
	limited, cancel := context.WithTimeoutCause(ctx, e.limits.Wall, errWall)
	defer cancel()
	reader := source.NewReader(limited, src, e.source)
	defer reader.Close()
	c := conversion{engine: e, reader: reader, dst: dst, opts: opts.WithDefaults(), meter: newMeter(progress)}
	result, err := c.convert(limited)
	result.Stats = c.stats
	result.Stats.BytesRead, result.Stats.Requests = reader.Stats()
	var failure *Failure
	switch {
	case err == nil:
		return result, nil
	case ctx.Err() != nil:
		return Result{Stats: result.Stats}, fmt.Errorf("convert: %w", context.Cause(ctx))
	case errors.As(err, &failure):
	case errors.Is(err, errWall):
		err = fail(CodeTimeLimit, err, "The conversion took longer than %s, the most that is allowed.", inWords(e.limits.Wall))
	}
	return Result{Stats: result.Stats}, fmt.Errorf("convert: %w", err)
}
