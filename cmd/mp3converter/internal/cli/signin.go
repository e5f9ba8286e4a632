package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"mp3converter/cmd/mp3converter/internal/api"
	"mp3converter/cmd/mp3converter/internal/session"
	"mp3converter/shared/account"
)

const (
	// tokenMargin is how long before its end a token is no longer used.
	tokenMargin = 10 * time.Second
	// maxLine bounds a line read from standard input, in bytes.
	maxLine = 4096
)

// identity is who is signed in where; it hands out their token. A token is only ever sent to the service it is from.
type identity struct {
	a      *app
	store  *session.Store
	base   *url.URL
	client *api.Client

	mu      sync.Mutex
	session session.Session
}

// identify finds out which service is meant, and who is signed in there, if anybody.
func (a *app) identify(store *session.Store) (*identity, error) {
	known, err := store.Load()
	if err != nil {
		return nil, err
	}
	where := firstOf(a.api, a.Getenv(envAPI), known.API)
	if where == "" {
		return nil, usage("which service? give its URL with --api or " + envAPI + "; mp3converter login remembers it")
	}
	base, err := api.ParseBase(where)
	if err != nil {
		return nil, &usageError{err}
	}
	email := known.Email
	if wanted := a.Getenv(envEmail); wanted != "" {
		if email, err = account.CanonicalEmail(wanted); err != nil {
			return nil, &usageError{fmt.Errorf("%s: %w", envEmail, err)}
		}
	}
	if known.API != base.String() || known.Email != email {
		known = session.Session{API: base.String(), Email: email, Insecure: known.Insecure && known.API == base.String()}
	}
	return &identity{a: a, store: store, base: base, session: known}, nil
}

// Token implements api.TokenSource.
func (i *identity) Token(ctx context.Context) (string, error) { return i.Renew(ctx, "") }

// Renew implements api.TokenSource: it signs in again if the password is in the environment.
func (i *identity) Renew(ctx context.Context, stale string) (string, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	s := i.session
	if s.Token != "" && s.Token != stale && i.a.Now().Add(tokenMargin).Before(s.ExpiresAt) {
		return s.Token, nil
	}
	password := i.a.Getenv(envPassword)
	if password == "" || s.Email == "" {
		if s.Token == "" {
			return "", fmt.Errorf("%w at %s; run mp3converter login", api.ErrNotSignedIn, i.base.Host)
		}
		return "", fmt.Errorf("%w any more at %s: the token has expired; run mp3converter login", api.ErrNotSignedIn, i.base.Host)
	}
	if err := i.signIn(ctx, s.Email, password, s.Insecure); err != nil {
		return "", err
	}
	return i.session.Token, nil
}

// signIn gets a token and writes it down. The caller holds the lock.
func (i *identity) signIn(ctx context.Context, email, password string, insecure bool) error {
	if i.base.Scheme == "http" && !insecure && !api.Loopback(i.base.Hostname()) {
		return usage("the password would travel unprotected to " + i.base.Host + "; use https://, or login --insecure-http if you trust the network")
	}
	token, err := i.client.Login(ctx, email, password)
	if err != nil {
		return err
	}
	i.session = session.Session{
		API: i.base.String(), Email: email, Token: token.AccessToken, Insecure: insecure,
		ExpiresAt: i.a.Now().Add(time.Duration(min(token.ExpiresIn, 365*24*3600)) * time.Second).UTC().Truncate(time.Second),
	}
	if err := i.store.Save(i.session); err != nil {
		i.a.warn(err)
	}
	return nil
}

