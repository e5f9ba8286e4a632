package account_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alexedwards/argon2id"

	"mp3converter/shared/account"
	"mp3converter/shared/account/accounttest"
)

const password = "correct horse battery staple"

// clock is a time that only moves when it is told to.
type clock struct{ nanos atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.nanos.Store(time.Date(2026, 3, 1, 12, 1, 0, 0, time.UTC).UnixNano())
	return c
}

func (c *clock) now() time.Time       { return time.Unix(0, c.nanos.Load()) }
func (c *clock) pass(d time.Duration) { c.nanos.Add(int64(d)) }

// staple is a hash of password, made once because it takes a while.
var staple = sync.OnceValue(func() string {
	hash, err := argon2id.CreateHash(password, &argon2id.Params{Memory: 19 * 1024, Iterations: 2, Parallelism: 1, SaltLength: 16, KeyLength: 32})
	if err != nil {
		panic(err)
	}
	return hash
})

type world struct {
	*account.Service
	store *accounttest.Memory
	clock *clock
	user  account.User
}

func newWorld(t *testing.T, throttle account.Throttle) world {
	t.Helper()
	w := world{store: &accounttest.Memory{}, clock: newClock(), user: accounttest.NewUser(staple())}
	w.Service = account.NewService(account.Config{Users: w.store, Counters: w.store, Throttle: throttle, Now: w.clock.now})
	if err := w.store.Create(t.Context(), w.user); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w world) sums() []int {
	sums, _ := w.store.Counters()
	return slices.Sorted(maps.Values(sums))
}

func wantErr(t *testing.T, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("error is %v, want %v", got, want)
	}
}

// TestUnknownAndWrongTakeTheSameWork counts the memory that hashing fills, which is by far the most of any sign-in. It
// must not run beside other tests, so it is not parallel.
func TestUnknownAndWrongTakeTheSameWork(t *testing.T) {
	w := newWorld(t, account.Throttle{})
	off := accounttest.NewUser(staple())
	off.Disabled = true
	if err := w.store.Create(t.Context(), off); err != nil {
		t.Fatal(err)
	}
	work := func(email, password string) uint64 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := w.SignIn(t.Context(), email, password, "192.0.2.1")
		runtime.ReadMemStats(&after)
		wantErr(t, err, account.ErrBadCredentials)
		return (after.TotalAlloc - before.TotalAlloc + 1<<19) >> 20 // MiB
	}
	want := work(w.user.Email, "wrong")
	if want != 19 {
		t.Errorf("a wrong password takes %d MiB of hashing, want 19", want)
	}
	for name, got := range map[string]uint64{
		"an unknown address":              work("nobody@example.com", password),
		"what is no address":              work("nobody", password),
		"an empty address":                work("", ""),
		"an empty password":               work(w.user.Email, ""),
		"a password that is too long":     work(w.user.Email, strings.Repeat("x", account.MaxPasswordBytes+1)),
		"a disabled user, right password": work(off.Email, password),
		"a disabled user, wrong password": work(off.Email, "wrong"),
	} {
		if got != want {
			t.Errorf("%s takes %d MiB of hashing, a wrong password %d", name, got, want)
		}
	}
}

func TestSignInTakesTheRightCredentialsOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t, account.Throttle{})
	disabled := accounttest.NewUser(staple())
	disabled.Disabled = true
	if err := w.store.Create(t.Context(), disabled); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, email, password string
		want                  error
	}{
		{"right", w.user.Email, password, nil},
		{"right, the address in capitals and with spaces", "  " + strings.ToUpper(w.user.Email) + "\t", password, nil},
		{"a wrong password", w.user.Email, "wrong", account.ErrBadCredentials},
		{"an empty password", w.user.Email, "", account.ErrBadCredentials},
		{"a password with a space more", w.user.Email, password + " ", account.ErrBadCredentials},
		{"a password with a NUL more", w.user.Email, password + "\x00", account.ErrBadCredentials},
		{"the hash as the password", w.user.Email, w.user.PasswordHash, account.ErrBadCredentials},
		{"a password beyond the limit", w.user.Email, strings.Repeat("x", account.MaxPasswordBytes+1), account.ErrBadCredentials},
		{"an unknown address", "nobody@example.com", password, account.ErrBadCredentials},
		{"what is no address", "nobody", password, account.ErrBadCredentials},
		{"an address with a name", "A <" + w.user.Email + ">", password, account.ErrBadCredentials},
		{"an address with a line break", w.user.Email + "\r\nx", password, account.ErrBadCredentials},
		{"an endless address", strings.Repeat("x", 1<<16) + "@example.com", password, account.ErrBadCredentials},
		{"a disabled user", disabled.Email, password, account.ErrBadCredentials},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := w.SignIn(t.Context(), c.email, c.password, "192.0.2.1")
			if !errors.Is(err, c.want) {
				t.Fatalf("error is %v, want %v", err, c.want)
			}
			if c.want == nil && got.ID != w.user.ID || c.want != nil && got != (account.User{}) {
				t.Errorf("signed in as %+v", got)
			}
		})
	}
}

