// Package accounttest is what tests need of account's stores: both in memory, and the contract that every pair is held to.
package accounttest

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"mp3converter/shared/account"
)

// Store is both of account's stores, as one table implements them.
type Store interface {
	account.Users
	account.Counters
}

// Memory is a Store in memory. Its zero value is empty and ready; it is safe for concurrent use.
type Memory struct {
	// Found counts the calls of Find.
	Found atomic.Int64

	mu       sync.Mutex
	users    map[string]account.User
	counters map[string]counter
}

type counter struct {
	sum     int
	expires time.Time
}

var _ Store = (*Memory)(nil)

// Find implements account.Users.
func (m *Memory) Find(ctx context.Context, email string) (account.User, error) {
	m.Found.Add(1)
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return account.User{}, err
	}
	u, ok := m.users[email]
	if !ok {
		return account.User{}, account.ErrUnknownUser
	}
	return u, nil
}

// Create implements account.Users.
func (m *Memory) Create(ctx context.Context, u account.User) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if _, taken := m.users[u.Email]; taken {
		return account.ErrUserExists
	}
	if m.users == nil {
		m.users = map[string]account.User{}
	}
	m.users[u.Email] = u
	return nil
}

// SetPasswordHash implements account.Users.
func (m *Memory) SetPasswordHash(ctx context.Context, email, old, hash string) error {
	return m.change(ctx, email, func(u *account.User) bool {
		if u.PasswordHash != old {
			return false
		}
		u.PasswordHash = hash
		return true
	})
}

// SetDisabled implements account.Users.
func (m *Memory) SetDisabled(ctx context.Context, email string, disabled bool) error {
	return m.change(ctx, email, func(u *account.User) bool {
		u.Disabled = disabled
		return true
	})
}

func (m *Memory) change(ctx context.Context, email string, apply func(u *account.User) bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	u, ok := m.users[email]
	if !ok || !apply(&u) {
		return account.ErrUnknownUser
	}
	m.users[email] = u
	return nil
}

// List implements account.Users.
func (m *Memory) List(ctx context.Context) ([]account.User, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var users []account.User
	for _, u := range m.users {
		users = append(users, u)
	}
	return users, nil
}

// Add implements account.Counters.
func (m *Memory) Add(ctx context.Context, key string, n int, expires time.Time) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if m.counters == nil {
		m.counters = map[string]counter{}
	}
	c := counter{sum: m.counters[key].sum + n, expires: expires}
	m.counters[key] = c
	return c.sum, nil
}

// Counters returns the sum of every counter and until when it must be kept, by key.
func (m *Memory) Counters() (sums map[string]int, expires map[string]time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	sums, expires = map[string]int{}, map[string]time.Time{}
	for key, c := range m.counters {
		sums[key], expires[key] = c.sum, c.expires
	}
	return sums, expires
}
