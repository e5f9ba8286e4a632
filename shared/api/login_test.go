package api_test

import (
	"context"
	"encoding/base64"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"mp3converter/shared/account"
	"mp3converter/shared/account/accounttest"
	"mp3converter/shared/api"
	"mp3converter/shared/problem"
)

const password = "correct: horse battery stäple 🔑"

// door is POST /login with a real account service behind it and one user, anna@example.com.
type door struct {
	*world
	accounts *account.Service
}

func newDoor(t *testing.T) *door {
	t.Helper()
	d := &door{world: newWorld(t)}
	users := &accounttest.Memory{}
	d.accounts = account.NewService(account.Config{
		Users: users, Counters: users, Throttle: account.Throttle{Window: 15 * time.Minute, PerAccount: 2, PerAddress: 100}, Now: d.clock.now,
	})
	if _, err := d.accounts.Add(t.Context(), "anna@example.com", password); err != nil {
		t.Fatal(err)
	}
	d.Handler = d.login(d.accounts)
	d.secrets = append(d.secrets, password, basic("anna@example.com", password), "anna@example.com")
	return d
}

func (d *door) login(accounts api.Accounts) http.Handler {
	return api.Login(slog.New(slog.NewJSONHandler(d.log, nil)), accounts, d.tokens, time.Hour)
}

func basic(email, password string) string {
	return base64.StdEncoding.EncodeToString([]byte(email + ":" + password))
}

func (d *door) signIn(email, password string, header ...string) answer {
	d.t.Helper()
	return d.do(http.MethodPost, "/login", "", nil, append(header, "Authorization: Basic "+basic(email, password))...)
}

func TestLoginAnswersWithTheBareToken(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	for name, header := range map[string][]string{
		"no Accept": nil, "everything": {"Accept: */*"}, "text": {"Accept: text/plain"}, "a problem": {"Accept: application/problem+json"},
		"JSON not at all": {"Accept: application/json;q=0, */*"}, "JSON not at all, at length": {"Accept: application/json; q=0.000"},
		"nonsense": {"Accept: ;;,/,application/json/x"}, "a wildcard": {"Accept: application/*"},
	} {
		a := d.signIn("Anna@Example.com", password, header...)
		wantStatus(t, a, http.StatusOK)
		wantHeader(t, a, "Content-Type", "text/plain; charset=utf-8")
		wantHeader(t, a, "Cache-Control", "no-store")
		d.secrets = append(d.secrets, a.body)
		who, err := d.tokens.Verify(t.Context(), a.body)
		if err != nil || who.Email != "anna@example.com" || who.UserID == "" {
			t.Errorf("%s: the body is %q, for %+v (%v)", name, a.body, who, err)
		}
	}
}

func TestLoginAnswersWithJSONToThoseWhoNameIt(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	for name, header := range map[string][]string{
		"alone": {"Accept: application/json"}, "in capitals": {"Accept: Application/JSON"}, "with a weight": {"Accept: application/json;q=0.9"},
		"with a small weight": {"Accept: text/plain, application/json ; q=0.001"}, "among others": {"Accept: text/html, application/json, */*;q=0"},
		"in a second line": {"Accept: text/plain", "Accept: application/json"}, "with a parameter": {"Accept: application/json; charset=utf-8"},
	} {
		a := d.signIn("anna@example.com", password, header...)
		wantStatus(t, a, http.StatusOK)
		wantHeader(t, a, "Content-Type", "application/json")
		wantHeader(t, a, "Cache-Control", "no-store")
		var body struct {
			AccessToken string `json:"access_token"`
			TokenType   string `json:"token_type"`
			ExpiresIn   int    `json:"expires_in"`
		}
		a.into(t, &body)
		d.secrets = append(d.secrets, body.AccessToken)
		if _, err := d.tokens.Verify(t.Context(), body.AccessToken); err != nil || body.TokenType != "Bearer" || body.ExpiresIn != 3600 {
			t.Errorf("%s: the body is %+v (%v)", name, body, err)
		}
	}
}

func TestLoginWithoutCredentialsAsksForThem(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	for name, header := range map[string][]string{
		"none": nil, "another scheme": {"Authorization: Bearer " + d.anna}, "no base64": {"Authorization: Basic !!!"},
		"nothing": {"Authorization: Basic"}, "no colon": {"Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte("anna"))},
	} {
		a := d.do(http.MethodPost, "/login", "", nil, header...)
		wantProblem(t, a, http.StatusUnauthorized, problem.InvalidCredentials)
		wantHeader(t, a, "WWW-Authenticate", `Basic realm="mp3converter", charset="UTF-8"`)
		if a.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s: %s", name, a.body)
		}
	}
}

