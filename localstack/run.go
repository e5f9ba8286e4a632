package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// run is up in the foreground: it shows the logs until it is told to end, then stops everything.
func (s *stack) run(ctx context.Context) (err error) {
	defer func() {
		// The context has ended by now, which is why we are here.
		err = errors.Join(err, s.down(context.WithoutCancel(ctx)))
	}()
	ctx, cancel := whileParentLives(ctx)
	defer cancel()
	if err := s.up(ctx); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	if err := s.info(s.out); err != nil {
		return err
	}
	fmt.Fprintf(s.out, "  Ctrl-C stops everything. The logs follow; they are kept in %s.\n\n", s.relative(s.path("log")))
	r, err := s.loadRunning()
	if err != nil {
		return err
	}
	follow := newFollower(s.out, s.path("log", "emulator.log"), s.path("log", "helper.log"))
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	for {
		if err := follow.copy(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if !r.Emulator.alive() || !r.Helper.alive() {
				return errors.New("a part of the stack has ended by itself; see the logs")
			}
		}
	}
}

// whileParentLives is a context that also ends when the parent process does: `go run` passes on Ctrl-C, but dies of
// SIGTERM without a word to the program it runs.
func whileParentLives(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	parent := os.Getppid()
	go func() {
		defer cancel()
		_ = poll(ctx, func() bool { return os.Getppid() != parent })
	}()
	return ctx, cancel
}

// follower copies what is appended to files.
type follower struct {
	out   io.Writer
	files map[string]int64 // path → bytes copied
}

// newFollower begins at the present ends of the files.
func newFollower(out io.Writer, paths ...string) *follower {
	f := &follower{out: out, files: map[string]int64{}}
	for _, path := range paths {
		f.files[path] = 0
		if info, err := os.Stat(path); err == nil {
			f.files[path] = info.Size()
		}
	}
	return f
}

func (f *follower) copy() error {
	for path, done := range f.files {
		file, err := os.Open(filepath.Clean(path))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		info, err := file.Stat()
		if err == nil && info.Size() < done { // replaced by a new one
			done = 0
		}
		if err == nil {
			_, err = file.Seek(done, io.SeekStart)
		}
		var n int64
		if err == nil {
			n, err = io.Copy(f.out, file)
		}
		if err := errors.Join(err, file.Close()); err != nil {
			return err
		}
		f.files[path] = done + n
	}
	return nil
}
