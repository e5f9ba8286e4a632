package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// expectAbove is the size in bytes from which storage is asked before the bytes are sent (RFC 9110 §10.1.1), so that a
// refusal does not cost a whole upload.
const expectAbove = 1 << 20

var errStalled = errors.New("the transfer stands still")

// Put sends size bytes of src to storage. It never holds more than a buffer of them. sent is told how many bytes of
// this attempt have been handed to the network; it starts anew with every attempt.
//
// The error is ErrURLRefused when a fresh URL may help, and ErrArrived when storage says it has the object already.
func (c *Client) Put(ctx context.Context, to PresignedPut, src io.ReaderAt, size int64, sent func(int64)) error {
	const op = "send the video"
	u, err := url.Parse(to.URL)
	if err != nil {
		return errors.New(op + ": the service gave an unusable link")
	}
	return c.retry(ctx, func() error {
		ctx, watch := watchStall(ctx, c.stall)
		defer watch.stop()
		body := func() io.ReadCloser {
			return io.NopCloser(&meteredReader{r: io.NewSectionReader(src, 0, size), watch: watch, report: sent})
		}
		req, err := http.NewRequestWithContext(ctx, to.Method, to.URL, body())
		if err != nil {
			return errors.New(op + ": the service gave an unusable link")
		}
		req.GetBody = func() (io.ReadCloser, error) { return body(), nil }
		if err := c.putHeaders(req, to.Headers, size); err != nil {
			return fmt.Errorf("%s: %w", op, err)
		}
		resp, err := c.storage.Do(req)
		if err != nil {
			return transferError(ctx, op, u, err)
		}
		defer func() { _ = resp.Body.Close() }()
		if resp.StatusCode/100 == 2 {
			_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxErrorBody))
			return nil
		}
		refusal := storageError(op, resp)
		if transient(resp.StatusCode) || refusal.Code == "RequestTimeout" || resp.StatusCode == http.StatusConflict {
			return &again{err: refusal, after: retryAfter(resp.Header, time.Now())}
		}
		return refusal
	})
}

// putHeaders sets exactly what was signed.
func (c *Client) putHeaders(req *http.Request, headers map[string]string, size int64) error {
	req.Header.Set("User-Agent", c.userAgent)
	for name, value := range headers {
		switch strings.ToLower(name) {
		case "content-length":
			if n, err := strconv.ParseInt(value, 10, 64); err != nil || n != size {
				return fmt.Errorf("the link is for %s bytes, the file has %d: it has changed", value, size)
			}
		case "host":
			req.Host = value
		default:
			req.Header.Set(name, value)
		}
	}
	req.ContentLength = size
	if size > expectAbove {
		req.Header.Set("Expect", "100-continue")
	}
	return nil
}

// Sink takes an MP3's bytes in order.
type Sink interface {
	io.Writer
	// Restart forgets what was written, because the next bytes are the first again.
	Restart() error
}

// Fetch reads the object behind a download link into dst and returns its size. After a broken connection it goes on
// where it was, if the object is still the same, and else from the start. fresh is asked for another link when
// storage refuses the one at hand.
func (c *Client) Fetch(ctx context.Context, link DownloadLink, dst Sink, fresh func(context.Context) (DownloadLink, error), got func(int64)) (int64, error) {
	f := fetch{c: c, link: link, dst: dst, got: got}
	refused := 0
	for {
		err := c.retry(ctx, func() error { return f.attempt(ctx) })
		if !errors.Is(err, ErrURLRefused) || refused == 3 {
			return f.done, err
		}
		refused++
		if f.link, err = fresh(ctx); err != nil {
			return f.done, err
		}
	}
}

// fetch is a download under way.
type fetch struct {
	c    *Client
	link DownloadLink
	dst  Sink
	got  func(int64)
	done int64
	etag string
}

const fetchOp = "fetch the MP3"

