// Package librarytest is what tests need of a library.Store: one in memory, and the contract that every Store is held to.
package librarytest

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"mp3converter/shared/library"
)

// NewID returns a random ID of the form that library gives to files.
func NewID() string { return strings.ToLower(rand.Text()) }

// Memory is a library.Store in memory. Its zero value is empty and ready; it is safe for concurrent use. Like a real
// table it keeps times to the millisecond.
type Memory struct {
	mu      sync.Mutex
	files   map[string]record
	uploads map[string]int // announced, by owner and day
}

type record struct {
	library.File
	mailUntil, forget time.Time
}

var _ library.Store = (*Memory)(nil)

// Forget says when the file with this ID may be forgotten; the zero time when there is none.
func (m *Memory) Forget(id string) time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.files[id].forget
}

// Put replaces or adds a file as it is, in whatever state: to set a scene, not a part of library.Store.
func (m *Memory) Put(f library.File) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.put(record{File: f, forget: m.files[f.ID].forget, mailUntil: m.files[f.ID].mailUntil})
}

func (m *Memory) put(r record) {
	for _, t := range []*time.Time{&r.Created, &r.LeaseUntil, &r.Finished, &r.Expires, &r.mailUntil} {
		*t = milli(*t)
	}
	if m.files == nil {
		m.files = map[string]record{}
	}
	m.files[r.ID] = r
}

func milli(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return time.UnixMilli(t.UnixMilli()).UTC()
}

// Create implements library.Store.
func (m *Memory) Create(ctx context.Context, f library.File, forget time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if _, taken := m.files[f.ID]; taken {
		return fmt.Errorf("there is a file %s already", f.ID)
	}
	m.put(record{File: f, forget: forget})
	return nil
}

// Get implements library.Store.
func (m *Memory) Get(ctx context.Context, id string) (library.File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return library.File{}, err
	}
	r, ok := m.files[id]
	if !ok {
		return library.File{}, library.ErrNotFound
	}
	return r.File, nil
}

// Change implements library.Store.
func (m *Memory) Change(ctx context.Context, id string, guards []library.Guard, p library.Patch) (library.File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return library.File{}, err
	}
	r, ok := m.files[id]
	if !ok {
		return library.File{}, library.ErrNotFound
	}
	if !slices.ContainsFunc(guards, r.passes) {
		return r.File, library.ErrConflict
	}
	r.apply(p)
	m.put(r)
	return m.files[id].File, nil
}

func (r record) passes(g library.Guard) bool {
	switch {
	case r.State != g.State:
		return false
	case g.Lease != "" && r.Lease != g.Lease:
		return false
	case !g.LeaseBefore.IsZero() && (r.LeaseUntil.IsZero() || !r.LeaseUntil.Before(milli(g.LeaseBefore))):
		return false
	case !g.UnmailedBefore.IsZero() && (r.Mailed || !r.mailUntil.IsZero() && !r.mailUntil.Before(milli(g.UnmailedBefore))):
		return false
	case g.MailLease != "" && r.MailLease != g.MailLease:
		return false
	}
	return true
}

func (r *record) apply(p library.Patch) {
	set(&r.State, p.State)
	setPointed(&r.Progress, p.Progress)
	setPointed(&r.Lease, p.Lease)
	set(&r.LeaseUntil, p.LeaseUntil)
	set(&r.Finished, p.Finished)
	set(&r.Expires, p.Expires)
	set(&r.forget, p.Forget)
	set(&r.MP3Bytes, p.MP3Bytes)
	set(&r.Duration, p.Duration)
	set(&r.Failure, p.Failure)
	set(&r.Work, p.Work)
	set(&r.Announced, p.Announced)
	set(&r.Mailed, p.Mailed)
	set(&r.mailUntil, p.MailUntil)
	set(&r.MailLease, p.MailLease)
	if p.AddAttempt {
		r.Attempts++
	}
}

func set[T comparable](field *T, value T) {
	var zero T
	if value != zero {
		*field = value
	}
}

func setPointed[T any](field, value *T) {
	if value != nil {
		*field = *value
	}
}

// Delete implements library.Store.
func (m *Memory) Delete(ctx context.Context, id, owner string, states ...library.State) (library.File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return library.File{}, err
	}
	r, ok := m.files[id]
	switch {
	case !ok || r.Owner != owner:
		return library.File{}, library.ErrNotFound
	case len(states) > 0 && !slices.Contains(states, r.State):
		return r.File, library.ErrConflict
	}
	delete(m.files, id)
	return r.File, nil
}

// List implements library.Store.
func (m *Memory) List(ctx context.Context, owner string, limit int, cursor string) ([]library.File, string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, "", err
	}
	after, err := fromCursor(cursor)
	if err != nil {
		return nil, "", err
	}
	var files []library.File
	for _, r := range m.files {
		if r.Owner == owner && (cursor == "" || newestFirst(after, r.File) < 0) {
			files = append(files, r.File)
		}
	}
	slices.SortFunc(files, newestFirst)
	if len(files) <= limit {
		return files, "", nil
	}
	files = files[:limit]
	return files, toCursor(files[limit-1]), nil
}

func newestFirst(a, b library.File) int {
	return cmp.Or(b.Created.Compare(a.Created), strings.Compare(b.ID, a.ID))
}

func toCursor(f library.File) string {
	return base64.RawURLEncoding.EncodeToString([]byte(f.ID + f.Created.Format(time.RFC3339Nano)))
}

func fromCursor(s string) (at library.File, err error) {
	if s == "" {
		return at, nil
	}
	const idBytes = 26
	raw, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || len(raw) < idBytes || !library.ValidID(string(raw[:idBytes])) {
		return at, library.ErrBadCursor
	}
	at.ID = string(raw[:idBytes])
	if at.Created, err = time.Parse(time.RFC3339Nano, string(raw[idBytes:])); err != nil {
		return at, library.ErrBadCursor
	}
	return at, nil
}

// CountUpload implements library.Store.
func (m *Memory) CountUpload(ctx context.Context, owner string, day time.Time) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if m.uploads == nil {
		m.uploads = map[string]int{}
	}
	key := owner + day.UTC().Format(time.DateOnly)
	m.uploads[key]++
	return m.uploads[key], nil
}
