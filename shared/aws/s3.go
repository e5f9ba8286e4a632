package aws

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"

	"mp3converter/shared/conversion"
	"mp3converter/shared/source"
	"mp3converter/shared/transfer"
)

// Bucket is one S3 bucket. It is safe for concurrent use.
type Bucket struct {
	client  *s3.Client
	presign *s3.PresignClient
	name    *string
}

// BucketConfig says which bucket, and how the outside world reaches it.
type BucketConfig struct {
	Name string
	// PublicEndpoint is the base of presigned URLs when people reach the storage under another address than the
	// functions do; empty when they do not.
	PublicEndpoint string
}

// NewBucket returns the bucket. At an endpoint of one's own the bucket's name goes into the path, since such engines
// rarely have a DNS name for each bucket.
func NewBucket(cfg awssdk.Config, b BucketConfig) *Bucket {
	client := s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = o.BaseEndpoint != nil })
	public := client
	if b.PublicEndpoint != "" {
		public = s3.NewFromConfig(cfg, func(o *s3.Options) {
			o.UsePathStyle = true
			o.BaseEndpoint = &b.PublicEndpoint
		})
	}
	return &Bucket{
		client: client,
		presign: s3.NewPresignClient(public, func(o *s3.PresignOptions) {
			// Headers that S3 must enforce, such as the checksum, stay headers instead of moving into the query.
			o.Presigner = v4.NewSigner(func(so *v4.SignerOptions) {
				so.DisableHeaderHoisting = true
				so.DisableURIPathEscaping = true
			})
		}),
		name: &b.Name,
	}
}

var (
	_ transfer.Uploads   = (*Bucket)(nil)
	_ transfer.Downloads = (*Bucket)(nil)
	_ conversion.Videos  = (*Bucket)(nil)
	_ conversion.Results = (*Bucket)(nil)
)

// PresignPut implements transfer.Uploads.
func (b *Bucket) PresignPut(ctx context.Context, p transfer.Put, ttl time.Duration) (transfer.Presigned, error) {
	in := &s3.PutObjectInput{Bucket: b.name, Key: &p.Key, ContentLength: &p.Size}
	if p.ContentType != "" {
		in.ContentType = &p.ContentType
	}
	if p.SHA256 != "" {
		sum, err := hex.DecodeString(p.SHA256)
		if err != nil {
			return transfer.Presigned{}, fmt.Errorf("read SHA-256: %w", err)
		}
		in.ChecksumSHA256 = awssdk.String(base64.StdEncoding.EncodeToString(sum))
	}
	req, err := b.presign.PresignPutObject(ctx, in, s3.WithPresignExpires(ttl))
	if err != nil {
		return transfer.Presigned{}, fmt.Errorf("presign PUT: %w", err)
	}
	headers := map[string]string{}
	for name, values := range req.SignedHeader {
		if !strings.EqualFold(name, "Host") {
			headers[http.CanonicalHeaderKey(name)] = strings.Join(values, ",")
		}
	}
	return transfer.Presigned{URL: req.URL, Method: req.Method, Headers: headers}, nil
}

// Put implements transfer.Uploads.
func (b *Bucket) Put(ctx context.Context, p transfer.Put, body []byte) error {
	in := &s3.PutObjectInput{
		Bucket: b.name, Key: &p.Key, Body: bytes.NewReader(body), ContentLength: awssdk.Int64(int64(len(body))),
	}
	if p.ContentType != "" {
		in.ContentType = &p.ContentType
	}
	if _, err := b.client.PutObject(ctx, in); err != nil {
		return fmt.Errorf("put object: %w", err)
	}
	return nil
}

// PresignGet implements transfer.Downloads. The Content-Disposition is RFC 6266 with the name as RFC 8187 encodes it.
func (b *Bucket) PresignGet(ctx context.Context, key, filename string, ttl time.Duration) (string, error) {
	req, err := b.presign.PresignGetObject(ctx, &s3.GetObjectInput{
		Bucket: b.name, Key: &key,
		ResponseContentType:        awssdk.String("audio/mpeg"),
		ResponseContentDisposition: awssdk.String(transfer.Disposition(filename)),
	}, s3.WithPresignExpires(ttl))
	if err != nil {
		return "", fmt.Errorf("presign GET: %w", err)
	}
	return req.URL, nil
}

// Get implements transfer.Downloads.
func (b *Bucket) Get(ctx context.Context, key string, maxBytes int64) ([]byte, error) {
	out, err := b.client.GetObject(ctx, &s3.GetObjectInput{Bucket: b.name, Key: &key})
	if err != nil {
		return nil, fmt.Errorf("get object: %w", err)
	}
	defer out.Body.Close()
	data, err := io.ReadAll(io.LimitReader(out.Body, maxBytes+1))
	if err != nil {
		return nil, fmt.Errorf("get object: %w", err)
	}
	if int64(len(data)) > maxBytes {
		return nil, fmt.Errorf("get object: larger than %d bytes", maxBytes)
	}
	return data, nil
}

// Delete removes an object; one that is not there is no error.
func (b *Bucket) Delete(ctx context.Context, key string) error {
	if _, err := b.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: b.name, Key: &key}); err != nil {
		return fmt.Errorf("delete object: %w", err)
	}
	return nil
}

// Open implements conversion.Videos. The object is pinned by its ETag: what is read later is of the same version or an
// error.
func (b *Bucket) Open(ctx context.Context, key string) (source.Ranges, error) {
	out, err := b.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: b.name, Key: &key})
	if err != nil {
		return nil, fmt.Errorf("look up object: %w", gone(err))
	}
	return &object{bucket: b, key: key, etag: out.ETag, size: awssdk.ToInt64(out.ContentLength)}, nil
}

type object struct {
	bucket *Bucket
	key    string
	etag   *string
	size   int64
}

func (o *object) Size() int64 { return o.size }

// OpenRange implements source.Ranges. It asks once: the source asks again, and two who do so multiply.
func (o *object) OpenRange(ctx context.Context, offset, length int64) (io.ReadCloser, error) {
	out, err := o.bucket.client.GetObject(ctx, &s3.GetObjectInput{
		Bucket: o.bucket.name, Key: &o.key, IfMatch: o.etag,
		Range: awssdk.String("bytes=" + strconv.FormatInt(offset, 10) + "-" + strconv.FormatInt(offset+length-1, 10)),
	}, once)
	if err != nil {
		return nil, fmt.Errorf("read object: %w", gone(err))
	}
	// Not every engine minds the range or the version.
	err = source.CheckContentRange(awssdk.ToString(out.ContentRange), offset, length, o.size)
	if out.ETag != nil && o.etag != nil && *out.ETag != *o.etag {
		err = source.ErrChanged
	}
	if err != nil {
		out.Body.Close()
		return nil, fmt.Errorf("read object: %w", err)
	}
	return out.Body, nil
}

// once is a request that the SDK does not repeat.
func once(o *s3.Options) { o.RetryMaxAttempts = 1 }

// gone adds what the source's errors mean to those of S3.
func gone(err error) error {
	var api smithy.APIError
	var notFound *types.NotFound
	var noKey *types.NoSuchKey
	switch {
	case errors.As(err, &notFound), errors.As(err, &noKey):
		return fmt.Errorf("%w: %w", source.ErrGone, err)
	case errors.As(err, &api) && (api.ErrorCode() == "PreconditionFailed" || api.ErrorCode() == "InvalidRange"):
		// A range that lay within the object and does not any more says the same as a version that does not match.
		return fmt.Errorf("%w: %w", source.ErrChanged, err)
	}
	return err
}
