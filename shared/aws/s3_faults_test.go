package aws_test

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"

	"mp3converter/shared/aws"
	"mp3converter/shared/source"
)

// storage is as much of S3 as a test needs to spoil its answers: one object, and one multipart upload after the other.
type storage struct {
	object []byte
	// spoil, if set, may answer instead; n counts the requests whose method and query are like this one's, from 1.
	spoil func(n int, w http.ResponseWriter, r *http.Request) bool

	mu       sync.Mutex
	count    map[string]int
	parts    map[string][]byte // of the upload that is under way; nil if none is
	order    []string          // in which the parts came
	complete []byte
	conns    int
}

// bucket serves the storage until the test ends.
func (s *storage) bucket(t *testing.T) *aws.Bucket {
	t.Helper()
	server := httptest.NewUnstartedServer(s)
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.conns++
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	cfg, err := aws.Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	cfg.BaseEndpoint, cfg.Region = &server.URL, "us-east-1"
	cfg.Credentials = awssdk.CredentialsProviderFunc(func(context.Context) (awssdk.Credentials, error) {
		return awssdk.Credentials{AccessKeyID: "a", SecretAccessKey: "b"}, nil
	})
	return aws.NewBucket(cfg, aws.BucketConfig{Name: "b"})
}

func (s *storage) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	kind := r.Method
	for _, name := range []string{"uploads", "partNumber", "uploadId"} {
		if q.Has(name) {
			kind += " " + name
			break
		}
	}
	s.mu.Lock()
	if s.count == nil {
		s.count = map[string]int{}
	}
	s.count[kind]++
	n := s.count[kind]
	s.mu.Unlock()
	if s.spoil != nil && s.spoil(n, w, r) {
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch kind {
	case "GET", "HEAD":
		w.Header().Set("ETag", `"v1"`)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(s.object))
	case "POST uploads":
		s.parts = map[string][]byte{}
		fmt.Fprint(w, `<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>`)
	case "PUT partNumber":
		if s.parts == nil {
			fails(404, "NoSuchUpload")(w, r)
			return
		}
		number := q.Get("partNumber")
		s.parts[number] = body
		s.order = append(s.order, number)
		w.Header().Set("ETag", `"part`+number+`"`)
	case "POST uploadId":
		var list struct {
			Part []struct{ PartNumber, ETag string }
		}
		_ = xml.Unmarshal(body, &list)
		for _, p := range list.Part {
			s.complete = append(s.complete, s.parts[p.PartNumber]...)
		}
		s.parts = nil
		fmt.Fprint(w, `<CompleteMultipartUploadResult><ETag>"whole"</ETag></CompleteMultipartUploadResult>`)
	case "DELETE uploadId":
		s.parts = nil
		w.WriteHeader(http.StatusNoContent)
	case "PUT":
		s.complete = body
	}
}

// fails is an answer of S3.
func fails(status int, code string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		fmt.Fprintf(w, "<Error><Code>%s</Code></Error>", code)
	}
}

func TestRangesThatS3DoesNotServe(t *testing.T) {
	t.Parallel()
	object := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	partial := func(contentRange, etag string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Range", contentRange)
			w.Header().Set("ETag", etag)
			w.WriteHeader(http.StatusPartialContent)
			_, _ = w.Write(object[:100])
		}
	}
	for name, tc := range map[string]struct {
		answer http.HandlerFunc
		want   error // nil if reading is to go on
	}{
		"another version":                  {fails(412, "PreconditionFailed"), source.ErrChanged},
		"another version served":           {partial("bytes 0-262143/1048576", `"v2"`), source.ErrChanged},
		"an object of another size served": {partial("bytes 0-262143/1048577", `"v1"`), source.ErrChanged},
		"an object that became shorter":    {fails(416, "InvalidRange"), source.ErrChanged},
		"no object":                        {fails(404, "NoSuchKey"), source.ErrGone},
		"an error":                         {fails(500, "InternalError"), nil},
		"too many requests":                {fails(503, "SlowDown"), nil},
		"another range":                    {partial("bytes 5-104/1048576", `"v1"`), nil},
		"no range":                         {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(object) }, nil},
		"a body that is cut":               {partial("bytes 0-262143/1048576", `"v1"`), nil},
		"a connection that breaks":         {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, nil},
		"an answer that does not come":     {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &storage{object: object, spoil: func(n int, w http.ResponseWriter, r *http.Request) bool {
				spoilt := r.Method == http.MethodGet && (n == 1 || tc.want != nil)
				if spoilt {
					tc.answer(w, r)
				}
				return spoilt
			}}
			video, err := s.bucket(t).Open(t.Context(), "k")
			if err != nil {
				t.Fatal(err)
			}
			reader := source.NewReader(t.Context(), video, source.Config{Block: 256 << 10, Backoff: time.Microsecond, Stall: time.Second})
			defer reader.Close()
			got := make([]byte, len(object))
			_, err = reader.ReadAt(got, 0)
			if !errors.Is(err, tc.want) || tc.want == nil && !bytes.Equal(got, object) {
				t.Errorf("error %v, want %v", err, tc.want)
			}
		})
	}
}

