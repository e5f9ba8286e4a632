package account_test

import (
	"context"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"hash"
	"maps"
	"strings"
	"testing"
	"time"

	"mp3converter/shared/account"
)

// keys is a KeySource in memory: the first key signs, all verify.
type keys []account.Key

func (k keys) Current(context.Context) (account.Key, error) { return k[0], nil }

func (k keys) Find(_ context.Context, id string) (account.Key, bool, error) {
	for _, key := range k {
		if key.ID == id {
			return key, true, nil
		}
	}
	return account.Key{}, false, nil
}

var (
	newKey = account.Key{ID: "new", Secret: []byte(strings.Repeat("n", 64))}
	oldKey = account.Key{ID: "old", Secret: []byte(strings.Repeat("o", 64))}
	anna   = account.User{ID: "anna-id", Email: "anna@example.com"}
	noon   = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
)

func newTokens(now time.Time, k ...account.Key) *account.Tokens {
	return &account.Tokens{Keys: keys(k), Issuer: "mp3converter", TTL: time.Hour, Now: func() time.Time { return now }}
}

func segment(v any) string {
	raw, ok := v.(string)
	if !ok {
		b, err := json.Marshal(v)
		if err != nil {
			panic(err)
		}
		raw = string(b)
	}
	return base64.RawURLEncoding.EncodeToString([]byte(raw))
}

func mac(h func() hash.Hash, signed string, secret []byte) string {
	m := hmac.New(h, secret)
	m.Write([]byte(signed))
	return base64.RawURLEncoding.EncodeToString(m.Sum(nil))
}

// forge signs whatever it is given with HMAC-SHA-256.
func forge(header, claims any, secret []byte) string {
	signed := segment(header) + "." + segment(claims)
	return signed + "." + mac(sha256.New, signed, secret)
}

type object = map[string]any

func goodHeader() object { return object{"alg": "HS256", "typ": "JWT", "kid": newKey.ID} }

func goodClaims() object {
	return object{
		"iss": "mp3converter", "aud": "mp3converter", "sub": anna.ID, "email": anna.Email, "jti": "x",
		"iat": noon.Unix(), "exp": noon.Add(time.Hour).Unix(),
	}
}

// with returns the object with one member changed, or without it when value is nil.
func with(o object, name string, value any) object {
	o = maps.Clone(o)
	if value == nil {
		delete(o, name)
	} else {
		o[name] = value
	}
	return o
}

func TestAnIssuedTokenSpeaksForItsUserUntilItExpires(t *testing.T) {
	t.Parallel()
	raw, err := newTokens(noon, newKey, oldKey).Issue(t.Context(), anna)
	if err != nil {
		t.Fatal(err)
	}
	for at, want := range map[time.Duration]error{
		0: nil, 59 * time.Minute: nil, time.Hour + 4*time.Second: nil, // within the leeway for clocks that differ
		time.Hour + 5*time.Second: account.ErrTokenExpired, 24 * time.Hour: account.ErrTokenExpired,
		-4 * time.Second: nil, -6 * time.Second: account.ErrTokenInvalid,
	} {
		who, err := newTokens(noon.Add(at), newKey).Verify(t.Context(), raw)
		if !errors.Is(err, want) || want == nil && who != (account.Identity{UserID: anna.ID, Email: anna.Email}) {
			t.Errorf("%s after its issue the token gives %+v, %v; want %v", at, who, err, want)
		}
	}
	var header object
	first, _, _ := strings.Cut(raw, ".")
	b, err := base64.RawURLEncoding.DecodeString(first)
	if err != nil || json.Unmarshal(b, &header) != nil || header["alg"] != "HS256" || header["kid"] != newKey.ID {
		t.Errorf("the header is %s (%v)", b, err)
	}
	again, err := newTokens(noon, newKey).Issue(t.Context(), anna)
	if err != nil || again == raw {
		t.Errorf("two tokens of the same moment are the same (%v)", err)
	}
}

func TestRotationKeepsThePreviousKeysTokensAndEndsTheOnesBefore(t *testing.T) {
	t.Parallel()
	raw, err := newTokens(noon, oldKey).Issue(t.Context(), anna)
	if err != nil {
		t.Fatal(err)
	}
	_, err = newTokens(noon, newKey, oldKey).Verify(t.Context(), raw)
	wantErr(t, err, nil)
	_, err = newTokens(noon, newKey).Verify(t.Context(), raw)
	wantErr(t, err, account.ErrTokenInvalid)
}

