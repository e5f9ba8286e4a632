package library_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"mp3converter/shared/library"
	"mp3converter/shared/library/librarytest"
)

// clock is a time that only moves when it is told to.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

const (
	retention = 7 * 24 * time.Hour
	memory    = 30 * 24 * time.Hour // how long a record outlives its MP3
)

type world struct {
	*library.Library
	store *librarytest.Memory
	clock *clock
}

func newWorld() world {
	c := &clock{at: time.Date(2026, 3, 1, 12, 0, 0, 123_000_000, time.FixedZone("CET", 3600))}
	store := &librarytest.Memory{}
	return world{
		Library: &library.Library{Store: store, Retention: retention, UploadsPerDay: 3, Now: c.now}, store: store, clock: c,
	}
}

func (w world) announce(t *testing.T) library.File {
	t.Helper()
	f, err := w.Announce(t.Context(), library.NewFile{Owner: "anna", Email: "anna@example.com", Filename: "holiday.mp4", Size: 10})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func (w world) claim(t *testing.T, id string) library.Job {
	t.Helper()
	j, err := w.Claim(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func (w world) queued(t *testing.T) library.File {
	t.Helper()
	f, err := w.Arrive(t.Context(), w.announce(t).ID)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func (w world) get(t *testing.T, id string) library.File {
	t.Helper()
	f, err := w.Get(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func wantErr(t *testing.T, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("error is %v, want %v", got, want)
	}
}

func wantState(t *testing.T, f library.File, want library.State) {
	t.Helper()
	if f.State != want {
		t.Errorf("state is %s, want %s", f.State, want)
	}
}

func wantTime(t *testing.T, what string, got, want time.Time) {
	t.Helper()
	if !got.Equal(want) {
		t.Errorf("%s is %s, want %s", what, got, want)
	}
}
