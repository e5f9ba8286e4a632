package encode

import (
	"fmt"
	"net"
	"net/http"
	"time"

	"mp3converter/shared/source"
)

// ServerError says that a URL's server could not be reached, or that it refused or failed.
type ServerError struct {
	// Status is its answer; 0 if there was none.
	Status int
	Err    error
}

// Refused says whether the server knows the URL and does not let it in, as a rule because its time is over.
func (e *ServerError) Refused() bool {
	return e.Status == http.StatusUnauthorized || e.Status == http.StatusForbidden
}

func (e *ServerError) Error() string {
	switch {
	case e.Status == 0:
		return e.Err.Error()
	case e.Refused():
		return fmt.Sprintf("the server refuses the URL, whose time may be over (%d %s)", e.Status, http.StatusText(e.Status))
	}
	return fmt.Sprintf("the server answers %d %s", e.Status, http.StatusText(e.Status))
}

func (e *ServerError) Unwrap() error { return e.Err }

// Is makes of a refusal one that is not asked again.
func (e *ServerError) Is(target error) bool { return target == source.ErrRefused && e.Refused() }

// transport is one that makes errors of the answers that say something about the server and not about the file.
type transport struct{ *http.Transport }

// RoundTrip implements http.RoundTripper.
func (t transport) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := t.Transport.RoundTrip(req)
	if err != nil {
		return nil, &ServerError{Err: err}
	}
	refusal := &ServerError{Status: resp.StatusCode}
	if refusal.Refused() || resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode >= http.StatusInternalServerError {
		_ = resp.Body.Close()
		return nil, refusal
	}
	return resp, nil
}

// newClient is for ranges: without compression, which would change their bytes, and on HTTP/1.1, where ranges that are
// fetched at the same time have a connection each instead of sharing the flow control of one.
func newClient() *http.Client {
	return &http.Client{Transport: transport{&http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 15 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		MaxIdleConnsPerHost:   32,
		IdleConnTimeout:       90 * time.Second,
		TLSHandshakeTimeout:   15 * time.Second,
		ResponseHeaderTimeout: 30 * time.Second,
		DisableCompression:    true,
	}}}
}