func TestLoginDoesNotSayWhatWasWrong(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	if _, err := d.accounts.Add(t.Context(), "disabled@example.com", password); err != nil {
		t.Fatal(err)
	}
	if err := d.accounts.SetDisabled(t.Context(), "disabled@example.com", true); err != nil {
		t.Fatal(err)
	}
	wrong := d.signIn("anna@example.com", "a wrong password")
	wantProblem(t, wrong, http.StatusUnauthorized, problem.InvalidCredentials)
	d.secrets = append(d.secrets, "a wrong password", "nobody@example.com")
	for name, a := range map[string]answer{
		"an unknown address":          d.signIn("nobody@example.com", password),
		"a disabled user":             d.signIn("disabled@example.com", password),
		"an empty address":            d.signIn("", password),
		"an empty password":           d.signIn("anna@example.com", ""),
		"what is no address":          d.signIn("'; DROP TABLE users; --", password),
		"an address with a NUL":       d.signIn("anna@example.com\x00", password),
		"a password beyond the limit": d.signIn("new@example.com", strings.Repeat("x", 100_000)),
	} {
		wantHeader(t, a, "WWW-Authenticate", `Basic realm="mp3converter", charset="UTF-8"`)
		if a.StatusCode != wrong.StatusCode || a.body != wrong.body {
			t.Errorf("%s is answered with\n%s, a wrong password with\n%s", name, a.body, wrong.body)
		}
	}
}

func TestLoginIsThrottled(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	for range 2 {
		wantProblem(t, d.signIn("anna@example.com", "wrong"), http.StatusUnauthorized, problem.InvalidCredentials)
	}
	d.clock.pass(14*time.Minute + 30*time.Second)
	a := d.signIn("anna@example.com", password)
	wantProblem(t, a, http.StatusTooManyRequests, problem.TooManyAttempts)
	wantHeader(t, a, "Retry-After", "30")
	d.clock.pass(30 * time.Second)
	a = d.signIn("anna@example.com", password)
	wantStatus(t, a, http.StatusOK)
	d.secrets = append(d.secrets, a.body)
}

// accountsFunc is an Accounts of one function.
type accountsFunc func(ctx context.Context, email, password, address string) (account.User, error)

func (f accountsFunc) SignIn(ctx context.Context, email, password, address string) (account.User, error) {
	return f(ctx, email, password, address)
}

func TestLoginCountsTheCallersOwnAddress(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	for remote, want := range map[string]string{
		"192.0.2.7:1234": "192.0.2.7", "192.0.2.7": "192.0.2.7", "[2001:db8::1]:1234": "2001:db8::1", "2001:db8::1": "2001:db8::1",
	} {
		var got string
		h := d.login(accountsFunc(func(_ context.Context, _, _, address string) (account.User, error) {
			got = address
			return account.User{}, account.ErrBadCredentials
		}))
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/login", nil)
		r.RemoteAddr = remote
		r.SetBasicAuth("anna@example.com", password)
		for _, name := range []string{"X-Forwarded-For", "X-Real-Ip", "Forwarded"} {
			r.Header.Set(name, "198.51.100.1") // anybody can write that
		}
		wantProblem(t, serve(t, h, r), http.StatusUnauthorized, problem.InvalidCredentials)
		if got != want {
			t.Errorf("a caller from %s counts as %s, want %s", remote, got, want)
		}
	}
}

func TestLoginKeepsItsTroublesToItself(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	d.Handler = d.login(accountsFunc(func(context.Context, string, string, string) (account.User, error) {
		return account.User{}, errors.New("table users-3 is on fire")
	}))
	a := d.signIn("anna@example.com", password)
	wantProblem(t, a, http.StatusInternalServerError, problem.Internal)
	if strings.Contains(a.body, "fire") {
		t.Errorf("the answer tells too much: %s", a.body)
	}
	if !strings.Contains(d.log.String(), "on fire") || !strings.Contains(d.log.String(), requestID) {
		t.Errorf("the log does not say what happened: %s", d.log)
	}
}
