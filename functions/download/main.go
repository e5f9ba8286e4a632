// Download answers /download?fid=: it hands out short-lived links to MP3s.
package main

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"mp3converter/shared/account"
	"mp3converter/shared/api"
	"mp3converter/shared/aws"
	"mp3converter/shared/config"
	"mp3converter/shared/host"
	"mp3converter/shared/library"
)

func main() { host.HTTP("download", build) }

func build(ctx context.Context, log *slog.Logger) (http.Handler, error) {
	cfg, err := config.Load[config.Download]()
	if err != nil {
		return nil, err
	}
	cloud, err := aws.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return api.Download(api.DownloadConfig{
		Log:     log,
		Tokens:  &account.Tokens{Keys: aws.NewKeys(cloud, cfg.TokenSecretID), Issuer: cfg.TokenIssuer},
		Library: &library.Library{Store: aws.NewFiles(cloud, cfg.FilesTable), Retention: cfg.Retention()},
		Results: aws.NewBucket(cloud, aws.BucketConfig{Name: cfg.ResultsBucket, PublicEndpoint: cfg.PublicEndpoint}),
		Now:     time.Now,
	}), nil
}
