package api

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"time"

	"mp3converter/shared/account"
	"mp3converter/shared/problem"
)

// Accounts signs people in; account.Service does.
type Accounts interface {
	// SignIn returns account.ErrBadCredentials or an account.ThrottledError.
	SignIn(ctx context.Context, email, password, address string) (account.User, error)
}

// Issuer makes tokens; account.Tokens does.
type Issuer interface {
	Issue(ctx context.Context, u account.User) (string, error)
}

// Login answers POST /login.
func Login(log *slog.Logger, accounts Accounts, tokens Issuer, ttl time.Duration) http.Handler {
	return routes(log, map[string]methods{"/login": {http.MethodPost: func(w http.ResponseWriter, r *http.Request) error {
		email, password, ok := r.BasicAuth()
		if !ok {
			return badCredentials("Send e-mail address and password with HTTP Basic authentication.")
		}
		user, err := accounts.SignIn(r.Context(), email, password, callerAddress(r))
		if errors.Is(err, account.ErrBadCredentials) {
			return badCredentials("E-mail address or password is wrong.")
		}
		if err != nil {
			return err
		}
		token, err := tokens.Issue(r.Context(), user)
		if err != nil {
			return err
		}
		log.InfoContext(r.Context(), "signed in", "user_id", user.ID, "request_id", r.Header.Get(RequestIDHeader))
		if accepts(r, "application/json") {
			return writeJSON(w, http.StatusOK, struct {
				AccessToken string `json:"access_token"`
				TokenType   string `json:"token_type"`
				ExpiresIn   int    `json:"expires_in"`
			}{token, "Bearer", int(ttl.Seconds())})
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = io.WriteString(w, token) //nolint:gosec // our own token, as text; no line break: the body is the token
		return nil
	}}})
}

func badCredentials(detail string) error {
	return problem.New(problem.InvalidCredentials, detail).
		WithHeader("WWW-Authenticate", `Basic realm="mp3converter", charset="UTF-8"`)
}
