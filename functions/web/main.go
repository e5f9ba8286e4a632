// Web serves the page at GET /, its assets, and GET /healthz.
package main

import (
	"context"
	"log/slog"
	"net/http"

	"mp3converter/shared/api"
	"mp3converter/shared/config"
	"mp3converter/shared/host"
)

func main() { host.HTTP("web", build) }

func build(_ context.Context, log *slog.Logger) (http.Handler, error) {
	cfg, err := config.Load[config.Web]()
	if err != nil {
		return nil, err
	}
	return api.Web(api.WebConfig{
		Log: log, StorageOrigins: cfg.StorageOrigins, Version: host.Version, Commit: host.Commit,
	}), nil
}
