// Package host starts a function on whatever runs it: on AWS Lambda when the Lambda runtime is there, else as an ordinary
// HTTP process (a container, Knative, Cloud Run, OpenFaaS, a laptop). The function itself does not see the difference.
//
// It also makes the one logger, and ends a start that fails with one clear line.
package host

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/akrylysov/algnhsa"
	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"

	"mp3converter/shared/api"
	"mp3converter/shared/config"
	"mp3converter/shared/problem"
)

// Version and Commit are set at link time.
var (
	Version = "dev"
	Commit  = ""
)

const (
	// maxBodyBytes bounds a request body in an HTTP process; Lambda has its own limit of 6 MB.
	maxBodyBytes  = 16 << 20
	headerTimeout = 10 * time.Second
	requestTime   = 30 * time.Second
	shutdownTime  = 20 * time.Second
)

// HTTP runs an HTTP function until the platform ends it. build wires it up once.
func HTTP(name string, build func(ctx context.Context, log *slog.Logger) (http.Handler, error)) {
	run(name, func(ctx context.Context, log *slog.Logger) error {
		h, err := build(ctx, log)
		if err != nil {
			return err
		}
		h = withRequestID(h)
		if onLambda() {
			// Everything travels as base64, so that no body is bent into UTF-8.
			lambda.StartWithOptions(badPaths{algnhsa.New(h, &algnhsa.Options{
				RequestType: algnhsa.RequestTypeAPIGatewayV2, BinaryContentTypes: []string{"*/*"},
			})}, lambda.WithContext(ctx))
			return nil
		}
		return listen(ctx, log, h, requestTime)
	})
}

// badPaths answers a request whose path cannot be unescaped: HTTP APIs have done that once already, so that "/%25" arrives
// as "/%". No address here looks like that.
type badPaths struct{ next lambda.Handler }

// Invoke implements lambda.Handler.
func (h badPaths) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	out, err := h.next.Invoke(ctx, payload)
	var escape url.EscapeError
	if !errors.As(err, &escape) {
		return out, err
	}
	w := httptest.NewRecorder()
	problem.New(problem.NotFound, "There is nothing at this address.").Write(w, "")
	return json.Marshal(events.APIGatewayV2HTTPResponse{
		StatusCode: w.Code, Body: w.Body.String(),
		Headers: map[string]string{"Content-Type": problem.ContentType, "Cache-Control": "no-store"},
	})
}

// withRequestID gives every request an ID of our own making or the platform's; one that a client sent is not trusted.
func withRequestID(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := rand.Text()
		if event, ok := algnhsa.APIGatewayV2RequestFromContext(r.Context()); ok && event.RequestContext.RequestID != "" {
			id = event.RequestContext.RequestID
		}
		r.Header.Set(api.RequestIDHeader, id)
		next.ServeHTTP(w, r)
	})
}

// EventHandler takes one event, as the platform's JSON, and returns what the platform wants to know, which may be nil.
// An error makes the platform try again.
type EventHandler func(ctx context.Context, event json.RawMessage) (any, error)

// Events runs an event function until the platform ends it. As an HTTP process it takes events as POST / and answers 200
// with the handler's result, or 500, after which the sender is expected to repeat.
func Events(name string, build func(ctx context.Context, log *slog.Logger) (EventHandler, error)) {
	run(name, func(ctx context.Context, log *slog.Logger) error {
		h, err := build(ctx, log)
		if err != nil {
			return err
		}
		if onLambda() {
			lambda.StartWithOptions(h, lambda.WithContext(ctx))
			return nil
		}
		mux := http.NewServeMux()
		mux.Handle("POST /{$}", eventsOverHTTP(log, h))
		mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
		return listen(ctx, log, mux, 0)
	})
}

func onLambda() bool { return os.Getenv("AWS_LAMBDA_RUNTIME_API") != "" }

func run(name string, start func(ctx context.Context, log *slog.Logger) error) {
	ctx := context.Background()
	if !onLambda() { // Lambda ends a process when nothing runs in it; there the default, to end at once, is right
		var stop context.CancelFunc
		ctx, stop = signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
		defer stop()
	}
	logging, err := config.Load[config.Log]()
	log := slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: logging.Level})).
		With("function", name, "version", Version)
	slog.SetDefault(log)
	if err == nil {
		err = start(ctx, log)
	}
	if err != nil {
		log.ErrorContext(ctx, "cannot start or go on", "error", err)
		os.Exit(1) //nolint:gocritic // stop() only undoes signal handling
	}
}

func eventsOverHTTP(log *slog.Logger, h EventHandler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBodyBytes))
		if err != nil {
			http.Error(w, "cannot read the event", http.StatusBadRequest)
			return
		}
		result, err := h(r.Context(), body)
		if err != nil {
			log.ErrorContext(r.Context(), "event failed", "error", err)
			http.Error(w, "the event failed; send it again", http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(result); err != nil {
			log.WarnContext(r.Context(), "cannot answer", "error", err)
		}
	})
}

func listen(ctx context.Context, log *slog.Logger, h http.Handler, writeTimeout time.Duration) error {
	addr := os.Getenv("LISTEN")
	if addr == "" {
		addr = ":8080"
		if port := os.Getenv("PORT"); port != "" { // Knative's and Cloud Run's contract
			addr = ":" + port
		}
	}
	srv := &http.Server{
		Addr: addr, Handler: http.MaxBytesHandler(h, maxBodyBytes), ReadHeaderTimeout: headerTimeout,
		ReadTimeout: requestTime, WriteTimeout: writeTimeout, IdleTimeout: 2 * time.Minute,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	failed := make(chan error, 1)
	go func() { failed <- srv.ListenAndServe() }()
	log.InfoContext(ctx, "listening", "address", addr)
	select {
	case err := <-failed:
		return fmt.Errorf("listen on %s: %w", addr, err)
	case <-ctx.Done():
	}
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTime)
	defer cancel()
	if err := srv.Shutdown(stopping); err != nil {
		return fmt.Errorf("stop: %w", err)
	}
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
