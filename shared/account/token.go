package account

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Errors of Tokens.Verify.
var (
	// ErrTokenExpired means that the token was good once.
	ErrTokenExpired = errors.New("token has expired")
	// ErrTokenInvalid means anything else: forged, cut, for another service, signed with a retired key.
	ErrTokenInvalid = errors.New("token is not valid")
)

// Key is one signing key.
type Key struct {
	// ID goes into the token's kid header.
	ID string
	// Secret is the HMAC key, at least 32 bytes (RFC 7518 §3.2).
	Secret []byte
}

// KeySource holds the signing keys. It may be slow the first time and caches after that; it is safe for concurrent use.
type KeySource interface {
	// Current returns the key that signs new tokens.
	Current(ctx context.Context) (Key, error)
	// Find returns the key with this ID among those valid now, and false when there is none.
	Find(ctx context.Context, id string) (Key, bool, error)
}

// Identity is who a valid token speaks for.
type Identity struct {
	UserID string
	Email  string
}

// Tokens issues and verifies JSON Web Tokens (RFC 7519), signed with HMAC-SHA-256 and nothing else.
type Tokens struct {
	// Keys signs and verifies.
	Keys KeySource
	// Issuer is both iss and aud: the service issues tokens to itself.
	Issuer string
	// TTL is how long a new token is valid.
	TTL time.Duration
	// Now may be nil: time.Now.
	Now func() time.Time
}

type claims struct {
	Email string `json:"email"`
	jwt.RegisteredClaims
}

var signingMethod = jwt.SigningMethodHS256

func (t *Tokens) now() time.Time {
	if t.Now == nil {
		return time.Now()
	}
	return t.Now()
}

// Issue returns a signed token for the user.
func (t *Tokens) Issue(ctx context.Context, u User) (string, error) {
	key, err := t.Keys.Current(ctx)
	if err != nil {
		return "", fmt.Errorf("get signing key: %w", err)
	}
	now := t.now()
	token := jwt.NewWithClaims(signingMethod, claims{
		Email: u.Email,
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer:    t.Issuer,
			Subject:   u.ID,
			Audience:  jwt.ClaimStrings{t.Issuer},
			ExpiresAt: jwt.NewNumericDate(now.Add(t.TTL)),
			IssuedAt:  jwt.NewNumericDate(now),
			ID:        newID(),
		},
	})
	token.Header["kid"] = key.ID
	signed, err := token.SignedString(key.Secret)
	if err != nil {
		return "", fmt.Errorf("sign token: %w", err)
	}
	return signed, nil
}

// maxTokenBytes bounds what Verify looks at; our own tokens have well under 1 KiB.
const maxTokenBytes = 4096

// Verify returns whom the token speaks for, ErrTokenExpired, ErrTokenInvalid, or the KeySource's error.
func (t *Tokens) Verify(ctx context.Context, raw string) (Identity, error) {
	// Base64 decoders pass over line breaks, so the same signature could be written in many ways.
	if len(raw) > maxTokenBytes || strings.ContainsAny(raw, "\r\n") {
		return Identity{}, ErrTokenInvalid
	}
	var keyErr error
	findKey := func(token *jwt.Token) (any, error) {
		id, _ := token.Header["kid"].(string)
		key, ok, err := t.Keys.Find(ctx, id)
		if err != nil {
			keyErr = err
			return nil, err
		}
		if !ok {
			return nil, ErrTokenInvalid
		}
		return key.Secret, nil
	}
	var c claims
	_, err := jwt.ParseWithClaims(raw, &c, findKey,
		jwt.WithValidMethods([]string{signingMethod.Alg()}), jwt.WithIssuer(t.Issuer), jwt.WithAudience(t.Issuer),
		jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithTimeFunc(t.now), jwt.WithLeeway(5*time.Second),
		jwt.WithStrictDecoding())
	switch {
	case keyErr != nil:
		return Identity{}, fmt.Errorf("get verification key: %w", keyErr)
	case errors.Is(err, jwt.ErrTokenExpired) && !errors.Is(err, jwt.ErrTokenSignatureInvalid):
		return Identity{}, ErrTokenExpired
	case err != nil:
		return Identity{}, fmt.Errorf("%w: %w", ErrTokenInvalid, err)
	case c.Subject == "" || c.Email == "":
		return Identity{}, ErrTokenInvalid
	}
	return Identity{UserID: c.Subject, Email: c.Email}, nil
}