func TestTokensThatAreNoGood(t *testing.T) {
	t.Parallel()
	edDSA := func() string {
		_, key, err := ed25519.GenerateKey(nil)
		if err != nil {
			t.Fatal(err)
		}
		signed := segment(with(goodHeader(), "alg", "EdDSA")) + "." + segment(goodClaims())
		return signed + "." + base64.RawURLEncoding.EncodeToString(ed25519.Sign(key, []byte(signed)))
	}
	hs512 := func() string {
		signed := segment(with(goodHeader(), "alg", "HS512")) + "." + segment(goodClaims())
		return signed + "." + mac(sha512.New, signed, newKey.Secret)
	}
	none := func(alg string) string {
		return segment(with(goodHeader(), "alg", alg)) + "." + segment(goodClaims()) + "."
	}
	header := func(name string, value any) string {
		return forge(with(goodHeader(), name, value), goodClaims(), newKey.Secret)
	}
	claim := func(name string, value any) string {
		return forge(goodHeader(), with(goodClaims(), name, value), newKey.Secret)
	}
	good := forge(goodHeader(), goodClaims(), newKey.Secret)
	parts := strings.Split(good, ".")
	invalid, expired := account.ErrTokenInvalid, account.ErrTokenExpired
	past := noon.Add(-time.Minute).Unix()
	for name, c := range map[string]struct {
		token string
		want  error
	}{
		"a good one, for comparison":            {good, nil},
		"several audiences, one of them ours":   {claim("aud", []string{"x", "mp3converter"}), nil},
		"signed with the previous key":          {forge(with(goodHeader(), "kid", "old"), goodClaims(), oldKey.Secret), nil},
		"empty":                                 {"", invalid},
		"dots":                                  {"..", invalid},
		"no JWT":                                {"token", invalid},
		"alg none":                              {none("none"), invalid},
		"alg None":                              {none("None"), invalid},
		"alg NONE with a signature":             {header("alg", "NONE"), invalid},
		"alg none, signed":                      {header("alg", "none"), invalid},
		"alg empty":                             {header("alg", ""), invalid},
		"alg missing":                           {header("alg", nil), invalid},
		"alg a number":                          {header("alg", 256), invalid},
		"alg in lower case":                     {header("alg", "hs256"), invalid},
		"alg RS256, signed with HMAC":           {header("alg", "RS256"), invalid},
		"alg EdDSA, signed with Ed25519":        {edDSA(), invalid},
		"alg ES256, signed with HMAC":           {header("alg", "ES256"), invalid},
		"alg HS384, signed with SHA-256":        {header("alg", "HS384"), invalid},
		"alg HS512, signed with SHA-512":        {hs512(), invalid},
		"another key":                           {forge(goodHeader(), goodClaims(), []byte("guess")), invalid},
		"an empty key":                          {forge(goodHeader(), goodClaims(), nil), invalid},
		"the previous key under the new ID":     {forge(goodHeader(), goodClaims(), oldKey.Secret), invalid},
		"the new key under the previous ID":     {forge(with(goodHeader(), "kid", "old"), goodClaims(), newKey.Secret), invalid},
		"an unknown kid":                        {header("kid", "gone"), invalid},
		"an empty kid":                          {header("kid", ""), invalid},
		"no kid":                                {header("kid", nil), invalid},
		"kid a number":                          {header("kid", 1), invalid},
		"kid a path":                            {header("kid", "../../dev/null"), invalid},
		"another issuer":                        {claim("iss", "other"), invalid},
		"no issuer":                             {claim("iss", nil), invalid},
		"another audience":                      {claim("aud", "other"), invalid},
		"no audience":                           {claim("aud", nil), invalid},
		"an empty list of audiences":            {claim("aud", []string{}), invalid},
		"expired":                               {claim("exp", past), expired},
		"expired and signed with another key":   {forge(goodHeader(), with(goodClaims(), "exp", past), []byte("guess")), invalid},
		"expired and unsigned":                  {segment(with(goodHeader(), "alg", "none")) + "." + segment(with(goodClaims(), "exp", past)) + ".", invalid},
		"no expiry":                             {claim("exp", nil), invalid},
		"exp zero":                              {claim("exp", 0), expired},
		"exp negative":                          {claim("exp", -1), expired},
		"exp text":                              {claim("exp", "tomorrow"), invalid},
		"exp beyond all numbers":                {forge(goodHeader(), strings.Replace(segmentText(goodClaims()), `"exp":1772370000`, `"exp":1e999`, 1), newKey.Secret), invalid},
		"issued in the future":                  {claim("iat", noon.Add(time.Minute).Unix()), invalid},
		"not valid before a later time":         {claim("nbf", noon.Add(time.Minute).Unix()), invalid},
		"no subject":                            {claim("sub", nil), invalid},
		"an empty subject":                      {claim("sub", ""), invalid},
		"subject a number":                      {claim("sub", 1), invalid},
		"no e-mail":                             {claim("email", nil), invalid},
		"claims of another kind":                {forge(goodHeader(), "[]", newKey.Secret), invalid},
		"claims null":                           {forge(goodHeader(), "null", newKey.Secret), invalid},
		"claims no JSON":                        {forge(goodHeader(), "{", newKey.Secret), invalid},
		"header no JSON":                        {forge("{", goodClaims(), newKey.Secret), invalid},
		"other claims under the good signature": {parts[0] + "." + segment(with(goodClaims(), "sub", "bert")) + "." + parts[2], invalid},
		"another header under a good signature": {segment(with(goodHeader(), "x", 1)) + "." + parts[1] + "." + parts[2], invalid},
		"no signature":                          {parts[0] + "." + parts[1] + ".", invalid},
		"two parts":                             {parts[0] + "." + parts[1], invalid},
		"four parts":                            {good + "." + parts[2], invalid},
		"cut":                                   {good[:len(good)-1], invalid},
		"one character more":                    {good + "A", invalid},
		"padding":                               {good + "=", invalid},
		"a line break":                          {good + "\n", invalid},
		"a line break within":                   {parts[0] + ".\n" + parts[1] + "." + parts[2], invalid},
		"a signature of the same bytes, written otherwise": {good[:len(good)-1] + lax(good[len(good)-1]), invalid},
		"standard base64":          {strings.NewReplacer("-", "+", "_", "/").Replace(good) + "==", invalid},
		"over-long, though signed": {claim("x", strings.Repeat("x", 4096)), invalid},
		"a megabyte":               {strings.Repeat("a.", 1<<19), invalid},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			who, err := newTokens(noon, newKey, oldKey).Verify(t.Context(), c.token)
			if !errors.Is(err, c.want) || errors.Is(err, account.ErrTokenExpired) && errors.Is(err, account.ErrTokenInvalid) {
				t.Errorf("error is %v, want %v", err, c.want)
			}
			if c.want != nil && who != (account.Identity{}) {
				t.Errorf("a token that is no good speaks for %+v", who)
			}
			if err != nil && len(c.token) > 20 && strings.Contains(err.Error(), c.token) {
				t.Errorf("the error repeats the token: %v", err)
			}
		})
	}
}

