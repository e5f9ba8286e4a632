package account_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"mp3converter/shared/account"
	"mp3converter/shared/account/accounttest"
)

func TestAddMakesAUserWhoCanSignIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, account.Throttle{})
	u, err := w.Add(t.Context(), " Bert@Example.com ", "pässwörd 🔑 ok")
	if err != nil {
		t.Fatal(err)
	}
	if u.Email != "bert@example.com" || len(u.ID) != 26 || u.Disabled || !strings.HasPrefix(u.PasswordHash, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Errorf("added %+v", u)
	}
	got, err := w.SignIn(t.Context(), "bert@example.com", "pässwörd 🔑 ok", "192.0.2.1")
	if err != nil || got != u {
		t.Errorf("signed in as %+v (%v), want %+v", got, err, u)
	}
	_, err = w.Add(t.Context(), "BERT@example.com", password)
	wantErr(t, err, account.ErrUserExists)
}

func TestSetPasswordRetiresTheOldOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t, account.Throttle{})
	const other = "another long password"
	wantErr(t, w.SetPassword(t.Context(), strings.ToUpper(w.user.Email), other), nil)
	_, err := w.SignIn(t.Context(), w.user.Email, password, "192.0.2.1")
	wantErr(t, err, account.ErrBadCredentials)
	_, err = w.SignIn(t.Context(), w.user.Email, other, "192.0.2.1")
	wantErr(t, err, nil)
	wantErr(t, w.SetPassword(t.Context(), "nobody@example.com", other), account.ErrUnknownUser)
	wantErr(t, w.SetDisabled(t.Context(), "nobody@example.com", true), account.ErrUnknownUser)
}

func TestNewPasswordsAreChecked(t *testing.T) {
	t.Parallel()
	w := newWorld(t, account.Throttle{})
	for name, bad := range map[string]string{
		"empty": "", "11 bytes": "elevenbytes", "over-long": strings.Repeat("x", account.MaxPasswordBytes+1), "no UTF-8": "twelve bytes\xff",
	} {
		var input account.InputError
		_, err := w.Add(t.Context(), "new@example.com", bad)
		if !errors.As(err, &input) {
			t.Errorf("%s: Add gives %v, want an InputError", name, err)
		}
		if err := w.SetPassword(t.Context(), w.user.Email, bad); !errors.As(err, &input) {
			t.Errorf("%s: SetPassword gives %v, want an InputError", name, err)
		}
	}
	var input account.InputError
	_, err := w.Add(t.Context(), "no address", password)
	if !errors.As(err, &input) {
		t.Errorf("a bad address gives %v, want an InputError", err)
	}
	_, err = w.Add(t.Context(), "limits@example.com", strings.Repeat("x", account.MaxPasswordBytes))
	wantErr(t, err, nil)
	_, err = w.SignIn(t.Context(), "limits@example.com", strings.Repeat("x", account.MaxPasswordBytes), "192.0.2.1")
	wantErr(t, err, nil)
}

func TestListIsByAddress(t *testing.T) {
	t.Parallel()
	w := newWorld(t, account.Throttle{})
	for range 5 {
		wantErr(t, w.store.Create(t.Context(), accounttest.NewUser("hash")), nil)
	}
	users, err := w.List(t.Context())
	if err != nil || len(users) != 6 || !slices.IsSortedFunc(users, func(a, b account.User) int { return strings.Compare(a.Email, b.Email) }) {
		t.Errorf("the list has %d users (%v): %v", len(users), err, users)
	}
}
