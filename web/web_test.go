package web_test

import (
	"bytes"
	"compress/gzip"
	"crypto/tls"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"mp3converter/web"
)

const storage = "https://uploads.s3.eu-central-1.amazonaws.com"

func ask(t *testing.T, method, target string, header ...string) *http.Response {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, target, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return answer(r)
}

var handler = sync.OnceValue(func() http.Handler {
	return web.Handler(web.Config{StorageOrigins: []string{storage, "http://localhost:9000"}})
})

func answer(r *http.Request) *http.Response {
	w := httptest.NewRecorder()
	handler().ServeHTTP(w, r)
	return w.Result()
}

func body(t *testing.T, res *http.Response) string {
	t.Helper()
	all, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("read body: %v", err)
	}
	return string(all)
}

// links are the asset paths the page names, in order.
func links(t *testing.T) []string {
	t.Helper()
	var paths []string
	for _, m := range regexp.MustCompile(`(?:href|src)="(assets/[^"]+)"`).FindAllStringSubmatch(body(t, ask(t, "GET", "/")), -1) {
		paths = append(paths, m[1])
	}
	if len(paths) == 0 {
		t.Fatal("the page names no assets")
	}
	return paths
}

func TestPageCarriesItsSecurityHeaders(t *testing.T) {
	t.Parallel()
	res := ask(t, "GET", "/")
	if res.StatusCode != http.StatusOK {
		t.Fatalf("status = %d", res.StatusCode)
	}
	policy := strings.Split(res.Header.Get("Content-Security-Policy"), "; ")
	for _, want := range []string{
		"default-src 'none'",
		"script-src 'self'",
		"style-src 'self'",
		"connect-src 'self' " + storage + " http://localhost:9000",
		"media-src 'self' " + storage + " http://localhost:9000",
		"form-action 'none'",
		"frame-ancestors 'none'",
		"base-uri 'none'",
		"require-trusted-types-for 'script'",
	} {
		if !slices.Contains(policy, want) {
			t.Errorf("policy %q lacks %q", policy, want)
		}
	}
	for name, want := range map[string]string{
		"Content-Type":               "text/html; charset=utf-8",
		"Cache-Control":              "no-cache",
		"X-Content-Type-Options":     "nosniff",
		"Referrer-Policy":            "no-referrer",
		"Cross-Origin-Opener-Policy": "same-origin",
		"Strict-Transport-Security":  "",
	} {
		if got := res.Header.Get(name); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	if res.Header.Get("Permissions-Policy") == "" {
		t.Error("no Permissions-Policy")
	}
}

func TestStrictTransportSecurityIsSentOverHTTPSOnly(t *testing.T) {
	t.Parallel()
	direct := httptest.NewRequestWithContext(t.Context(), "GET", "/", nil)
	direct.TLS = &tls.ConnectionState{}
	for name, res := range map[string]*http.Response{
		"TLS here":           answer(direct),
		"TLS at the gateway": ask(t, "GET", "/", "X-Forwarded-Proto", "https"),
	} {
		if !strings.HasPrefix(res.Header.Get("Strict-Transport-Security"), "max-age=") {
			t.Errorf("%s: no Strict-Transport-Security", name)
		}
	}
	if got := ask(t, "GET", "/", "X-Forwarded-Proto", "http").Header.Get("Strict-Transport-Security"); got != "" {
		t.Errorf("over plain HTTP: Strict-Transport-Security = %q", got)
	}
}

func TestEveryAssetThePageNamesIsServedForGood(t *testing.T) {
	t.Parallel()
	types := map[string]string{"js": "text/javascript; charset=utf-8", "css": "text/css; charset=utf-8", "svg": "image/svg+xml"}
	for _, link := range links(t) {
		res := ask(t, "GET", "/"+link)
		if res.StatusCode != http.StatusOK {
			t.Errorf("%s: status = %d", link, res.StatusCode)
		}
		if got := res.Header.Get("Cache-Control"); !strings.Contains(got, "immutable") {
			t.Errorf("%s: Cache-Control = %q", link, got)
		}
		extension := link[strings.LastIndex(link, ".")+1:]
		if got := res.Header.Get("Content-Type"); got != types[extension] {
			t.Errorf("%s: Content-Type = %q", link, got)
		}
	}
}

// A module the page does not preload is only found when another one asks for it, one round trip later.
func TestPageNamesEveryAsset(t *testing.T) {
	t.Parallel()
	var named []string
	for _, link := range links(t) {
		named = append(named, link[strings.LastIndex(link, "/")+1:])
	}
	entries, err := os.ReadDir("static/assets")
	if err != nil {
		t.Fatalf("list assets: %v", err)
	}
	for _, entry := range entries {
		if !slices.Contains(named, entry.Name()) {
			t.Errorf("index.html does not name %s", entry.Name())
		}
	}
}

func TestPageHasNothingInlineThePolicyWouldBlock(t *testing.T) {
	t.Parallel()
	html := body(t, ask(t, "GET", "/"))
	for _, forbidden := range []string{`<style`, ` style="`, `javascript:`, `<script>`, ` onclick=`, ` onsubmit=`} {
		if strings.Contains(html, forbidden) {
			t.Errorf("the page has %s", forbidden)
		}
	}
}

func TestAssetOfAnotherVersionIsTodaysAndNotKept(t *testing.T) {
	t.Parallel()
	res := ask(t, "GET", "/assets/0123456789abcdef/main.js")
	if res.StatusCode != http.StatusOK || res.Header.Get("Cache-Control") != "no-cache" {
		t.Errorf("status = %d, Cache-Control = %q", res.StatusCode, res.Header.Get("Cache-Control"))
	}
}

func TestOtherPathsAreNotFound(t *testing.T) {
	t.Parallel()
	version := strings.Split(links(t)[0], "/")[1]
	for _, path := range []string{
		"/index.html", "/assets", "/assets/", "/assets/main.js", "/assets/" + version, "/assets/" + version + "/",
		"/assets/" + version + "/none.js", "/assets/" + version + "/../index.html", "/assets/../web.go", "/../web.go",
		"/assets/" + version + "/%2e%2e/%2e%2e/web.go", "/static/index.html", "/favicon.ico", "//", "/assets//main.js/",
	} {
		r := httptest.NewRequestWithContext(t.Context(), "GET", "http://page.test/", nil)
		r.URL.Path = strings.ReplaceAll(path, "%2e", ".")
		res := answer(r)
		if res.StatusCode != http.StatusNotFound {
			t.Errorf("%s: status = %d", path, res.StatusCode)
		}
		if res.Header.Get("Content-Security-Policy") == "" {
			t.Errorf("%s: no security headers", path)
		}
	}
}

func TestOtherMethodsAreRefused(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"POST", "PUT", "DELETE", "PATCH", "OPTIONS"} {
		res := ask(t, method, "/")
		if res.StatusCode != http.StatusMethodNotAllowed || res.Header.Get("Allow") != "GET, HEAD" {
			t.Errorf("%s: status = %d, Allow = %q", method, res.StatusCode, res.Header.Get("Allow"))
		}
	}
}

