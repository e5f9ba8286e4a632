package session_test

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"mp3converter/cmd/mp3converter/internal/session"
	"mp3converter/shared/audio"
)

func TestSessionIsKeptPrivatelyAndWhole(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "config")
	store := session.Open(dir)
	if s, err := store.Load(); err != nil || s != (session.Session{}) {
		t.Fatalf("before anything was saved: %+v, %v", s, err)
	}
	want := session.Session{API: "https://mp3.example.com", Email: "ada@example.com", Token: "t", ExpiresAt: time.Unix(1e9, 0).UTC()}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if err := store.Save(want); err != nil {
				t.Error(err)
			}
			if got, err := store.Load(); err != nil || got != want {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
	wg.Wait()
	for path, mode := range map[string]os.FileMode{dir: 0o700, filepath.Join(dir, "session.json"): 0o600} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("%d files in the folder, want 1", len(entries))
	}
}

func TestDamagedSessionIsReported(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "session.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := session.Open(dir).Load(); err == nil {
		t.Error("a damaged session was read")
	}
}

func TestPendingJobs(t *testing.T) {
	t.Parallel()
	store := session.Open(t.TempDir())
	now := time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)
	job := func(i int) session.Job {
		return session.Job{API: "https://mp3.example.com", Email: "ada@example.com", Path: fmt.Sprintf("/v/%d.mp4", i), Size: 7, Modified: now}
	}
	if err := store.Forget("none", now); err != nil {
		t.Errorf("forget in an empty folder: %v", err)
	}
	for i := range 3 {
		begun := now
		if i == 2 {
			begun = now.AddDate(0, -2, 0)
		}
		if err := store.Remember(session.Pending{FID: fmt.Sprint("f", i), Job: job(i), Begun: begun}); err != nil {
			t.Fatal(err)
		}
	}
	local := job(0)
	local.Modified = now.In(time.FixedZone("elsewhere", 3600))
	if p, found, err := store.Pending(local); err != nil || !found || p.FID != "f0" {
		t.Errorf("%+v, %v, %v", p, found, err)
	}
	other := job(0)
	other.Audio = audio.Options{Normalize: true}
	if _, found, _ := store.Pending(other); found {
		t.Error("other options are the same job")
	}
	if err := store.Forget("f0", now); err != nil {
		t.Fatal(err)
	}
	for i, want := range []bool{false, true, false} {
		if _, found, err := store.Pending(job(i)); err != nil || found != want {
			t.Errorf("job %d: found %v, %v", i, found, err)
		}
	}
}
