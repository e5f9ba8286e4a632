package source_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"mp3converter/shared/source"
)

// site is a web server with one file. Its answers can be spoilt: the n-th request is handled by spoil, which says whether
// it has answered.
type site struct {
	data   []byte
	header http.Header
	spoil  func(n int64, w http.ResponseWriter, r *http.Request) bool
	count  atomic.Int64
}

func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if n := s.count.Add(1); s.spoil != nil && s.spoil(n, w, r) {
		return
	}
	for name, values := range s.header {
		w.Header()[name] = values
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(s.data))
}

// url serves the site until the test ends.
func (s *site) url(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return server.URL + "/video.mp4?X-Amz-Signature=secret"
}

var tagged = http.Header{"Etag": {`"v1"`}}

func TestAFileOnAWebServer(t *testing.T) {
	t.Parallel()
	data := content(5 << 20)
	for name, header := range map[string]http.Header{
		"with an ETag":      tagged,
		"with a weak one":   {"Etag": {`W/"v1"`}, "Last-Modified": {"Tue, 15 Nov 2022 12:45:26 GMT"}},
		"with a time":       {"Last-Modified": {"Tue, 15 Nov 2022 12:45:26 GMT"}},
		"with no validator": nil,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &site{data: data, header: header, spoil: func(_ int64, w http.ResponseWriter, r *http.Request) bool {
				if r.Method != http.MethodGet || r.Header.Get("Accept-Encoding") != "identity" {
					t.Errorf("%s, accepting %q", r.Method, r.Header.Get("Accept-Encoding"))
				}
				return false
			}}
			object, err := source.NewHTTP(t.Context(), nil, s.url(t))
			if err != nil {
				t.Fatal(err)
			}
			for name, open := range readings {
				r := open(t.Context(), object, source.Config{Block: 1 << 20})
				if got, err := readAll(r); err != nil || !bytes.Equal(got, data) {
					t.Errorf("%s: read %d bytes of %d, error %v", name, len(got), len(data), err)
				}
				r.Close()
			}
		})
	}
}

func TestAnEmptyFileOnAWebServer(t *testing.T) {
	t.Parallel()
	// net/http answers 200 here, others 416; both are right.
	s := &site{spoil: func(_ int64, w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
		return true
	}}
	if object, err := source.NewHTTP(t.Context(), nil, s.url(t)); err != nil || object.Size() != 0 {
		t.Errorf("%v, error %v", object, err)
	}
}

// answer is a spoilt answer.
func answer(status int, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(status)
		fmt.Fprint(w, "x")
	}
}

func TestWebServersThatCannotBeReadFrom(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		answer http.HandlerFunc
		want   error
	}{
		"no such file":            {answer(404), source.ErrGone},
		"a file removed":          {answer(410), source.ErrGone},
		"an expired URL":          {answer(403), nil},
		"no ranges":               {answer(200), source.ErrNoRanges},
		"no Content-Range":        {answer(206), nil},
		"an unknown size":         {answer(206, "Content-Range", "bytes 0-0/*"), nil},
		"another range":           {answer(206, "Content-Range", "bytes 1-1/10"), nil},
		"a Content-Range of junk": {answer(206, "Content-Range", "bytes 0-0/99999999999999999999"), nil},
		"redirections in a circle": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/other?token=secret", http.StatusFound)
		}, nil},
		"a redirection to nowhere": {answer(302, "Location", "http://[::1/?token=secret"), nil},
		"a broken connection":      {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &site{spoil: func(_ int64, w http.ResponseWriter, r *http.Request) bool { tc.answer(w, r); return true }}
			_, err := source.NewHTTP(t.Context(), nil, s.url(t))
			if err == nil || tc.want != nil && !errors.Is(err, tc.want) {
				t.Fatalf("error %v, want %v", err, tc.want)
			}
			if strings.Contains(err.Error(), "secret") || !strings.Contains(err.Error(), "/video.mp4") {
				t.Errorf("the error is %v", err)
			}
		})
	}
	for _, url := range []string{"", "video.mp4", "file:///etc/passwd", "ftp://a/b", "http://", "http://a/%zz?secret", "http://[::1?secret"} {
		if _, err := source.NewHTTP(t.Context(), nil, url); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: error %v", url, err)
		}
	}
}

