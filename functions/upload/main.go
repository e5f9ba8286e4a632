// Upload answers /upload: it announces videos, hands out the URLs they are PUT to, and takes small ones in a form.
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

func main() { host.HTTP("upload", build) }

func build(ctx context.Context, log *slog.Logger) (http.Handler, error) {
	cfg, err := config.Load[config.Upload]()
	if err != nil {
		return nil, err
	}
	cloud, err := aws.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return api.Upload(api.UploadConfig{
		Log:    log,
		Tokens: &account.Tokens{Keys: aws.NewKeys(cloud, cfg.TokenSecretID), Issuer: cfg.TokenIssuer},
		Library: &library.Library{
			Store: aws.NewFiles(cloud, cfg.FilesTable), Retention: cfg.Retention(), UploadsPerDay: cfg.UploadsPerDay,
		},
		Uploads:  aws.NewBucket(cloud, aws.BucketConfig{Name: cfg.UploadsBucket, PublicEndpoint: cfg.PublicEndpoint}),
		MaxBytes: cfg.MaxUploadBytes,
		Now:      time.Now,
	}), nil
}
