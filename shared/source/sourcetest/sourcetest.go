// Package sourcetest is object storage in memory for tests: it serves ranges of a byte slice, and can be told to
// break, to be slow or to change its mind.
package sourcetest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"sync"
)

// Object implements source.Ranges over Data. Its fields are set before the first use.
type Object struct {
	Data []byte
	// Open, if set, is called for every range, counted from 1, and may fail it.
	Open func(ctx context.Context, n int, offset, length int64) error
	// Body, if set, stands between the range's bytes and the one who reads them.
	Body func(ctx context.Context, n int, r io.Reader) io.Reader

	mu     sync.Mutex
	opened []Range
	open   int
}

// Range is one range as it was asked for.
type Range struct{ Offset, Length int64 }

// Size implements source.Ranges.
func (o *Object) Size() int64 { return int64(len(o.Data)) }

// OpenRange implements source.Ranges.
func (o *Object) OpenRange(ctx context.Context, offset, length int64) (io.ReadCloser, error) {
	o.mu.Lock()
	o.opened = append(o.opened, Range{offset, length})
	n := len(o.opened)
	o.mu.Unlock()
	if offset < 0 || length <= 0 || offset+length > o.Size() {
		return nil, fmt.Errorf("range %d+%d is not within %d bytes", offset, length, o.Size())
	}
	if o.Open != nil {
		if err := o.Open(ctx, n, offset, length); err != nil {
			return nil, err
		}
	}
	var body io.Reader = bytes.NewReader(o.Data[offset : offset+length])
	if o.Body != nil {
		body = o.Body(ctx, n, body)
	}
	o.mu.Lock()
	o.open++
	o.mu.Unlock()
	return &rangeBody{Reader: body, ctx: ctx, object: o}, nil
}

// Opened lists the ranges asked for so far.
func (o *Object) Opened() []Range {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]Range(nil), o.opened...)
}

// Unclosed says how many bodies have not been closed.
func (o *Object) Unclosed() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.open
}

type rangeBody struct {
	io.Reader
	ctx    context.Context
	object *Object
	once   sync.Once
}

func (b *rangeBody) Read(p []byte) (int, error) {
	if err := b.ctx.Err(); err != nil {
		return 0, err
	}
	return b.Reader.Read(p)
}

func (b *rangeBody) Close() error {
	b.once.Do(func() {
		b.object.mu.Lock()
		defer b.object.mu.Unlock()
		b.object.open--
	})
	return nil
}
