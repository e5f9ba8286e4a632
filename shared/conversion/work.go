package conversion

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"mp3converter/shared/audio"
	"mp3converter/shared/engine"
	"mp3converter/shared/library"
	"mp3converter/shared/mp3"
	"mp3converter/shared/source"
	"mp3converter/shared/transfer"
)

const (
	// progressEvery bounds how often progress is written.
	progressEvery = 2 * time.Second
	// renewEvery keeps the lease while there is no progress to write; library.LeaseTTL leaves room for two misses.
	renewEvery = library.LeaseTTL / 3
)

// Causes for which a conversion is stopped from outside.
var (
	// errLost: the lease of the file is gone.
	errLost = errors.New("the lease of the file is lost")
	// errUnrenewed: the lease could not be renewed for so long that it has run out. Nobody may have noticed, so unlike
	// after errLost the call must be repeated.
	errUnrenewed = errors.New("the lease of the file could not be renewed")
	// errTimeUp: the platform would end the call before the conversion could be recorded.
	errTimeUp = errors.New("the time of the call is up")
	// errAttempts: it has been tried often enough.
	errAttempts = errors.New("too many attempts")
)

// output is what an attempt brought, and what it took.
type output struct {
	mp3  engine.Result
	work library.Work
}

// attempt converts, unless that has been tried too often, and measures what it takes.
func (c *Converter) attempt(ctx context.Context, job library.Job) (output, error) {
	if job.File.Attempts > library.MaxAttempts {
		return output{}, errAttempts
	}
	watch := c.startWatch()
	out, err := c.work(ctx, job)
	out.work = watch.stop(out.work)
	return out, err
}

// work runs the engine from storage to storage while it keeps the lease, and returns when both have ended.
func (c *Converter) work(ctx context.Context, job library.Job) (out output, err error) {
	id := job.File.ID
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadlineCause(ctx, deadline.Add(-settleTime), errTimeUp)
		defer cancel()
	}
	ctx, stop := context.WithCancelCause(ctx)
	var percent atomic.Int64
	renewed := make(chan struct{})
	go func() {
		defer close(renewed)
		c.keepLease(ctx, stop, job, &percent)
	}()
	defer func() {
		cause := context.Cause(ctx) // before our own stop
		stop(nil)
		<-renewed
		if err != nil && (errors.Is(cause, errLost) || errors.Is(cause, errUnrenewed) || errors.Is(cause, errTimeUp)) {
			err = cause
		}
	}()

	video, err := c.Videos.Open(ctx, transfer.VideoKey(id))
	if err != nil {
		return output{}, fmt.Errorf("open video: %w", err)
	}
	progress := func(p int) { percent.Store(max(percent.Load(), int64(p))) } // from one goroutine at a time
	out, err = c.store(ctx, video, id, job.File.Options, progress)
	if errors.Is(err, mp3.ErrNotCopyable) {
		// With every option given there is nothing to copy, so this comes once.
		spent := out.work
		out, err = c.store(ctx, video, id, job.File.Options.WithDefaults(), progress)
		out.work = spent.Plus(out.work)
	}
	out.work.ReadRequests++ // which opened the video
	return out, err
}

// store runs the engine once, into an object of its own.
func (c *Converter) store(ctx context.Context, video source.Ranges, id string, opts audio.Options, progress func(int)) (out output, err error) {
	object := c.Results.Create(ctx, transfer.MP3Key(id))
	defer func() {
		abortCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTime/3) // the rest is for the record
		defer cancel()
		if abortErr := object.Abort(abortCtx); abortErr != nil {
			// The bucket's lifecycle rule removes what is left.
			c.Log.WarnContext(ctx, "cannot throw away an unfinished MP3", "fid", id, "error", abortErr)
		}
	}()
	out.mp3, err = c.Engine.Convert(ctx, video, object, opts, progress)
	out.work = workOf(out.mp3.Stats)
	if err != nil {
		return out, err
	}
	requests, err := object.Commit()
	if err != nil {
		return out, fmt.Errorf("store MP3: %w", err)
	}
	out.work.WriteRequests = int64(requests)
	return out, nil
}

// keepLease renews the lease until ctx ends, sooner when there is progress to tell; when it cannot, it stops the work.
func (c *Converter) keepLease(ctx context.Context, stop context.CancelCauseFunc, job library.Job, percent *atomic.Int64) {
	tick := time.NewTicker(progressEvery)
	defer tick.Stop()
	written, at := 0, time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		p := int(percent.Load())
		if p == written && time.Since(at) < renewEvery {
			continue
		}
		err := c.Library.Renew(ctx, job, p)
		switch {
		case errors.Is(err, library.ErrConflict), errors.Is(err, library.ErrNotFound):
			stop(errLost)
			return
		case err != nil && time.Since(at) > library.LeaseTTL && ctx.Err() == nil:
			stop(fmt.Errorf("%w: %w", errUnrenewed, err))
			return
		case err == nil:
			written, at = p, time.Now()
		}
	}
}
