// Package api is the HTTP contract of docs/openapi.yaml as plain http.Handlers: one for each function. Handlers check what
// comes from outside, call the domain and write the answer; everything that goes wrong leaves as a problem.Problem.
package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"mp3converter/shared/account"
	"mp3converter/shared/library"
	"mp3converter/shared/problem"
)

// RequestIDHeader carries the request's ID; the host sets it.
const RequestIDHeader = "X-Request-Id"

// maxJSONBytes bounds a JSON body; the largest sensible one has well under 2 KiB.
const maxJSONBytes = 16 << 10

// handler answers a request or returns why it cannot; a *problem.Problem is sent as it is, anything else as "internal".
type handler func(w http.ResponseWriter, r *http.Request) error

// methods dispatches on the request method; GET answers HEAD too unless HEAD is given.
type methods map[string]handler

// routes is a function's whole URL space, by ServeMux pattern without a method.
func routes(log *slog.Logger, table map[string]methods) http.Handler {
	mux := http.NewServeMux()
	for pattern, m := range table {
		mux.Handle(pattern, endpoint(log, pattern, m.serve))
	}
	mux.Handle("/", endpoint(log, "unknown", func(http.ResponseWriter, *http.Request) error {
		return problem.New(problem.NotFound, "There is nothing at this address.")
	}))
	return mux
}

func (m methods) serve(w http.ResponseWriter, r *http.Request) error {
	if h, ok := m[r.Method]; ok {
		return h(w, r)
	}
	if h, ok := m[http.MethodGet]; ok && r.Method == http.MethodHead {
		return h(w, r)
	}
	allowed := make([]string, 0, len(m))
	for _, name := range []string{http.MethodGet, http.MethodPost, http.MethodDelete} {
		if _, ok := m[name]; ok {
			allowed = append(allowed, name)
		}
	}
	return problem.New(problem.MethodNotAllowed, "Use "+strings.Join(allowed, " or ")+".").
		WithHeader("Allow", strings.Join(allowed, ", "))
}

// statusWriter remembers the status for the log, and keeps the body of an answer to HEAD to itself (RFC 9110 §9.3.2): not
// every host does that for us.
type statusWriter struct {
	http.ResponseWriter
	status int
	head   bool
}

func (w *statusWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusWriter) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	if w.head {
		return len(p), nil
	}
	return w.ResponseWriter.Write(p)
}

// endpoint gives a handler what all of them need: safe headers, one line in the log, and an answer whatever happens. The
// log has the route's pattern and not the path, so no ID or query ends up there by accident.
func endpoint(log *slog.Logger, pattern string, h handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		began, w := time.Now(), &statusWriter{ResponseWriter: rw, head: r.Method == http.MethodHead}
		requestID := r.Header.Get(RequestIDHeader)
		log := log.With("request_id", requestID, "method", r.Method, "route", pattern)
		if trace := r.Header.Get("Traceparent"); trace != "" && len(trace) <= 64 { // W3C Trace Context
			log = log.With("traceparent", trace)
		}
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-store")
		if requestID != "" {
			w.Header().Set(RequestIDHeader, requestID)
		}
		defer func() { //nolint:contextcheck // it passes r.Context(), which the rule does not see
			if cause := recover(); cause != nil {
				log.ErrorContext(r.Context(), "handler panicked", "panic", fmt.Sprint(cause), "stack", string(debug.Stack()))
				if w.status == 0 {
					problem.New(problem.Internal, internalDetail).Write(w, requestID)
				}
			}
			log.InfoContext(r.Context(), "answered", "status", w.status, "ms", time.Since(began).Milliseconds())
		}()
		err := h(w, r)
		if err == nil {
			return
		}
		p := toProblem(err)
		if p.Code == problem.Internal {
			log.ErrorContext(r.Context(), "request failed", "error", err)
		}
		p.Write(w, requestID)
	})
}

const internalDetail = "This is our fault, not yours. Please try again; if it keeps happening, quote the request_id."

