package aws

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"mp3converter/shared/conversion"
)

// partBytes is the size of every part but the last. S3 wants at least 5 MiB and takes at most 10,000 parts, so an MP3 may
// reach 80 GB.
const partBytes = 8 << 20

// result is an MP3 on its way into the bucket. The first part stays in memory until Commit, because its header is
// written last; later parts leave while the encoder goes on. An MP3 of one part is a single PUT.
type result struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	bucket *Bucket
	key    string

	first, tail []byte // tail begins at tailAt; until the first part is full it is nil
	tailAt      int64
	uploadID    *string
	parts       []types.CompletedPart
	requests    int
	committed   bool

	mu      sync.Mutex // guards parts; the rest belongs to the writing goroutine
	sending sync.WaitGroup
	slots   chan struct{}
}

// Create implements conversion.Results.
func (b *Bucket) Create(ctx context.Context, key string) conversion.Result {
	ctx, cancel := context.WithCancelCause(ctx)
	return &result{ctx: ctx, cancel: cancel, bucket: b, key: key, slots: make(chan struct{}, 2)}
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
	if room := partBytes - len(r.first); room > 0 && r.tail == nil {
		n := min(room, len(rest))
		r.first = append(r.first, rest[:n]...)
		rest = rest[n:]
	}
	for len(rest) > 0 {
		if r.tail == nil {
			r.tail, r.tailAt = make([]byte, 0, partBytes), r.size()
		}
		n := min(cap(r.tail)-len(r.tail), len(rest))
		r.tail = append(r.tail, rest[:n]...)
		rest = rest[n:]
		if len(r.tail) == cap(r.tail) {
			if err := r.send(); err != nil {
				return len(p) - len(rest), err
			}
		}
	}
	return len(p), nil
}

func (r *result) size() int64 {
	if r.tail != nil {
		return r.tailAt + int64(len(r.tail))
	}
	return max(int64(len(r.first)), r.tailAt)
}

// send hands the full tail to the network and begins a new one.
func (r *result) send() error {
	if r.uploadID == nil {
		out, err := r.bucket.client.CreateMultipartUpload(r.ctx, &s3.CreateMultipartUploadInput{
			Bucket: r.bucket.name, Key: &r.key, ContentType: awssdk.String("audio/mpeg"),
		})
		if err != nil {
			return fmt.Errorf("begin multipart upload: %w", err)
		}
		r.uploadID = out.UploadId
		r.requests++
	}
	body, number := r.tail, int32(r.tailAt/partBytes)+1
	r.tailAt += int64(len(body))
	r.tail = nil
	r.requests++
	select {
	case r.slots <- struct{}{}:
	case <-r.ctx.Done():
		return context.Cause(r.ctx)
	}
	r.sending.Go(func() {
		defer func() { <-r.slots }()
		if err := r.uploadPart(number, body); err != nil {
			r.cancel(err)
		}
	})
	return nil
}

func (r *result) uploadPart(number int32, body []byte) error {
	out, err := r.bucket.client.UploadPart(r.ctx, &s3.UploadPartInput{
		Bucket: r.bucket.name, Key: &r.key, UploadId: r.uploadID, PartNumber: &number, Body: bytes.NewReader(body),
	})
	if err != nil {
		return fmt.Errorf("upload part %d: %w", number, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.parts = append(r.parts, types.CompletedPart{ETag: out.ETag, PartNumber: &number})
	return nil
}

// Commit makes the object visible, whole, and returns how many requests it took.
func (r *result) Commit() (requests int, err error) {
	defer r.cancel(nil)
	if r.uploadID == nil && r.tail == nil {
		_, err := r.bucket.client.PutObject(r.ctx, &s3.PutObjectInput{
			Bucket: r.bucket.name, Key: &r.key, Body: bytes.NewReader(r.first), ContentType: awssdk.String("audio/mpeg"),
		})
		if err != nil {
			return 0, fmt.Errorf("put MP3: %w", err)
		}
		r.committed = true
		return 1, nil
	}
	if len(r.tail) > 0 {
		if err := r.send(); err != nil {
			return 0, err
		}
	}
	if err := r.uploadPart(1, r.first); err != nil {
		r.cancel(err)
	}
	r.sending.Wait()
	if err := context.Cause(r.ctx); err != nil {
		return 0, err
	}
	slices.SortFunc(r.parts, func(a, b types.CompletedPart) int { return int(*a.PartNumber - *b.PartNumber) })
	_, err = r.bucket.client.CompleteMultipartUpload(r.ctx, &s3.CompleteMultipartUploadInput{
		Bucket: r.bucket.name, Key: &r.key, UploadId: r.uploadID,
		MultipartUpload: &types.CompletedMultipartUpload{Parts: r.parts},
	})
	if err != nil {
		return 0, fmt.Errorf("complete multipart upload: %w", err)
	}
	r.committed = true
	return r.requests + 2, nil
}

// errAborted ends what is still being sent.
var errAborted = errors.New("upload aborted")

// Abort throws away what was written. After a Commit that returned nil it does nothing.
func (r *result) Abort(ctx context.Context) error {
	r.cancel(errAborted)
	r.sending.Wait()
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
