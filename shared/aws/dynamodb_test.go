package aws_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"mp3converter/shared/aws"
	"mp3converter/shared/library"
	"mp3converter/shared/library/librarytest"
)

func TestFilesKeepTheContractOfStores(t *testing.T) {
	t.Parallel()
	files := aws.NewFiles(connect(t), setting(t, "FILES_TABLE"))
	librarytest.Contract(t, func(*testing.T) library.Store { return files })
}

// lossy is the real table behind a network that loses the answers to as many writes as lose says: they are applied, and
// the connection breaks before the answer begins, or in its middle, in turns.
func lossy(t *testing.T, lose *atomic.Int64) *aws.Files {
	t.Helper()
	cfg := connect(t)
	target, err := url.Parse(setting(t, "AWS_ENDPOINT_URL"))
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(target)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
		if operation == "GetItem" || lose.Load() == 0 {
			proxy.ServeHTTP(w, r)
			return
		}
		answer := httptest.NewRecorder()
		proxy.ServeHTTP(answer, r)
		if lose.Add(-1)%2 == 0 {
			w.Header().Set("Content-Length", fmt.Sprint(answer.Body.Len()))
			w.WriteHeader(answer.Code)
			_, _ = w.Write(answer.Body.Bytes()[:answer.Body.Len()/2])
			_ = http.NewResponseController(w).Flush()
		}
		panic(http.ErrAbortHandler)
	}))
	t.Cleanup(server.Close)
	cfg.BaseEndpoint = &server.URL
	return aws.NewFiles(cfg, setting(t, "FILES_TABLE"))
}

func TestAWriteWhoseAnswerIsLostIsKnownAgain(t *testing.T) {
	t.Parallel()
	for _, times := range []int64{1, 2} {
		t.Run(fmt.Sprintf("lost %d times", times), func(t *testing.T) {
			t.Parallel()
			var lose atomic.Int64
			store := lossy(t, &lose)
			l := &library.Library{Store: store, Retention: time.Hour}
			do := func(what string, step func() error) {
				t.Helper()
				lose.Store(times)
				if err := step(); err != nil {
					t.Fatalf("%s: %v", what, err)
				}
				if lose.Load() != 0 {
					t.Fatalf("%s: %d answers fewer were lost than should have been", what, lose.Load())
				}
			}
			ctx := t.Context()
			f := librarytest.NewFile(librarytest.NewID(), time.Now().UTC().Truncate(time.Millisecond))
			do("create", func() error { return store.Create(ctx, f, f.Created.Add(time.Hour)) })
			if _, err := l.Arrive(ctx, f.ID); err != nil {
				t.Fatal(err)
			}
			var j library.Job
			do("claim the conversion", func() (err error) { j, err = l.Claim(ctx, f.ID); return err })
			if _, err := l.Finish(ctx, j, library.Outcome{MP3Bytes: 1}); err != nil {
				t.Fatal(err)
			}
			do("claim the e-mail", func() (err error) { f, err = l.ClaimMail(ctx, f.ID, library.Ready); return err })
			do("release the e-mail", func() error { return l.ReleaseMail(ctx, f) })
			do("claim the e-mail again", func() (err error) { f, err = l.ClaimMail(ctx, f.ID, library.Ready); return err })
			if f.Attempts != 1 {
				t.Errorf("%d conversions were begun, want 1", f.Attempts)
			}
		})
	}
}
