// Notify tells owners by e-mail how the conversion of their video ended.
package main

import (
	"context"
	"log/slog"

	"mp3converter/shared/aws"
	"mp3converter/shared/config"
	"mp3converter/shared/host"
	"mp3converter/shared/library"
	"mp3converter/shared/message"
)

func main() { host.Events("notify", build) }

func build(ctx context.Context, log *slog.Logger) (host.EventHandler, error) {
	cfg, err := config.Load[config.Notify]()
	if err != nil {
		return nil, err
	}
	cloud, err := aws.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return aws.NotifyEvents(&message.Notifier{
		Library: &library.Library{Store: aws.NewFiles(cloud, cfg.FilesTable), Retention: cfg.Retention()},
		Mailer:  aws.NewMail(cloud, cfg.Sender),
		PageURL: cfg.PageURL,
		Log:     log,
	}, log), nil
}