func TestWebServersThatFailLater(t *testing.T) {
	t.Parallel()
	data := content(3 << 20)
	size := fmt.Sprint(len(data))
	cut := func(w http.ResponseWriter, r *http.Request) {
		var first, last int
		_, _ = fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-%d", &first, &last)
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", first, last, len(data)))
		w.Header().Set("Content-Length", fmt.Sprint(last-first+1))
		w.WriteHeader(http.StatusPartialContent)
		_, _ = w.Write(data[first : first+(last-first)/2])
	}
	for name, tc := range map[string]struct {
		answer http.HandlerFunc
		want   error // nil if reading is to go on
	}{
		"another version, condition heeded":     {answer(412), source.ErrChanged},
		"another version, condition ignored":    {answer(206, "ETag", `"v2"`, "Content-Range", "bytes 0-0/"+size), source.ErrChanged},
		"another version, range ignored too":    {answer(200, "ETag", `"v2"`), source.ErrChanged},
		"another size":                          {answer(206, "ETag", `"v1"`, "Content-Range", "bytes 0-0/7"), source.ErrChanged},
		"a size that the range is not within":   {answer(416, "Content-Range", "bytes */7"), source.ErrChanged},
		"a file removed":                        {answer(404), source.ErrGone},
		"an error":                              {answer(500), nil},
		"too many requests":                     {answer(503), nil},
		"416 for no reason":                     {answer(416), nil},
		"another range":                         {answer(206, "ETag", `"v1"`, "Content-Range", "bytes 0-0/"+size), nil},
		"no Content-Range":                      {answer(206, "ETag", `"v1"`), nil},
		"a body shorter than it says":           {cut, nil},
		"a connection broken before the answer": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, nil},
		"an answer that does not come":          {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, nil},
		"the whole file though a range was asked": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("ETag", `"v1"`)
			_, _ = w.Write(data)
		}, nil},
	} {
		for kind, open := range readings {
			t.Run(name+", "+kind, func(t *testing.T) {
				t.Parallel()
				s := &site{data: data, header: tagged, spoil: func(n int64, w http.ResponseWriter, r *http.Request) bool {
					spoilt := n == 3 || n > 3 && tc.want != nil
					if spoilt {
						tc.answer(w, r)
					}
					return spoilt
				}}
				object, err := source.NewHTTP(t.Context(), nil, s.url(t))
				if err != nil {
					t.Fatal(err)
				}
				r := open(t.Context(), object, source.Config{Block: 512 << 10, Backoff: time.Microsecond, Stall: 500 * time.Millisecond})
				defer r.Close()
				got, err := readAll(r)
				if !errors.Is(err, tc.want) || tc.want == nil && !bytes.Equal(got, data) {
					t.Errorf("read %d bytes of %d, error %v, want %v", len(got), len(data), err, tc.want)
				}
				if err != nil && strings.Contains(err.Error(), "secret") {
					t.Errorf("the error is %v", err)
				}
			})
		}
	}
}

func TestACancelledRequestSaysSo(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := source.NewHTTP(ctx, nil, "http://127.0.0.1:1/?secret"); !errors.Is(err, context.Canceled) || strings.Contains(err.Error(), "secret") {
		t.Errorf("error %v", err)
	}
}

