package accounttest

import (
	"context"
	"crypto/rand"
	"errors"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mp3converter/shared/account"
)

// Contract holds a Store to everything that account.Users and account.Counters promise. The store may be shared with
// others: only users and counters made up here are changed. open is called once for each part.
func Contract(t *testing.T, open func(t *testing.T) Store) {
	for name, part := range map[string]func(*testing.T, Store){
		"every field survives":                         fieldsSurvive,
		"an unknown user is told apart":                unknownUser,
		"a taken address is refused":                   takenAddress,
		"of concurrent new users exactly one wins":     concurrentCreates,
		"a password is replaced only while it is old":  passwords,
		"of concurrent new passwords exactly one wins": concurrentPasswords,
		"a user is disabled and enabled":               disables,
		"the list has every user and nothing else":     lists,
		"counters add up each on its own":              counters,
		"concurrent additions are all counted":         concurrentCounts,
		"a cancelled context is an error":              cancelled,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			part(t, open(t))
		})
	}
}

// NewUser returns a fresh user with an address that nobody else has, and with that password hash.
func NewUser(hash string) account.User {
	id := strings.ToLower(rand.Text())
	return account.User{
		ID: id, Email: id + "@example.com", PasswordHash: hash, Created: time.Now().UTC().Truncate(time.Second),
	}
}

func create(t *testing.T, s Store) account.User {
	t.Helper()
	u := NewUser("$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA")
	if err := s.Create(t.Context(), u); err != nil {
		t.Fatalf("Create: %v", err)
	}
	return u
}

func wantUser(t *testing.T, s Store, want account.User) {
	t.Helper()
	got, err := s.Find(t.Context(), want.Email)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("found %+v (%v), want %+v", got, err, want)
	}
}

func wantErr(t *testing.T, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("error is %v, want %v", got, want)
	}
}

func fieldsSurvive(t *testing.T, s Store) {
	wantUser(t, s, create(t, s))
	disabled := NewUser("hash")
	disabled.Disabled = true
	wantErr(t, s.Create(t.Context(), disabled), nil)
	wantUser(t, s, disabled)
}

func unknownUser(t *testing.T, s Store) {
	email := NewUser("").Email
	wantErr(t, s.SetPasswordHash(t.Context(), email, "", "new"), account.ErrUnknownUser)
	wantErr(t, s.SetPasswordHash(t.Context(), email, "old", "new"), account.ErrUnknownUser)
	wantErr(t, s.SetDisabled(t.Context(), email, true), account.ErrUnknownUser)
	_, err := s.Find(t.Context(), email)
	wantErr(t, err, account.ErrUnknownUser)
}

func takenAddress(t *testing.T, s Store) {
	u := create(t, s)
	other := NewUser("other hash")
	other.Email = u.Email
	wantErr(t, s.Create(t.Context(), other), account.ErrUserExists)
	wantUser(t, s, u)
}

// inParallel runs do n times at once and returns when all have ended.
func inParallel(n int, do func(i int)) {
	var start, end sync.WaitGroup
	start.Add(n)
	for i := range n {
		end.Go(func() {
			start.Done()
			start.Wait()
			do(i)
		})
	}
	end.Wait()
}

const crowd = 20

func concurrentCreates(t *testing.T, s Store) {
	email := NewUser("").Email
	var winner atomic.Pointer[account.User]
	inParallel(crowd, func(int) {
		u := NewUser("hash")
		u.Email = email
		switch err := s.Create(t.Context(), u); {
		case err == nil:
			if !winner.CompareAndSwap(nil, &u) {
				t.Error("two users were created under one address")
			}
		case !errors.Is(err, account.ErrUserExists):
			t.Errorf("one that lost got %v, want %v", err, account.ErrUserExists)
		}
	})
	if winner.Load() == nil {
		t.Fatal("nobody was created")
	}
	wantUser(t, s, *winner.Load())
}

