package cli

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime"
	"strconv"

	"github.com/spf13/cobra"

	"mp3converter/cmd/mp3converter/internal/api"
	"mp3converter/cmd/mp3converter/internal/encode"
	"mp3converter/cmd/mp3converter/internal/progress"
	"mp3converter/cmd/mp3converter/internal/transfer"
)

// maxWorkers is how many the engine starts at most.
const maxWorkers = 64

const encodeHelp = `Encode a video here: the service's own engine on this machine, with no service and no account. It reads only what it
needs of the input, by ranges, and writes an MP3 to the last byte as the service would.

IN is a file, or an http:// or https:// URL (a presigned one, say) whose server serves ranges. What a URL has behind a
question mark is never shown.

OUT is a file, a directory (made if it ends in a slash), or - for standard output. Without it, the MP3 gets the name of
the input, in the current directory. An MP3 that is there already stays unless --force is given, any other file always.
The MP3 is written beside its place and moved there when it is whole; if the run fails or is interrupted, nothing is
left.

The first bytes of an MP3 are known last. So on the way to standard output it is held back until it is whole: up to
%d MiB in memory, the rest in an unnamed temporary file (in TMPDIR). A run that fails writes nothing there.

With --json, one JSON object says what came of it and what it took: on standard output, or on standard error when OUT
is -. A bar is shown only on a terminal; --quiet leaves it and the name of the MP3 out.

It works with the ffmpeg that FFMPEG names, else with the one on PATH if it is the project's own, else with the one
that make layer built last. It needs Linux.

`

const encodeExits = `Exit codes (code and detail of the error are in --json; docs/problems.md lists the codes of 5):
  0    done
  1    something else went wrong: a full disk, a server without ranges (no_ranges), an input that was replaced meanwhile
       (changed), no usable ffmpeg (no_ffmpeg)
  2    the command line or a value on it is not acceptable
  4    there is no such file, nothing at the URL (not_found), or its server refuses it (refused): its time may be over
  5    no MP3 can be made of it: empty_upload, not_media, no_audio, track_missing, unsupported_audio, encrypted,
       corrupt, too_long, range_empty, time_limit
  6    the URL's server cannot be reached, or has a fault (unavailable)
  8    the output exists already (output_exists)
  130  interrupted`

// encoding is what encode takes on the command line besides its arguments.
type encoding struct {
	audio        *audioFlags
	force, quiet bool
	workers      int
}

func (a *app) encodeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "encode IN [OUT]",
		Short: "Convert a video on this machine, without a service",
		Long:  fmt.Sprintf(encodeHelp, encode.Held>>20) + encodeExits,
		Example: `  mp3converter encode holiday.mp4
  mp3converter encode talk.mkv talks/ --bitrate 96 --channels 1 --start 1:30 --normalize
  mp3converter encode "https://bucket.s3.amazonaws.com/film.mp4?X-Amz-…" film.mp3
  mp3converter encode holiday.mp4 - | mpv -
  mp3converter encode holiday.mp4 --json | jq .stages`,
		Args: arguments(1, 2, "what is to be encoded? give a file or a URL"),
	}
	e := encoding{audio: addAudioFlags(cmd)}
	cmd.Flags().BoolVarP(&e.force, "force", "f", false, "replace an existing MP3")
	cmd.Flags().BoolVarP(&e.quiet, "quiet", "q", false, "show no progress and not the name of the MP3")
	cmd.Flags().IntVar(&e.workers, "workers", 0, "encode on `N` processors at once; else "+envWorkers+", else all there are")
	cmd.RunE = a.run(func(ctx context.Context, args []string) error { return a.encode(ctx, e, args) })
	return cmd
}

func (a *app) encode(ctx context.Context, e encoding, args []string) error {
	opts, err := e.audio.options()
	if err != nil {
		return err
	}
	in, err := encode.ParseInput(args[0])
	if err != nil {
		return &usageError{err}
	}
	target, err := a.encodeTarget(e, in, append(args, "")[1])
	if err != nil {
		return err
	}
	workers, err := a.workers(e)
	if err != nil {
		return err
	}
	rep := report{Input: in.Name, Output: target.Path, Workers: workers, Stages: []stage{}}
	if target.Stream != nil {
		rep.Output = "-"
	}
	if err := target.Check(); err != nil {
		return a.encoded(rep, err)
	}
	engine, err := encode.NewEngine(ctx, a.Getenv, workers)
	if err != nil {
		return a.encoded(rep, err)
	}
	rep.Workers = engine.Workers()
	display := progress.New(a.Stderr, a.encodeStyle(e), a.Now)
	task := display.Task(printable(filepath.Base(in.Name)))
	task.Stage("encoding", 100, false)
	res, err := encode.Job{
		Engine: engine, Input: in, Target: target, Options: opts,
		Progress: func(percent int) { task.At(int64(percent)) },
	}.Run(ctx)
	task.End()
	display.Close()
	rep.took(res)
	if err = a.encoded(rep, err); err == nil && !a.json && !e.quiet && target.Stream == nil {
		_, _ = fmt.Fprintln(a.Stdout, printable(target.Path))
	}
	return err
}

// encodeTarget says where the MP3 goes.
func (a *app) encodeTarget(e encoding, in encode.Input, out string) (transfer.Target, error) {
	p, err := a.place(outputFlags{output: out}, 1)
	if err != nil {
		return transfer.Target{}, err
	}
	t := p.target(in.Output, in.Output, e.force, a.Stdout)
	switch {
	case t.Stream != nil:
	case !in.URL && sameFile(in.Name, t.Path):
		return t, usage("the MP3 of " + in.Name + " would replace it; name another output")
	}
	return t, nil
}

// workers is how many processors to encode on.
func (a *app) workers(e encoding) (int, error) {
	n, name := e.workers, "--workers"
	if !e.audio.cmd.Flags().Changed("workers") {
		text := a.Getenv(envWorkers)
		if text == "" {
			return runtime.GOMAXPROCS(0), nil
		}
		name = envWorkers
		var err error
		if n, err = strconv.Atoi(text); err != nil {
			n = 0
		}
	}
	if n < 1 || n > maxWorkers {
		return 0, usage(fmt.Sprintf("%s must be 1 to %d", name, maxWorkers))
	}
	return n, nil
}

// encodeStyle is a bar where somebody looks, and else nothing.
func (a *app) encodeStyle(e encoding) progress.Style {
	if a.json || e.quiet || a.noProgress || !a.StderrTerminal || a.Getenv("TERM") == "dumb" {
		return progress.Silent
	}
	return progress.Bars
}

// encoded reports the end of an encode.
func (a *app) encoded(rep report, err error) error {
	rep.State = api.Ready
	if err != nil {
		f := classify(err)
		rep.State, rep.Error = api.Failed, &f
	}
	switch {
	case a.json:
		a.emit(rep)
	case err != nil && rep.Error.Exit != exitInterrupted: // the person knows
		a.say("mp3converter: " + printable(rep.Input) + ": " + rep.Error.Detail)
	}
	if err != nil {
		return &reportedError{rep.Error.Exit}
	}
	return nil
}
