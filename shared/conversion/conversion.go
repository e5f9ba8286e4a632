// Package conversion takes a video that has arrived in storage to its outcome: it claims the file, runs the engine, puts
// the MP3 into storage, records the end and has the owner told.
//
// It may be called for the same file any number of times, at once or one after the other, and may die at any point: one
// conversion holds the file's lease at a time, and whatever a dead one left is picked up by the next call.
package conversion

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"mp3converter/shared/audio"
	"mp3converter/shared/engine"
	"mp3converter/shared/library"
	"mp3converter/shared/message"
	"mp3converter/shared/source"
	"mp3converter/shared/transfer"
)

// Videos is where the videos are.
type Videos interface {
	// Open looks the object up and pins its version; source.ErrGone when there is none.
	Open(ctx context.Context, key string) (source.Ranges, error)
}

// Result is an MP3 on its way into storage, used by one goroutine. It becomes visible with Commit, whole, or never.
type Result interface {
	io.WriterAt
	// Commit returns nil once the object is durable, and how many requests storing it took.
	Commit() (requests int, err error)
	// Abort throws away what is not committed; after Commit it does nothing. It must be called in the end.
	Abort(ctx context.Context) error
}

// Results is where the MP3s go.
type Results interface {
	// Create begins an object; nothing is stored before the first part is full or Commit is called.
	Create(ctx context.Context, key string) Result
	// Delete removes an object; one that is not there is no error.
	Delete(ctx context.Context, key string) error
}

// Outbox takes outcomes to those who tell the owners.
type Outbox interface {
	// Send returns nil once the message is durable.
	Send(ctx context.Context, o message.Outcome) error
}

// Engine turns a video into an MP3; see engine.Engine.Convert.
type Engine interface {
	Convert(ctx context.Context, src source.Ranges, dst io.WriterAt, opts audio.Options, progress func(percent int)) (engine.Result, error)
}

// Converter is the conversion service. It is safe for concurrent use.
type Converter struct {
	Library *library.Library
	Videos  Videos
	Results Results
	Engine  Engine
	Outbox  Outbox
	Prices  Prices
	// Workers is how many threads the engine has, for the record.
	Workers int
	// Meter may be nil.
	Meter Meter
	// Usage tells what this process has used; nil when nobody knows. Of conversions side by side in one process each is
	// put down for all.
	Usage func() Usage
	Log   *slog.Logger
}

// The failures that are not the engine's.
var (
	failedForUs = library.Failure{Code: "internal",
		Detail: "The conversion failed on our side several times; please upload the video again."}
	failedTime = library.Failure{Code: string(engine.CodeTimeLimit),
		Detail: "The conversion took longer than this service allows for one file."}
	failedMissing = library.Failure{Code: "upload_missing", Detail: "The uploaded video is no longer there; please upload it again."}
)

// Convert takes the file with this ID to its outcome. It returns nil when there is nothing left to do for this call: the
// file has ended and its owner is being told, or another call is at it, or the file is not there any more. An error means
// that the call should be repeated.
func (c *Converter) Convert(ctx context.Context, id string) error {
	log := c.Log.With("fid", id)
	f, err := c.Library.Get(ctx, id)
	switch {
	case errors.Is(err, library.ErrNotFound):
		log.InfoContext(ctx, "nothing to convert: the file has been deleted or never was announced")
		return nil
	case err != nil:
		return err
	}
	if f.State == library.AwaitingUpload {
		if _, err := c.Library.Arrive(ctx, id); err != nil && !errors.Is(err, library.ErrConflict) {
			return ignoreGone(err)
		}
	}
	job, err := c.claim(ctx, id)
	switch {
	case errors.Is(err, library.ErrConflict) && job.File.IsFinished():
		return c.announce(ctx, job.File) // in case the call that finished it died before it could
	case errors.Is(err, library.ErrConflict):
		log.InfoContext(ctx, "another conversion of this file is under way")
		return nil
	case err != nil:
		return ignoreGone(err)
	}
	return c.run(ctx, log, job)
}

// claim takes the file's lease. When somebody else holds it, it waits until either that conversion shows a sign of life
// or ends, which is ErrConflict, or its lease runs out, because a dead call's lease must not make the platform's retry
// of that very call go away empty-handed.
func (c *Converter) claim(ctx context.Context, id string) (library.Job, error) {
	var job library.Job
	err := outlastLease(ctx, func() (f library.File, err error) {
		job, err = c.Library.Claim(ctx, id)
		return job.File, err
	})
	return job, err
}

// outlastLease repeats a step while a lease stands in its way that nobody renews.
func outlastLease(ctx context.Context, step func() (library.File, error)) error {
	f, err := step()
	seen := f.LeaseUntil
	for errors.Is(err, library.ErrConflict) && f.State == library.Converting && f.LeaseUntil.Equal(seen) {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(time.Second):
		}
		f, err = step()
	}
	return err
}

// Abandon ends a file whose conversion will not be tried again, and has its owner told. It comes right after the last
// call has died, so it waits for that one's lease to run out; while another conversion is alive it is an error.
func (c *Converter) Abandon(ctx context.Context, id string) error {
	var f library.File
	err := outlastLease(ctx, func() (_ library.File, err error) {
		f, err = c.Library.Abandon(ctx, id, failedForUs)
		return f, err
	})
	switch {
	case errors.Is(err, library.ErrConflict) && !f.IsFinished():
		return fmt.Errorf("a conversion is still under way: %w", err)
	case err != nil && !errors.Is(err, library.ErrConflict):
		return ignoreGone(err)
	case err == nil:
		c.Log.InfoContext(ctx, "given up", "fid", id, "outcome", Failed, "code", f.Failure.Code)
		c.record(Run{Outcome: Failed})
	}
	return c.announce(ctx, f)
}

