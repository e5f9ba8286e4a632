package engine

import (
	"errors"
	"fmt"
	"io"
)

var (
	// errOutputLimit says that the MP3 grew over Limits.Output.
	errOutputLimit = errors.New("the MP3 is longer than the limit on output")
	// errTagTooLong says that tags and cover take so much that the header behind them lies beyond Rewritable.
	errTagTooLong = errors.New("the MP3's tag is too long")
)

// output stands between the child, which writes anywhere, and the destination, which is written in order: it holds
// back the first Rewritable bytes until more follow, and writes them again at the end if the child changed them. So a
// child that fails early has written nothing, and can be run again.
type output struct {
	dst    io.WriterAt
	limit  int64
	size   int64
	head   []byte
	passed bool // head has been written to dst
	stale  bool // and was changed afterwards
}

// WriteAt implements io.WriterAt for a child that appends, or rewrites the head.
func (o *output) WriteAt(p []byte, offset int64) (int, error) {
	end := offset + int64(len(p))
	switch {
	case end > o.limit:
		return 0, errOutputLimit
	case offset > o.size, offset < o.size && min(end, o.size) > Rewritable:
		return 0, fmt.Errorf("%w: write of %d bytes at %d, after %d", errProtocol, len(p), offset, o.size)
	}
	n := 0
	if offset < Rewritable {
		n = int(min(end, Rewritable) - offset)
		if grown := offset + int64(n); grown > int64(len(o.head)) {
			o.head = append(o.head, make([]byte, grown-int64(len(o.head)))...)
		}
		copy(o.head[offset:], p[:n])
		o.stale = o.passed
	}
	if n < len(p) {
		if err := o.pass(); err != nil {
			return 0, err
		}
		if _, err := o.dst.WriteAt(p[n:], offset+int64(n)); err != nil {
			return n, fmt.Errorf("write MP3: %w", err)
		}
	}
	o.size = max(o.size, end)
	return len(p), nil
}

// pass writes the full head, once it is sure that what must be rewritten lies in it.
func (o *output) pass() error {
	if o.passed {
		return nil
	}
	// A length of nothing stands in a tag that is still being written.
	if n := tagLength(o.head); n == tagHeader || n+maxInfoFrame > len(o.head) {
		return errTagTooLong
	}
	return o.writeHead()
}

func (o *output) writeHead() error {
	if _, err := o.dst.WriteAt(o.head, 0); err != nil {
		return fmt.Errorf("write MP3: %w", err)
	}
	o.passed, o.stale = true, false
	return nil
}

// finish writes what is still held back.
func (o *output) finish() error {
	if o.passed && !o.stale || len(o.head) == 0 {
		return nil
	}
	return o.writeHead()
}
