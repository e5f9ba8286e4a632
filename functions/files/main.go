// Files answers /files: it lists, shows and deletes a person's files.
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

func main() { host.HTTP("files", build) }

func build(ctx context.Context, log *slog.Logger) (http.Handler, error) {
	cfg, err := config.Load[config.Manage]()
	if err != nil {
		return nil, err
	}
	cloud, err := aws.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return api.Files(api.FilesConfig{
		Log:     log,
		Tokens:  &account.Tokens{Keys: aws.NewKeys(cloud, cfg.TokenSecretID), Issuer: cfg.TokenIssuer},
		Library: &library.Library{Store: aws.NewFiles(cloud, cfg.FilesTable), Retention: cfg.Retention()},
		Uploads: aws.NewBucket(cloud, aws.BucketConfig{Name: cfg.UploadsBucket}),
		Results: aws.NewBucket(cloud, aws.BucketConfig{Name: cfg.ResultsBucket}),
		Now:     time.Now,
	}), nil
}
