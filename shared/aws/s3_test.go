package aws_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"mp3converter/shared/aws"
	"mp3converter/shared/conversion/conversiontest"
	"mp3converter/shared/transfer"
	"mp3converter/shared/transfer/transfertest"
)

// newBucket makes a bucket for this test alone, so that nothing the running service does with its own is disturbed.
// When the test ends, the bucket must hold no unfinished upload.
func newBucket(t *testing.T) (cfg awssdk.Config, name string) {
	t.Helper()
	cfg = connect(t)
	name = "test-" + strings.ToLower(rand.Text())
	client := s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true })
	if _, err := client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &name}); err != nil {
		t.Fatalf("create bucket: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		uploads, err := client.ListMultipartUploads(ctx, &s3.ListMultipartUploadsInput{Bucket: &name})
		if err != nil || len(uploads.Uploads) != 0 {
			t.Errorf("unfinished uploads are left: %v (%v)", uploads, err)
		}
		objects, err := client.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &name})
		if err != nil {
			t.Errorf("list objects: %v", err)
			return
		}
		for _, o := range objects.Contents {
			if _, err := client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &name, Key: o.Key}); err != nil {
				t.Errorf("delete object: %v", err)
			}
		}
		if _, err := client.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: &name}); err != nil {
			t.Errorf("delete bucket: %v", err)
		}
	})
	return cfg, name
}

func TestBucketKeepsTheContractOfConversions(t *testing.T) {
	t.Parallel()
	cfg, name := newBucket(t)
	bucket := aws.NewBucket(cfg, aws.BucketConfig{Name: name})
	conversiontest.Contract(t, func(*testing.T) conversiontest.Store { return bucket })
}

func TestBucketKeepsTheContractOfTransfers(t *testing.T) {
	t.Parallel()
	cfg, name := newBucket(t)
	bucket := aws.NewBucket(cfg, aws.BucketConfig{Name: name})
	transfertest.Contract(t, func(*testing.T) transfertest.Store { return bucket })
}

// reply is what storage answers.
type reply struct {
	status int
	header http.Header
	body   string
}

// send sends a request as a browser would.
func send(t *testing.T, method, link string, headers map[string]string, body []byte) reply {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, link, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range headers {
		if name != "Content-Length" { // the client's own business, and the same if the body is right
			req.Header.Set(name, value)
		}
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{resp.StatusCode, resp.Header, string(got)}
}

func TestAPresignedPUTStoresExactlyWhatWasAnnounced(t *testing.T) {
	t.Parallel()
	cfg, name := newBucket(t)
	bucket := aws.NewBucket(cfg, aws.BucketConfig{Name: name})
	video := []byte("this is a video, more or less")
	sum := sha256.Sum256(video)
	full := transfer.Put{Size: int64(len(video)), ContentType: "video/mp4", SHA256: hex.EncodeToString(sum[:])}
	plain := transfer.Put{Size: int64(len(video))}
	type request struct {
		method, link string
		headers      map[string]string
		body         []byte
	}
	otherHeader := func(name, value string) func(r *request) {
		return func(r *request) { r.headers[name] = value }
	}
	for name, c := range map[string]struct {
		put   transfer.Put
		spoil func(r *request)
		ok    bool
	}{
		"as announced":                       {full, func(*request) {}, true},
		"with the size alone":                {plain, func(*request) {}, true},
		"with a type that was not announced": {plain, otherHeader("Content-Type", "video/mp4"), true},
		"more bytes":                         {plain, func(r *request) { r.body = append(bytes.Clone(r.body), 'x') }, false},
		"fewer bytes":                        {plain, func(r *request) { r.body = r.body[1:] }, false},
		"another type":                       {full, otherHeader("Content-Type", "text/html"), false},
		"no type":                            {full, func(r *request) { delete(r.headers, "Content-Type") }, false},
		"no checksum":                        {full, func(r *request) { delete(r.headers, "X-Amz-Checksum-Sha256") }, false},
		"another checksum":                   {full, otherHeader("X-Amz-Checksum-Sha256", "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="), false},
		"other bytes of the same size":       {full, func(r *request) { r.body = bytes.ToUpper(r.body) }, false},
		"under another key":                  {plain, func(r *request) { r.link = strings.Replace(r.link, "?", "x?", 1) }, false},
		"for longer":                         {plain, func(r *request) { r.link = strings.Replace(r.link, "X-Amz-Expires=3600", "X-Amz-Expires=7200", 1) }, false},
		"with a forged signature":            {plain, func(r *request) { r.link = r.link[:len(r.link)-8] + "01234567" }, false},
		"to read it":                         {plain, func(r *request) { r.method, r.body = http.MethodGet, nil }, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			put := c.put
			put.Key = strings.ToLower(rand.Text())
			p, err := bucket.PresignPut(t.Context(), put, time.Hour)
			if err != nil {
				t.Fatal(err)
			}
			r := request{p.Method, p.URL, maps.Clone(p.Headers), video}
			c.spoil(&r)
			answer := send(t, r.method, r.link, r.headers, r.body)
			if ok := answer.status < 300; ok != c.ok {
				t.Errorf("storage answers %d, want it taken: %v\n%s", answer.status, c.ok, answer.body)
			}
			got, err := bucket.Get(t.Context(), put.Key, 100)
			if stored := err == nil && bytes.Equal(got, video); stored != c.ok {
				t.Errorf("what is stored is %q (%v), want the video: %v", got, err, c.ok)
			}
		})
	}
}

