// Package web serves the page people use in a browser: one HTML file, its scripts, its style sheet and its icon.
//
// The files lie in static/ and are embedded as they are; there is no build step. The page talks to the HTTP contract
// in docs/openapi.yaml and, through presigned URLs, to object storage. This package only hands out the files, with the
// headers that keep the page from doing anything else. It knows nothing of accounts, files or conversions.
package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"regexp"
	"strconv"
	"strings"
)

//go:embed static/index.html static/assets
var static embed.FS

const assetsPrefix = "/assets/"

// Config says where the page may reach and how refusals are written.
type Config struct {
	// StorageOrigins are the origins presigned URLs point to, each `scheme://host[:port]`; the host may begin with
	// `*.`. The page may send to them and play from them, and to no other origin but its own.
	StorageOrigins []string
	// Error writes the answer to a request that is not served: 404 or 405. Headers such as Allow are already set.
	// Nil means plain text.
	Error func(w http.ResponseWriter, r *http.Request, status int)
}

// origin is the part of a Content-Security-Policy host-source that makes sense for storage (CSP Level 3 §2.3.1).
var origin = regexp.MustCompile(`^https?://(\*\.)?[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]{1,5})?$`)

// Validate reports every storage origin that is not one, joined. Call it once at start: a stray character in an origin
// would change the meaning of the page's security policy.
func (c Config) Validate() error {
	var errs []error
	for _, o := range c.StorageOrigins {
		if !origin.MatchString(o) {
			errs = append(errs, fmt.Errorf("storage origin %q: want scheme://host[:port]", o))
		}
	}
	return errors.Join(errs...)
}

// asset is one file, ready to be written.
type asset struct {
	contentType string
	etag        string
	body        []byte
	// gzipped is nil when compressing does not pay.
	gzipped []byte
}

type page struct {
	refuse  func(w http.ResponseWriter, r *http.Request, status int)
	policy  string
	version string
	index   asset
	assets  map[string]asset
}

// Handler serves the page: `GET /` and `GET /assets/…`, HEAD likewise, gzipped for who accepts it.
//
// The page names its assets by a hash over all of them, so they are cached for good while the page itself is
// revalidated by its ETag. A name with another hash, as a page loaded just before a deployment asks for, gets today's
// file and is not cached. The configuration must be valid; Handler panics when it is not, as it can only be wired wrongly.
func Handler(cfg Config) http.Handler {
	if err := cfg.Validate(); err != nil {
		panic("web: " + err.Error())
	}
	p := &page{refuse: cfg.Error, policy: policy(cfg.StorageOrigins), assets: map[string]asset{}}
	if p.refuse == nil {
		p.refuse = func(w http.ResponseWriter, _ *http.Request, status int) {
			http.Error(w, http.StatusText(status), status)
		}
	}
	p.load()
	return p
}

// load fills in the assets, their common version, and the page that names them by it. The files are part of the
// program, so an error here is one in the program.
func (p *page) load() {
	sum := sha256.New()
	// WalkDir goes in lexical order, so the same files give the same version.
	err := fs.WalkDir(static, "static/assets", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		body, err := fs.ReadFile(static, name)
		if err != nil {
			return err
		}
		short := strings.TrimPrefix(name, "static/assets/")
		fmt.Fprintf(sum, "%s %d\n", short, len(body))
		sum.Write(body)
		p.assets[short] = newAsset(short, body)
		return nil
	})
	if err != nil {
		panic("web: read embedded assets: " + err.Error())
	}
	p.version = hex.EncodeToString(sum.Sum(nil))[:16]

	html, err := fs.ReadFile(static, "static/index.html")
	if err != nil {
		panic("web: read embedded page: " + err.Error())
	}
	// The page's own links are relative, so that it also works below a path such as an API stage.
	html = bytes.ReplaceAll(html, []byte(`="assets/`), []byte(`="assets/`+p.version+`/`))
	p.index = newAsset("index.html", html)
}

// contentTypes is fixed, as the system's own table differs from machine to machine.
var contentTypes = map[string]string{
	".html": "text/html; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".svg":  "image/svg+xml",
}

