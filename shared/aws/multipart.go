package aws

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"mp3converter/shared/conversion"
)

const (
	// partBytes is the size of every part but the last. It is the least that S3 wants, because one waits at the end for
	// the parts that have not left by then, the first among them. S3 takes at most 10,000 parts, so an MP3 may reach 50 GB.
	partBytes = 5 << 20
	// sending is how many parts leave at once while more is written.
	sending = 3
	// beginGrace is how long the beginning of an upload may go on when it is not wanted any more: unless its ID becomes
	// known, it cannot be removed. Whoever aborts waits for that, and gives it 5 s for both.
	beginGrace = 2 * time.Second
)

// result is an MP3 on its way into the bucket. The first part stays in memory until Commit, because its header is
// written last; later parts leave while the encoder goes on. An MP3 of one part is a single PUT.
type result struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	bucket *Bucket
	key    string

	first     []byte
	tail      []byte // what follows the bytes handed over
	sent      int64  // bytes behind the first part handed over
	requests  int
	committed bool

	begun    chan struct{} // closed when the multipart upload has begun or cannot; nil until it is needed
	uploadID *string       // then

	mu      sync.Mutex // guards parts; the rest belongs to the writing goroutine
	parts   []types.CompletedPart
	running sync.WaitGroup
	slots   chan struct{}
}

// Create implements conversion.Results.
func (b *Bucket) Create(ctx context.Context, key string) conversion.Result {
	ctx, cancel := context.WithCancelCause(ctx)
	return &result{ctx: ctx, cancel: cancel, bucket: b, key: key, slots: make(chan struct{}, sending)}
}

// WriteAt appends, or rewrites bytes of the first part; anything else is an error. Not safe for concurrent use.
func (r *result) WriteAt(p []byte, off int64) (int, error) {
	if err := context.Cause(r.ctx); err != nil {
		return 0, err
	}
	written := 0
	if off < int64(len(r.first)) {
		written = copy(r.first[off:], p)
		off += int64(written)
	}
	rest := p[written:]
	if len(rest) == 0 {
		return written, nil
	}
	if end := r.size(); off != end {
		return written, fmt.Errorf("write at byte %d: only the first part can be rewritten, and the end is at %d", off, end)
	}
	if len(r.first) < partBytes {
		r.first, rest = fill(r.first, rest)
	}
	for len(rest) > 0 {
		if r.begun == nil {
			r.begin()
		}
		r.tail, rest = fill(r.tail, rest)
		if len(r.tail) == partBytes {
			if err := r.send(); err != nil {
				return len(p) - len(rest), err
			}
		}
	}
	return len(p), nil
}

// fill moves bytes from src into a part, until that is full.
func fill(part, src []byte) (filled, rest []byte) {
	if part == nil {
		part = make([]byte, 0, partBytes)
	}
	n := min(partBytes-len(part), len(src))
	return append(part, src[:n]...), src[n:]
}

func (r *result) size() int64 { return int64(len(r.first)) + r.sent + int64(len(r.tail)) }

// begin begins a multipart upload, while the encoder goes on.
func (r *result) begin() {
	r.begun = make(chan struct{})
	r.requests++
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.ctx))
	stop := context.AfterFunc(r.ctx, func() { time.AfterFunc(beginGrace, cancel) })
	r.running.Go(func() {
		defer close(r.begun)
		defer cancel()
		defer stop()
		out, err := r.bucket.client.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{
			Bucket: r.bucket.name, Key: &r.key, ContentType: awssdk.String("audio/mpeg"),
		})
		if err != nil {
			r.cancel(fmt.Errorf("begin multipart upload: %w", err))
			return
		}
		r.uploadID = out.UploadId
	})
}

// send hands the tail to the network, as soon as there is a slot, and begins a new one.
func (r *result) send() error {
	select {
	case r.slots <- struct{}{}:
	case <-r.ctx.Done():
		return context.Cause(r.ctx)
	}
	body, number := r.tail, int32(r.sent/partBytes)+2
	r.sent += int64(len(body))
	r.tail = nil
	r.upload(number, body, func() { <-r.slots })
	return nil
}

// upload sends a part; what keeps it from arriving ends everything.
func (r *result) upload(number int32, body []byte, done func()) {
	r.requests++
	r.running.Go(func() {
		defer done()
		<-r.begun
		if r.uploadID == nil {
			return
		}
		out, err := r.bucket.client.UploadPart(r.ctx, &s3.UploadPartInput{
			Bucket: r.bucket.name, Key: &r.key, UploadId: r.uploadID, PartNumber: &number, Body: bytes.NewReader(body),
		})
		if err != nil {
			r.cancel(fmt.Errorf("upload part %d: %w", number, err))
			return
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.parts = append(r.parts, types.CompletedPart{ETag: out.ETag, PartNumber: &number})
	})
}

// Commit makes the object visible, whole, and returns how many requests it took. After a Commit that returned nil it
// does nothing more.
func (r *result) Commit() (requests int, err error) {
	if r.committed {
		return r.requests, nil
	}
	defer r.cancel(nil)
	if r.begun == nil {
		err = r.put()
	} else {
		err = r.complete()
	}
	if err != nil {
		return 0, err
	}
	r.committed = true
	r.requests++
	return r.requests, nil
}

func (r *result) put() error {
	_, err := r.bucket.client.PutObject(r.ctx, &s3.PutObjectInput{
		Bucket: r.bucket.name, Key: &r.key, Body: bytes.NewReader(r.first), ContentType: awssdk.String("audio/mpeg"),
	})
	if err != nil {
		return fmt.Errorf("put MP3: %w", err)
	}
	return nil
}

// complete sends the first part and the last beside each other, and makes one object of all of them.
func (r *result) complete() error {
	r.upload(1, r.first, func() {})
	if len(r.tail) > 0 {
		if err := r.send(); err != nil {
			return err
		}
	}
	r.running.Wait()
	if err := context.Cause(r.ctx); err != nil {
		return err
	}
	slices.SortFunc(r.parts, func(a, b types.CompletedPart) int { return int(*a.PartNumber - *b.PartNumber) })
	_, err := r.bucket.client.CompleteMultipartUpload(r.ctx, &s3.CompleteMultipartUploadInput{
		Bucket: r.bucket.name, Key: &r.key, UploadId: r.uploadID,
		MultipartUpload: &types.CompletedMultipartUpload{Parts: r.parts},
	})
	if err != nil {
		return fmt.Errorf("complete multipart upload: %w", err)
	}
	return nil
}

// errAborted ends what is still being sent.
var errAborted = errors.New("upload aborted")

// Abort throws away what was written. After a Commit that returned nil it does nothing.
func (r *result) Abort(ctx context.Context) error {
	r.cancel(errAborted)
	r.running.Wait()
	if r.uploadID == nil || r.committed {
		return nil
	}
	_, err := r.bucket.client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{
		Bucket: r.bucket.name, Key: &r.key, UploadId: r.uploadID,
	})
	var gone *types.NoSuchUpload
	if err != nil && !errors.As(err, &gone) {
		return fmt.Errorf("abort multipart upload: %w", err)
	}
	return nil
}
