package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// ErrNoRanges says that a server does not serve ranges of a file, so that it cannot be read from there.
var ErrNoRanges = errors.New("the server does not support range requests")

// httpObject is a file on a web server, pinned by its ETag, or by the time of its last change where there is no strong one.
type httpObject struct {
	client       *http.Client
	url          string
	shown        string // in errors: the URL without what may be secret
	size         int64
	etag         string // strong, or empty
	lastModified string // if there is no ETag
}

// NewHTTP looks up a file on a web server. The URL may be presigned for GET: nothing else is asked, and its query appears in
// no error. The server must support ranges (RFC 9110 §14); where it tells neither a strong ETag nor a Last-Modified,
// only a change of the length is noticed. ErrGone when there is no such file, ErrRefused when the URL is not good for it. A
// nil client stands for one that suits. Redirections are followed, without a Referer: it would show the query.
func NewHTTP(ctx context.Context, client *http.Client, rawURL string) (Ranges, error) {
	u, err := url.Parse(rawURL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("not an http or https URL")
	}
	if client == nil {
		client = defaultClient
	}
	withPolicy := *client
	withPolicy.CheckRedirect = WithoutReferer
	o := &httpObject{client: &withPolicy, url: u.String(), shown: (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()}
	for try := 1; ; try++ {
		err := o.lookUp(ctx)
		switch {
		case err == nil:
			return o, nil
		case try == lookUps || permanent(err) || errors.Is(err, ErrNoRanges) || ctx.Err() != nil:
			return nil, fmt.Errorf("look up %s: %w", o.shown, err)
		}
		if err := pause(ctx, Config{}.withDefaults().Backoff<<(try-1)); err != nil {
			return nil, fmt.Errorf("look up %s: %w", o.shown, err)
		}
	}
}

// lookUps is how often a file is looked up before it is given up: fewer times than a range is asked for, as somebody who
// has mistyped a name is waiting.
const lookUps = 4

// lookUp learns size and version.
func (o *httpObject) lookUp(ctx context.Context) error {
	resp, err := o.get(ctx, 0, 1)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if err := o.pin(resp); err != nil {
		return err
	}
	_, _ = io.CopyN(io.Discard, resp.Body, 512) // so that the connection can be used again
	return nil
}

// WithoutReferer is a CheckRedirect for URLs that may be presigned. It follows ten times, as a client by default does; but
// the other server is not to learn of a Referer, of whose URL the query may be a signature.
func WithoutReferer(req *http.Request, via []*http.Request) error {
	if len(via) >= 10 {
		return errors.New("redirected ten times")
	}
	req.Header.Del("Referer")
	return nil
}

// NewTransport returns a transport for ranges. It keeps a connection for each request that runs at once. It speaks
// HTTP/1.1 only: with HTTP/2 all ranges would share one connection, and with it one congestion window.
func NewTransport() *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.Protocols = new(http.Protocols)
	t.Protocols.SetHTTP1(true)
	t.ForceAttemptHTTP2 = false
	t.MaxIdleConnsPerHost = 32
	t.ResponseHeaderTimeout = 30 * time.Second
	return t
}

var defaultClient = &http.Client{Transport: NewTransport()}

// pin learns size and version from the answer to the first request.
func (o *httpObject) pin(resp *http.Response) error {
	switch resp.StatusCode {
	case http.StatusPartialContent:
		first, last, size, err := parseContentRange(resp.Header.Get("Content-Range"))
		if err != nil {
			return err
		}
		if first != 0 || last != 0 {
			return fmt.Errorf("asked for the first byte, got bytes %d-%d", first, last)
		}
		o.size = size
	case http.StatusRequestedRangeNotSatisfiable: // not even the first byte
		return nil
	case http.StatusOK:
		return ErrNoRanges
	default:
		return statusError(resp)
	}
	if tag := resp.Header.Get("ETag"); strings.HasPrefix(tag, `"`) {
		o.etag = tag
	} else {
		o.lastModified = resp.Header.Get("Last-Modified")
	}
	return nil
}

// Size implements Ranges.
func (o *httpObject) Size() int64 { return o.size }

// OpenRange implements Ranges.
func (o *httpObject) OpenRange(ctx context.Context, offset, length int64) (io.ReadCloser, error) {
	resp, err := o.get(ctx, offset, length)
	if err == nil {
		if err = o.check(resp, offset, length); err == nil {
			return resp.Body, nil
		}
		resp.Body.Close()
	}
	return nil, fmt.Errorf("get %s: %w", o.shown, err)
}

