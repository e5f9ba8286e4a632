// Package account knows who may sign in: users, their passwords, the throttling of guesses, and the tokens that say who
// somebody is.
//
// It touches no network and no clock of its own: a Users store, a KeySource and a clock are handed in. Passwords are kept
// only as argon2id hashes; nothing in this package logs.
package account

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"errors"
	"fmt"
	"net/mail"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Errors that callers tell apart.
var (
	// ErrUnknownUser means that no user has this e-mail address.
	ErrUnknownUser = errors.New("unknown user")
	// ErrUserExists means that the e-mail address is taken.
	ErrUserExists = errors.New("user exists already")
	// ErrBadCredentials covers an unknown address, a wrong password and a disabled user alike.
	ErrBadCredentials = errors.New("wrong e-mail address or password")
)

// InputError says what is wrong with an e-mail address or a new password, in words for the person who typed it.
type InputError string

func (e InputError) Error() string { return string(e) }

// ThrottledError means that there were too many attempts; trying again before RetryAfter has passed is refused unseen.
type ThrottledError struct{ RetryAfter time.Duration }

func (e ThrottledError) Error() string {
	return fmt.Sprintf("too many attempts to sign in; try again in %s", e.RetryAfter)
}

// User is a person who may sign in.
type User struct {
	// ID is 128 random bits; it never changes, and files belong to it.
	ID string
	// Email is canonical: see CanonicalEmail.
	Email string
	// PasswordHash is an argon2id hash as a PHC string.
	PasswordHash string
	Disabled     bool
	Created      time.Time
}

// Users is where users are kept. Implementations are safe for concurrent use, read their own writes, and have made a
// write durable when they return.
type Users interface {
	// Find returns ErrUnknownUser when there is no such user.
	Find(ctx context.Context, email string) (User, error)
	// Create returns ErrUserExists, and changes nothing, when the address is taken.
	Create(ctx context.Context, u User) error
	// SetPasswordHash replaces the hash only while it still is old; ErrUnknownUser when the user or that hash is gone.
	SetPasswordHash(ctx context.Context, email, old, hash string) error
	// SetDisabled returns ErrUnknownUser when there is no such user.
	SetDisabled(ctx context.Context, email string, disabled bool) error
	// List returns all users, in no particular order.
	List(ctx context.Context) ([]User, error)
}

// Counters counts attempts. Add is atomic: of two concurrent calls each sees the other's effect or not at all.
type Counters interface {
	// Add adds n to the counter named key, which starts at 0 and may be forgotten after expires, and returns the sum.
	Add(ctx context.Context, key string, n int, expires time.Time) (int, error)
}

// CanonicalEmail checks an e-mail address and returns the one form under which it is stored: trimmed, in lower case.
// Only plain ASCII addresses with a domain are taken; the error is an InputError.
func CanonicalEmail(s string) (string, error) {
	s = strings.TrimSpace(s)
	if len(s) > 254 { // RFC 5321 §4.5.3.1.3, less the angle brackets
		return "", InputError("the e-mail address is longer than 254 characters")
	}
	a, err := mail.ParseAddress(s)
	if err != nil || a.Address != s || a.Name != "" || !isASCIIPrintable(s) {
		return "", InputError("that is not an e-mail address")
	}
	return strings.ToLower(s), nil
}

func isASCIIPrintable(s string) bool {
	for _, r := range s {
		if r > unicode.MaxASCII || !unicode.IsPrint(r) || r == ' ' {
			return false
		}
	}
	return true
}

// Length limits of a password, in bytes of UTF-8. The lower one follows NIST SP 800-63B for a password that stands alone;
// the upper one bounds the work of hashing.
const (
	MinPasswordBytes = 12
	MaxPasswordBytes = 1024
)

func checkNewPassword(password string) error {
	switch {
	case len(password) < MinPasswordBytes:
		return InputError(fmt.Sprintf("the password needs at least %d characters", MinPasswordBytes))
	case len(password) > MaxPasswordBytes:
		return InputError(fmt.Sprintf("the password may have at most %d bytes", MaxPasswordBytes))
	case !utf8.ValidString(password):
		return InputError("the password must be UTF-8 text")
	}
	return nil
}

// newID returns 128 random bits in lower-case base32 without padding.
func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // crypto/rand.Read never fails (Go 1.24)
	return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(b[:]))
}
