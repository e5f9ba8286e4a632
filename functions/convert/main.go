// Convert turns videos that have arrived in storage into MP3s.
package main

import (
	"context"
	"log/slog"

	"mp3converter/shared/aws"
	"mp3converter/shared/config"
	"mp3converter/shared/conversion"
	"mp3converter/shared/engine"
	"mp3converter/shared/host"
	"mp3converter/shared/library"
)

func main() { host.Events("convert", build) }

func build(ctx context.Context, log *slog.Logger) (host.EventHandler, error) {
	cfg, err := config.Load[config.Convert]()
	if err != nil {
		return nil, err
	}
	cloud, err := aws.Connect(ctx)
	if err != nil {
		return nil, err
	}
	encoder, err := engine.New(ctx, engine.Config{FFmpeg: cfg.FFmpeg, Limits: engine.Limits{MaxDuration: cfg.MaxDuration}})
	if err != nil {
		return nil, err
	}
	return aws.ConvertEvents(&conversion.Converter{
		Library: &library.Library{Store: aws.NewFiles(cloud, cfg.FilesTable), Retention: cfg.Retention()},
		Videos:  aws.NewBucket(cloud, aws.BucketConfig{Name: cfg.UploadsBucket}),
		Results: aws.NewBucket(cloud, aws.BucketConfig{Name: cfg.ResultsBucket}),
		Engine:  encoder,
		Outbox:  aws.NewOutcomes(cloud, cfg.OutcomesQueueURL),
		Prices:  conversion.ListPrices(cfg.MemoryMB),
		Log:     log,
	}, log), nil
}
