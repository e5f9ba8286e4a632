package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"mp3converter/cmd/mp3converter/internal/api"
	"mp3converter/cmd/mp3converter/internal/progress"
	"mp3converter/cmd/mp3converter/internal/transfer"
	"mp3converter/shared/audio"
)

const (
	defaultJobs = 3
	maxJobs     = 16
)

// sending is what convert and upload have in common on the command line.
type sending struct {
	audio *audioFlags
	jobs  int
	anew  bool
}

func addSendingFlags(cmd *cobra.Command) *sending {
	s := &sending{audio: addAudioFlags(cmd)}
	cmd.Flags().IntVarP(&s.jobs, "jobs", "j", defaultJobs, fmt.Sprintf("work on `N` videos at a time, at most %d", maxJobs))
	cmd.Flags().BoolVar(&s.anew, "new", false, "begin anew even if an earlier run of the same was interrupted")
	return s
}

func (s *sending) check() error {
	if s.jobs < 1 || s.jobs > maxJobs {
		return usage(fmt.Sprintf("--jobs must be 1 to %d", maxJobs))
	}
	return nil
}

func (a *app) convertCommand() *cobra.Command {
	var out outputFlags
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "convert VIDEO...",
		Short: "Convert videos: send them, wait, and fetch the MP3s",
		Long: `Convert videos: send them, wait, and fetch the MP3s. The MP3 lies beside its video under the same name, unless
--output says otherwise; its name is printed.

A run that was interrupted, by Ctrl-C or by a broken connection, is taken up where it was when the same command is
given again: what has arrived is not sent a second time.`,
		Example: `  mp3converter convert holiday.mp4
  mp3converter convert talk.mkv -o talk.mp3 --bitrate 96 --channels 1 --start 1:30 --normalize
  mp3converter convert *.mp4 -o mp3s/ --jobs 4
  mp3converter convert holiday.mp4 -o - | mpv -`,
		Args: arguments(1, unlimited, "which video? name at least one"),
	}
	send := addSendingFlags(cmd)
	out.add(cmd)
	cmd.Flags().DurationVar(&timeout, "timeout", 0, "wait no longer than this for a conversion, such as 10m")
	cmd.RunE = a.run(func(ctx context.Context, args []string) error {
		if err := send.check(); err != nil {
			return err
		}
		opts, err := send.audio.options()
		if err != nil {
			return err
		}
		targets, err := a.plan(args, out)
		if err != nil {
			return err
		}
		svc, err := a.connect()
		if err != nil {
			return err
		}
		defer svc.Client.Close()
		svc.Anew = send.anew
		return a.batch(ctx, args, send.jobs, func(ctx context.Context, i int, t *progress.Task) outcome {
			if err := targets[i].Check(); err != nil {
				return outcome{Input: args[i], err: err}
			}
			o := send.do(ctx, svc, args[i], opts, t)
			if o.err != nil {
				return o
			}
			o = a.await(ctx, svc, o, timeout, t)
			if o.err != nil {
				return o
			}
			return a.fetch(ctx, svc, o, func(string) transfer.Target { return targets[i] }, t)
		})
	})
	return cmd
}

func (a *app) uploadCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "upload VIDEO...",
		Short: "Send videos without waiting for their conversion",
		Long: `Send videos without waiting for their conversion, and print their file IDs. An upload that was interrupted is taken
up again when the same command is given again; so is the wait, when convert is given the same video.`,
		Example: `  fid=$(mp3converter upload holiday.mp4)
  mp3converter download --wait "$fid"`,
		Args: arguments(1, unlimited, "which video? name at least one"),
	}
	send := addSendingFlags(cmd)
	cmd.RunE = a.run(func(ctx context.Context, args []string) error {
		if err := send.check(); err != nil {
			return err
		}
		opts, err := send.audio.options()
		if err != nil {
			return err
		}
		if err := distinct(args); err != nil {
			return err
		}
		svc, err := a.connect()
		if err != nil {
			return err
		}
		defer svc.Client.Close()
		svc.Anew = send.anew
		return a.batch(ctx, args, send.jobs, func(ctx context.Context, i int, t *progress.Task) outcome {
			o := send.do(ctx, svc, args[i], opts, t)
			o.line = o.FID
			return o
		})
	})
	return cmd
}

// do sends a video and says how to go on if that was interrupted.
func (s *sending) do(ctx context.Context, svc *transfer.Service, path string, opts audio.Options, t *progress.Task) outcome {
	o := outcome{Input: path}
	video, err := transfer.Inspect(path)
	if err != nil {
		o.err = err
		return o
	}
	sent, err := svc.Send(ctx, video, opts, t)
	o.FID, o.Resumed, o.err = sent.FID, sent.Resumed, err
	if err != nil && o.FID != "" && resumable(err) {
		o.hint = "to go on with the upload, give the same command again"
	}
	return o
}

// await waits until an outcome's file is ready, and says how to go on if it is not.
func (a *app) await(ctx context.Context, svc *transfer.Service, o outcome, timeout time.Duration, t *progress.Task) outcome {
	if timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, timeout, errTimeout)
		defer cancel()
	}
	file, err := svc.Wait(ctx, o.FID, t)
	o.State, o.err = file.State, err
	o.DurationSeconds = file.DurationSeconds
	if err != nil && resumable(err) {
		o.hint = resumeHint(o.FID)
	}
	return o
}

// fetch downloads an outcome's MP3.
func (a *app) fetch(ctx context.Context, svc *transfer.Service, o outcome, choose func(string) transfer.Target, t *progress.Task) outcome {
	target, n, err := svc.Fetch(ctx, o.FID, choose, t)
	if o.err = err; err != nil {
		if resumable(err) {
			o.hint = resumeHint(o.FID)
		} else if refusal, ok := errors.AsType[*api.Error](err); ok && refusal.Code == "not_ready" {
			o.State = refusal.State
			o.hint = "to wait for it: mp3converter download --wait " + o.FID
		}
		return o
	}
	o.State, o.Bytes = api.Ready, n
	if target.Stream == nil {
		o.Output, o.line = target.Path, target.Path
	}
	return o
}

func resumeHint(fid string) string {
	return "the conversion goes on without you; to fetch it: mp3converter download " + fid + " --wait"
}