func (f *fetch) attempt(ctx context.Context) error {
	u, err := url.Parse(f.link.URL)
	if err != nil {
		return errors.New(fetchOp + ": the service gave an unusable link")
	}
	ctx, watch := watchStall(ctx, f.c.stall)
	defer watch.stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, f.link.URL, http.NoBody)
	if err != nil {
		return errors.New(fetchOp + ": the service gave an unusable link")
	}
	req.Header.Set("Accept-Encoding", "identity")
	req.Header.Set("User-Agent", f.c.userAgent)
	if f.done > 0 && f.etag != "" {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", f.done))
		req.Header.Set("If-Range", f.etag)
	}
	resp, err := f.c.storage.Do(req)
	if err != nil {
		return transferError(ctx, fetchOp, u, err)
	}
	defer func() { _ = resp.Body.Close() }()
	switch {
	case resp.StatusCode == http.StatusPartialContent && strings.HasPrefix(resp.Header.Get("Content-Range"), fmt.Sprintf("bytes %d-", f.done)):
	case resp.StatusCode == http.StatusOK:
		if f.done > 0 {
			if err := f.dst.Restart(); err != nil {
				return err
			}
		}
		f.done, f.etag = 0, strongETag(resp.Header)
	default:
		refusal := storageError(fetchOp, resp)
		if transient(resp.StatusCode) {
			return &again{err: refusal, after: retryAfter(resp.Header, time.Now())}
		}
		return refusal
	}
	return f.copy(ctx, u, watch, resp)
}

// copy moves the body to the sink and checks that it was whole.
func (f *fetch) copy(ctx context.Context, u *url.URL, watch *stallWatch, resp *http.Response) error {
	before := f.done
	src := &meteredReader{r: resp.Body, watch: watch}
	for buf := make([]byte, 256<<10); ; {
		n, err := src.Read(buf)
		if n > 0 {
			if _, err := f.dst.Write(buf[:n]); err != nil {
				return fmt.Errorf("write the MP3: %w", err)
			}
			f.done += int64(n)
			f.got(f.done)
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			err := transferError(ctx, fetchOp, u, err)
			if mark, ok := errors.AsType[*again](err); ok {
				mark.progress = f.done > before
			}
			return err
		}
	}
	if f.link.Size > 0 && f.done != f.link.Size {
		return fmt.Errorf("%s: it has %d bytes where the service says %d", fetchOp, f.done, f.link.Size)
	}
	return nil
}

// strongETag is the entity tag if it may be used with If-Range (RFC 9110 §13.1.5).
func strongETag(h http.Header) string {
	if tag := h.Get("ETag"); strings.HasPrefix(tag, `"`) {
		return tag
	}
	return ""
}

// transferError sorts a transport error: the person's interruption ends everything, anything else may be tried again.
func transferError(ctx context.Context, op string, u *url.URL, err error) error {
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, errStalled) {
		return cause
	} else if cause != nil {
		err = cause
	}
	return &again{err: networkError(op, u, err)}
}

// stallWatch cancels a transfer's context when it is not touched for too long.
type stallWatch struct {
	timer *time.Timer
	limit time.Duration
	stop  func()
}

func watchStall(parent context.Context, limit time.Duration) (context.Context, *stallWatch) {
	ctx, cancel := context.WithCancelCause(parent)
	w := &stallWatch{limit: limit}
	w.timer = time.AfterFunc(limit, func() { cancel(errStalled) })
	w.stop = func() {
		w.timer.Stop()
		cancel(context.Canceled)
	}
	return ctx, w
}

// meteredReader reports how much was read, and each time something was, lets the watch begin anew.
type meteredReader struct {
	r      io.Reader
	watch  *stallWatch
	report func(int64)
	total  int64
}

func (m *meteredReader) Read(p []byte) (int, error) {
	n, err := m.r.Read(p)
	if n > 0 {
		m.watch.timer.Reset(m.watch.limit)
		m.total += int64(n)
		if m.report != nil {
			m.report(m.total)
		}
	}
	return n, err
}