func TestADisabledUserComesBackWhenEnabled(t *testing.T) {
	t.Parallel()
	w := newWorld(t, account.Throttle{})
	ctx := t.Context()
	signIn := func() error {
		_, err := w.SignIn(ctx, w.user.Email, password, "192.0.2.1")
		return err
	}
	wantErr(t, w.SetDisabled(ctx, strings.ToUpper(w.user.Email), true), nil)
	wantErr(t, signIn(), account.ErrBadCredentials)
	wantErr(t, w.SetDisabled(ctx, w.user.Email, false), nil)
	wantErr(t, signIn(), nil)
}

func TestParallelGuessesAreBoundedPerAccount(t *testing.T) {
	t.Parallel()
	const limit = 4
	w := newWorld(t, account.Throttle{Window: time.Minute, PerAccount: limit, PerAddress: 1000})
	throttled := guess(t, w, func(i int) (email, address string) { return w.user.Email, fmt.Sprintf("192.0.2.%d", i) })
	if got := w.store.Found.Load(); got != limit || throttled != guesses-limit {
		t.Errorf("%d guesses were verified and %d refused unseen, want %d and %d", got, throttled, limit, guesses-limit)
	}
	// Now even the right password is not looked at, from anywhere; other accounts are as free as before.
	_, err := w.SignIn(t.Context(), w.user.Email, password, "198.51.100.1")
	wantThrottled(t, err, time.Minute)
	_, err = w.SignIn(t.Context(), "other@example.com", password, "192.0.2.1")
	wantErr(t, err, account.ErrBadCredentials)
	// In the next window all is well again.
	w.clock.pass(time.Minute)
	_, err = w.SignIn(t.Context(), w.user.Email, password, "192.0.2.1")
	wantErr(t, err, nil)
}

func TestParallelGuessesAreBoundedPerAddress(t *testing.T) {
	t.Parallel()
	const limit = 4
	w := newWorld(t, account.Throttle{Window: time.Minute, PerAccount: 1000, PerAddress: limit})
	throttled := guess(t, w, func(i int) (email, address string) { return fmt.Sprintf("user%d@example.com", i), "192.0.2.1" })
	if got := w.store.Found.Load(); got != limit || throttled != guesses-limit {
		t.Errorf("%d guesses were verified and %d refused unseen, want %d and %d", got, throttled, limit, guesses-limit)
	}
	_, err := w.SignIn(t.Context(), w.user.Email, password, "192.0.2.2")
	wantErr(t, err, nil)
}

func TestWhatIsNoAddressCountsAgainstTheCaller(t *testing.T) {
	t.Parallel()
	w := newWorld(t, account.Throttle{Window: time.Minute, PerAccount: 1000, PerAddress: 2})
	for _, email := range []string{"nonsense", ""} {
		_, err := w.SignIn(t.Context(), email, password, "192.0.2.1")
		wantErr(t, err, account.ErrBadCredentials)
	}
	_, err := w.SignIn(t.Context(), "nonsense", password, "192.0.2.1")
	wantThrottled(t, err, time.Minute)
	if got := w.store.Found.Load(); got != 0 {
		t.Errorf("the store was asked %d times for what cannot be there", got)
	}
}

const guesses = 30

