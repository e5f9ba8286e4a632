package encode

import (
	"fmt"
	"net/http"

	"mp3converter/shared/source"
)

// ServerError says that a URL's server could not be reached, or that it refused or failed, or has nothing there.
type ServerError struct {
	// Status is its answer; 0 if there was none.
	Status int
	Err    error
}

// Refused says whether the server knows the URL and does not let it in, as a rule because its time is over.
func (e *ServerError) Refused() bool {
	return e.Status == http.StatusUnauthorized || e.Status == http.StatusForbidden
}

// Missing says whether the server has nothing at the URL.
func (e *ServerError) Missing() bool {
	return e.Status == http.StatusNotFound || e.Status == http.StatusGone
}

func (e *ServerError) Error() string {
	switch {
	case e.Status == 0:
		return e.Err.Error()
	case e.Missing():
		return fmt.Sprintf("there is nothing at this URL (%d)", e.Status)
	case e.Refused():
		return fmt.Sprintf("the server refuses the URL, whose time may be over (%d %s)", e.Status, http.StatusText(e.Status))
	}
	return fmt.Sprintf("the server answers %d %s", e.Status, http.StatusText(e.Status))
}

func (e *ServerError) Unwrap() error { return e.Err }

// Is makes of what stays as it is an error that is not asked again.
func (e *ServerError) Is(target error) bool {
	return target == source.ErrRefused && e.Refused() || target == source.ErrGone && e.Missing()
}

// transport is one that makes errors of the answers that say something about the server and not about the file.
type transport struct{ *http.Transport }

// RoundTrip implements http.RoundTripper.
func (t transport) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := t.Transport.RoundTrip(req)
	if err != nil {
		return nil, &ServerError{Err: err}
	}
	e := &ServerError{Status: resp.StatusCode}
	if e.Refused() || e.Missing() || resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode >= http.StatusInternalServerError {
		_ = resp.Body.Close()
		return nil, e
	}
	return resp, nil
}

func newClient() *http.Client { return &http.Client{Transport: transport{source.NewTransport()}} }
