package engine

import (
	"errors"
	"fmt"
	"io"
)

// errOutputLimit says that the MP3 grew over Limits.Output.
var errOutputLimit = errors.New("the MP3 is longer than the limit on output")

// output stands between the MP3's writer and the destination: it keeps the limit on the MP3's length, and holds back the
// first Rewritable bytes until more follow or the MP3 is done. So a conversion that turns out early to need another way
// has written nothing yet.
type output struct {
	dst     io.WriterAt
	limit   int64
	written int64 // to dst, rewriting included
	head    []byte
	passed  bool // head has been written to dst, and is not kept any more
}

// WriteAt implements io.WriterAt for a writer that appends, or rewrites the head.
func (o *output) WriteAt(p []byte, offset int64) (int, error) {
	end := offset + int64(len(p))
	if end > o.limit {
		return 0, errOutputLimit
	}
	if o.passed {
		return o.write(p, offset)
	}
	if offset > int64(len(o.head)) {
		return 0, fmt.Errorf("write MP3: at %d after %d bytes", offset, len(o.head))
	}
	n := copy(o.head[offset:], p)
	o.head = append(o.head, p[n:]...)
	if len(o.head) > Rewritable {
		return len(p), o.finish()
	}
	return len(p), nil
}

func (o *output) write(p []byte, offset int64) (int, error) {
	n, err := o.dst.WriteAt(p, offset)
	o.written += int64(n)
	if err != nil {
		return n, fmt.Errorf("write MP3: %w", err)
	}
	return n, nil
}

// finish writes what is still held back.
func (o *output) finish() error {
	if o.passed || len(o.head) == 0 {
		return nil
	}
	o.passed = true
	_, err := o.write(o.head, 0)
	o.head = nil
	return err
}
