package cli

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"mp3converter/cmd/mp3converter/internal/api"
	"mp3converter/cmd/mp3converter/internal/progress"
)

// outcome is what became of one of the things a command was asked to do, as --json writes it.
type outcome struct {
	Input           string    `json:"input,omitempty"`
	FID             string    `json:"fid,omitempty"`
	State           api.State `json:"state,omitempty"`
	Output          string    `json:"output,omitempty"`
	Bytes           int64     `json:"bytes,omitempty"`
	DurationSeconds float64   `json:"duration_seconds,omitempty"`
	Resumed         bool      `json:"resumed,omitempty"`
	Deleted         bool      `json:"deleted,omitempty"`
	Error           *fault    `json:"error,omitempty"`

	// quiet says that success is reported elsewhere.
	quiet bool
	// line is what is printed without --json.
	line string
	// err becomes Error; hint is how to go on after it.
	err  error
	hint string
}

// batch does one thing for each of several names, at most jobs at a time, and reports each as soon as it is done. Its
// error carries the exit code of the first, in the order given, that went wrong.
func (a *app) batch(ctx context.Context, names []string, jobs int, do func(ctx context.Context, i int, t *progress.Task) outcome) error {
	display := a.display()
	var mu sync.Mutex
	exits := make([]int, len(names))
	places := make(chan struct{}, jobs)
	var wg sync.WaitGroup
	for i, name := range names {
		places <- struct{}{}
		wg.Go(func() {
			defer func() { <-places }()
			task := display.Task(printable(name))
			o := outcome{err: context.Cause(ctx)}
			if o.err == nil {
				o = do(ctx, i, task)
			}
			task.End()
			mu.Lock()
			defer mu.Unlock()
			exits[i] = a.report(display, name, o)
		})
	}
	wg.Wait()
	display.Close()
	for _, exit := range exits {
		if exit != exitOK {
			return &reportedError{exit}
		}
	}
	return nil
}

// report prints one outcome and returns its exit code. Only one goroutine may be in it.
func (a *app) report(display *progress.Display, name string, o outcome) int {
	exit := exitOK
	if o.err != nil {
		f := classify(o.err)
		o.Error, exit = &f, f.Exit
	}
	switch {
	case o.err == nil && o.quiet:
	case a.json:
		if o.Input == "" && o.FID == "" {
			o.Input = name
		}
		a.emit(o)
	case errors.Is(o.err, ErrInterrupted) && o.hint == "": // the person knows
	case o.err != nil:
		display.Print("mp3converter: " + printable(name) + ": " + o.Error.Detail)
		if o.hint != "" {
			display.Print("  " + printable(o.hint))
		}
	case o.line == "":
	case a.StdoutTerminal && a.StderrTerminal:
		display.Print(printable(o.line)) // the bars are on the same screen
	default:
		_, _ = fmt.Fprintln(a.Stdout, printable(o.line))
	}
	return exit
}

// resumable says whether an error leaves something that can be taken up again.
func resumable(err error) bool {
	switch classify(err).Exit {
	case exitInterrupted, exitUnavailable, exitSignedOut, exitThrottled:
		return true
	}
	return errors.Is(err, errTimeout)
}
