// Login answers POST /login: it exchanges an e-mail address and a password for a token.
package main

import (
	"context"
	"log/slog"
	"net/http"

	"mp3converter/shared/account"
	"mp3converter/shared/api"
	"mp3converter/shared/aws"
	"mp3converter/shared/config"
	"mp3converter/shared/host"
)

func main() { host.HTTP("login", build) }

func build(ctx context.Context, log *slog.Logger) (http.Handler, error) {
	cfg, err := config.Load[config.Login]()
	if err != nil {
		return nil, err
	}
	cloud, err := aws.Connect(ctx)
	if err != nil {
		return nil, err
	}
	users := aws.NewUsers(cloud, cfg.UsersTable)
	accounts := account.NewService(account.Config{Users: users, Counters: users})
	tokens := &account.Tokens{Keys: aws.NewKeys(cloud, cfg.TokenSecretID), Issuer: cfg.TokenIssuer, TTL: cfg.TokenTTL}
	return api.Login(log, accounts, tokens, cfg.TokenTTL), nil
}