func TestARangeIsAskedForAsOftenAsTheSourceSays(t *testing.T) {
	t.Parallel()
	s := &storage{object: make([]byte, 1000), spoil: func(_ int, w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodGet {
			fails(503, "SlowDown")(w, r)
		}
		return r.Method == http.MethodGet
	}}
	video, err := s.bucket(t).Open(t.Context(), "k")
	if err != nil {
		t.Fatal(err)
	}
	reader := source.NewReader(t.Context(), video, source.Config{Attempts: 3, Backoff: time.Microsecond})
	_, err = reader.ReadAt(make([]byte, 10), 0)
	reader.Close()
	if err == nil || s.count["GET"] != 3 {
		t.Errorf("error %v after %d requests, want 3", err, s.count["GET"])
	}
}

func TestTheConnectionsOfAllRangesReadAtOnceAreKept(t *testing.T) {
	t.Parallel()
	// The source reads 24 ranges at once, which here wait for each other, twice. Without that, the number of connections
	// would be nobody's promise: while one is being opened, each range that ends hands its own on to the one that waits
	// and thus has its successor open yet another; and net/http gives up a connection when the goroutine that wrote the
	// request does not say so within 50 ms, as happens seldom, but does, on a busy machine.
	const atOnce, piece = 24, 16 << 10
	arrived := [2]chan struct{}{make(chan struct{}), make(chan struct{})}
	s := &storage{object: make([]byte, 2*atOnce*piece), spoil: func(n int, _ http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodGet || n > 2*atOnce {
			return false
		}
		all := arrived[(n-1)/atOnce]
		if n%atOnce == 0 {
			close(all)
		}
		select {
		case <-all:
		case <-r.Context().Done():
		}
		return false
	}}
	video, err := s.bucket(t).Open(t.Context(), "k")
	if err != nil {
		t.Fatal(err)
	}
	for round := range int64(2) {
		var list []source.Extent
		for i := range int64(atOnce) {
			list = append(list, source.Extent{Offset: (round*atOnce + i) * piece, Length: piece})
		}
		e, err := source.NewExtents(t.Context(), video, list, list, source.Config{Hedge: -1})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := e.ReadAt(make([]byte, atOnce*piece), 0); err != nil {
			t.Error(err)
		}
		e.Close()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conns != atOnce || s.count["GET"] != 2*atOnce {
		t.Errorf("%d requests used %d connections, want %d and %d", s.count["GET"], s.conns, 2*atOnce, atOnce)
	}
}

func TestTheFirstPartIsSentBesideTheLast(t *testing.T) {
	t.Parallel()
	const part = 5 << 20
	body := bytes.Repeat([]byte("MP3!"), (3*part+1000)/4)
	var both sync.WaitGroup // each of the two waits for the other
	both.Add(2)
	s := &storage{spoil: func(_ int, _ http.ResponseWriter, r *http.Request) bool {
		if number := r.URL.Query().Get("partNumber"); number == "1" || number == "4" {
			both.Done()
			both.Wait()
		}
		return false
	}}
	result := s.bucket(t).Create(t.Context(), "k")
	for off := 0; off < len(body); off += 1 << 20 {
		if _, err := result.WriteAt(body[off:min(off+1<<20, len(body))], int64(off)); err != nil {
			t.Fatal(err)
		}
	}
	copy(body, "Xing")
	if _, err := result.WriteAt(body[:4], 0); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time there is nothing left to do
		if requests, err := result.Commit(); err != nil || requests != 6 {
			t.Fatalf("%d requests, error %v", requests, err)
		}
	}
	if !bytes.Equal(s.complete, body) || s.count["POST uploadId"] != 1 {
		t.Errorf("the parts came as %v and make %d bytes", s.order, len(s.complete))
	}
}

