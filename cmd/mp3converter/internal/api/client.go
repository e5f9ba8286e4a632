// Package api speaks the service's HTTP contract and storage's presigned requests.
//
// It repeats what is safe to repeat: requests that only read or that may be done twice, and the sending of the same
// bytes to the same presigned URL. An announcement of an upload (POST /upload) is repeated only when nothing of it was
// sent, or when the service says that it was throttled. It honours Retry-After up to half a minute.
//
// Tokens and presigned URLs appear in no error: a failed request is named by its operation and its host.
package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"mp3converter/shared/source"
)

const (
	callTimeout = 30 * time.Second
	// maxAnswer bounds what is read of an answer of the service, in bytes.
	maxAnswer = 4 << 20
)

// TokenSource hands out the bearer token. It must be safe for concurrent use.
type TokenSource interface {
	// Token returns the token to use now; an error wrapping ErrNotSignedIn if there is none.
	Token(ctx context.Context) (string, error)
	// Renew is called when the service refused stale. It returns another token, or an error wrapping ErrNotSignedIn.
	Renew(ctx context.Context, stale string) (string, error)
}

// Config is what a Client is made of.
type Config struct {
	// Base is the service's URL, as ParseBase returns it.
	Base      *url.URL
	Tokens    TokenSource
	UserAgent string
	// Sleep waits between attempts; nil means the package's Sleep.
	Sleep func(context.Context, time.Duration) error
	// Stall is how long a transfer may stand still before it is tried anew; 0 means two minutes.
	Stall time.Duration
}

// Client calls one service. It is safe for concurrent use.
type Client struct {
	base      *url.URL
	tokens    TokenSource
	userAgent string
	sleep     func(context.Context, time.Duration) error
	stall     time.Duration
	calls     *http.Client
	storage   *http.Client
}

// New makes a client. Close gives its connections back.
func New(cfg Config) *Client {
	if cfg.Sleep == nil {
		cfg.Sleep = Sleep
	}
	if cfg.Stall == 0 {
		cfg.Stall = 2 * time.Minute
	}
	transport := &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 15 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		ForceAttemptHTTP2:     true,
		MaxIdleConnsPerHost:   16,
		IdleConnTimeout:       90 * time.Second,
		TLSHandshakeTimeout:   15 * time.Second,
		ResponseHeaderTimeout: 2 * time.Minute,
		ExpectContinueTimeout: 2 * time.Second,
	}
	return &Client{
		base: cfg.Base, tokens: cfg.Tokens, userAgent: cfg.UserAgent, sleep: cfg.Sleep, stall: cfg.Stall,
		calls: &http.Client{Transport: transport, Timeout: callTimeout, CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		}},
		storage: &http.Client{Transport: transport, CheckRedirect: source.WithoutReferer},
	}
}

// Close closes the connections that are not in use.
func (c *Client) Close() { c.calls.CloseIdleConnections() }

// Loopback says whether a host is this machine by its name (RFC 6761 §6.3) or its address.
func Loopback(host string) bool {
	ip := net.ParseIP(host)
	host = strings.ToLower(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || ip != nil && ip.IsLoopback()
}

// ParseBase reads the service's URL as a person types it: https:// may be left out, and so may http:// of a service on
// this machine; a slash at the end does not matter.
func ParseBase(s string) (*url.URL, error) {
	bare := !strings.Contains(s, "://")
	if bare {
		s = "https://" + s
	}
	u, err := url.Parse(s)
	if err == nil && bare && Loopback(u.Hostname()) {
		u.Scheme = "http"
	}
	switch {
	case err != nil:
		return nil, fmt.Errorf("the service's URL cannot be read: %w", errors.Unwrap(err))
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, fmt.Errorf("the service's URL must begin with https://, not %s://", u.Scheme)
	case u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return nil, errors.New("the service's URL must be a host with an optional path, such as https://mp3.example.com")
	}
	u.Path, u.RawPath = strings.TrimRight(u.Path, "/"), ""
	u.Host = strings.ToLower(u.Host)
	return u, nil
}

// repeat says when a call may be made again after a failure that leaves open whether it was carried out.
type repeat int

const (
	repeatUnsent repeat = iota // only if nothing was sent, or it was throttled
	repeatAlways
	repeatOnFault // as repeatAlways, but being throttled is for the person to decide
)

// call is one call of the service.
type call struct {
	op     string
	method string
	path   string
	query  url.Values
	header http.Header
	body   any
	public bool // no bearer token
	repeat repeat
	out    any
}

// do makes the call, again where that is allowed, with one fresh token if the first is refused.
func (c *Client) do(ctx context.Context, r call) error {
	var body []byte
	if r.body != nil {
		var err error
		if body, err = json.Marshal(r.body); err != nil {
			return fmt.Errorf("%s: %w", r.op, err)
		}
	}
	var token string
	if !r.public {
		var err error
		if token, err = c.tokens.Token(ctx); err != nil {
			return err
		}
	}
	renewed, unsure := false, false
	return c.retry(ctx, func() error {
		for {
			err := c.once(ctx, r, body, token)
			refusal, ok := errors.AsType[*Error](err)
			if ok && refusal.Status == http.StatusNotFound && r.method == http.MethodDelete && unsure {
				return nil
			}
			if !ok || refusal.Status != http.StatusUnauthorized || r.public || renewed {
				_, unsure = errors.AsType[*again](err)
				return err
			}
			renewed = true
			if token, err = c.tokens.Renew(ctx, token); err != nil {
				return err
			}
		}
	})
}

func (c *Client) once(ctx context.Context, r call, body []byte, token string) error {
	u := c.base.JoinPath(r.path)
	u.RawQuery = r.query.Encode()
	var sent atomic.Bool
	trace := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { sent.Store(true) }})
	req, err := http.NewRequestWithContext(trace, r.method, u.String(), bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("%s: %w", r.op, err)
	}
	for k, v := range r.header {
		req.Header[k] = v
	}
	if r.body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if req.Header.Get("Accept") == "" {
		req.Header.Set("Accept", "application/json")
	}
	req.Header.Set("User-Agent", c.userAgent)
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := c.calls.Do(req)
	if err != nil {
		err = networkError(r.op, u, err)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if r.repeat != repeatUnsent || !sent.Load() {
			return &again{err: err}
		}
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode/100 == 2 {
		return c.read(ctx, r, u, resp)
	}
	if resp.StatusCode/100 == 3 {
		where := "elsewhere"
		if to, err := resp.Location(); err == nil {
			where = "to " + to.Scheme + "://" + to.Host
		}
		return &Error{Op: r.op, Status: resp.StatusCode, Detail: "the service's URL leads " + where + "; check --api"}
	}
	refusal := problem(r.op, resp, time.Now())
	throttled := resp.StatusCode == http.StatusTooManyRequests
	if (throttled && r.repeat != repeatOnFault) || (!throttled && transient(resp.StatusCode) && r.repeat != repeatUnsent) {
		return &again{err: refusal, after: refusal.RetryAfter}
	}
	return refusal
}

