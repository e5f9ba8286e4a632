// Package engine makes an MP3 of the sound of a video: video bytes in by ranges, MP3 bytes out in order.
//
// Of an MP4, only the sound is read: package isobmff says where it is, package source fetches that, and what comes is
// shown to ffmpeg as a small file. Everything else ffmpeg reads for itself, by ranges. It is a child process with a fixed
// argument list (two by turns, to normalize): the engine mode that the project's layer adds to ffmpeg. It says what the
// file is, is told the plan that is made from that and from the person's options, decodes, and encodes on all cores, with
// the very bytes of a serial encode as the result; or passes the track's frames on, when they are MP3 already. Package mp3
// makes the file of that. The child has no network and no disk: it asks this process for bytes, and hands over what it
// has, through pipes. Nothing is held whole in memory.
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
	"runtime"
	"strings"
	"time"

	"mp3converter/shared/audio"
	"mp3converter/shared/isobmff"
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
	// Memory is how much address space a child may have, in bytes: 1 GiB, and 24 MiB for each worker. It touches about 40 MiB
	// of that, 100 more to even out the loudness, and up to 13 for each worker. Where it does not last for all workers, fewer
	// are at work.
	Memory int64
	// Output is the longest MP3 in bytes: 2 GiB.
	Output int64
	// MaxDuration is the longest MP3 in time: 6 hours.
	MaxDuration time.Duration
}

func (l Limits) withDefaults(workers int) Limits {
	l.Wall = orDefault(l.Wall, 14*time.Minute)
	l.CPU = orDefault(l.CPU, 30*time.Minute)
	l.Memory = orDefault(l.Memory, 1<<30+int64(workers)*workerMemory)
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
	// FFmpeg is the path of the layer's ffmpeg, or its name, to be looked for on PATH; empty: ffmpeg.
	FFmpeg string
	Limits Limits
	// Source bounds the reading of the video.
	Source source.Config
	// Workers is how many threads decode and encode: 0 means one for each processor that there is. The MP3 does not
	// depend on it.
	Workers int
	// Costs are those of reading, by which it is planned.
	Costs isobmff.Costs
}

// Engine converts. It holds no state of a conversion and is safe for concurrent use.
type Engine struct {
	ffmpeg  string
	limits  Limits
	source  source.Config
	workers int
	costs   isobmff.Costs
}

// New finds ffmpeg and makes sure that it has the engine mode of this version.
func New(ctx context.Context, cfg Config) (*Engine, error) {
	name := cfg.FFmpeg
	if name == "" {
		name = "ffmpeg"
	}
	ffmpeg, err := exec.LookPath(name)
	if err == nil {
		ffmpeg, err = filepath.Abs(ffmpeg) // a child runs in a folder of its own
	}
	if err != nil {
		return nil, fmt.Errorf("find ffmpeg: %w", err)
	}
	asking, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	out, err := exec.CommandContext(asking, ffmpeg, "engine").Output() //nolint:gosec // the operator's own path
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit) && exit.ExitCode() == exitProcessor:
		return nil, fmt.Errorf("%s: %s", ffmpeg, strings.TrimSpace(string(exit.Stderr)))
	case asking.Err() != nil:
		return nil, fmt.Errorf("ask %s for its engine mode: %w", ffmpeg, context.Cause(asking))
	case string(out) != fmt.Sprintf("engine %d\n", protocolVersion):
		return nil, fmt.Errorf("%s has no engine mode of version %d: it is not the one of this project's layer", ffmpeg, protocolVersion)
	}
	if cfg.Source.Budget <= 0 {
		cfg.Source.Budget = readBudget
	}
	if cfg.Workers <= 0 {
		cfg.Workers = runtime.GOMAXPROCS(0)
	}
	workers := min(cfg.Workers, maxWorkers)
	return &Engine{ffmpeg: ffmpeg, limits: cfg.Limits.withDefaults(workers), source: cfg.Source, workers: workers, costs: cfg.Costs}, nil
}

