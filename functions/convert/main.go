// Convert turns videos that have arrived in storage into MP3s.
package main

import (
	"context"
	"log/slog"
	"os"
	"runtime"
	"runtime/debug"

	"mp3converter/shared/aws"
	"mp3converter/shared/config"
	"mp3converter/shared/conversion"
	"mp3converter/shared/engine"
	"mp3converter/shared/host"
	"mp3converter/shared/isobmff"
	"mp3converter/shared/library"
	"mp3converter/shared/metrics"
)

func main() {
	// Most of the heap is buffers, which cost next to nothing to collect, and memory is what a function is paid by.
	debug.SetGCPercent(25)
	host.Events("convert", build)
}

func build(ctx context.Context, log *slog.Logger) (host.EventHandler, error) {
	cfg, err := config.Load[config.Convert]()
	if err != nil {
		return nil, err
	}
	cloud, err := aws.Connect(ctx)
	if err != nil {
		return nil, err
	}
	prices := conversion.ListPrices(cfg.Region, runtime.GOARCH, cfg.MemoryMB).
		With(conversion.Prices{GBSecond: cfg.GBSecond, Read: cfg.Read, Write: cfg.Write})
	encoder, err := engine.New(ctx, engine.Config{
		FFmpeg:  cfg.FFmpeg,
		Limits:  engine.Limits{MaxDuration: cfg.MaxDuration},
		Workers: cfg.Workers,
		Costs:   isobmff.Costs{USDPerSecond: prices.Second(), USDPerRequest: prices.Read},
	})
	if err != nil {
		return nil, err
	}
	return aws.ConvertEvents(&conversion.Converter{
		Library: &library.Library{Store: aws.NewFiles(cloud, cfg.FilesTable), Retention: cfg.Retention()},
		Videos:  aws.NewBucket(cloud, aws.BucketConfig{Name: cfg.UploadsBucket}),
		Results: aws.NewBucket(cloud, aws.BucketConfig{Name: cfg.ResultsBucket}),
		Engine:  encoder,
		Outbox:  aws.NewOutcomes(cloud, cfg.OutcomesQueueURL),
		Prices:  prices,
		Workers: encoder.Workers(),
		Meter:   metrics.NewEMF(os.Stdout, cfg.FunctionName),
		Usage:   metrics.Usage,
		Log:     log,
	}, log), nil
}