func passwords(t *testing.T, s Store) {
	u := create(t, s)
	wantErr(t, s.SetPasswordHash(t.Context(), u.Email, "another", "new"), account.ErrUnknownUser)
	wantErr(t, s.SetPasswordHash(t.Context(), u.Email, "", "new"), account.ErrUnknownUser)
	wantUser(t, s, u)
	wantErr(t, s.SetPasswordHash(t.Context(), u.Email, u.PasswordHash, "new"), nil)
	u.PasswordHash = "new"
	wantUser(t, s, u)
}

func concurrentPasswords(t *testing.T, s Store) {
	u := create(t, s)
	var won atomic.Int64
	inParallel(crowd, func(int) {
		switch err := s.SetPasswordHash(t.Context(), u.Email, u.PasswordHash, rand.Text()); {
		case err == nil:
			won.Add(1)
		case !errors.Is(err, account.ErrUnknownUser):
			t.Errorf("one that lost got %v, want %v", err, account.ErrUnknownUser)
		}
	})
	if won.Load() != 1 {
		t.Errorf("%d changes won, want exactly 1", won.Load())
	}
}

func disables(t *testing.T, s Store) {
	u := create(t, s)
	for _, disabled := range []bool{true, true, false} {
		wantErr(t, s.SetDisabled(t.Context(), u.Email, disabled), nil)
		u.Disabled = disabled
		wantUser(t, s, u)
	}
}

func lists(t *testing.T, s Store) {
	a, b := create(t, s), create(t, s)
	if _, err := s.Add(t.Context(), a.Email, 1, time.Now().Add(time.Hour)); err != nil {
		t.Fatalf("Add: %v", err)
	}
	users, err := s.List(t.Context())
	if err != nil || !slices.Contains(users, a) || !slices.Contains(users, b) {
		t.Errorf("a new user is missing in the list of %d (%v)", len(users), err)
	}
	for _, u := range users {
		if u.ID == "" || u.Email == "" || u.PasswordHash == "" {
			t.Errorf("the list has something that is no user: %+v", u)
		}
	}
}

func counters(t *testing.T, s Store) {
	one, other, expires := rand.Text()+"#ünï", rand.Text(), time.Now().Add(time.Hour)
	for _, step := range []struct {
		key     string
		n, want int
	}{{one, 1, 1}, {one, 1, 2}, {other, 5, 5}, {one, -1, 1}, {one, 0, 1}, {one, -3, -2}, {other, -5, 0}} {
		got, err := s.Add(t.Context(), step.key, step.n, expires)
		if got != step.want || err != nil {
			t.Errorf("adding %d gives %d (%v), want %d", step.n, got, err, step.want)
		}
	}
}

func concurrentCounts(t *testing.T, s Store) {
	key, sums := rand.Text(), make([]int, crowd)
	inParallel(crowd, func(i int) {
		n, err := s.Add(t.Context(), key, 1, time.Now().Add(time.Hour))
		wantErr(t, err, nil)
		sums[i] = n
	})
	slices.Sort(sums)
	for i, n := range sums {
		if n != i+1 {
			t.Fatalf("the sums are %v, want each from 1 to %d once", sums, crowd)
		}
	}
}

func cancelled(t *testing.T, s Store) {
	u := create(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, findErr := s.Find(ctx, u.Email)
	_, listErr := s.List(ctx)
	_, addErr := s.Add(ctx, u.Email, 1, time.Now().Add(time.Hour))
	for call, err := range map[string]error{
		"Find": findErr, "List": listErr, "Add": addErr, "Create": s.Create(ctx, NewUser("hash")),
		"SetPasswordHash": s.SetPasswordHash(ctx, u.Email, u.PasswordHash, "new"), "SetDisabled": s.SetDisabled(ctx, u.Email, true),
	} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s with a cancelled context gives %v", call, err)
		}
	}
	wantUser(t, s, u)
}