const (
	// exitProcessor is ffmpeg's exit status when the processor lacks instructions that it was compiled for.
	exitProcessor = 3
	// readBudget is how much of the file is in memory, by default: enough for six blocks on their way.
	readBudget = 24 << 20
	// maxWorkers bounds the child's memory.
	maxWorkers = 64
	// workerMemory is more than a worker needs: the sound of a segment, what it becomes, an encoder, and a stack.
	workerMemory = 24 << 20
)

// Workers is how many threads a conversion uses.
func (e *Engine) Workers() int { return e.workers }

// Result says what a conversion made and what it took.
type Result struct {
	// Bytes is the length of the MP3.
	Bytes int64
	// Duration is how long the MP3 plays, exact to the sample.
	Duration time.Duration
	// Samples is the same, counted per channel at SampleRate.
	Samples    int64
	SampleRate int
	// CoverLeftOut is true when the video's cover is not in the MP3, as it was too large or no picture that players know.
	CoverLeftOut bool
	Stats        Stats
}

// Stats are the costs of a conversion.
type Stats struct {
	// BytesRead and Requests are what was fetched of the video, retries included; BytesWritten is the MP3, with what of
	// it was written twice.
	BytesRead, Requests, BytesWritten int64
	// Probe, Measure and Encode are the wall-clock times of the stages; Measure is 0 unless loudness was asked for.
	Probe, Measure, Encode time.Duration
	// UserCPU and SystemCPU are the processor times of all children.
	UserCPU, SystemCPU time.Duration
	// DecodeCPU, EncodeCPU and JoinCPU are the parts of it that the making of the MP3 took: to read, decode and filter; to
	// encode; and to join what was encoded side by side.
	DecodeCPU, EncodeCPU, JoinCPU time.Duration
	// Segments were encoded side by side, and Requantised of their frames once more when they were joined.
	Segments, Requantised int64
	// Copied is true when the track was MP3 and its frames were kept.
	Copied bool
	// MaxRSS is the most memory any child had resident, in bytes; or this process, when it started the child, if that
	// was more: Linux counts from there.
	MaxRSS int64
}

// read counts what was fetched.
func (s *Stats) read(bytes, requests int64) {
	s.BytesRead += bytes
	s.Requests += requests
}

func (s *Stats) add(r report) {
	seconds := func(f float64) time.Duration { return time.Duration(f * float64(time.Second)) }
	s.DecodeCPU += seconds(r.DecodeCPU)
	s.EncodeCPU += seconds(r.EncodeCPU)
	s.JoinCPU += seconds(r.JoinCPU)
	s.Segments += r.Segments
	s.Requantised += r.Requantised
}

// Convert reads the video in src and writes the MP3 to dst, by WriteAt calls that follow each other without a gap;
// before it returns, bytes below Rewritable may be written once more. It calls them from one goroutine at a time, and
// writes nothing for a video it refuses outright. The options must be valid.
//
// progress, unless nil, is called with a percentage that never falls, 0 to 99, from one goroutine at a time, about
// twice a second.
//
// The error is a Failure when no retry can help. It is the context's when that ended. It wraps mp3.ErrNotCopyable when
// the frames of an MP3 track turned out, after much of them had been written, to be of more than one kind: then a call
// with the defaults of opts filled in, and a new dst, encodes them. What was written of a conversion that failed is to be
// thrown away.
func (e *Engine) Convert(ctx context.Context, src source.Ranges, dst io.WriterAt, opts audio.Options, progress func(percent int)) (Result, error) {
	if src.Size() == 0 {
		return Result{}, fail(CodeEmptyUpload, nil, "The file is empty.")
	}
	limited, cancel := context.WithTimeoutCause(ctx, e.limits.Wall, errWall)
	defer cancel()
	c := conversion{
		engine: e, src: src, out: &output{dst: dst, limit: e.limits.Output},
		asked: opts, opts: opts.WithDefaults(), meter: newMeter(progress),
	}
	result, err := c.convert(limited)
	c.closeExcerpt()
	c.closeReader()
	c.stats.BytesWritten = c.out.written
	result.Stats = c.stats
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