func (c *Client) read(ctx context.Context, r call, u *url.URL, resp *http.Response) error {
	if r.out == nil {
		return nil
	}
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		err = networkError(r.op, u, err)
		if r.repeat == repeatUnsent {
			return err
		}
		return &again{err: err}
	}
	if err := json.Unmarshal(data, r.out); err != nil {
		return fmt.Errorf("%s: %s does not answer as an mp3converter service does; check --api", r.op, u.Host)
	}
	return nil
}

// Login exchanges e-mail and password for a token. Being throttled is not waited for.
func (c *Client) Login(ctx context.Context, email, password string) (Token, error) {
	req := http.Request{Header: http.Header{}}
	req.SetBasicAuth(email, password)
	var out Token
	err := c.do(ctx, call{op: "sign in", method: http.MethodPost, path: "/login", header: req.Header, public: true, repeat: repeatOnFault, out: &out})
	if err == nil && (out.AccessToken == "" || out.ExpiresIn <= 0) {
		err = fmt.Errorf("sign in: %s does not answer as an mp3converter service does; check --api", c.base.Host)
	}
	return out, err
}

// CreateUpload announces a video.
func (c *Client) CreateUpload(ctx context.Context, req UploadRequest) (Upload, error) {
	var out Upload
	err := c.do(ctx, call{op: "announce the upload", method: http.MethodPost, path: "/upload", body: req, out: &out})
	return out, err
}

// Upload asks how an announced upload stands and, while it is awaited, for a fresh URL.
func (c *Client) Upload(ctx context.Context, fid string) (UploadStatus, error) {
	var out UploadStatus
	err := c.do(ctx, call{op: "ask for the upload", method: http.MethodGet, path: "/upload/" + url.PathEscape(fid), repeat: repeatAlways, out: &out})
	return out, err
}

// File asks for one file.
func (c *Client) File(ctx context.Context, fid string) (File, error) {
	var out File
	err := c.do(ctx, call{op: "ask for the file", method: http.MethodGet, path: "/files/" + url.PathEscape(fid), repeat: repeatAlways, out: &out})
	return out, err
}

// Files asks for one page of files; cursor is empty for the first.
func (c *Client) Files(ctx context.Context, limit int, cursor string) (FilePage, error) {
	q := url.Values{"limit": {strconv.Itoa(limit)}}
	if cursor != "" {
		q.Set("cursor", cursor)
	}
	var out FilePage
	err := c.do(ctx, call{op: "list the files", method: http.MethodGet, path: "/files", query: q, repeat: repeatAlways, out: &out})
	return out, err
}

// Delete removes a file's record, video and MP3. That it is gone after an attempt whose answer was lost is a success.
func (c *Client) Delete(ctx context.Context, fid string) error {
	return c.do(ctx, call{op: "delete the file", method: http.MethodDelete, path: "/files/" + url.PathEscape(fid), repeat: repeatAlways})
}

// Download asks for a link to a file's MP3.
func (c *Client) Download(ctx context.Context, fid string) (DownloadLink, error) {
	var out DownloadLink
	err := c.do(ctx, call{op: "ask for the MP3", method: http.MethodGet, path: "/download", query: url.Values{"fid": {fid}}, repeat: repeatAlways, out: &out})
	return out, err
}
