// Package session keeps what the client remembers between two runs: which service it talks to, who is signed in with
// which token, and the conversions that were begun and not yet fetched.
//
// Everything lies in one folder of mode 0700. The token's file has mode 0600; a looser mode found there is tightened
// before the token is used. Files are replaced in one step, so a crash or a second client leaves the old or the new
// content and nothing in between. Each pending conversion is a file of its own: two clients never overwrite each
// other's.
package session

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"time"
)

const (
	sessionFile = "session.json"
	pendingDir  = "pending"
	dirMode     = 0o700
	fileMode    = 0o600
)

// Session is who is signed in where. Token is empty after signing out; API and Email stay, so that the next sign-in
// need not ask for them.
type Session struct {
	API       string    `json:"api"`
	Email     string    `json:"email"`
	Token     string    `json:"token,omitempty"`
	ExpiresAt time.Time `json:"expires_at,omitzero"`
	// Insecure records that the person agreed to plain HTTP to a host that is not this machine.
	Insecure bool `json:"insecure,omitempty"`
}

// Store is the folder on disk. Its methods may be called from several goroutines and several processes.
type Store struct {
	dir string
}

// Open returns the store in dir, which need not exist yet: it is made at the first write.
func Open(dir string) *Store { return &Store{dir: dir} }

// DefaultDir is the folder used when nothing else is said: mp3converter in the user's configuration folder.
func DefaultDir() (string, error) {
	base, err := os.UserConfigDir()
	if err != nil {
		return "", fmt.Errorf("find the configuration folder: %w", err)
	}
	return filepath.Join(base, "mp3converter"), nil
}

// Load reads the session. Where there is none it returns the zero Session and no error.
func (s *Store) Load() (Session, error) {
	var out Session
	path := filepath.Join(s.dir, sessionFile)
	if err := tighten(path); err != nil {
		return Session{}, err
	}
	if err := readJSON(path, &out); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return Session{}, nil
		}
		return Session{}, fmt.Errorf("read the session: %w", err)
	}
	return out, nil
}

// Save replaces the session.
func (s *Store) Save(in Session) error {
	if err := writeJSON(s.dir, sessionFile, in); err != nil {
		return fmt.Errorf("save the session: %w", err)
	}
	return nil
}

// tighten takes group's and others' rights from a file that has any. Windows has no such bits.
func tighten(path string) error {
	info, err := os.Stat(path)
	if err != nil || runtime.GOOS == "windows" || info.Mode().Perm()&0o077 == 0 {
		return nil //nolint:nilerr // a file that cannot be looked at is reported by the read that follows
	}
	if err := os.Chmod(path, fileMode); err != nil {
		return fmt.Errorf("others can read your token and that cannot be changed: %w", err)
	}
	return nil
}

func readJSON(path string, out any) error {
	data, err := os.ReadFile(path) //nolint:gosec // the path is inside the client's own folder
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, out); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// writeJSON replaces dir/name in one step. The temporary file has mode 0600 from its creation on.
func writeJSON(dir, name string, in any) (err error) {
	data, err := json.MarshalIndent(in, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, dirMode); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(dir, "."+name+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = tmp.Close()
			_ = os.Remove(tmp.Name())
		}
	}()
	if _, err := tmp.Write(append(data, '\n')); err != nil {
		return err
	}
	if err := tmp.Sync(); err != nil {
		return err
	}
	if err := tmp.Close(); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), filepath.Join(dir, name))
}
