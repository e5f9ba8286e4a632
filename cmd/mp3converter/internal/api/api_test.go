package api_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"mp3converter/cmd/mp3converter/internal/api"
)

// token is a source with one token.
type token string

func (t token) Token(context.Context) (string, error) { return string(t), nil }
func (t token) Renew(context.Context, string) (string, error) {
	return "", api.ErrNotSignedIn
}

func newClient(t *testing.T, h http.HandlerFunc, stall time.Duration) (*api.Client, string) {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	base, err := api.ParseBase(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	c := api.New(api.Config{
		Base: base, Tokens: token("t"), UserAgent: "test", Stall: stall,
		Sleep: func(ctx context.Context, _ time.Duration) error { return context.Cause(ctx) },
	})
	t.Cleanup(c.Close)
	return c, server.URL
}

func TestParseBase(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"https://mp3.example.com":        "https://mp3.example.com",
		"https://mp3.example.com/":       "https://mp3.example.com",
		"mp3.example.com":                "https://mp3.example.com",
		"HTTPS://MP3.example.com/Stage/": "https://mp3.example.com/Stage",
		"http://localhost:8080":          "http://localhost:8080",
		"localhost:8080/":                "http://localhost:8080",
		"LocalHost":                      "http://localhost",
		"mp3.localhost":                  "http://mp3.localhost",
		"127.0.0.1:8080":                 "http://127.0.0.1:8080",
		"[::1]:8080/stage":               "http://[::1]:8080/stage",
		"https://localhost":              "https://localhost",
		"localhost.example.com":          "https://localhost.example.com",
		"127.0.0.1.example.com":          "https://127.0.0.1.example.com",
		"":                               "",
		"ftp://example.com":              "",
		"https://user:pass@example.com":  "",
		"https://example.com?x":          "",
		"https://exa mple.com":           "",
		"https://example.com#x":          "",
	} {
		u, err := api.ParseBase(in)
		got := ""
		if err == nil {
			got = u.String()
		}
		if got != want {
			t.Errorf("ParseBase(%q) = %q (%v), want %q", in, got, err, want)
		}
	}
}

func TestStalledTransfersAreTriedAnew(t *testing.T) {
	t.Parallel()
	content := bytes.Repeat([]byte("v"), 100_000)
	var calls atomic.Int32
	c, url := newClient(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if calls.Add(1) == 1 {
			<-r.Context().Done() // never answers; the client gives up
			return
		}
		_, _ = w.Write(content)
	}, 100*time.Millisecond)
	err := c.Put(t.Context(), api.PresignedPut{Method: http.MethodPut, URL: url + "/o"}, bytes.NewReader(content), int64(len(content)), func(int64) {})
	if err != nil || calls.Load() != 2 {
		t.Errorf("Put: %v after %d calls", err, calls.Load())
	}
	calls.Store(0)
	var got sink
	n, err := c.Fetch(t.Context(), api.DownloadLink{URL: url + "/o", Size: int64(len(content))}, &got, nil, func(int64) {})
	if err != nil || n != int64(len(content)) || !bytes.Equal(got.Bytes(), content) || calls.Load() != 2 {
		t.Errorf("Fetch: %d bytes, %v after %d calls", n, err, calls.Load())
	}
}

type sink struct{ bytes.Buffer }

func (s *sink) Restart() error { s.Reset(); return nil }

func TestErrorsHoldNoSecrets(t *testing.T) {
	t.Parallel()
	c, url := newClient(t, func(w http.ResponseWriter, _ *http.Request) { panic(http.ErrAbortHandler) }, 0)
	secret := url + "/bucket/object?X-Amz-Signature=secret"
	errs := []error{
		c.Put(t.Context(), api.PresignedPut{Method: http.MethodPut, URL: secret}, strings.NewReader("v"), 1, func(int64) {}),
		c.Put(t.Context(), api.PresignedPut{Method: http.MethodPut, URL: "://secret"}, strings.NewReader("v"), 1, func(int64) {}),
		c.Put(t.Context(), api.PresignedPut{Method: "P T", URL: secret}, strings.NewReader("v"), 1, func(int64) {}),
	}
	_, err := c.Fetch(t.Context(), api.DownloadLink{URL: secret}, &sink{}, nil, func(int64) {})
	for _, err := range append(errs, err) {
		if err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("error %v", err)
		}
	}
}

func TestARedirectionDoesNotTellTheLink(t *testing.T) {
	t.Parallel()
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if referer := r.Header.Get("Referer"); referer != "" {
			t.Errorf("Referer: %s", referer)
		}
		_, _ = io.WriteString(w, "MP3")
	}))
	t.Cleanup(other.Close)
	c, url := newClient(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.URL+"/there", http.StatusTemporaryRedirect)
	}, 0)
	var got sink
	if _, err := c.Fetch(t.Context(), api.DownloadLink{URL: url + "/o?X-Amz-Signature=secret", Size: 3}, &got, nil, func(int64) {}); err != nil || got.String() != "MP3" {
		t.Errorf("got %q, %v", got.String(), err)
	}
}

func TestUploadAgainstWhatWasSigned(t *testing.T) {
	t.Parallel()
	c, url := newClient(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("If-None-Match") == "*" {
			w.WriteHeader(http.StatusPreconditionFailed)
		}
	}, 0)
	put := func(headers map[string]string) error {
		return c.Put(t.Context(), api.PresignedPut{Method: http.MethodPut, URL: url, Headers: headers}, strings.NewReader("video"), 5, func(int64) {})
	}
	if err := put(map[string]string{"content-length": "5"}); err != nil {
		t.Error(err)
	}
	if err := put(map[string]string{"Content-Length": "6"}); err == nil {
		t.Error("another size than the signed one was sent")
	}
	if err := put(map[string]string{"If-None-Match": "*"}); !errors.Is(err, api.ErrArrived) {
		t.Errorf("an object that is there already: %v", err)
	}
}

func TestInterruptionEndsEverything(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("Ctrl-C")
	c, url := newClient(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		cancel(why)
		<-r.Context().Done()
	}, 0)
	if _, err := c.File(ctx, "x"); !errors.Is(err, why) {
		t.Errorf("a call: %v", err)
	}
	if err := c.Put(ctx, api.PresignedPut{Method: http.MethodPut, URL: url}, strings.NewReader("v"), 1, func(int64) {}); !errors.Is(err, why) {
		t.Errorf("a transfer: %v", err)
	}
}
