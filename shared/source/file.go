package source

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"
)

// file is a local file, pinned by its size and the time of its last change.
type file struct {
	f       *os.File
	size    int64
	changed time.Time
}

// NewFile reads a local file, a regular one, which stays the caller's to close.
func NewFile(f *os.File) (Ranges, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("look up file: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("look up file: %s is not a regular file", f.Name())
	}
	return &file{f: f, size: info.Size(), changed: info.ModTime()}, nil
}

// Size implements Ranges.
func (f *file) Size() int64 { return f.size }

// OpenRange implements Ranges. Local reads are not waited for, so that the context matters only before them.
func (f *file) OpenRange(ctx context.Context, offset, length int64) (io.ReadCloser, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	info, err := f.f.Stat()
	if err != nil {
		return nil, fmt.Errorf("look up file: %w", err)
	}
	if info.Size() != f.size || !info.ModTime().Equal(f.changed) {
		return nil, fmt.Errorf("read %s: %w", f.f.Name(), ErrChanged)
	}
	return io.NopCloser(io.NewSectionReader(f.f, offset, length)), nil
}
