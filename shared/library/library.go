package library

import (
	"context"
	"fmt"
	"time"

	"mp3converter/shared/audio"
)

const (
	// UploadTTL is how long one presigned upload works.
	UploadTTL = time.Hour
	// LeaseTTL is how long a conversion may be silent before another may take over.
	LeaseTTL = 30 * time.Second
	// MaxAttempts is how often a conversion is begun before the file is given up.
	MaxAttempts = 5
	// mailTTL is how long one sender may take to send an e-mail: longer than notify may run.
	mailTTL = time.Minute
	// UploadWindow is how long after its announcement an upload may still begin; fresh URLs are handed out until then.
	UploadWindow = 24 * time.Hour
	// awaitingTTL is when the record of an upload that never came is forgotten: late enough for the slowest upload to end
	// and for its event to be redelivered from a dead-letter queue, which keeps messages for 14 days.
	awaitingTTL = 16 * 24 * time.Hour
	// rememberFor is how long the record outlives the MP3, so that "expired" can be said instead of "not found".
	rememberFor = 30 * 24 * time.Hour
)

// Library applies the steps of a file's life to a Store. It is safe for concurrent use.
type Library struct {
	Store Store
	// Retention is how long a finished file stays.
	Retention time.Duration
	// UploadsPerDay bounds what one owner may announce in one day (UTC). What is deleted counts too.
	UploadsPerDay int
	// Now may be nil: time.Now.
	Now func() time.Time
}

func (l *Library) now() time.Time {
	if l.Now == nil {
		return time.Now()
	}
	return l.Now()
}

// NewFile is what somebody announces.
type NewFile struct {
	Owner, Email        string
	Filename            string
	Size                int64
	ContentType, SHA256 string
	Options             audio.Options
}

// Announce creates a file that awaits its upload, or returns ErrQuota.
func (l *Library) Announce(ctx context.Context, n NewFile) (File, error) {
	now := l.now().UTC()
	count, err := l.Store.CountUpload(ctx, n.Owner, now)
	if err != nil {
		return File{}, fmt.Errorf("count upload: %w", err)
	}
	if count > l.UploadsPerDay {
		return File{}, ErrQuota
	}
	f := File{
		ID: newID(), Owner: n.Owner, Email: n.Email, Filename: n.Filename, Size: n.Size,
		ContentType: n.ContentType, SHA256: n.SHA256, Options: n.Options,
		Created: now.Truncate(time.Millisecond), State: AwaitingUpload, Expires: now.Add(l.Retention).Truncate(time.Second),
	}
	if err := l.Store.Create(ctx, f, now.Add(awaitingTTL)); err != nil {
		return File{}, fmt.Errorf("create file %s: %w", f.ID, err)
	}
	return f, nil
}

// Get returns a file whoever owns it; for functions that act on events, never for people.
func (l *Library) Get(ctx context.Context, id string) (File, error) {
	f, err := l.Store.Get(ctx, id)
	if err != nil {
		return File{}, fmt.Errorf("get file %s: %w", id, err)
	}
	return f, nil
}

// GetOwned returns the owner's file; somebody else's is ErrNotFound just as one that never was.
func (l *Library) GetOwned(ctx context.Context, id, owner string) (File, error) {
	f, err := l.Get(ctx, id)
	if err != nil {
		return File{}, err
	}
	if f.Owner != owner {
		return File{}, fmt.Errorf("get file %s: %w", id, ErrNotFound)
	}
	return f, nil
}

// List returns a page of the owner's files, newest first; see Store.List.
func (l *Library) List(ctx context.Context, owner string, limit int, cursor string) ([]File, string, error) {
	files, next, err := l.Store.List(ctx, owner, limit, cursor)
	if err != nil {
		return nil, "", fmt.Errorf("list files: %w", err)
	}
	return files, next, nil
}

// Delete removes the owner's record, whatever its state; the objects are the caller's to remove.
func (l *Library) Delete(ctx context.Context, id, owner string) (File, error) {
	f, err := l.Store.Delete(ctx, id, owner)
	if err != nil {
		return File{}, fmt.Errorf("delete file %s: %w", id, err)
	}
	return f, nil
}

// AbortUpload removes the owner's record while its upload is awaited; after that it is ErrConflict.
func (l *Library) AbortUpload(ctx context.Context, id, owner string) error {
	if _, err := l.Store.Delete(ctx, id, owner, AwaitingUpload); err != nil {
		return fmt.Errorf("abort upload %s: %w", id, err)
	}
	return nil
}