func TestRefusalsAreWrittenByTheInjectedFunction(t *testing.T) {
	t.Parallel()
	h := web.Handler(web.Config{Error: func(w http.ResponseWriter, _ *http.Request, status int) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(status)
	}})
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", "/nothing", nil))
	if w.Code != http.StatusNotFound || w.Header().Get("Content-Type") != "application/problem+json" {
		t.Errorf("status = %d, Content-Type = %q", w.Code, w.Header().Get("Content-Type"))
	}
}

func TestHeadHasTheHeadersOfGetAndNoBody(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/", "/" + links(t)[0]} {
		get, head := ask(t, "GET", path), ask(t, "HEAD", path)
		if head.StatusCode != http.StatusOK {
			t.Errorf("%s: status = %d", path, head.StatusCode)
		}
		for name := range get.Header {
			if got, want := head.Header.Get(name), get.Header.Get(name); got != want {
				t.Errorf("%s: %s = %q, want %q", path, name, got, want)
			}
		}
		if got := body(t, head); got != "" {
			t.Errorf("%s: HEAD has a body of %d bytes", path, len(got))
		}
	}
}

func TestGzipIsForThoseWhoAcceptIt(t *testing.T) {
	t.Parallel()
	plain := body(t, ask(t, "GET", "/"))
	for accept, want := range map[string]bool{
		"":                     false,
		"gzip":                 true,
		"deflate, GZIP;q=0.5":  true,
		"gzip; q=0":            false,
		"br, gzip;q=0.000":     false,
		"br":                   false,
		"gzip;q=nonsense, br":  false,
		"identity, x-gzip;q=1": false,
	} {
		res := ask(t, "GET", "/", "Accept-Encoding", accept)
		if res.Header.Get("Vary") != "Accept-Encoding" {
			t.Errorf("%q: Vary = %q", accept, res.Header.Get("Vary"))
		}
		if got := res.Header.Get("Content-Encoding") == "gzip"; got != want {
			t.Errorf("%q: gzipped = %v", accept, got)
		}
		if !want {
			continue
		}
		zr, err := gzip.NewReader(res.Body)
		if err != nil {
			t.Fatalf("%q: %v", accept, err)
		}
		var unzipped bytes.Buffer
		if _, err := unzipped.ReadFrom(zr); err != nil || unzipped.String() != plain {
			t.Errorf("%q: unzipped differs from plain (%v)", accept, err)
		}
	}
}

