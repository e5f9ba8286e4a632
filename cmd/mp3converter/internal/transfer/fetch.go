package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"mp3converter/cmd/mp3converter/internal/api"
)

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
	n, err := target.Write(func(f *os.File) (int64, error) {
		return s.Client.Fetch(ctx, link, part{f}, fresh, m.At)
	})
	if err == nil {
		s.Forget(fid)
	}
	return target, n, err
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
