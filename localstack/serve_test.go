package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// echo is an emulator that says how it was asked.
func echo(t *testing.T) *url.URL {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s %s %s host=%s proto=%s", r.Method, r.URL.EscapedPath(), r.URL.RawQuery, r.Host, r.Header.Get("X-Forwarded-Proto"))
	}))
	t.Cleanup(server.Close)
	target, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	return target
}

func ask(t *testing.T, h http.Handler, method, path, body string) string {
	t.Helper()
	server := httptest.NewServer(h)
	defer server.Close()
	req, err := http.NewRequestWithContext(t.Context(), method, server.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "127.0.0.1:8080"
	resp, err := server.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	return bodyOf(t, resp)
}

func bodyOf(t *testing.T, r *http.Response) string {
	t.Helper()
	data, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestThePageIsTheAPI(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "api")
	h := apiProxy(echo(t), file, "127.0.0.1:8080")
	if got := ask(t, h, "GET", "/healthz", ""); !strings.Contains(got, "Service Unavailable") {
		t.Errorf("before there is an API: %q", got)
	}
	if err := os.WriteFile(file, []byte("abc"), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"/":                     "GET /_aws/execute-api/abc/$default/  host=127.0.0.1:8080 proto=http",
		"/download?fid=a%20b":   "GET /_aws/execute-api/abc/$default/download fid=a%20b host=127.0.0.1:8080 proto=http",
		"/assets/a%2Fb/%C3%A4x": "GET /_aws/execute-api/abc/$default/assets/a%2Fb/%C3%A4x  host=127.0.0.1:8080 proto=http",
	} {
		if got := ask(t, h, "GET", path, ""); got != want {
			t.Errorf("%s: got %q, want %q", path, got, want)
		}
	}
}

func TestTheOtherNameOfThisMachineLeadsToThePage(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodGet, "http://localhost:8080/", http.NoBody)
	apiProxy(echo(t), "none", "127.0.0.1:8080").ServeHTTP(w, r)
	if w.Code != http.StatusTemporaryRedirect || w.Header().Get("Location") != "http://127.0.0.1:8080/" {
		t.Errorf("got %d to %q", w.Code, w.Header().Get("Location"))
	}
}

func TestServicesAreAskedAsIfByTLS(t *testing.T) {
	t.Parallel()
	got := ask(t, servicesProxy(echo(t)), "PUT", "/bucket/key?X-Amz-Signature=1", "video")
	if want := "PUT /bucket/key X-Amz-Signature=1 host=127.0.0.1:8080 proto=https"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestAnswersAreNeverCutOff(t *testing.T) {
	t.Parallel()
	target := echo(t)
	server := httptest.NewServer(servicesProxy(target))
	defer server.Close()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, strings.NewReader(`{"SecretId":"x"}`))
				if err != nil {
					t.Error(err)
					return
				}
				resp, err := server.Client().Do(req)
				if err != nil {
					t.Error(err)
					return
				}
				if bodyOf(t, resp) == "" {
					t.Error("empty answer")
				}
				_ = resp.Body.Close()
			}
		})
	}
	wg.Wait()
}