func segmentText(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// lax returns another base64 character whose upper four bits, all that count at the end of 32 bytes, are the same.
func lax(last byte) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return string(alphabet[strings.IndexByte(alphabet, last)^1])
}

// lostKeys is a KeySource that cannot be reached.
type lostKeys struct{}

var errLostKeys = errors.New("no route to keys")

func (lostKeys) Current(context.Context) (account.Key, error) { return account.Key{}, errLostKeys }
func (lostKeys) Find(context.Context, string) (account.Key, bool, error) {
	return account.Key{}, false, errLostKeys
}

func TestKeysThatCannotBeReachedAreNotAnInvalidToken(t *testing.T) {
	t.Parallel()
	tokens := newTokens(noon)
	tokens.Keys = lostKeys{}
	_, err := tokens.Verify(t.Context(), forge(goodHeader(), goodClaims(), newKey.Secret))
	if !errors.Is(err, errLostKeys) || errors.Is(err, account.ErrTokenInvalid) || errors.Is(err, account.ErrTokenExpired) {
		t.Errorf("verifying gives %v, want %v alone", err, errLostKeys)
	}
	_, err = tokens.Issue(t.Context(), anna)
	wantErr(t, err, errLostKeys)
}

func FuzzTokensVerify(f *testing.F) {
	f.Add(forge(goodHeader(), goodClaims(), newKey.Secret))
	f.Add(forge(with(goodHeader(), "alg", "none"), goodClaims(), nil))
	f.Add(forge(with(goodHeader(), "kid", "old"), with(goodClaims(), "exp", 0), oldKey.Secret))
	f.Add("..")
	tokens := newTokens(noon, newKey, oldKey)
	f.Fuzz(func(t *testing.T, raw string) {
		who, err := tokens.Verify(t.Context(), raw)
		if err != nil {
			if !errors.Is(err, account.ErrTokenInvalid) && !errors.Is(err, account.ErrTokenExpired) {
				t.Errorf("error is %v", err)
			}
			return
		}
		signed, signature := raw[:max(0, strings.LastIndexByte(raw, '.'))], raw[strings.LastIndexByte(raw, '.')+1:]
		if signature != mac(sha256.New, signed, newKey.Secret) && signature != mac(sha256.New, signed, oldKey.Secret) {
			t.Errorf("a token that we did not sign speaks for %+v", who)
		}
	})
}