func TestALocalFile(t *testing.T) {
	t.Parallel()
	data := content(3 << 20)
	for name, tc := range map[string]struct {
		change func(path string) error
		want   error
	}{
		"as it is":  {func(string) error { return nil }, nil},
		"cut":       {func(path string) error { return os.Truncate(path, 1000) }, source.ErrChanged},
		"rewritten": {func(path string) error { return os.Chtimes(path, time.Time{}, time.Unix(1, 0)) }, source.ErrChanged},
		"removed, which its reader need not mind": {os.Remove, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "video.mp4")
			if err := os.WriteFile(path, data, 0o600); err != nil {
				t.Fatal(err)
			}
			f, err := os.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			object, err := source.NewFile(f)
			if err != nil {
				t.Fatal(err)
			}
			if err := tc.change(path); err != nil {
				t.Fatal(err)
			}
			for kind, open := range readings {
				r := open(t.Context(), object, source.Config{})
				got, err := readAll(r)
				r.Close()
				if !errors.Is(err, tc.want) || err == nil && !bytes.Equal(got, data) {
					t.Errorf("%s: read %d bytes, error %v, want %v", kind, len(got), err, tc.want)
				}
			}
		})
	}
	dir, err := os.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	if _, err := source.NewFile(dir); err == nil {
		t.Error("a folder is taken for a file")
	}
}

func TestARedirectionDoesNotTellTheQuery(t *testing.T) {
	t.Parallel()
	data := content(2 << 20)
	var referers atomic.Int64
	there := &site{data: data, header: tagged, spoil: func(_ int64, _ http.ResponseWriter, r *http.Request) bool {
		if r.Header.Get("Referer") != "" {
			referers.Add(1)
		}
		return false
	}}
	target := there.url(t)
	here := &site{spoil: func(_ int64, w http.ResponseWriter, r *http.Request) bool {
		http.Redirect(w, r, target, http.StatusFound)
		return true
	}}
	object, err := source.NewHTTP(t.Context(), nil, here.url(t))
	if err != nil {
		t.Fatal(err)
	}
	r := source.NewReader(t.Context(), object, source.Config{})
	defer r.Close()
	if got, err := readAll(r); err != nil || !bytes.Equal(got, data) {
		t.Errorf("wrong bytes, or error %v", err)
	}
	if n := referers.Load(); n > 0 {
		t.Errorf("%d requests had a Referer, which names the URL that redirected", n)
	}
}

func TestAnEndlessRedirectionEnds(t *testing.T) {
	t.Parallel()
	s := &site{spoil: func(_ int64, w http.ResponseWriter, r *http.Request) bool {
		http.Redirect(w, r, r.URL.String(), http.StatusFound)
		return true
	}}
	if _, err := source.NewHTTP(t.Context(), nil, s.url(t)); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("error %v", err)
	}
}

func TestAURLWhoseTimeIsOverIsNotAskedAgain(t *testing.T) {
	t.Parallel()
	for _, status := range []int{http.StatusUnauthorized, http.StatusForbidden} {
		s := &site{data: content(1 << 20), header: tagged, spoil: func(n int64, w http.ResponseWriter, _ *http.Request) bool {
			if n > 1 {
				w.WriteHeader(status)
			}
			return n > 1
		}}
		object, err := source.NewHTTP(t.Context(), nil, s.url(t))
		if err != nil {
			t.Fatal(err)
		}
		r := source.NewReader(t.Context(), object, source.Config{Hedge: -1, MaxRequests: 1})
		if _, err := readAll(r); !errors.Is(err, source.ErrRefused) {
			t.Errorf("%d: error %v, want ErrRefused", status, err)
		}
		r.Close()
		if n := s.count.Load(); n != 2 {
			t.Errorf("%d: %d requests, want 2", status, n)
		}
	}
}

func TestALookUpThatFailsIsTriedAgain(t *testing.T) {
	t.Parallel()
	s := &site{data: content(1000), header: tagged, spoil: func(n int64, w http.ResponseWriter, _ *http.Request) bool {
		if n < 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		return n < 3
	}}
	object, err := source.NewHTTP(t.Context(), nil, s.url(t))
	if err != nil || object.Size() != 1000 {
		t.Errorf("%v, error %v", object, err)
	}
}