// guess tries a wrong password many times at once and returns how many were refused unseen.
func guess(t *testing.T, w world, who func(i int) (email, address string)) int {
	t.Helper()
	var throttled atomic.Int64
	var all sync.WaitGroup
	for i := range guesses {
		all.Go(func() {
			email, address := who(i)
			_, err := w.SignIn(t.Context(), email, "wrong", address)
			var refused account.ThrottledError
			switch {
			case errors.As(err, &refused):
				throttled.Add(1)
			case !errors.Is(err, account.ErrBadCredentials):
				t.Errorf("a wrong guess gives %v", err)
			}
		})
	}
	all.Wait()
	return int(throttled.Load())
}

func wantThrottled(t *testing.T, err error, atMost time.Duration) {
	t.Helper()
	var throttled account.ThrottledError
	if !errors.As(err, &throttled) || throttled.RetryAfter <= 0 || throttled.RetryAfter > atMost {
		t.Errorf("error is %v, want to be throttled for at most %s", err, atMost)
	}
}

func TestRetryAfterIsTheRestOfTheWindow(t *testing.T) {
	t.Parallel()
	w := newWorld(t, account.Throttle{Window: 15 * time.Minute, PerAccount: 1, PerAddress: 10})
	_, err := w.SignIn(t.Context(), "nobody@example.com", "wrong", "192.0.2.1") // at 12:01
	wantErr(t, err, account.ErrBadCredentials)
	w.clock.pass(4 * time.Minute)
	_, err = w.SignIn(t.Context(), "nobody@example.com", "wrong", "192.0.2.1")
	var throttled account.ThrottledError
	if !errors.As(err, &throttled) || throttled.RetryAfter != 10*time.Minute {
		t.Errorf("error is %v, want to be throttled for 10m", err)
	}
	_, expires := w.store.Counters()
	for key, at := range expires {
		if at.Before(w.clock.now().Add(10 * time.Minute)) {
			t.Errorf("counter %s may be forgotten at %s, before its window ends", key, at)
		}
	}
}

func TestSuccessTakesItsAttemptBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t, account.Throttle{Window: time.Hour, PerAccount: 2, PerAddress: 2})
	_, err := w.SignIn(t.Context(), w.user.Email, "wrong", "192.0.2.1")
	wantErr(t, err, account.ErrBadCredentials)
	for range 3 {
		_, err := w.SignIn(t.Context(), w.user.Email, password, "192.0.2.1")
		wantErr(t, err, nil)
	}
	if got := w.sums(); !slices.Equal(got, []int{1, 1}) {
		t.Errorf("the counters stand at %v, want only the failure counted: [1 1]", got)
	}
}

func TestASuccessAcrossTheEndOfAWindowTakesBackTheOldOnesAttempt(t *testing.T) {
	t.Parallel()
	w := newWorld(t, account.Throttle{})
	slow := account.NewService(account.Config{
		Users: hooked{w.store, func() { w.clock.pass(time.Hour) }}, Counters: w.store, Now: w.clock.now,
	})
	_, err := slow.SignIn(t.Context(), w.user.Email, password, "192.0.2.1")
	wantErr(t, err, nil)
	if got := w.sums(); !slices.Equal(got, []int{0, 0}) {
		t.Errorf("the counters stand at %v, want [0 0]", got)
	}
}

// hooked runs something whenever a user is looked up.
type hooked struct {
	*accounttest.Memory
	found func()
}

func (h hooked) Find(ctx context.Context, email string) (account.User, error) {
	h.found()
	return h.Memory.Find(ctx, email)
}

// weaken gives the user a hash of password made with other parameters than today's.
func weaken(t *testing.T, w world, p argon2id.Params) string {
	t.Helper()
	hash, err := argon2id.CreateHash(password, &p)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.store.SetPasswordHash(t.Context(), w.user.Email, w.user.PasswordHash, hash); err != nil {
		t.Fatal(err)
	}
	return hash
}

