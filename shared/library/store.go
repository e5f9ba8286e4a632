package library

import (
	"context"
	"time"
)

// Guard is one state a change may leave. Of its other fields the zero ones ask for nothing.
type Guard struct {
	State State
	// Lease must be the file's lease.
	Lease string
	// LeaseBefore asks that the lease ran out before this time.
	LeaseBefore time.Time
	// UnmailedBefore asks that no e-mail was sent, and that no sender has held the right to send since this time.
	UnmailedBefore time.Time
	// MailLease must be the file's mail lease.
	MailLease string
}

// Patch is what a change sets; nil and zero fields stay as they are.
type Patch struct {
	State      State
	Progress   *int
	AddAttempt bool
	Lease      *string
	LeaseUntil time.Time
	Finished   time.Time
	Expires    time.Time
	// Forget is when the whole record may go.
	Forget    time.Time
	MP3Bytes  int64
	Duration  time.Duration
	Failure   Failure
	Work      Work
	Announced bool
	Mailed    bool
	// MailUntil is until when the sender with the token MailLease holds the right to send the e-mail; a time in the past
	// gives it back.
	MailUntil time.Time
	MailLease string
}

// Store keeps files. Implementations are safe for concurrent use, have made a write durable when they return, and a Get
// after a write sees it.
type Store interface {
	// Create adds a file that may be forgotten at the given time.
	Create(ctx context.Context, f File, forget time.Time) error
	// Get returns ErrNotFound when there is no such file.
	Get(ctx context.Context, id string) (File, error)
	// Change applies the patch in one atomic step if any of the guards holds, and returns the file after it. When none
	// holds it changes nothing and returns the file as it is, and ErrConflict; without such a file, ErrNotFound.
	Change(ctx context.Context, id string, guards []Guard, p Patch) (File, error)
	// Delete removes the file if it is the owner's, in one atomic step, and if states are given, in one of them. It
	// returns the file as it was; ErrNotFound when there is none or it is another's; ErrConflict in another state.
	Delete(ctx context.Context, id, owner string, states ...State) (File, error)
	// List returns up to limit of the owner's files, newest first, beginning after cursor (empty for the first page),
	// and the next page's cursor, empty on the last. A file created a moment ago may still be missing. ErrBadCursor.
	List(ctx context.Context, owner string, limit int, cursor string) (files []File, next string, err error)
	// CountUpload adds one to what the owner has announced on that day (UTC), in one atomic step, and returns the sum. It
	// may be forgotten when the day is over.
	CountUpload(ctx context.Context, owner string, day time.Time) (int, error)
}