func (a *app) loginCommand() *cobra.Command {
	var fromStdin, insecure bool
	cmd := &cobra.Command{
		Use:   "login [EMAIL]",
		Short: "Sign in and remember the service and the token",
		Long: `Sign in and remember the service's URL and the token, in a file only you can read.

The password is asked for on the terminal, or taken from ` + envPassword + `, or read from standard input with
--password-stdin. It is never stored, and never part of the command line.`,
		Example: `  mp3converter login --api https://mp3.example.com you@example.com
  pass show mp3 | mp3converter login --password-stdin you@example.com`,
		Args:              arguments(0, 1, ""),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	cmd.Flags().BoolVar(&fromStdin, "password-stdin", false, "read the password from standard input, up to the end of the line")
	cmd.Flags().BoolVar(&insecure, "insecure-http", false, "allow http:// to a host that is not this machine")
	cmd.RunE = a.run(func(ctx context.Context, args []string) error {
		store, err := a.store()
		if err != nil {
			return err
		}
		who, err := a.identify(store)
		if err != nil {
			return err
		}
		who.client = a.client(who.base, who)
		defer who.client.Close()
		email, err := a.askEmail(args, who.session.Email, fromStdin)
		if err != nil {
			return err
		}
		password, err := a.askPassword(fromStdin, "Password for "+email+" at "+who.base.Host+": ", false)
		if err != nil {
			return err
		}
		if err := who.signIn(ctx, email, password, insecure); err != nil {
			return err
		}
		s := who.session
		a.result(struct {
			API       string    `json:"api"`
			Email     string    `json:"email"`
			ExpiresAt time.Time `json:"expires_at"`
		}{s.API, s.Email, s.ExpiresAt}, fmt.Sprintf("Signed in at %s as %s until %s.", s.API, s.Email, s.ExpiresAt.Local().Format("15:04")))
		return nil
	})
	return cmd
}

func (a *app) logoutCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "logout",
		Short:             "Forget the token",
		Long:              "Forget the token. The service's URL and the e-mail address stay, so that the next sign-in need not ask for them.",
		Args:              arguments(0, 0, ""),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: a.run(func(context.Context, []string) error {
			store, err := a.store()
			if err != nil {
				return err
			}
			s, err := store.Load()
			if err != nil {
				return err
			}
			line := "Nobody was signed in."
			if s.Token != "" {
				s.Token, s.ExpiresAt = "", time.Time{}
				if err := store.Save(s); err != nil {
					return err
				}
				line = "Signed out at " + s.API + "."
			}
			a.result(struct {
				API      string `json:"api"`
				Email    string `json:"email"`
				SignedIn bool   `json:"signed_in"`
			}{s.API, s.Email, false}, line)
			return nil
		}),
	}
}

// askEmail finds out who wants to sign in.
func (a *app) askEmail(args []string, known string, stdinTaken bool) (string, error) {
	email := known
	switch {
	case len(args) > 0:
		email = args[0]
	case email != "":
	case stdinTaken || a.ReadPassword == nil:
		return "", usage("whose account? give the e-mail address, or set " + envEmail)
	default:
		_, _ = fmt.Fprint(a.Stderr, "E-mail address: ")
		line, err := readLine(a.Stdin)
		if err != nil {
			return "", err
		}
		email = line
	}
	return account.CanonicalEmail(email)
}

// askPassword gets a password: from standard input, from the environment, or from the person, twice if it is a new one.
func (a *app) askPassword(fromStdin bool, prompt string, isNew bool) (string, error) {
	if fromStdin {
		return readLine(a.Stdin)
	}
	if password := a.Getenv(envPassword); password != "" {
		return password, nil
	}
	if a.ReadPassword == nil {
		return "", usage("there is no terminal to ask for the password; use --password-stdin or " + envPassword)
	}
	password, err := a.promptPassword(prompt)
	if err != nil || !isNew {
		return password, err
	}
	repeated, err := a.promptPassword("The same again: ")
	if err != nil {
		return "", err
	}
	if repeated != password {
		return "", usage("the two passwords differ")
	}
	return password, nil
}

func (a *app) promptPassword(prompt string) (string, error) {
	_, _ = fmt.Fprint(a.Stderr, prompt)
	password, err := a.ReadPassword()
	a.say("")
	if err != nil {
		return "", fmt.Errorf("read the password: %w", err)
	}
	if password == "" {
		return "", usage("the password is empty")
	}
	return password, nil
}

// readLine reads the first line of r without its end.
func readLine(r io.Reader) (string, error) {
	line, err := bufio.NewReader(io.LimitReader(r, maxLine)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read standard input: %w", err)
	}
	if line = strings.TrimRight(line, "\r\n"); line == "" {
		return "", usage("standard input is empty")
	}
	return line, nil
}

func firstOf(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}
