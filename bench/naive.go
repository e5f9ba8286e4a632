package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"

	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager"
	"github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// naive is what a good engineer writes in an afternoon: fetch the video to disk with the SDK's transfer manager, which
// reads five ranges of 8 MiB at once, run the distribution's ffmpeg, and send the MP3 the same way.
func naive(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("naive", flag.ContinueOnError)
	bucket := flags.String("bucket", "", "")
	key := flags.String("key", "", "")
	out := flags.String("out", "", "")
	ffmpeg := flags.String("ffmpeg", "", "")
	if err := flags.Parse(args); err != nil {
		return err
	}
	cfg, err := awsconfig.LoadDefaultConfig(ctx)
	if err != nil {
		return fmt.Errorf("read AWS configuration: %w", err)
	}
	client := s3.NewFromConfig(cfg, func(o *s3.Options) {
		o.UsePathStyle = true
		o.DisableLogOutputChecksumValidationSkipped = true
	})
	// By default it would fetch an object that was uploaded in one piece through one connection.
	manager := transfermanager.New(client, func(o *transfermanager.Options) { o.GetObjectType = types.GetObjectRanges })

	video, err := os.CreateTemp("", "video-*")
	if err != nil {
		return fmt.Errorf("make temporary file: %w", err)
	}
	defer func() { _ = os.Remove(video.Name()) }() // the measurement's folder goes as a whole
	_, err = manager.DownloadObject(ctx, &transfermanager.DownloadObjectInput{Bucket: bucket, Key: key, WriterAt: video})
	if err := errors.Join(err, video.Close()); err != nil {
		return fmt.Errorf("download: %w", err)
	}
	mp3 := video.Name() + ".mp3"
	cmd := exec.CommandContext(ctx, *ffmpeg, "-nostdin", "-v", "error", "-y", "-i", video.Name(), "-vn", "-q:a", "2", mp3)
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("ffmpeg: %w: %s", err, text)
	}
	f, err := os.Open(mp3)
	if err != nil {
		return fmt.Errorf("open MP3: %w", err)
	}
	defer f.Close()
	if _, err := manager.UploadObject(ctx, &transfermanager.UploadObjectInput{Bucket: bucket, Key: out, Body: f}); err != nil {
		return fmt.Errorf("upload: %w", err)
	}
	return os.Remove(mp3)
}
