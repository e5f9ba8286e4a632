// Command localstack runs the whole service on this machine without Docker: the real template.yaml with the real
// function binaries, deployed to an emulator of the AWS services that listens on the loopback interface only.
//
// It keeps everything it makes below one folder (.local, or the one given by -dir), so several stacks can run side by
// side, and ends exactly the processes it started. What the emulator cannot do, and how that is bridged, is in the
// README beside this file.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
)

const usage = `localstack runs the service on this machine: the real template.yaml on an emulator, without Docker.

usage: go run ./localstack <command> [flags]

  up      start and deploy; does only what is not done yet, then returns
  run     up, then follow the logs; Ctrl-C stops everything
  down    stop what up started; the data stays for the next up
  exec    bring up a fresh stack on free ports, run a command against it (exec -dir DIR -- COMMAND …), stop the stack;
          the command finds the stack's env file in its environment
  info    print the addresses, the demo user and the curl lines again
  tools   make the Python environment that has sam, cfn-lint and shellcheck, and print its folder

flags:
  -dir DIR          where this stack keeps data, logs and its env file (default .local); another folder is another stack
  -set NAME=VALUE   a parameter of template.yaml; may be given more than once

environment (0 picks a free port):
  PORT            of the page and the API (default 8080)
  EMULATOR_PORT   of the emulated AWS services (default 4566)
  MAILBOX_PORT    of the mailbox (default 8025)
  RETRY_SECONDS   first delay before an asynchronous invocation is retried, doubled for the second (default 1)
`

func main() { os.Exit(status()) }

// status does what the command line says and returns the exit status: that of the command exec ran, 2 for a command line
// that makes no sense, 1 for everything else that went wrong.
func status() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := command(ctx, os.Args[1:], os.Stdout)
	var child *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(os.Stderr, usage)
		return 2
	case errors.As(err, &child) && child.Exited():
		return child.ExitCode()
	}
	fmt.Fprintln(os.Stderr, "localstack:", err)
	return 1
}

func command(ctx context.Context, args []string, out io.Writer) error {
	if len(args) == 0 {
		return flag.ErrHelp
	}
	if args[0] == "serve" { // the background process that up starts; nobody types this
		return serve(ctx, args[1:])
	}
	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	dir := flags.String("dir", "", "")
	overrides := map[string]string{}
	flags.Func("set", "", func(text string) error {
		name, value, ok := strings.Cut(text, "=")
		if !ok || name == "" {
			return errors.New("want NAME=VALUE")
		}
		overrides[name] = value
		return nil
	})
	if err := flags.Parse(args[1:]); err != nil || (flags.NArg() > 0) != (args[0] == "exec") {
		return flag.ErrHelp
	}
	s, err := newStack(*dir, os.Getenv, out)
	if err != nil {
		return err
	}
	s.overrides = overrides
	switch args[0] {
	case "up":
		if err := s.up(ctx); err != nil {
			return err
		}
		return s.info(out)
	case "run":
		return s.run(ctx)
	case "exec":
		return s.exec(ctx, flags.Args())
	case "down":
		return s.down(ctx)
	case "info":
		return s.info(out)
	case "tools":
		return s.tools(ctx, out)
	}
	return flag.ErrHelp
}
