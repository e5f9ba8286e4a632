// Command mp3converter turns videos into MP3s with an mp3converter service: it sends them, waits, and fetches the
// MP3s. With AWS credentials it also manages the people who may sign in.
//
// It touches the network, the files it is told of, and one folder of its own in the user's configuration. This file
// is wiring; the commands are in internal/cli.
package main

import (
	"context"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"syscall"
	"time"

	"golang.org/x/term"

	"mp3converter/cmd/mp3converter/internal/api"
	"mp3converter/cmd/mp3converter/internal/cli"
	"mp3converter/shared/account"
	"mp3converter/shared/aws"
)

// version is set by the linker in releases; go install takes it from the module.
var version = ""

func main() {
	os.Exit(run())
}

func run() int {
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		cancel(cli.ErrInterrupted)
		signal.Stop(signals) // a second Ctrl-C ends the program at once
	}()
	env := cli.Env{
		Args: os.Args[1:], Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv,
		StdoutTerminal: isTerminal(os.Stdout), StderrTerminal: isTerminal(os.Stderr),
		Sleep: api.Sleep, Now: time.Now, Version: build(),
		Users: func(ctx context.Context, table string) (account.Users, error) {
			cfg, err := aws.Connect(ctx)
			if err != nil {
				return nil, err
			}
			return aws.NewUsers(cfg, table), nil
		},
	}
	if isTerminal(os.Stdin) && isTerminal(os.Stderr) {
		env.ReadPassword = func() (string, error) { return readPassword(ctx) }
	}
	return cli.Run(ctx, env)
}

func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// readPassword reads a line without echo. An interruption ends it and leaves the terminal as it was.
func readPassword(ctx context.Context) (string, error) {
	fd := int(os.Stdin.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return "", err
	}
	type answer struct {
		line []byte
		err  error
	}
	answers := make(chan answer, 1)
	go func() { // ends with the program if the person never answers
		line, err := term.ReadPassword(fd)
		answers <- answer{line, err}
	}()
	select {
	case a := <-answers:
		return string(a.line), a.err
	case <-ctx.Done():
		_ = term.Restore(fd, before)
		return "", context.Cause(ctx)
	}
}

func build() cli.Version {
	v := cli.Version{Version: version, Go: runtime.Version(), System: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	if v.Version == "" {
		v.Version = info.Main.Version
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			v.Commit = s.Value
		}
	}
	return v
}