// announce has the owner told, unless that has been done.
func (c *Converter) announce(ctx context.Context, f library.File) error {
	if f.Announced {
		return nil
	}
	err := c.Outbox.Send(ctx, message.Outcome{Version: message.OutcomeVersion, ID: f.ID, State: f.State})
	if err != nil {
		return fmt.Errorf("announce file %s: %w", f.ID, err)
	}
	return ignoreGone(c.Library.MarkAnnounced(ctx, f.ID))
}

// sweep removes the MP3 of a file that has been deleted, should storing it have been under way at that moment.
func (c *Converter) sweep(ctx context.Context, id string) error {
	if _, err := c.Library.Get(ctx, id); !errors.Is(err, library.ErrNotFound) {
		return err
	}
	return c.Results.Delete(ctx, transfer.MP3Key(id))
}

// announceFinished has the owner told if the file has ended. It serves a step that found the file further than it
// thought: perhaps it was its own write, whose answer got lost, that brought it there.
func (c *Converter) announceFinished(ctx context.Context, f library.File) error {
	if !f.IsFinished() {
		return nil
	}
	return c.announce(ctx, f)
}

// ignoreGone drops the error when the owner has deleted the file: then nothing is left to be done.
func ignoreGone(err error) error {
	if errors.Is(err, library.ErrNotFound) {
		return nil
	}
	return err
}

// run makes one attempt and takes it to its end: recorded, logged, measured and told.
func (c *Converter) run(ctx context.Context, log *slog.Logger, job library.Job) error {
	out, err := c.attempt(ctx, job)
	log = log.With("attempt", job.File.Attempts, "video_bytes", job.File.Size).With(fields(out.work)...)
	// What follows must be recorded even if the time of the conversion is up.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTime)
	defer cancel()
	outcome, err := c.settle(ctx, log, job, out, err)
	if outcome == Repeated { // why, is in the error
		log.InfoContext(ctx, "not converted; the call is to be repeated", "outcome", Repeated)
	}
	r := Run{Outcome: outcome, Work: out.work}
	if outcome == Converted {
		r.Sound = out.mp3.Duration
	}
	c.record(r)
	return err
}

func (c *Converter) record(r Run) {
	if c.Meter != nil {
		c.Meter.Record(r)
	}
}

// settleTime is kept back from the platform's time limit to record how a conversion ended.
const settleTime = 15 * time.Second

// settle records how an attempt ended, and has the owner told of what is final.
func (c *Converter) settle(ctx context.Context, log *slog.Logger, job library.Job, out output, err error) (Outcome, error) {
	var failure *engine.Failure
	switch {
	case err == nil:
		return c.finish(ctx, log, job, out)
	case errors.As(err, &failure):
		log = log.With("error", failure)
		return c.fail(ctx, log, job, library.Failure{Code: string(failure.Code), Detail: failure.Detail}, out.work)
	case errors.Is(err, errLost), errors.Is(err, library.ErrNotFound):
		log.InfoContext(ctx, "conversion stopped: the file was deleted, or another conversion took over", "outcome", Dropped)
		return Dropped, c.sweep(ctx, job.File.ID)
	case errors.Is(err, errAttempts):
		return c.fail(ctx, log, job, failedForUs, out.work)
	case errors.Is(err, errTimeUp):
		return c.fail(ctx, log, job, failedTime, out.work)
	case errors.Is(err, source.ErrGone):
		return c.fail(ctx, log, job, failedMissing, out.work)
	}
	released := ignoreGone(c.Library.Release(ctx, job, out.work))
	return Repeated, errors.Join(fmt.Errorf("convert file %s: %w", job.File.ID, err), released)
}

func (c *Converter) finish(ctx context.Context, log *slog.Logger, job library.Job, out output) (Outcome, error) {
	f, err := c.Library.Finish(ctx, job, library.Outcome{MP3Bytes: out.mp3.Bytes, Duration: out.mp3.Duration, Work: out.work})
	switch {
	case errors.Is(err, library.ErrNotFound):
		log.InfoContext(ctx, "the file was deleted while it was being converted; removing its MP3", "outcome", Dropped)
		return Dropped, c.Results.Delete(ctx, transfer.MP3Key(job.File.ID))
	case errors.Is(err, library.ErrConflict):
		log.WarnContext(ctx, "converted, but the file had ended or another conversion had taken over", "outcome", Dropped, "state", f.State)
		return Dropped, c.announceFinished(ctx, f)
	case err != nil:
		return Repeated, err
	}
	log.InfoContext(ctx, "converted", "outcome", Converted, "mp3_bytes", f.MP3Bytes,
		"duration_seconds", f.Duration.Seconds(), "cover_left_out", out.mp3.CoverLeftOut)
	return Converted, c.announce(ctx, f)
}

func (c *Converter) fail(ctx context.Context, log *slog.Logger, job library.Job, why library.Failure, w library.Work) (Outcome, error) {
	f, err := c.Library.Fail(ctx, job, why, w)
	switch {
	case errors.Is(err, library.ErrNotFound):
		log.InfoContext(ctx, "failed, but the file was deleted", "outcome", Dropped)
		return Dropped, nil
	case errors.Is(err, library.ErrConflict):
		log.InfoContext(ctx, "failed, but the file had ended or another conversion had taken over", "outcome", Dropped, "state", f.State)
		return Dropped, c.announceFinished(ctx, f)
	case err != nil:
		return Repeated, err
	}
	log.InfoContext(ctx, "cannot be converted", "outcome", Failed, "code", why.Code)
	return Failed, c.announce(ctx, f)
}
