// Package cli is the command line: its commands, what they print, and the exit codes.
//
// Results go to standard output, everything else to standard error; with --json, standard output carries one JSON
// document per result. The package touches the outside world only through Env, so its tests need no terminal.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"mp3converter/cmd/mp3converter/internal/api"
	"mp3converter/cmd/mp3converter/internal/progress"
	"mp3converter/cmd/mp3converter/internal/session"
	"mp3converter/cmd/mp3converter/internal/transfer"
	"mp3converter/shared/account"
)

// The environment variables the client reads; the AWS SDK reads its own for the admin commands.
const (
	envAPI       = "MP3CONVERTER_API"
	envEmail     = "MP3CONVERTER_EMAIL"
	envPassword  = "MP3CONVERTER_PASSWORD" //nolint:gosec // a variable's name
	envConfigDir = "MP3CONVERTER_CONFIG_DIR"
	envNoColor   = "NO_COLOR"
	envTable     = "USERS_TABLE"
	envWorkers   = "CONVERT_WORKERS"
)

// Env is the world a command runs in.
type Env struct {
	Args   []string
	Stdin  io.Reader
	Stdout io.Writer
	Stderr io.Writer
	Getenv func(string) string
	// StdoutTerminal and StderrTerminal say whether somebody is looking.
	StdoutTerminal, StderrTerminal bool
	// ReadPassword reads a line without showing it; nil when nobody can be asked.
	ReadPassword func() (string, error)
	// Sleep and Now are the clock.
	Sleep func(context.Context, time.Duration) error
	Now   func() time.Time
	// Users opens the table of users for the admin commands.
	Users   func(ctx context.Context, table string) (account.Users, error)
	Version Version
}

// Version says which build this is.
type Version struct {
	Version string `json:"version"`
	Commit  string `json:"commit,omitempty"`
	Go      string `json:"go"`
	System  string `json:"system"`
}

// app is one run of the program.
type app struct {
	Env
	json       bool
	noProgress bool
	api        string
	// jsonAside sends JSON documents to standard error, because standard output takes an MP3.
	jsonAside bool
	// ran says that the command line was understood and a command began.
	ran bool
}

// Run runs one command line and returns the exit code. The context's end is an interruption.
func Run(ctx context.Context, env Env) int {
	a := &app{Env: env}
	root := a.root() //nolint:contextcheck // the commands get the context from cobra, below
	// Known before parsing, so that a mistake on the command line is reported in the form that was asked for.
	for _, arg := range env.Args {
		if arg == "--" {
			break
		}
		a.json = a.json || arg == "--json"
	}
	a.jsonAside = slices.Contains(env.Args, "encode") && slices.Contains(env.Args, "-")
	root.SetArgs(env.Args)
	root.SetIn(env.Stdin)
	root.SetOut(env.Stdout)
	root.SetErr(env.Stderr)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitOK
	}
	if !a.ran {
		err = &usageError{err}
	}
	return a.fail(cmd, err)
}

// fail reports an error that ends the command and returns its exit code.
func (a *app) fail(cmd *cobra.Command, err error) int {
	if reported, ok := errors.AsType[*reportedError](err); ok {
		return reported.exit
	}
	f := classify(err)
	if a.json {
		a.emit(struct {
			Error fault `json:"error"`
		}{f})
		return f.Exit
	}
	a.say("mp3converter: " + f.Detail)
	if _, ok := errors.AsType[*usageError](err); ok {
		a.say("  " + cmd.CommandPath() + " --help shows what it takes")
	}
	return f.Exit
}

// reportedError ends a command whose errors have been printed already, one for each thing it was asked to do.
type reportedError struct{ exit int }

func (e *reportedError) Error() string { return "reported already" }

