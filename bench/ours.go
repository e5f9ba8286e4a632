package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime/debug"

	"mp3converter/shared/audio"
	"mp3converter/shared/aws"
	"mp3converter/shared/engine"
	"mp3converter/shared/source"
)

// ours converts the way the convert function does, without the records around it. With -file it reads a file of this
// machine and throws the MP3 away, so that only the engine is measured.
func ours(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("ours", flag.ContinueOnError)
	bucket := flags.String("bucket", "", "")
	key := flags.String("key", "", "")
	out := flags.String("out", "", "")
	file := flags.String("file", "", "")
	ffmpeg := flags.String("ffmpeg", "", "")
	workers := flags.Int("workers", defaultWorkers, "")
	if err := flags.Parse(args); err != nil {
		return err
	}
	debug.SetGCPercent(25) // as convert does
	encoder, err := engine.New(ctx, engine.Config{FFmpeg: *ffmpeg, Workers: *workers})
	if err != nil {
		return err
	}
	if *file != "" {
		return oursFromFile(ctx, encoder, *file)
	}
	cloud, err := aws.Connect(ctx)
	if err != nil {
		return err
	}
	store := aws.NewBucket(cloud, aws.BucketConfig{Name: *bucket})
	video, err := store.Open(ctx, *key)
	if err != nil {
		return err
	}
	mp3 := store.Create(ctx, *out)
	if _, err := encoder.Convert(ctx, video, mp3, audio.Options{}, nil); err != nil {
		return errors.Join(err, mp3.Abort(context.WithoutCancel(ctx)))
	}
	if _, err := mp3.Commit(); err != nil {
		return errors.Join(err, mp3.Abort(context.WithoutCancel(ctx)))
	}
	return nil
}

func oursFromFile(ctx context.Context, encoder *engine.Engine, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("open video: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("open video: %w", err)
	}
	result, err := encoder.Convert(ctx, local{f, info.Size()}, discard{}, audio.Options{}, nil)
	if err != nil {
		return err
	}
	fmt.Println(result.Bytes, result.Stats.BytesRead, result.Stats.Requests)
	return nil
}

// local is a file as an object.
type local struct {
	f    *os.File
	size int64
}

var _ source.Ranges = local{}

func (l local) Size() int64 { return l.size }

func (l local) OpenRange(_ context.Context, offset, length int64) (io.ReadCloser, error) {
	return io.NopCloser(io.NewSectionReader(l.f, offset, length)), nil
}

// discard is where an MP3 goes that nobody wants.
type discard struct{}

func (discard) WriteAt(p []byte, _ int64) (int, error) { return len(p), nil }
