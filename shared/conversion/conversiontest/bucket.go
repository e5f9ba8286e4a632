// Package conversiontest is what tests need of the storage that conversions read from and write to: a bucket in memory,
// and the contract that every bucket is held to.
package conversiontest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"mp3converter/shared/conversion"
	"mp3converter/shared/engine"
	"mp3converter/shared/source"
)

// Store is a bucket that holds videos, MP3s or both.
type Store interface {
	conversion.Videos
	conversion.Results
}

// Bucket is a Store in memory. Its zero value is empty and ready; it is safe for concurrent use.
type Bucket struct {
	mu      sync.Mutex
	objects map[string]*[]byte // a pointer, so that a version is pinned by it
	open    int
}

var _ Store = (*Bucket)(nil)

// Put makes body the object with this key.
func (b *Bucket) Put(key string, body []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.objects == nil {
		b.objects = map[string]*[]byte{}
	}
	body = bytes.Clone(body)
	b.objects[key] = &body
}

// Object returns the object with this key, and whether there is one.
func (b *Bucket) Object(key string) ([]byte, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if body := b.objects[key]; body != nil {
		return *body, true
	}
	return nil, false
}

// Unfinished is how many results were begun and neither committed nor aborted.
func (b *Bucket) Unfinished() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.open
}

// Open implements conversion.Videos.
func (b *Bucket) Open(ctx context.Context, key string) (source.Ranges, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	body := b.objects[key]
	if body == nil {
		return nil, fmt.Errorf("open %s: %w", key, source.ErrGone)
	}
	return &object{bucket: b, key: key, body: body}, nil
}

// Delete implements conversion.Results.
func (b *Bucket) Delete(ctx context.Context, key string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	delete(b.objects, key)
	return nil
}

type object struct {
	bucket *Bucket
	key    string
	body   *[]byte
}

func (o *object) Size() int64 { return int64(len(*o.body)) }

func (o *object) OpenRange(ctx context.Context, offset, length int64) (io.ReadCloser, error) {
	o.bucket.mu.Lock()
	defer o.bucket.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	switch now := o.bucket.objects[o.key]; {
	case now == nil:
		return nil, fmt.Errorf("read %s: %w", o.key, source.ErrGone)
	case now != o.body:
		return nil, fmt.Errorf("read %s: %w", o.key, source.ErrChanged)
	}
	return io.NopCloser(bytes.NewReader((*o.body)[offset : offset+length])), nil
}

// Create implements conversion.Results.
func (b *Bucket) Create(ctx context.Context, key string) conversion.Result {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.open++
	return &result{bucket: b, ctx: ctx, key: key}
}

type result struct {
	bucket *Bucket
	ctx    context.Context
	key    string
	body   []byte
	ended  bool
}

func (r *result) WriteAt(p []byte, off int64) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	end := int64(len(r.body))
	switch {
	case off == end:
		r.body = append(r.body, p...)
	case off < end && off+int64(len(p)) <= min(end, engine.Rewritable):
		copy(r.body[off:], p)
	default:
		return 0, fmt.Errorf("write %d bytes at %d of %d", len(p), off, end)
	}
	return len(p), nil
}

func (r *result) Commit() (requests int, err error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	if r.ended {
		return 0, errors.New("committed or aborted already")
	}
	r.end()
	r.bucket.Put(r.key, r.body)
	return 1, nil
}

func (r *result) Abort(context.Context) error {
	r.end()
	return nil
}

func (r *result) end() {
	r.bucket.mu.Lock()
	defer r.bucket.mu.Unlock()
	if !r.ended {
		r.ended = true
		r.bucket.open--
	}
}
