package transfer

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Target is where an MP3 goes: Stream, if it is set, or else the file Path.
type Target struct {
	Path string
	// Replace allows an existing file to be replaced, if it is called an MP3: two videos where one was meant, as from a
	// pattern, or a slip of the hand must not cost a video.
	Replace bool
	// MakeDir allows the file's directory to be made.
	MakeDir bool
	Stream  io.Writer
}

// ExistsError says that the MP3 would replace a file and was not allowed to.
type ExistsError struct{ Path string }

func (e *ExistsError) Error() string {
	if !IsMP3Name(e.Path) {
		return e.Path + " exists already, and is not called .mp3; name another output"
	}
	return e.Path + " exists already; --force replaces it"
}

// IsMP3Name says whether a file of this name passes for an MP3. No other is ever replaced.
func IsMP3Name(name string) bool { return strings.EqualFold(filepath.Ext(name), ".mp3") }

// Check reports what already now prevents the file from being written, before any work is put into it.
func (t Target) Check() error {
	if t.Stream != nil {
		return nil
	}
	info, err := os.Stat(t.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.IsDir():
		return fmt.Errorf("%s is a directory", t.Path)
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is not an ordinary file; write to standard output and redirect that", t.Path)
	case !t.Replace || !IsMP3Name(t.Path):
		return &ExistsError{t.Path}
	}
	return nil
}

// Write lets fill write a part file beside the target and gives it the target's name when it is whole; if fill fails,
// nothing is left. Its own name is unique, so two clients that write the same MP3 do not write into each other's. It
// returns what fill returns: how many bytes there are.
func (t Target) Write(fill func(f *os.File) (int64, error)) (n int64, err error) {
	if t.MakeDir {
		if err := os.MkdirAll(filepath.Dir(t.Path), 0o777); err != nil { //nolint:gosec // an ordinary directory: the umask decides
			return 0, err
		}
	}
	var tag [4]byte
	_, _ = rand.Read(tag[:])
	path := t.Path + "." + hex.EncodeToString(tag[:]) + ".part"
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666) //nolint:gosec // an MP3 is an ordinary file: the umask decides
	if err != nil {
		return 0, err
	}
	defer func() {
		if err != nil {
			_ = f.Close()
			_ = os.Remove(path)
		}
	}()
	if n, err = fill(f); err != nil {
		return n, err
	}
	if err := f.Sync(); err != nil {
		return n, fmt.Errorf("write the MP3: %w", err)
	}
	if err := f.Close(); err != nil {
		return n, fmt.Errorf("write the MP3: %w", err)
	}
	if t.Replace {
		return n, os.Rename(path, t.Path)
	}
	// A hard link refuses to replace a file, which a rename does not; not every file system has them.
	switch err := os.Link(path, t.Path); {
	case err == nil:
		return n, os.Remove(path)
	case errors.Is(err, fs.ErrExist):
		return n, &ExistsError{t.Path}
	}
	if err := t.Check(); err != nil {
		return n, err
	}
	return n, os.Rename(path, t.Path)
}
