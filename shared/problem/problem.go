// Package problem is how the HTTP API says that something went wrong: problem details as RFC 9457 defines them, each with
// a stable code. It is the only place that writes an error response.
package problem

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"
)

// ContentType is the media type of problem details (RFC 9457 §3).
const ContentType = "application/problem+json"

// Code names a kind of problem. Codes never change their meaning; docs/problems.md lists them.
type Code string

// The codes of the HTTP API.
const (
	BadRequest           Code = "bad_request"
	InvalidCredentials   Code = "invalid_credentials" //nolint:gosec // the name of a problem
	TokenMissing         Code = "token_missing"
	TokenInvalid         Code = "token_invalid"
	TokenExpired         Code = "token_expired"
	NotFound             Code = "not_found"
	MethodNotAllowed     Code = "method_not_allowed"
	UploadFinished       Code = "upload_finished"
	NotReady             Code = "not_ready"
	ConversionFailed     Code = "conversion_failed"
	Expired              Code = "expired"
	PayloadTooLarge      Code = "payload_too_large"
	UnsupportedMediaType Code = "unsupported_media_type"
	ValidationFailed     Code = "validation_failed"
	TooManyAttempts      Code = "too_many_attempts"
	QuotaExceeded        Code = "quota_exceeded"
	Internal             Code = "internal"
)

type kind struct {
	status int
	title  string
}

// kinds gives each code its status and its title; a test holds docs/problems.md to it.
var kinds = map[Code]kind{
	BadRequest:           {http.StatusBadRequest, "The request cannot be read"},
	InvalidCredentials:   {http.StatusUnauthorized, "Wrong e-mail address or password"},
	TokenMissing:         {http.StatusUnauthorized, "Not signed in"},
	TokenInvalid:         {http.StatusUnauthorized, "The token is not valid"},
	TokenExpired:         {http.StatusUnauthorized, "The token has expired"},
	NotFound:             {http.StatusNotFound, "Not found"},
	MethodNotAllowed:     {http.StatusMethodNotAllowed, "Method not allowed"},
	UploadFinished:       {http.StatusConflict, "The upload has arrived already"},
	NotReady:             {http.StatusConflict, "The MP3 is not ready yet"},
	ConversionFailed:     {http.StatusGone, "The conversion failed"},
	Expired:              {http.StatusGone, "The MP3 has expired"},
	PayloadTooLarge:      {http.StatusRequestEntityTooLarge, "Too large"},
	UnsupportedMediaType: {http.StatusUnsupportedMediaType, "Unsupported media type"},
	ValidationFailed:     {http.StatusUnprocessableEntity, "A value is not acceptable"},
	TooManyAttempts:      {http.StatusTooManyRequests, "Too many attempts"},
	QuotaExceeded:        {http.StatusTooManyRequests, "Quota exceeded"},
	Internal:             {http.StatusInternalServerError, "Something went wrong on our side"},
}

// FieldError says what is wrong with one value of the request.
type FieldError struct {
	Field  string `json:"field"`
	Detail string `json:"detail"`
}

// Problem is a problem detail object. It is an error, so handlers return it.
type Problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Code   Code   `json:"code"`
	// Detail is a sentence for the person.
	Detail    string       `json:"detail,omitempty"`
	RequestID string       `json:"request_id,omitempty"`
	State     string       `json:"state,omitempty"`
	Progress  *int         `json:"progress,omitempty"`
	Errors    []FieldError `json:"errors,omitempty"`

	header http.Header
}

// New returns a problem of the given kind. It panics on a code that is not one of this package's.
func New(code Code, detail string) *Problem {
	k, ok := kinds[code]
	if !ok {
		panic("problem: no such code: " + string(code))
	}
	return &Problem{
		Type: "urn:mp3converter:problem:" + string(code), Title: k.title, Status: k.status, Code: code, Detail: detail,
		header: http.Header{},
	}
}

// Invalid returns a validation problem about the given fields.
func Invalid(errs ...FieldError) *Problem {
	p := New(ValidationFailed, "")
	p.Errors = errs
	if len(errs) > 0 {
		p.Detail = errs[0].Field + ": " + errs[0].Detail
	}
	return p
}

func (p *Problem) Error() string { return string(p.Code) + ": " + p.Detail }

// WithHeader adds a header field to the response and returns the problem.
func (p *Problem) WithHeader(key, value string) *Problem {
	p.header.Set(key, value)
	return p
}

// WithRetryAfter adds Retry-After in whole seconds, rounded up and at least one.
func (p *Problem) WithRetryAfter(d time.Duration) *Problem {
	seconds := max(1, int((d+time.Second-1)/time.Second))
	return p.WithHeader("Retry-After", strconv.Itoa(seconds))
}

// Write sends the problem as the response. requestID may be empty.
func (p *Problem) Write(w http.ResponseWriter, requestID string) {
	out := *p
	out.RequestID = requestID
	h := w.Header()
	for key, values := range p.header {
		h[key] = values
	}
	h.Set("Content-Type", ContentType)
	h.Set("Cache-Control", "no-store")
	body, err := json.Marshal(&out)
	if err != nil { // strings and numbers only
		panic(err)
	}
	w.WriteHeader(p.Status)
	_, _ = w.Write(append(body, '\n')) // the client may be gone; nobody is left to tell
}

// Codes returns every code with its status and title, for documentation tests.
func Codes() map[Code]struct {
	Status int
	Title  string
} {
	out := make(map[Code]struct {
		Status int
		Title  string
	}, len(kinds))
	for c, k := range kinds {
		out[c] = struct {
			Status int
			Title  string
		}{k.status, k.title}
	}
	return out
}
