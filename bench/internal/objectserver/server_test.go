package objectserver_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager"
	tmtypes "github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"

	"mp3converter/bench/internal/objectserver"
)

// store is a running server with one object, and clients for it.
type store struct {
	url     string
	video   []byte
	bucket  string
	client  *s3.Client
	control *objectserver.Control
}

func start(t *testing.T, link objectserver.Link) *store {
	t.Helper()
	objects := t.TempDir()
	video := make([]byte, 20<<20)
	random := rand.NewChaCha8([32]byte{1})
	_, _ = random.Read(video) // never fails
	if err := os.WriteFile(filepath.Join(objects, "video.mp4"), video, 0o600); err != nil {
		t.Fatal(err)
	}
	handler, err := objectserver.New(objects, t.TempDir(), link, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	var listen net.ListenConfig
	listener, err := listen.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := handler.HTTP()
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	t.Cleanup(func() {
		_ = server.Close()
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	url := "http://" + listener.Addr().String()
	client := s3.New(s3.Options{
		Region: "local", BaseEndpoint: &url, UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider("id", "secret", ""),
		DisableLogOutputChecksumValidationSkipped: true,
	})
	return &store{url: url, video: video, bucket: "job", client: client, control: &objectserver.Control{URL: url}}
}

func (s *store) counters(t *testing.T) objectserver.Counters {
	t.Helper()
	c, err := s.control.Counters(t.Context(), s.bucket)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (s *store) get(ctx context.Context, key string, change func(*s3.GetObjectInput)) ([]byte, error) {
	in := &s3.GetObjectInput{Bucket: &s.bucket, Key: &key}
	if change != nil {
		change(in)
	}
	out, err := s.client.GetObject(ctx, in)
	if err != nil {
		return nil, err
	}
	defer out.Body.Close()
	return io.ReadAll(out.Body)
}

func TestObjectsAreReadWholeAndByRanges(t *testing.T) {
	t.Parallel()
	s := start(t, objectserver.Link{})
	head, err := s.client.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: &s.bucket, Key: awssdk.String("video.mp4")})
	if err != nil {
		t.Fatal(err)
	}
	if got := awssdk.ToInt64(head.ContentLength); got != int64(len(s.video)) {
		t.Errorf("the length is %d, want %d", got, len(s.video))
	}
	size := len(s.video)
	for header, want := range map[string][]byte{
		"":                        s.video,
		"bytes=0-0":               s.video[:1],
		"bytes=1000-1000999":      s.video[1000:1001000],
		"bytes=20971519-":         s.video[size-1:],
		"bytes=-500":              s.video[size-500:],
		"bytes=20971510-99999999": s.video[size-10:],
	} {
		got, err := s.get(t.Context(), "video.mp4", func(in *s3.GetObjectInput) {
			in.IfMatch = head.ETag
			if header != "" {
				in.Range = &header
			}
		})
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("range %q: %d bytes and %v, want %d", header, len(got), err, len(want))
		}
	}
	if c := s.counters(t); c.Reads != 7 || c.Writes != 0 || c.Down != int64(size)+1+1e6+1+500+10 {
		t.Errorf("counted %+v", c)
	}
}

func TestWhatCannotBeReadIsAnErrorOfS3(t *testing.T) {
	t.Parallel()
	s := start(t, objectserver.Link{})
	for name, c := range map[string]struct {
		key    string
		change func(*s3.GetObjectInput)
		code   string
	}{
		"no such object":   {"other.mp4", nil, "NoSuchKey"},
		"another version":  {"video.mp4", func(in *s3.GetObjectInput) { in.IfMatch = awssdk.String(`"other"`) }, "PreconditionFailed"},
		"beyond the end":   {"video.mp4", func(in *s3.GetObjectInput) { in.Range = awssdk.String("bytes=99999999-") }, "InvalidRange"},
		"backwards":        {"video.mp4", func(in *s3.GetObjectInput) { in.Range = awssdk.String("bytes=9-8") }, "InvalidRange"},
		"out of the store": {"../go.mod", nil, "InvalidURI"},
	} {
		_, err := s.get(t.Context(), c.key, c.change)
		var api smithy.APIError
		if !errors.As(err, &api) || api.ErrorCode() != c.code {
			t.Errorf("%s: %v, want %s", name, err, c.code)
		}
	}
}

func TestTheTransferManagerDownloadsAndUploads(t *testing.T) {
	t.Parallel()
	s := start(t, objectserver.Link{})
	manager := transfermanager.New(s.client, func(o *transfermanager.Options) { o.GetObjectType = tmtypes.GetObjectRanges })
	for name, size := range map[string]int{"one part": 3 << 20, "several parts": 20 << 20} {
		body := s.video[:size]
		_, err := manager.UploadObject(t.Context(), &transfermanager.UploadObjectInput{
			Bucket: &s.bucket, Key: &name, Body: bytes.NewReader(body),
		})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		f, err := os.Create(filepath.Join(t.TempDir(), "copy"))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		_, err = manager.DownloadObject(t.Context(), &transfermanager.DownloadObjectInput{Bucket: &s.bucket, Key: &name, WriterAt: f})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got, err := os.ReadFile(f.Name())
		if err != nil || !bytes.Equal(got, body) {
			t.Errorf("%s: %d bytes came back and %v, want %d", name, len(got), err, len(body))
		}
	}
	// One PUT; a multipart upload of three parts; ranges of 8 MiB.
	if c := s.counters(t); c.Writes != 1+5 || c.Up != 23<<20 || c.Down != 23<<20 || c.Reads != 1+3 {
		t.Errorf("counted %+v", c)
	}
	if err := s.control.Remove(t.Context(), s.bucket); err != nil {
		t.Fatal(err)
	}
	if _, err := s.get(t.Context(), "one part", nil); err == nil {
		t.Error("the object outlived its bucket")
	}
	if c := s.counters(t); c.Writes != 0 {
		t.Errorf("counted %+v in a new bucket", c)
	}
}

func TestAnUploadIsWhatItsPartsAre(t *testing.T) {
	t.Parallel()
	s := start(t, objectserver.Link{})
	key := awssdk.String("out.mp3")
	up, err := s.client.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: &s.bucket, Key: key})
	if err != nil {
		t.Fatal(err)
	}
	var parts []types.CompletedPart
	for _, n := range []int32{2, 1} { // the first part may come last
		out, err := s.client.UploadPart(t.Context(), &s3.UploadPartInput{
			Bucket: &s.bucket, Key: key, UploadId: up.UploadId, PartNumber: &n, Body: bytes.NewReader(bytes.Repeat([]byte{byte(n)}, 5)),
		})
		if err != nil {
			t.Fatal(err)
		}
		parts = append([]types.CompletedPart{{ETag: out.ETag, PartNumber: &n}}, parts...)
	}
	if _, err := s.get(t.Context(), *key, nil); err == nil {
		t.Error("the object is there before it is complete")
	}
	complete := func(parts ...types.CompletedPart) error {
		_, err := s.client.CompleteMultipartUpload(t.Context(), &s3.CompleteMultipartUploadInput{
			Bucket: &s.bucket, Key: key, UploadId: up.UploadId, MultipartUpload: &types.CompletedMultipartUpload{Parts: parts},
		})
		return err
	}
	if err := complete(types.CompletedPart{ETag: awssdk.String("other"), PartNumber: awssdk.Int32(1)}); err == nil {
		t.Error("completed with a part that was never sent")
	}
	if err := complete(parts...); err != nil {
		t.Fatal(err)
	}
	if got, err := s.get(t.Context(), *key, nil); string(got) != "\x01\x01\x01\x01\x01\x02\x02\x02\x02\x02" {
		t.Errorf("the object is %q, %v", got, err)
	}
}

func TestAnAbortedUploadIsGone(t *testing.T) {
	t.Parallel()
	s := start(t, objectserver.Link{})
	key := awssdk.String("out.mp3")
	up, err := s.client.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: &s.bucket, Key: key})
	if err != nil {
		t.Fatal(err)
	}
	abort := &s3.AbortMultipartUploadInput{Bucket: &s.bucket, Key: key, UploadId: up.UploadId}
	if _, err := s.client.AbortMultipartUpload(t.Context(), abort); err != nil {
		t.Fatal(err)
	}
	var gone *types.NoSuchUpload
	if _, err := s.client.AbortMultipartUpload(t.Context(), abort); !errors.As(err, &gone) {
		t.Errorf("the second abort: %v", err)
	}
}
