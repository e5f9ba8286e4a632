package library

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Job is a conversion that holds the lease of its file.
type Job struct {
	File  File
	lease string
}

// Arrive notes that the video is in storage: awaiting_upload → queued. A file that is further already is ErrConflict.
func (l *Library) Arrive(ctx context.Context, id string) (File, error) {
	f, err := l.Store.Change(ctx, id, []Guard{{State: AwaitingUpload}},
		Patch{State: Queued, Forget: l.now().Add(l.Retention + rememberFor)})
	if err != nil {
		return f, fmt.Errorf("queue file %s: %w", id, err)
	}
	return f, nil
}

// Claim begins a conversion: queued → converting, or converting → converting when the lease of the conversion before
// has run out. While somebody else holds the lease it returns the file and ErrConflict.
func (l *Library) Claim(ctx context.Context, id string) (Job, error) {
	now, lease := l.now(), newID()
	f, err := l.Store.Change(ctx, id,
		[]Guard{{State: Queued}, {State: Converting, LeaseBefore: now}},
		Patch{State: Converting, Lease: &lease, LeaseUntil: now.Add(LeaseTTL), AddAttempt: true})
	if errors.Is(err, ErrConflict) && f.Lease == lease {
		err = nil // the store repeated a write whose answer was lost: it is our own lease that is in the way
	}
	if err != nil {
		return Job{File: f, lease: lease}, fmt.Errorf("claim file %s: %w", id, err) // a lease that was not given opens nothing
	}
	return Job{File: f, lease: lease}, nil
}

// Renew keeps the lease and notes the progress, 0 to 100. ErrConflict or ErrNotFound mean that the job is lost and must
// stop: somebody took over, or the owner deleted the file.
func (l *Library) Renew(ctx context.Context, j Job, progress int) error {
	_, err := l.Store.Change(ctx, j.File.ID, j.guard(), Patch{Progress: &progress, LeaseUntil: l.now().Add(LeaseTTL)})
	if err != nil {
		return fmt.Errorf("renew lease of file %s: %w", j.File.ID, err)
	}
	return nil
}

// Release gives a job back for another attempt, and notes what this one took: converting → queued.
func (l *Library) Release(ctx context.Context, j Job, w Work) error {
	var none string
	_, err := l.Store.Change(ctx, j.File.ID, j.guard(), Patch{State: Queued, Lease: &none, Work: j.File.Work.Plus(w)})
	if err != nil {
		return fmt.Errorf("release file %s: %w", j.File.ID, err)
	}
	return nil
}

// Outcome is what a finished conversion has to show.
type Outcome struct {
	MP3Bytes int64
	Duration time.Duration
	// Work is what this attempt took.
	Work Work
}

// Finish ends a job well: converting → ready.
func (l *Library) Finish(ctx context.Context, j Job, o Outcome) (File, error) {
	full := 100
	p := l.end(Ready)
	p.Progress, p.MP3Bytes, p.Duration, p.Work = &full, o.MP3Bytes, o.Duration, j.File.Work.Plus(o.Work)
	f, err := l.Store.Change(ctx, j.File.ID, j.guard(), p)
	if err != nil {
		return f, fmt.Errorf("finish file %s: %w", j.File.ID, err)
	}
	return f, nil
}

// Fail ends a job for good, after an attempt that took w: converting → failed.
func (l *Library) Fail(ctx context.Context, j Job, why Failure, w Work) (File, error) {
	p := l.end(Failed)
	p.Failure, p.Work = why, j.File.Work.Plus(w)
	f, err := l.Store.Change(ctx, j.File.ID, j.guard(), p)
	if err != nil {
		return f, fmt.Errorf("fail file %s: %w", j.File.ID, err)
	}
	return f, nil
}

// Abandon ends a file that nobody will try again: anything unfinished that no live job holds → failed. While a job
// holds it, and when it is finished already, it returns the file and ErrConflict.
func (l *Library) Abandon(ctx context.Context, id string, why Failure) (File, error) {
	p := l.end(Failed)
	p.Failure = why
	f, err := l.Store.Change(ctx, id,
		[]Guard{{State: AwaitingUpload}, {State: Queued}, {State: Converting, LeaseBefore: l.now()}}, p)
	if err != nil {
		return f, fmt.Errorf("abandon file %s: %w", id, err)
	}
	return f, nil
}

// MarkAnnounced notes that the outcome is on its way to the owner.
func (l *Library) MarkAnnounced(ctx context.Context, id string) error {
	_, err := l.Store.Change(ctx, id, []Guard{{State: Ready}, {State: Failed}}, Patch{Announced: true})
	if err != nil {
		return fmt.Errorf("mark file %s announced: %w", id, err)
	}
	return nil
}

// ClaimMail takes the right to send the one e-mail about a file that is in this state, for a minute. ErrConflict means
// that it has been sent, that somebody is sending it, or that the file is in another state.
func (l *Library) ClaimMail(ctx context.Context, id string, s State) (File, error) {
	now, lease := l.now(), newID()
	f, err := l.Store.Change(ctx, id, []Guard{{State: s, UnmailedBefore: now}}, Patch{MailUntil: now.Add(mailTTL), MailLease: lease})
	if errors.Is(err, ErrConflict) && f.MailLease == lease && !f.Mailed {
		err = nil // as with Claim; but a sender before us that was slow may have sent it all the same
	}
	if err != nil {
		return f, fmt.Errorf("claim e-mail of file %s: %w", id, err)
	}
	return f, nil
}

// ReleaseMail gives that right back, for the next attempt; f is what ClaimMail returned. ErrConflict means that the right
// had run out and is another's.
func (l *Library) ReleaseMail(ctx context.Context, f File) error {
	_, err := l.Store.Change(ctx, f.ID, []Guard{{State: f.State, MailLease: f.MailLease}}, Patch{MailUntil: l.now().Add(-time.Second)})
	if err != nil {
		return fmt.Errorf("release e-mail of file %s: %w", f.ID, err)
	}
	return nil
}

// MarkMailed notes that the e-mail went out.
func (l *Library) MarkMailed(ctx context.Context, f File) error {
	if _, err := l.Store.Change(ctx, f.ID, []Guard{{State: f.State}}, Patch{Mailed: true}); err != nil {
		return fmt.Errorf("mark file %s mailed: %w", f.ID, err)
	}
	return nil
}

func (j Job) guard() []Guard { return []Guard{{State: Converting, Lease: j.lease}} }

func (l *Library) end(s State) Patch {
	var none string
	now := l.now().UTC()
	expires := now.Add(l.Retention).Truncate(time.Second)
	return Patch{State: s, Lease: &none, Finished: now.Truncate(time.Millisecond), Expires: expires, Forget: expires.Add(rememberFor)}
}

// IsFinished says whether the file is Ready or Failed.
func (f File) IsFinished() bool { return f.State.finished() }