func TestAPresignedGETDownloadsUnderItsName(t *testing.T) {
	t.Parallel()
	cfg, name := newBucket(t)
	bucket := aws.NewBucket(cfg, aws.BucketConfig{Name: name})
	key := strings.ToLower(rand.Text()) + ".mp3"
	if err := bucket.Put(t.Context(), transfer.Put{Key: key, Size: 3}, []byte("mp3")); err != nil {
		t.Fatal(err)
	}
	for _, filename := range []string{"plain.mp3", `ünï "日本" 100%; a=b+c & d.mp3`} {
		link, err := bucket.PresignGet(t.Context(), key, filename, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		answer := send(t, http.MethodGet, link, nil, nil)
		if answer.status != http.StatusOK || answer.body != "mp3" {
			t.Errorf("storage answers %d: %s", answer.status, answer.body)
		}
		if got, want := answer.header.Get("Content-Disposition"), transfer.Disposition(filename); got != want {
			t.Errorf("Content-Disposition is\n%s, want\n%s", got, want)
		}
		if got := answer.header.Get("Content-Type"); got != "audio/mpeg" {
			t.Errorf("Content-Type is %q", got)
		}
		if answer := send(t, http.MethodGet, strings.Replace(link, "filename", "filenamX", 1), nil, nil); answer.status < 400 {
			t.Errorf("a link that was changed is answered with %d", answer.status)
		}
	}
}

func TestAnMP3IsStoredAsOne(t *testing.T) {
	t.Parallel()
	cfg, name := newBucket(t)
	bucket := aws.NewBucket(cfg, aws.BucketConfig{Name: name})
	client := s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true })
	for key, size := range map[string]int{"small.mp3": 10, "large.mp3": 9 << 20} {
		r := bucket.Create(t.Context(), key)
		if _, err := r.WriteAt(make([]byte, size), 0); err != nil {
			t.Fatal(err)
		}
		requests, err := r.Commit()
		// A small one is one PUT; a large one is begun, sent in two parts and completed.
		if want := map[string]int{"small.mp3": 1, "large.mp3": 4}[key]; err != nil || requests != want {
			t.Errorf("%s took %d requests (%v), want %d", key, requests, err, want)
		}
		head, err := client.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: &name, Key: &key})
		if err != nil || awssdk.ToString(head.ContentType) != "audio/mpeg" || awssdk.ToInt64(head.ContentLength) != int64(size) {
			t.Errorf("%s is %+v (%v)", key, head, err)
		}
	}
}

func TestPresignedURLsPointToThePublicEndpoint(t *testing.T) {
	t.Parallel()
	cfg := connect(t)
	bucket := aws.NewBucket(cfg, aws.BucketConfig{Name: "b", PublicEndpoint: "https://storage.example.com:8443"})
	p, err := bucket.PresignPut(t.Context(), transfer.Put{Key: "k", Size: 1}, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	link, err := bucket.PresignGet(t.Context(), "k", "a.mp3", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range []string{p.URL, link} {
		u, err := url.Parse(link)
		if err != nil || u.Scheme != "https" || u.Host != "storage.example.com:8443" || u.Path != "/b/k" {
			t.Errorf("the link is %s (%v)", link, err)
		}
	}
}