// toProblem classifies an error, once, for the whole API.
func toProblem(err error) *problem.Problem {
	var p *problem.Problem
	var throttled account.ThrottledError
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &p):
		return p
	case errors.As(err, &throttled):
		return problem.New(problem.TooManyAttempts, "Too many attempts to sign in; wait before the next.").
			WithRetryAfter(throttled.RetryAfter)
	case errors.As(err, &tooLarge):
		return problem.New(problem.PayloadTooLarge, fmt.Sprintf("The request body may have at most %d bytes.", tooLarge.Limit))
	case errors.Is(err, library.ErrNotFound):
		return problem.New(problem.NotFound, "You have no file with this ID.")
	}
	return problem.New(problem.Internal, internalDetail)
}

// readJSON reads a body of at most maxJSONBytes into v, strictly: one value, no unknown members.
func readJSON(w http.ResponseWriter, r *http.Request, v any) error {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxJSONBytes))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return err
	case err != nil:
		return problem.New(problem.BadRequest, "The request body could not be read.")
	}
	dec := json.NewDecoder(strings.NewReader(string(body)))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return jsonProblem(err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return problem.New(problem.BadRequest, "The request body must be one JSON value.")
	}
	return nil
}

func jsonProblem(err error) error {
	var wrongType *json.UnmarshalTypeError
	if errors.As(err, &wrongType) {
		field := wrongType.Field
		if field == "" {
			return problem.New(problem.BadRequest, "The request body must be a JSON object.")
		}
		return problem.Invalid(problem.FieldError{Field: field, Detail: "must not be a JSON " + wrongType.Value})
	}
	if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return problem.Invalid(problem.FieldError{Field: strings.Trim(name, `"`), Detail: "is not known here"})
	}
	return problem.New(problem.BadRequest, "The request body is not valid JSON.")
}

// writeJSON is the one place that writes a successful JSON answer.
func writeJSON(w http.ResponseWriter, status int, v any) error {
	var body bytes.Buffer
	enc := json.NewEncoder(&body)
	enc.SetEscapeHTML(false) // a URL with its & as it is can be copied from the answer
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("write answer: %w", err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body.Bytes()) // the client may be gone; nobody is left to tell
	return nil
}

// accepts says whether the client asks for this media type by name; wildcards do not count.
func accepts(r *http.Request, mediaType string) bool {
	for _, part := range strings.Split(strings.Join(r.Header.Values("Accept"), ","), ",") {
		name, params, err := mime.ParseMediaType(part)
		if err != nil || name != mediaType {
			continue
		}
		weight, err := strconv.ParseFloat(params["q"], 64)
		return params["q"] == "" || err == nil && weight > 0
	}
	return false
}

// callerAddress is the IP address a request came from.
func callerAddress(r *http.Request) string {
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		return host
	}
	return r.RemoteAddr
}

// Verifier checks tokens; account.Tokens does.
type Verifier interface {
	// Verify returns account.ErrTokenExpired or account.ErrTokenInvalid for a token that is no good.
	Verify(ctx context.Context, token string) (account.Identity, error)
}

// authenticated hands the request on with whoever the Bearer token (RFC 6750) speaks for.
func authenticated(v Verifier, h func(w http.ResponseWriter, r *http.Request, who account.Identity) error) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		token = strings.TrimSpace(token)
		if !strings.EqualFold(scheme, "Bearer") || token == "" {
			return problem.New(problem.TokenMissing, "Send the token from POST /login as “Authorization: Bearer …”.").
				WithHeader("WWW-Authenticate", `Bearer realm="mp3converter"`)
		}
		who, err := v.Verify(r.Context(), token)
		switch {
		case errors.Is(err, account.ErrTokenExpired):
			return problem.New(problem.TokenExpired, "Sign in again.").
				WithHeader("WWW-Authenticate", `Bearer realm="mp3converter", error="invalid_token", error_description="expired"`)
		case errors.Is(err, account.ErrTokenInvalid):
			return problem.New(problem.TokenInvalid, "Sign in again.").
				WithHeader("WWW-Authenticate", `Bearer realm="mp3converter", error="invalid_token"`)
		case err != nil:
			return err
		}
		return h(w, r, who)
	}
}

// pathID returns the fid in the path. What cannot be an ID cannot be found either.
func pathID(r *http.Request) (string, error) {
	id := r.PathValue("fid")
	if !library.ValidID(id) {
		return "", library.ErrNotFound
	}
	return id, nil
}