func TestPartsOfAnyLastSize(t *testing.T) {
	t.Parallel()
	const part = 5 << 20
	// Beside the parts: beginning and completing, unless there is but one.
	for size, want := range map[int]int{0: 1, part - 1: 1, part: 1, part + 1: 4, 2 * part: 4, 2*part + 1: 5, 5 * part: 7} {
		t.Run(fmt.Sprintf("%d bytes", size), func(t *testing.T) {
			t.Parallel()
			s := &storage{}
			result := s.bucket(t).Create(t.Context(), "k")
			body := make([]byte, size)
			for i := range body {
				body[i] = byte(i >> 8)
			}
			if _, err := result.WriteAt(body, 0); err != nil {
				t.Fatal(err)
			}
			if requests, err := result.Commit(); err != nil || requests != want {
				t.Errorf("%d requests, want %d, error %v", requests, want, err)
			}
			if !bytes.Equal(s.complete, body) {
				t.Errorf("what is there has %d bytes and is not what was written", len(s.complete))
			}
		})
	}
}

func TestUploadsThatFailLeaveNoParts(t *testing.T) {
	t.Parallel()
	for name, spoilt := range map[string]func(r *http.Request) bool{
		"when they begin":       func(r *http.Request) bool { return r.URL.Query().Has("uploads") },
		"in the middle":         func(r *http.Request) bool { return r.URL.Query().Get("partNumber") == "2" },
		"with the first part":   func(r *http.Request) bool { return r.URL.Query().Get("partNumber") == "1" },
		"when they are whole":   func(r *http.Request) bool { return r.Method == http.MethodPost && r.URL.Query().Has("uploadId") },
		"not, but are given up": func(*http.Request) bool { return false },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &storage{spoil: func(_ int, w http.ResponseWriter, r *http.Request) bool {
				if spoilt(r) {
					_, _ = io.Copy(io.Discard, r.Body)
					fails(400, "InvalidRequest")(w, r)
				}
				return spoilt(r)
			}}
			result := s.bucket(t).Create(t.Context(), "k")
			_, err := result.WriteAt(make([]byte, 17<<20), 0)
			if err == nil && !strings.HasPrefix(name, "not") {
				_, err = result.Commit()
			}
			if (err == nil) != strings.HasPrefix(name, "not") {
				t.Errorf("error %v", err)
			}
			if err := result.Abort(t.Context()); err != nil {
				t.Errorf("Abort: %v", err)
			}
			if s.parts != nil || s.complete != nil {
				t.Errorf("%d parts are left, and %d bytes visible", len(s.parts), len(s.complete))
			}
		})
	}
}

// doer is the network under an S3 client.
type doer func(r *http.Request) (*http.Response, error)

func (d doer) Do(r *http.Request) (*http.Response, error) { return d(r) }

func TestAnUploadThatBeginsLateIsRemoved(t *testing.T) {
	t.Parallel()
	cfg, err := aws.Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	cfg.Region, cfg.BaseEndpoint = "us-east-1", awssdk.String("http://s3.invalid")
	cfg.Credentials = awssdk.CredentialsProviderFunc(func(context.Context) (awssdk.Credentials, error) {
		return awssdk.Credentials{AccessKeyID: "a", SecretAccessKey: "b"}, nil
	})
	for _, late := range []time.Duration{0, time.Second, 1900 * time.Millisecond, 3 * time.Second, 4900 * time.Millisecond, time.Hour} {
		t.Run(late.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				begun, removed := false, false
				cfg := cfg.Copy()
				cfg.HTTPClient = doer(func(r *http.Request) (*http.Response, error) {
					takes, done, body := time.Second, &removed, ""
					switch {
					case r.Method == http.MethodPost && r.URL.Query().Has("uploads"):
						takes, done, body = late, &begun, "<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>"
					case r.Method != http.MethodDelete:
						t.Errorf("%s %s", r.Method, r.URL)
					}
					select {
					case <-time.After(takes):
						*done = true
						return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(body)), Header: http.Header{}, Request: r}, nil
					case <-r.Context().Done():
						return nil, r.Context().Err()
					}
				})
				result := aws.NewBucket(cfg, aws.BucketConfig{Name: "b"}).Create(t.Context(), "k")
				if _, err := result.WriteAt(make([]byte, 6<<20), 0); err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second) // as a conversion has for it
				defer cancel()
				began := time.Now()
				if err := result.Abort(ctx); err != nil {
					t.Errorf("Abort: %v", err)
				}
				if begun && !removed {
					t.Error("the upload is left")
				}
				if took := time.Since(began); took > 4*time.Second {
					t.Errorf("took %v", took)
				}
			})
		})
	}
}
