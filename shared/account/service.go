package account

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Throttle bounds how often sign-in may fail. Attempts are counted before the password is looked at, so parallel
// guesses cannot slip through; a success takes its own attempt back.
type Throttle struct {
	// Window is the length of one counting period.
	Window time.Duration
	// PerAccount and PerAddress are the failures allowed in one Window.
	PerAccount, PerAddress int
}

// DefaultThrottle lets a forgetful person through and makes guessing hopeless.
var DefaultThrottle = Throttle{Window: 15 * time.Minute, PerAccount: 10, PerAddress: 50}

// Config is what a Service is made of.
type Config struct {
	Users    Users
	Counters Counters
	// Throttle may be zero: DefaultThrottle.
	Throttle Throttle
	// Now may be nil: time.Now.
	Now func() time.Time
}

// Service signs people in and manages them. It is safe for concurrent use.
type Service struct{ cfg Config }

// NewService returns a Service. Counters may be nil in a tool that only manages users.
func NewService(cfg Config) *Service {
	if cfg.Throttle == (Throttle{}) {
		cfg.Throttle = DefaultThrottle
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Service{cfg: cfg}
}

// SignIn checks the credentials of somebody calling from address (an IP address). It returns ErrBadCredentials without
// saying which part was wrong, or a ThrottledError.
func (s *Service) SignIn(ctx context.Context, email, password, address string) (User, error) {
	email, err := CanonicalEmail(email)
	if err != nil || len(password) > MaxPasswordBytes {
		// Not an address anybody can have: still count it against the caller, and still spend the time.
		email = ""
	}
	attempt, err := s.countAttempt(ctx, email, address)
	if err != nil {
		return User{}, err
	}
	user, err := s.verify(ctx, email, password)
	if err != nil {
		return User{}, err
	}
	if err := attempt.takeBack(ctx); err != nil {
		return User{}, err
	}
	return user, nil
}

func (s *Service) verify(ctx context.Context, email, password string) (User, error) {
	user, err := User{}, ErrUnknownUser
	if email != "" {
		user, err = s.cfg.Users.Find(ctx, email)
	}
	hash := user.PasswordHash
	switch {
	case errors.Is(err, ErrUnknownUser):
		hash = absentHash
	case err != nil:
		return User{}, fmt.Errorf("find user: %w", err)
	}
	if len(password) > MaxPasswordBytes {
		password = ""
	}
	ok, weak, err := checkPassword(password, hash)
	if err != nil {
		return User{}, fmt.Errorf("user %s: %w", user.ID, err)
	}
	if !ok || user.ID == "" || user.Disabled {
		return User{}, ErrBadCredentials
	}
	if weak {
		if err := s.rehash(ctx, user, password); err != nil {
			return User{}, err
		}
	}
	return user, nil
}

func (s *Service) rehash(ctx context.Context, user User, password string) error {
	hash, err := hashPassword(password)
	if err != nil {
		return err
	}
	err = s.cfg.Users.SetPasswordHash(ctx, user.Email, user.PasswordHash, hash)
	if err != nil && !errors.Is(err, ErrUnknownUser) { // changed meanwhile: theirs is as good as ours
		return fmt.Errorf("store stronger password hash: %w", err)
	}
	return nil
}

// attempt is one counted try to sign in.
type attempt struct {
	counters Counters
	keys     []string
	expires  time.Time
}

func (s *Service) countAttempt(ctx context.Context, email, address string) (attempt, error) {
	now, t := s.cfg.Now(), s.cfg.Throttle
	window := now.Truncate(t.Window)
	a := attempt{counters: s.cfg.Counters, expires: window.Add(2 * t.Window)}
	count := func(kind, who string, limit int) error {
		key := fmt.Sprintf("%s#%s#%d", kind, who, window.Unix())
		n, err := s.cfg.Counters.Add(ctx, key, 1, a.expires)
		if err != nil {
			return fmt.Errorf("count attempt: %w", err)
		}
		if n > limit {
			return ThrottledError{RetryAfter: window.Add(t.Window).Sub(now)}
		}
		a.keys = append(a.keys, key)
		return nil
	}
	if err := count("address", address, t.PerAddress); err != nil {
		return attempt{}, err
	}
	if email != "" {
		if err := count("account", email, t.PerAccount); err != nil {
			return attempt{}, err
		}
	}
	return a, nil
}

func (a attempt) takeBack(ctx context.Context) error {
	for _, key := range a.keys {
		if _, err := a.counters.Add(ctx, key, -1, a.expires); err != nil {
			return fmt.Errorf("take back counted attempt: %w", err)
		}
	}
	return nil
}

// Add makes a new user. It returns an InputError or ErrUserExists.
func (s *Service) Add(ctx context.Context, email, password string) (User, error) {
	email, err := CanonicalEmail(email)
	if err != nil {
		return User{}, err
	}
	if err := checkNewPassword(password); err != nil {
		return User{}, err
	}
	hash, err := hashPassword(password)
	if err != nil {
		return User{}, err
	}
	u := User{ID: newID(), Email: email, PasswordHash: hash, Created: s.cfg.Now().UTC().Truncate(time.Second)}
	if err := s.cfg.Users.Create(ctx, u); err != nil {
		return User{}, fmt.Errorf("add user: %w", err)
	}
	return u, nil
}

// SetPassword gives a user a new password. It returns an InputError or ErrUnknownUser.
func (s *Service) SetPassword(ctx context.Context, email, password string) error {
	email, err := CanonicalEmail(email)
	if err != nil {
		return err
	}
	if err := checkNewPassword(password); err != nil {
		return err
	}
	user, err := s.cfg.Users.Find(ctx, email)
	if err != nil {
		return fmt.Errorf("find user: %w", err)
	}
	hash, err := hashPassword(password)
	if err != nil {
		return err
	}
	if err := s.cfg.Users.SetPasswordHash(ctx, email, user.PasswordHash, hash); err != nil {
		return fmt.Errorf("set password: %w", err)
	}
	return nil
}

// SetDisabled stops a user from signing in, or lets them in again. Tokens already given out run to their end.
func (s *Service) SetDisabled(ctx context.Context, email string, disabled bool) error {
	email, err := CanonicalEmail(email)
	if err != nil {
		return err
	}
	if err := s.cfg.Users.SetDisabled(ctx, email, disabled); err != nil {
		return fmt.Errorf("disable or enable user: %w", err)
	}
	return nil
}

// List returns all users by e-mail address.
func (s *Service) List(ctx context.Context) ([]User, error) {
	users, err := s.cfg.Users.List(ctx)
	if err != nil {
		return nil, fmt.Errorf("list users: %w", err)
	}
	slices.SortFunc(users, func(a, b User) int { return strings.Compare(a.Email, b.Email) })
	return users, nil
}
