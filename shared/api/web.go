package api

import (
	"log/slog"
	"net/http"

	"mp3converter/shared/problem"
	"mp3converter/web"
)

// WebConfig is what the web function works with.
type WebConfig struct {
	Log *slog.Logger
	// StorageOrigins are the origins of presigned URLs.
	StorageOrigins  []string
	Version, Commit string
}

// Web answers GET /, GET /assets/… and GET /healthz.
func Web(c WebConfig) http.Handler {
	page := web.Handler(web.Config{StorageOrigins: c.StorageOrigins, Error: refuse})
	serve := methods{http.MethodGet: func(w http.ResponseWriter, r *http.Request) error {
		w.Header().Del("Cache-Control") // the page has its own
		page.ServeHTTP(w, r)
		return nil
	}}
	return routes(c.Log, map[string]methods{
		"/{$}":     serve,
		"/assets/": serve,
		"/healthz": {http.MethodGet: func(w http.ResponseWriter, _ *http.Request) error {
			return writeJSON(w, http.StatusOK, struct {
				Status  string `json:"status"`
				Version string `json:"version"`
				Commit  string `json:"commit,omitempty"`
			}{"ok", c.Version, c.Commit})
		}},
	})
}

func refuse(w http.ResponseWriter, r *http.Request, status int) {
	code := problem.NotFound
	if status == http.StatusMethodNotAllowed {
		code = problem.MethodNotAllowed
	}
	problem.New(code, "").Write(w, r.Header.Get(RequestIDHeader))
}