func TestUnchangedPageIsNotSentAgain(t *testing.T) {
	t.Parallel()
	for _, encoding := range []string{"", "gzip"} {
		etag := ask(t, "GET", "/", "Accept-Encoding", encoding).Header.Get("ETag")
		for _, given := range []string{etag, "W/" + etag, `"other", ` + etag, "*"} {
			res := ask(t, "GET", "/", "Accept-Encoding", encoding, "If-None-Match", given)
			if res.StatusCode != http.StatusNotModified || res.Header.Get("ETag") != etag || body(t, res) != "" {
				t.Errorf("If-None-Match %s: status = %d", given, res.StatusCode)
			}
		}
		if res := ask(t, "GET", "/", "Accept-Encoding", encoding, "If-None-Match", `"other"`); res.StatusCode != http.StatusOK {
			t.Errorf("another ETag: status = %d", res.StatusCode)
		}
	}
	plain, zipped := ask(t, "GET", "/"), ask(t, "GET", "/", "Accept-Encoding", "gzip")
	if plain.Header.Get("ETag") == zipped.Header.Get("ETag") {
		t.Error("two representations share a strong ETag")
	}
}

func TestValidateRefusesWhatIsNoOrigin(t *testing.T) {
	t.Parallel()
	for origin, good := range map[string]bool{
		"https://bucket.s3.amazonaws.com":   true,
		"https://*.s3.amazonaws.com":        true,
		"http://localhost:4566":             true,
		"http://127.0.0.1:9000":             true,
		"https://bucket.s3.amazonaws.com/":  false,
		"https://a.test; script-src *":      false,
		"https://a.test 'unsafe-inline'":    false,
		"a.test":                            false,
		"*":                                 false,
		"javascript://a.test":               false,
		"https://":                          false,
		"https://a.test\r\nX-Injected: yes": false,
	} {
		if err := (web.Config{StorageOrigins: []string{origin}}).Validate(); (err == nil) != good {
			t.Errorf("Validate(%q) = %v", origin, err)
		}
	}
}
