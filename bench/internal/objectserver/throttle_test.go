package objectserver

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// The limits are checked on a clock that only moves when everybody sleeps, so that they can be checked exactly.
func TestTransfersTakeTheTimeOfTheLink(t *testing.T) {
	t.Parallel()
	const size = 10_000_000
	objects := t.TempDir()
	if err := os.WriteFile(filepath.Join(objects, "video.mp4"), make([]byte, size), 0o600); err != nil {
		t.Fatal(err)
	}
	link := Link{Latency: 30 * time.Millisecond, Job: 75_000_000, Connection: 25_000_000}
	for name, c := range map[string]struct {
		method      string
		connections int
		want        time.Duration
	}{
		"a question is latency only":                  {http.MethodHead, 1, 30 * time.Millisecond},
		"one connection down has a connection's":      {http.MethodGet, 1, 430 * time.Millisecond},
		"three connections down have the job's":       {http.MethodGet, 3, 430 * time.Millisecond},
		"six connections down share the job's":        {http.MethodGet, 6, 830 * time.Millisecond},
		"one connection up has a connection's":        {http.MethodPut, 1, 430 * time.Millisecond},
		"six connections up share the job's, as well": {http.MethodPut, 6, 830 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			puts := t.TempDir()
			synctest.Test(t, func(t *testing.T) {
				server, err := New(objects, puts, link, slog.New(slog.DiscardHandler))
				if err != nil {
					t.Fatal(err)
				}
				began := time.Now()
				var all sync.WaitGroup
				for range c.connections {
					all.Go(func() {
						var body io.Reader
						if c.method == http.MethodPut {
							body = bytes.NewReader(make([]byte, size))
						}
						answer := httptest.NewRecorder()
						server.ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), c.method, "/job/video.mp4", body))
						if answer.Code != http.StatusOK {
							t.Errorf("the answer is %d", answer.Code)
						}
					})
				}
				all.Wait()
				// An idle link may catch up with its slack.
				if took := time.Since(began); took < c.want-slack-time.Millisecond || took > c.want+time.Millisecond {
					t.Errorf("it took %s, want %s", took, c.want)
				}
			})
		})
	}
}

func TestJobsDoNotShareALink(t *testing.T) {
	t.Parallel()
	objects := t.TempDir()
	if err := os.WriteFile(filepath.Join(objects, "v"), make([]byte, 1_000_000), 0o600); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		server, err := New(objects, objects, Link{Job: 1_000_000}, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		var all sync.WaitGroup
		for _, job := range []string{"/a/v", "/b/v"} {
			all.Go(func() {
				server.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodGet, job, nil))
			})
		}
		all.Wait()
		if took := time.Since(began); took < 950*time.Millisecond || took > 1050*time.Millisecond {
			t.Errorf("it took %s", took)
		}
	})
}

func TestSleepsThatEndLateAreMadeUpFor(t *testing.T) {
	t.Parallel()
	p := pacer{rate: 1_000_000}
	began := time.Now()
	now, done := began, began
	for range 1000 { // 10 ms worth each; the sleeper oversleeps by 5 ms
		done = p.book(now, 10_000)
		if now.Before(done) {
			now = done
		}
		now = now.Add(5 * time.Millisecond)
	}
	if took := done.Sub(began); took < 10*time.Second-slack || took > 10*time.Second {
		t.Errorf("10 s worth of bytes took %s", took)
	}
}

func TestChunkedBodiesAreUnwrapped(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ body, want, err string }{
		"plain chunks":               {"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", "abcde", ""},
		"signed, with a trailer":     {"5;chunk-signature=00ff\r\nhello\r\n0;chunk-signature=1\r\nx-amz-checksum-crc32:AAAA\r\n\r\n", "hello", ""},
		"no last line":               {"1\r\na\r\n0\r\n", "a", ""},
		"nothing":                    {"0\r\n\r\n", "", ""},
		"ends in a chunk":            {"5\r\nab", "ab", "unexpected EOF"},
		"ends before the last chunk": {"2\r\nab\r\n", "ab", "unexpected EOF"},
		"a size that is none":        {"zz\r\n", "", "malformed"},
		"a negative size":            {"-1\r\n", "", "malformed"},
		"a chunk longer than said":   {"1\r\nabc\r\n", "a", "malformed"},
		"an endless line":            {strings.Repeat("0", 10_000), "", "malformed"},
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPut, "/", strings.NewReader(c.body))
		r.Header.Set("X-Amz-Content-Sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER")
		got, err := io.ReadAll(payload(r))
		if string(got) != c.want || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: %q and %v, want %q and %q", name, got, err, c.want, c.err)
		}
	}
}
