// Package transfertest is what tests need of the storage that people reach by themselves: a bucket in memory, and the
// contract that every bucket is held to.
package transfertest

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"mp3converter/shared/transfer"
)

// Store is a bucket as the HTTP API uses it.
type Store interface {
	transfer.Uploads
	transfer.Downloads
	// Delete removes an object; one that is not there is no error.
	Delete(ctx context.Context, key string) error
}

// Origin is where the presigned URLs of a Bucket point. Nothing answers there.
const Origin = "https://storage.test"

// Bucket is a Store in memory. Its zero value is empty and ready; it is safe for concurrent use.
type Bucket struct {
	mu      sync.Mutex
	objects map[string][]byte
	err     error
}

var _ Store = (*Bucket)(nil)

// Break makes every later call fail with that error; nil mends the bucket.
func (b *Bucket) Break(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.err = err
}

// Object returns the object with this key, and whether there is one.
func (b *Bucket) Object(key string) ([]byte, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	body, ok := b.objects[key]
	return body, ok
}

// Len is the number of objects.
func (b *Bucket) Len() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.objects)
}

// sign returns a presigned URL; its signature is a secret that must not turn up anywhere else.
func sign(key string, ttl time.Duration, more url.Values) string {
	more.Set("X-Amz-Expires", strconv.Itoa(int(ttl.Seconds())))
	more.Set("X-Amz-Signature", rand.Text())
	return Origin + "/" + url.PathEscape(key) + "?" + more.Encode()
}

// PresignPut implements transfer.Uploads.
func (b *Bucket) PresignPut(ctx context.Context, p transfer.Put, ttl time.Duration) (transfer.Presigned, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := errors.Join(b.err, ctx.Err()); err != nil {
		return transfer.Presigned{}, err
	}
	headers := map[string]string{"Content-Length": strconv.FormatInt(p.Size, 10)}
	if p.ContentType != "" {
		headers["Content-Type"] = p.ContentType
	}
	if p.SHA256 != "" {
		sum, err := hex.DecodeString(p.SHA256)
		if err != nil {
			return transfer.Presigned{}, err
		}
		headers["X-Amz-Checksum-Sha256"] = base64.StdEncoding.EncodeToString(sum)
	}
	return transfer.Presigned{Method: http.MethodPut, URL: sign(p.Key, ttl, url.Values{}), Headers: headers}, nil
}

// Put implements transfer.Uploads.
func (b *Bucket) Put(ctx context.Context, p transfer.Put, body []byte) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := errors.Join(b.err, ctx.Err()); err != nil {
		return err
	}
	if b.objects == nil {
		b.objects = map[string][]byte{}
	}
	b.objects[p.Key] = bytes.Clone(body)
	return nil
}

// PresignGet implements transfer.Downloads.
func (b *Bucket) PresignGet(ctx context.Context, key, filename string, ttl time.Duration) (string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := errors.Join(b.err, ctx.Err()); err != nil {
		return "", err
	}
	return sign(key, ttl, url.Values{"response-content-disposition": {transfer.Disposition(filename)}}), nil
}

// Get implements transfer.Downloads.
func (b *Bucket) Get(ctx context.Context, key string, maxBytes int64) ([]byte, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := errors.Join(b.err, ctx.Err()); err != nil {
		return nil, err
	}
	body, ok := b.objects[key]
	switch {
	case !ok:
		return nil, errors.New("no such object")
	case int64(len(body)) > maxBytes:
		return nil, fmt.Errorf("the object is larger than %d bytes", maxBytes)
	}
	return bytes.Clone(body), nil
}

// Delete implements Store.
func (b *Bucket) Delete(ctx context.Context, key string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := errors.Join(b.err, ctx.Err()); err != nil {
		return err
	}
	delete(b.objects, key)
	return nil
}