func newAsset(name string, body []byte) asset {
	contentType, ok := contentTypes[path.Ext(name)]
	if !ok {
		panic("web: no content type for " + name)
	}
	sum := sha256.Sum256(body)
	a := asset{contentType: contentType, etag: `"` + hex.EncodeToString(sum[:12]) + `"`, body: body}
	var buf bytes.Buffer
	// Writing to a buffer cannot fail.
	zw, _ := gzip.NewWriterLevel(&buf, gzip.BestCompression)
	_, _ = zw.Write(body)
	_ = zw.Close()
	if buf.Len() < len(body) {
		a.gzipped = buf.Bytes()
	}
	return a
}

// ServeHTTP answers for the page, its assets, and refuses everything else.
func (p *page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.secure(w.Header(), r)
	file, caching, found := p.find(r.URL.Path)
	switch {
	case !found:
		p.refuse(w, r, http.StatusNotFound)
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Allow", "GET, HEAD")
		p.refuse(w, r, http.StatusMethodNotAllowed)
	default:
		w.Header().Set("Cache-Control", caching)
		file.write(w, r)
	}
}

// find looks a path up by its exact name; there is no directory to climb out of.
func (p *page) find(urlPath string) (file asset, caching string, found bool) {
	const revalidate, forGood = "no-cache", "public, max-age=31536000, immutable"
	if urlPath == "/" {
		return p.index, revalidate, true
	}
	rest, ok := strings.CutPrefix(urlPath, assetsPrefix)
	if !ok {
		return asset{}, "", false
	}
	version, name, ok := strings.Cut(rest, "/")
	if !ok {
		return asset{}, "", false
	}
	file, found = p.assets[name]
	if version == p.version {
		return file, forGood, found
	}
	return file, revalidate, found
}

// policy is the page's Content-Security-Policy: scripts, styles and images from here only, data to and from here and
// storage only, no frames, no form that leaves, and no string that becomes markup or script.
func policy(storage []string) string {
	here := strings.Join(append([]string{"'self'"}, storage...), " ")
	return strings.Join([]string{
		"default-src 'none'",
		"script-src 'self'",
		"style-src 'self'",
		"img-src 'self' data:",
		"connect-src " + here,
		"media-src " + here,
		"form-action 'none'",
		"frame-ancestors 'none'",
		"base-uri 'none'",
		"require-trusted-types-for 'script'",
		"trusted-types 'none'",
	}, "; ")
}

func (p *page) secure(h http.Header, r *http.Request) {
	h.Set("Content-Security-Policy", p.policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Permissions-Policy",
		"camera=(), microphone=(), geolocation=(), payment=(), usb=(), display-capture=(), browsing-topics=()")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	if r.TLS != nil || strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https") {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
}

// write answers with the file, or 304 when the client holds it already (RFC 9110 §13.1.2).
func (a asset) write(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	body, etag := a.body, a.etag
	if a.gzipped != nil {
		h.Set("Vary", "Accept-Encoding")
		if acceptsGzip(r.Header.Values("Accept-Encoding")) {
			// Another representation needs another strong validator.
			body, etag = a.gzipped, strings.TrimSuffix(a.etag, `"`)+`-gz"`
			h.Set("Content-Encoding", "gzip")
		}
	}
	h.Set("ETag", etag)
	if matches(r.Header.Values("If-None-Match"), etag) {
		h.Del("Content-Encoding")
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Type", a.contentType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(http.StatusOK)
	if r.Method != http.MethodHead {
		// The client going away is not our error.
		_, _ = w.Write(body)
	}
}

// acceptsGzip reads Accept-Encoding (RFC 9110 §12.5.3) as far as one coding needs.
func acceptsGzip(values []string) bool {
	for _, item := range strings.Split(strings.Join(values, ","), ",") {
		coding, weight, _ := strings.Cut(item, ";")
		if !strings.EqualFold(strings.TrimSpace(coding), "gzip") {
			continue
		}
		value, weighted := strings.CutPrefix(strings.ReplaceAll(strings.ToLower(weight), " ", ""), "q=")
		if !weighted {
			return true
		}
		q, err := strconv.ParseFloat(value, 64)
		return err == nil && q > 0
	}
	return false
}

// matches compares weakly, as If-None-Match asks for.
func matches(values []string, etag string) bool {
	for _, item := range strings.Split(strings.Join(values, ","), ",") {
		item = strings.TrimSpace(item)
		if item == "*" || strings.TrimPrefix(item, "W/") == etag {
			return true
		}
	}
	return false
}