const longHelp = `mp3converter turns the audio of videos into MP3s: it sends a video to the service, waits for the conversion and
fetches the MP3.

  mp3converter login --api https://mp3.example.com you@example.com
  mp3converter convert holiday.mp4

or does it all here, with no service:

  mp3converter encode holiday.mp4

` + exitHelp + `

Environment:
  MP3CONVERTER_API         the service's URL, where --api is not given
  MP3CONVERTER_EMAIL       who signs in, where it is not on the command line
  MP3CONVERTER_PASSWORD    the password; signs in again by itself when the token has expired
  MP3CONVERTER_CONFIG_DIR  where the token and the pending conversions are kept
  FFMPEG, CONVERT_WORKERS  what encode works with; see mp3converter encode --help
  NO_COLOR                 no colors`

func (a *app) root() *cobra.Command {
	var version bool
	root := &cobra.Command{
		Use:           "mp3converter",
		Short:         "Turn the audio of videos into MP3s",
		Long:          longHelp,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	group(root)
	help := root.RunE
	root.RunE = func(cmd *cobra.Command, args []string) error {
		if version {
			return a.version()
		}
		return help(cmd, args)
	}
	root.SetFlagErrorFunc(flagMistake)
	root.Flags().BoolVar(&version, "version", false, "print the client's version")
	flags := root.PersistentFlags()
	flags.StringVar(&a.api, "api", "", "the service's `URL`, such as https://mp3.example.com or localhost:8080; remembered at login")
	flags.BoolVar(&a.json, "json", false, "write JSON to standard output, one document per result, and show no progress")
	flags.BoolVar(&a.noProgress, "no-progress", false, "show no progress")
	root.AddCommand(
		a.loginCommand(), a.logoutCommand(),
		a.convertCommand(), a.uploadCommand(), a.downloadCommand(), a.encodeCommand(),
		a.statusCommand(), a.listCommand(), a.deleteCommand(),
		a.adminCommand(), a.versionCommand(),
	)
	return root
}

// run makes a command's function: from here on an error is not a mistake on the command line.
func (a *app) run(f func(ctx context.Context, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		a.ran = true
		return f(cmd.Context(), args)
	}
}

// store is the client's folder.
func (a *app) store() (*session.Store, error) {
	dir := a.Getenv(envConfigDir)
	if dir == "" {
		var err error
		if dir, err = session.DefaultDir(); err != nil {
			return nil, err
		}
	}
	return session.Open(dir), nil
}

// connect makes the service for the person who is signed in. The caller closes its client.
func (a *app) connect() (*transfer.Service, error) {
	store, err := a.store()
	if err != nil {
		return nil, err
	}
	who, err := a.identify(store)
	if err != nil {
		return nil, err
	}
	client := a.client(who.base, who)
	who.client = client
	return &transfer.Service{
		Client: client, Store: store, API: who.base.String(), Email: who.session.Email,
		Sleep: a.Sleep, Now: a.Now, Warn: a.warn,
	}, nil
}

func (a *app) warn(err error) { a.say("mp3converter: warning: " + printable(err.Error())) }

// say writes a line for people.
func (a *app) say(line string) { _, _ = fmt.Fprintln(a.Stderr, line) }

// display shows progress in the way that fits where standard error goes.
func (a *app) display() *progress.Display {
	style := progress.Lines
	switch {
	case a.json || a.noProgress:
		style = progress.Silent
	case a.StderrTerminal && a.Getenv("TERM") != "dumb":
		style = progress.Bars
	}
	return progress.New(a.Stderr, style, a.Now)
}

// fids checks file IDs before anything is done for any of them.
func fids(_ *cobra.Command, args []string) error {
	if len(args) == 0 {
		return errors.New("give at least one file ID; mp3converter list shows yours")
	}
	for _, fid := range args {
		if len(fid) != 26 || strings.Trim(fid, "abcdefghijklmnopqrstuvwxyz234567") != "" {
			return fmt.Errorf("%q is not a file ID: 26 letters a to z and digits 2 to 7", fid)
		}
	}
	return nil
}

// client makes an API client. Its owner closes it.
func (a *app) client(base *url.URL, tokens api.TokenSource) *api.Client {
	return api.New(api.Config{
		Base: base, Tokens: tokens, UserAgent: "mp3converter/" + a.Version.Version, Sleep: a.Sleep,
	})
}
