package session

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"mp3converter/shared/audio"
)

// keepPending is how long a forgotten conversion stays in the folder; the service removes its files long before.
const keepPending = 30 * 24 * time.Hour

// Job names one conversion by everything that makes it the same conversion: asking twice for the same job is asking
// for one MP3, which is how an interrupted run is taken up again.
type Job struct {
	API      string        `json:"api"`
	Email    string        `json:"email"`
	Path     string        `json:"path"`
	Size     int64         `json:"size"`
	Modified time.Time     `json:"modified"`
	Audio    audio.Options `json:"audio"`
}

// key is the job's file name.
func (j Job) key() (string, error) {
	j.Modified = j.Modified.UTC()
	data, err := json.Marshal(j)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:16]) + ".json", nil
}

// Pending is a job the service knows as FID and whose MP3 has not been fetched yet.
type Pending struct {
	FID string `json:"fid"`
	// Uploaded says that storage has confirmed the whole video.
	Uploaded bool      `json:"uploaded"`
	Begun    time.Time `json:"begun"`
	Job      Job       `json:"job"`
}

// Pending finds a job that was begun and not finished.
func (s *Store) Pending(job Job) (Pending, bool, error) {
	name, err := job.key()
	if err != nil {
		return Pending{}, false, err
	}
	var p Pending
	err = readJSON(filepath.Join(s.dir, pendingDir, name), &p)
	if errors.Is(err, fs.ErrNotExist) {
		return Pending{}, false, nil
	}
	if err != nil {
		return Pending{}, false, fmt.Errorf("read a pending conversion: %w", err)
	}
	return p, true, nil
}

// Remember writes a pending job down, in place of what was known of it.
func (s *Store) Remember(p Pending) error {
	name, err := p.Job.key()
	if err != nil {
		return err
	}
	if err := writeJSON(filepath.Join(s.dir, pendingDir), name, p); err != nil {
		return fmt.Errorf("remember a pending conversion: %w", err)
	}
	return nil
}

// Forget drops the jobs known under the given file ID, and those begun so long before now that nothing is left of
// them. It is no error if there is none.
func (s *Store) Forget(fid string, now time.Time) error {
	dir := filepath.Join(s.dir, pendingDir)
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("forget a pending conversion: %w", err)
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		var p Pending
		if !strings.HasSuffix(path, ".json") || readJSON(path, &p) != nil {
			continue
		}
		if p.FID != fid && now.Sub(p.Begun) < keepPending {
			continue
		}
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("forget a pending conversion: %w", err)
		}
	}
	return nil
}
