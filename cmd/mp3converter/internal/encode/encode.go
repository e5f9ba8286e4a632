// Package encode runs the conversion engine on this machine, with no service: from a file or a URL, by ranges, to a
// file or a stream.
//
// An MP3 appears under its name whole or not at all, and on a stream from its first byte to its last or not at all.
// What a URL says beyond host and path is taken for a secret: it appears in no name and in no error.
package encode

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"mp3converter/cmd/mp3converter/internal/transfer"
	"mp3converter/shared/audio"
	"mp3converter/shared/engine"
	"mp3converter/shared/mp3"
)

// Job is one MP3 to make.
type Job struct {
	Engine *engine.Engine
	Input  Input
	Target transfer.Target
	// Options must be valid.
	Options audio.Options
	// Progress is told a percentage that never falls; it may be nil.
	Progress func(percent int)
}

// Result is what came of a job and what it took; of a job that failed, only the latter.
type Result struct {
	engine.Result
	// Written is how many bytes of the MP3 the engine wrote, those counted twice that it wrote twice.
	Written int64
	// Wall is how long it took from the opening of the input to the MP3 in its place.
	Wall time.Duration
	// OwnCPU is the processor time of this process meanwhile, OwnPeak the most memory that it ever had resident, in
	// bytes; 0 where the system does not say. What the engine's children used is in Stats.
	OwnCPU  time.Duration
	OwnPeak int64
}

// Run makes the MP3. An error is the engine's, the input's or the target's; nothing of the MP3 is left then.
func (j Job) Run(ctx context.Context) (res Result, err error) {
	began, before := time.Now(), ownCPU()
	defer func() {
		res.Wall, res.OwnCPU, res.OwnPeak = time.Since(began), ownCPU()-before, ownPeak()
	}()
	ranges, shut, err := j.Input.open(ctx)
	if err != nil {
		return res, j.Input.clean(err)
	}
	defer shut()
	convert := func(dst destination) error {
		counted := &counter{dst: dst}
		var err error
		res.Result, err = j.Engine.Convert(ctx, ranges, counted, j.Options, j.Progress)
		if errors.Is(err, mp3.ErrNotCopyable) {
			if err := dst.Truncate(0); err != nil {
				return fmt.Errorf("begin the MP3 anew: %w", err)
			}
			res.Result, err = j.Engine.Convert(ctx, ranges, counted, j.Options.WithDefaults(), j.Progress)
		}
		res.Written = counted.written
		return j.Input.clean(err)
	}
	if j.Target.Stream != nil {
		err = toStream(ctx, j.Target.Stream, convert)
		return res, err
	}
	_, err = j.Target.Write(func(f *os.File) (int64, error) {
		if err := convert(f); err != nil {
			return 0, err
		}
		return res.Bytes, context.Cause(ctx)
	})
	return res, err
}

// toStream holds the MP3 back until it is whole: its first bytes are written last.
func toStream(ctx context.Context, w io.Writer, convert func(destination) error) error {
	held := &spool{}
	defer held.close()
	if err := convert(held); err != nil {
		return err
	}
	buf := make([]byte, blockSize)
	r := held.reader()
	for {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		n, err := r.Read(buf)
		if n > 0 {
			if _, err := w.Write(buf[:n]); err != nil {
				return fmt.Errorf("write the MP3: %w", err)
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read the MP3 back: %w", err)
		}
	}
}

// destination is where an MP3 is written, and may be begun anew.
type destination interface {
	io.WriterAt
	Truncate(size int64) error
}

// counter counts what passes through it.
type counter struct {
	dst     io.WriterAt
	written int64
}

func (c *counter) WriteAt(p []byte, offset int64) (int, error) {
	n, err := c.dst.WriteAt(p, offset)
	c.written += int64(n)
	if err != nil {
		err = fmt.Errorf("write the MP3: %w", err)
	}
	return n, err
}
