package transfer

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"mp3converter/cmd/mp3converter/internal/api"
)

// Target is where an MP3 goes: Stream, if it is set, or else the file Path.
type Target struct {
	Path string
	// Replace allows an existing file to be replaced.
	Replace bool
	Stream  io.Writer
}

// ExistsError says that the MP3 would replace a file and was not allowed to.
type ExistsError struct{ Path string }

func (e *ExistsError) Error() string { return e.Path + " exists already; --force replaces it" }

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
	case !t.Replace:
		return &ExistsError{t.Path}
	}
	return nil
}

// Fetch writes the file's MP3 to the target that choose picks for the name the service suggests, already made safe,
// and crosses the file out of the pending ones. It returns the target and the bytes written.
func (s *Service) Fetch(ctx context.Context, fid string, choose func(name string) Target, m Meter) (Target, int64, error) {
	link, err := s.Client.Download(ctx, fid)
	if err != nil {
		return Target{}, 0, err
	}
	target := choose(SafeName(link.Filename, fid+".mp3"))
	m.Stage("downloading", link.Size, true)
	fresh := func(ctx context.Context) (api.DownloadLink, error) { return s.Client.Download(ctx, fid) }
	if target.Stream != nil {
		n, err := s.Client.Fetch(ctx, link, &stream{w: target.Stream}, fresh, m.At)
		if err == nil {
			s.Forget(fid)
		}
		return target, n, err
	}
	if err := target.Check(); err != nil {
		return target, 0, err
	}
	n, err := fetchFile(target, func(sink api.Sink) (int64, error) {
		return s.Client.Fetch(ctx, link, sink, fresh, m.At)
	})
	if err == nil {
		s.Forget(fid)
	}
	return target, n, err
}

// fetchFile fills a part file beside the target and gives it the target's name when it is whole. Its own name is
// unique, so two clients that fetch the same file do not write into each other's.
func fetchFile(target Target, fill func(api.Sink) (int64, error)) (n int64, err error) {
	var tag [4]byte
	_, _ = rand.Read(tag[:])
	path := target.Path + "." + hex.EncodeToString(tag[:]) + ".part"
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
	if n, err = fill(part{f}); err != nil {
		return n, err
	}
	if err := f.Sync(); err != nil {
		return n, fmt.Errorf("write the MP3: %w", err)
	}
	if err := f.Close(); err != nil {
		return n, fmt.Errorf("write the MP3: %w", err)
	}
	if target.Replace {
		return n, os.Rename(path, target.Path)
	}
	// A hard link refuses to replace a file, which a rename does not; not every file system has them.
	switch err := os.Link(path, target.Path); {
	case err == nil:
		return n, os.Remove(path)
	case errors.Is(err, fs.ErrExist):
		return n, &ExistsError{target.Path}
	}
	if err := target.Check(); err != nil {
		return n, err
	}
	return n, os.Rename(path, target.Path)
}

// part is an MP3 being written to disk.
type part struct{ *os.File }

// Restart empties the file.
func (p part) Restart() error {
	if err := p.Truncate(0); err != nil {
		return fmt.Errorf("write the MP3: %w", err)
	}
	if _, err := p.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("write the MP3: %w", err)
	}
	return nil
}

// stream is an MP3 being written where nothing can be taken back.
type stream struct {
	w    io.Writer
	some bool
}

func (s *stream) Write(p []byte) (int, error) {
	s.some = s.some || len(p) > 0
	return s.w.Write(p)
}

// Restart fails if anything has been written.
func (s *stream) Restart() error {
	if s.some {
		return errors.New("the connection broke and the MP3 cannot be taken up in the middle; what was written is incomplete")
	}
	return nil
}
