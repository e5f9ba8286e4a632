package api

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// maxErrorBody bounds what is read of an error's body.
const maxErrorBody = 64 << 10

// ErrNotSignedIn means that there is no token the service accepts and no way to get one without the person.
var ErrNotSignedIn = errors.New("not signed in")

// ErrURLRefused means that storage refuses the presigned URL, as a rule because its time is over; ask for a fresh one.
var ErrURLRefused = errors.New("storage refuses the link")

// ErrArrived means that storage has the object already and keeps it.
var ErrArrived = errors.New("the video has arrived already")

// Error is the service's refusal: an RFC 9457 problem, or as much of one as the answer held.
type Error struct {
	Op     string
	Status int
	// Code is the contract's stable code; empty when the answer was not a problem document.
	Code      string
	Title     string
	Detail    string
	RequestID string
	State     State
	Progress  int
	Fields    []FieldError
	// RetryAfter is 0 when the server named no time.
	RetryAfter time.Duration
}

// FieldError names one unacceptable value.
type FieldError struct {
	Field  string `json:"field"`
	Detail string `json:"detail"`
}

// Sentence is what to tell the person, without the operation.
func (e *Error) Sentence() string {
	s := e.Detail
	if s == "" {
		s = e.Title
	}
	if s == "" {
		s = http.StatusText(e.Status)
	}
	for _, f := range e.Fields {
		s += fmt.Sprintf("; %s: %s", f.Field, f.Detail)
	}
	return s
}

// Error gives the operation, the sentence, and what support would ask for.
func (e *Error) Error() string {
	tag := e.Code
	if tag == "" {
		tag = fmt.Sprintf("HTTP %d", e.Status)
	}
	if e.Status >= 500 && e.RequestID != "" {
		tag += ", request " + e.RequestID
	}
	return fmt.Sprintf("%s: %s (%s)", e.Op, e.Sentence(), tag)
}

// NetworkError means that a host could not be reached or the connection broke. It never holds more of the URL than
// the host, because the rest may be a secret.
type NetworkError struct {
	Op   string
	Host string
	Err  error
}

func (e *NetworkError) Error() string { return fmt.Sprintf("%s: %s: %v", e.Op, e.Host, e.Err) }
func (e *NetworkError) Unwrap() error { return e.Err }

// StorageError is storage's refusal of a presigned request.
type StorageError struct {
	Op      string
	Status  int
	Code    string
	Message string
	// refused is ErrURLRefused, ErrArrived or nil.
	refused error
}

func (e *StorageError) Error() string {
	s := fmt.Sprintf("%s: storage answers %d", e.Op, e.Status)
	if e.Code != "" {
		s += " " + e.Code
	}
	if e.Message != "" {
		s += ": " + e.Message
	}
	return s
}

func (e *StorageError) Unwrap() error { return e.refused }

// networkError keeps the URL out of a transport error.
func networkError(op string, u *url.URL, err error) error {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		err = wrapped.Err
	}
	return &NetworkError{Op: op, Host: u.Host, Err: err}
}

// problem reads an error answer of the service. Gateways in front of it answer with {"message":…} or with HTML.
func problem(op string, resp *http.Response, now time.Time) *Error {
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
	e := &Error{Op: op, Status: resp.StatusCode, RetryAfter: retryAfter(resp.Header, now)}
	media, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if elsewhere(e.Status) { // the service's own answer has a code and a detail
		e.Detail = "no mp3converter API answered at this URL; check --api"
	}
	if media != "application/problem+json" && media != "application/json" {
		return e
	}
	var doc struct {
		Code      string       `json:"code"`
		Title     string       `json:"title"`
		Detail    string       `json:"detail"`
		Message   string       `json:"message"`
		RequestID string       `json:"request_id"`
		State     State        `json:"state"`
		Progress  int          `json:"progress"`
		Errors    []FieldError `json:"errors"`
	}
	if json.Unmarshal(body, &doc) != nil {
		return e
	}
	switch {
	case doc.Code == "" && elsewhere(e.Status):
		doc.Detail = e.Detail
	case doc.Detail == "":
		doc.Detail = doc.Message
	}
	e.Code, e.Title, e.Detail, e.RequestID = doc.Code, doc.Title, doc.Detail, doc.RequestID
	e.State, e.Progress, e.Fields = doc.State, doc.Progress, doc.Errors
	return e
}

// elsewhere says whether a status is what servers answer that know nothing of the service's addresses.
func elsewhere(status int) bool {
	return status == http.StatusNotFound || status == http.StatusMethodNotAllowed || status == http.StatusNotImplemented
}

// storageError reads S3's XML error. Of its elements only Code and Message are kept: others repeat the signature.
func storageError(op string, resp *http.Response) *StorageError {
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
	var doc struct{ Code, Message string }
	e := &StorageError{Op: op, Status: resp.StatusCode}
	if xml.Unmarshal(body, &doc) == nil {
		e.Code, e.Message = doc.Code, strings.TrimSuffix(doc.Message, ".")
	}
	switch {
	case e.Status == http.StatusForbidden, e.Code == "ExpiredToken", e.Code == "InvalidToken":
		e.refused = ErrURLRefused
	case e.Status == http.StatusPreconditionFailed:
		e.refused = ErrArrived
	}
	return e
}