func (o *httpObject) get(ctx context.Context, offset, length int64) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, o.url, http.NoBody)
	if err != nil {
		return nil, errors.New("not a URL to ask for")
	}
	req.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", offset, offset+length-1))
	req.Header.Set("Accept-Encoding", "identity")
	switch {
	case o.etag != "":
		req.Header.Set("If-Match", o.etag)
	case o.lastModified != "":
		req.Header.Set("If-Unmodified-Since", o.lastModified)
	}
	resp, err := o.client.Do(req)
	if err != nil {
		return nil, withoutQuery(err)
	}
	return resp, nil
}

// check says whether an answer is the range that was asked for. Servers may ignore the condition in the request.
func (o *httpObject) check(resp *http.Response, offset, length int64) error {
	changed := o.etag != "" && resp.Header.Get("ETag") != "" && resp.Header.Get("ETag") != o.etag ||
		o.etag == "" && resp.Header.Get("Last-Modified") != o.lastModified
	switch resp.StatusCode {
	case http.StatusPartialContent:
		err := CheckContentRange(resp.Header.Get("Content-Range"), offset, length, o.size)
		if changed && !errors.Is(err, ErrChanged) {
			return ErrChanged
		}
		return err
	case http.StatusPreconditionFailed:
		return ErrChanged
	case http.StatusOK:
		if changed || resp.ContentLength >= 0 && resp.ContentLength != o.size {
			return ErrChanged
		}
		return ErrNoRanges // this time: it did before
	case http.StatusRequestedRangeNotSatisfiable:
		if _, _, size, err := parseContentRange(resp.Header.Get("Content-Range")); err == nil && size != o.size {
			return ErrChanged
		}
	}
	return statusError(resp)
}

func statusError(resp *http.Response) error {
	switch resp.StatusCode {
	case http.StatusNotFound, http.StatusGone:
		return fmt.Errorf("%w: the server answers %d", ErrGone, resp.StatusCode)
	case http.StatusUnauthorized, http.StatusForbidden:
		return fmt.Errorf("%w: it answers %d", ErrRefused, resp.StatusCode)
	}
	return fmt.Errorf("the server answers %d %s", resp.StatusCode, http.StatusText(resp.StatusCode))
}

// CheckContentRange says whether a Content-Range is that of a range of an object of the given size, for adapters:
// ErrChanged if it is of an object of another size, some other error if it is of another range or none.
func CheckContentRange(value string, offset, length, size int64) error {
	first, last, total, err := parseContentRange(value)
	switch {
	case err != nil:
		return err
	case total != size:
		return fmt.Errorf("%w: it had %d bytes and has %d", ErrChanged, size, total)
	case first != offset || last != offset+length-1:
		return fmt.Errorf("asked for bytes %d-%d, got %d-%d", offset, offset+length-1, first, last)
	}
	return nil
}

// parseContentRange reads "bytes first-last/size", or "bytes */size" as -1 and -1 (RFC 9110 §14.4).
func parseContentRange(value string) (first, last, size int64, err error) {
	bad := fmt.Errorf("the server's Content-Range is %.60q", value)
	span, total, ok := strings.Cut(strings.TrimPrefix(value, "bytes "), "/")
	if !ok || !strings.HasPrefix(value, "bytes ") {
		return 0, 0, 0, bad
	}
	if size, err = strconv.ParseInt(total, 10, 64); err != nil || size < 0 {
		return 0, 0, 0, bad
	}
	if span == "*" {
		return -1, -1, size, nil
	}
	from, to, ok := strings.Cut(span, "-")
	first, err = strconv.ParseInt(from, 10, 64)
	if err == nil {
		last, err = strconv.ParseInt(to, 10, 64)
	}
	if !ok || err != nil || first < 0 || first > last || last >= size {
		return 0, 0, 0, bad
	}
	return first, last, size, nil
}

// requestError is the error of a request without what of its URL may be secret.
type requestError struct{ err error }

var queries = regexp.MustCompile(`\?[^\s"]*`)

func (e *requestError) Error() string { return queries.ReplaceAllString(e.err.Error(), "?…") }
func (e *requestError) Unwrap() error { return e.err }

// withoutQuery takes the URL off an error of the HTTP client. It may be that of a redirection, and secret as well.
func withoutQuery(err error) error {
	var withURL *url.Error
	if errors.As(err, &withURL) {
		err = withURL.Err
	}
	return &requestError{err}
}