func TestAWeakHashIsReplacedAtSignInAndAStrongOneIsNot(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		params   argon2id.Params
		replaced bool
	}{
		{"less memory", argon2id.Params{Memory: 1024, Iterations: 2, Parallelism: 1, SaltLength: 16, KeyLength: 32}, true},
		{"fewer passes", argon2id.Params{Memory: 19 * 1024, Iterations: 1, Parallelism: 1, SaltLength: 16, KeyLength: 32}, true},
		{"a shorter salt", argon2id.Params{Memory: 19 * 1024, Iterations: 2, Parallelism: 1, SaltLength: 8, KeyLength: 32}, true},
		{"a shorter key", argon2id.Params{Memory: 19 * 1024, Iterations: 2, Parallelism: 1, SaltLength: 16, KeyLength: 16}, true},
		{"today's", argon2id.Params{Memory: 19 * 1024, Iterations: 2, Parallelism: 1, SaltLength: 16, KeyLength: 32}, false},
		{"more of everything", argon2id.Params{Memory: 20 * 1024, Iterations: 3, Parallelism: 1, SaltLength: 32, KeyLength: 64}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, account.Throttle{})
			before := weaken(t, w, c.params)
			_, err := w.SignIn(t.Context(), w.user.Email, password, "192.0.2.1")
			wantErr(t, err, nil)
			u, err := w.store.Find(t.Context(), w.user.Email)
			if err != nil || (u.PasswordHash != before) != c.replaced {
				t.Errorf("the hash was replaced: %v (%v), want %v", u.PasswordHash != before, err, c.replaced)
			}
			if c.replaced && !strings.HasPrefix(u.PasswordHash, "$argon2id$v=19$m=19456,t=2,p=1$") {
				t.Errorf("the new hash is %s", u.PasswordHash)
			}
			_, err = w.SignIn(t.Context(), w.user.Email, password, "192.0.2.1")
			wantErr(t, err, nil)
		})
	}
}

func TestAWrongPasswordReplacesNoHash(t *testing.T) {
	t.Parallel()
	w := newWorld(t, account.Throttle{})
	before := weaken(t, w, argon2id.Params{Memory: 1024, Iterations: 1, Parallelism: 1, SaltLength: 16, KeyLength: 32})
	_, err := w.SignIn(t.Context(), w.user.Email, "wrong", "192.0.2.1")
	wantErr(t, err, account.ErrBadCredentials)
	if u, err := w.store.Find(t.Context(), w.user.Email); err != nil || u.PasswordHash != before {
		t.Errorf("a wrong password replaced the hash (%v)", err)
	}
}

// stubborn is a store whose user's password somebody else changes first.
type stubborn struct{ *accounttest.Memory }

func (stubborn) SetPasswordHash(context.Context, string, string, string) error {
	return account.ErrUnknownUser
}

func TestSomebodyElsesNewPasswordDuringSignInDoesNoHarm(t *testing.T) {
	t.Parallel()
	w := newWorld(t, account.Throttle{})
	weaken(t, w, argon2id.Params{Memory: 1024, Iterations: 1, Parallelism: 1, SaltLength: 16, KeyLength: 32})
	s := account.NewService(account.Config{Users: stubborn{w.store}, Counters: w.store})
	_, err := s.SignIn(t.Context(), w.user.Email, password, "192.0.2.1")
	wantErr(t, err, nil)
}

// broken is a store that cannot be reached.
type broken struct{ *accounttest.Memory }

var errBroken = errors.New("no route to store")

func (broken) Find(context.Context, string) (account.User, error) { return account.User{}, errBroken }
func (broken) Add(context.Context, string, int, time.Time) (int, error) {
	return 0, errBroken
}

func TestABrokenStoreIsNeitherWrongCredentialsNorARightGuess(t *testing.T) {
	t.Parallel()
	w := newWorld(t, account.Throttle{})
	for name, cfg := range map[string]account.Config{
		"users":    {Users: broken{w.store}, Counters: w.store},
		"counters": {Users: w.store, Counters: broken{w.store}},
	} {
		_, err := account.NewService(cfg).SignIn(t.Context(), w.user.Email, password, "192.0.2.1")
		if !errors.Is(err, errBroken) || errors.Is(err, account.ErrBadCredentials) {
			t.Errorf("with broken %s the error is %v, want %v", name, err, errBroken)
		}
	}
	if got := w.store.Found.Load(); got != 0 {
		t.Errorf("with broken counters the password was looked at %d times", got)
	}
	spoilt := accounttest.NewUser("not a hash")
	wantErr(t, w.store.Create(t.Context(), spoilt), nil)
	_, err := w.SignIn(t.Context(), spoilt.Email, "not a hash", "192.0.2.1")
	if err == nil || errors.Is(err, account.ErrBadCredentials) || strings.Contains(err.Error(), "not a hash") {
		t.Errorf("a spoilt hash gives %v", err)
	}
}
