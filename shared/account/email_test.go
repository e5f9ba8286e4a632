package account_test

import (
	"errors"
	"strings"
	"testing"

	"mp3converter/shared/account"
)

func TestCanonicalEmail(t *testing.T) {
	t.Parallel()
	longest := strings.Repeat("a", 64) + "@" + strings.Repeat("b.", 94) + "c"
	if len(longest) != 254 {
		t.Fatalf("the longest address has %d characters", len(longest))
	}
	for in, want := range map[string]string{
		"anna@example.com":               "anna@example.com",
		" Anna@EXAMPLE.Com\n":            "anna@example.com",
		"anna+tag@sub.example.co":        "anna+tag@sub.example.co",
		"a#b'c@example.com":              "a#b'c@example.com",
		longest:                          longest,
		longest + "d":                    "",
		"":                               "",
		" ":                              "",
		"anna":                           "",
		"anna@":                          "",
		"@example.com":                   "",
		"anna@@example.com":              "",
		"anna@example.com,b@x.com":       "",
		"anna @example.com":              "",
		"an na@example.com":              "",
		`"anna"@example.com`:             "",
		`"an na"@example.com`:            "",
		"Anna <anna@example.com>":        "",
		"<anna@example.com>":             "",
		"anna(c)@example.com":            "",
		"anna@exämple.com":               "",
		"änna@example.com":               "",
		"anna@example.com\r\nBcc: b@x":   "",
		"anna\x00@example.com":           "",
		"anna\u202e@example.com":         "",
		"\xff@example.com":               "",
		"anna@example.com\u00a0b":        "",
		strings.Repeat("a@", 1000):       "",
		strings.Repeat(" ", 1<<16) + "a": "",
	} {
		got, err := account.CanonicalEmail(in)
		var input account.InputError
		if got != want || (want == "") != errors.As(err, &input) {
			t.Errorf("CanonicalEmail(%q) = %q, %v; want %q", in, got, err, want)
		}
	}
}

func FuzzCanonicalEmail(f *testing.F) {
	for _, seed := range []string{"anna@example.com", " A@B.c ", `"a b"@c`, "a@[127.0.0.1]", "A <a@b.c>", "a@b\r\nc", "ä@b.c", "K@k.com"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := account.CanonicalEmail(s)
		if err != nil {
			var input account.InputError
			if got != "" || !errors.As(err, &input) {
				t.Errorf("CanonicalEmail(%q) = %q, %v", s, got, err)
			}
			return
		}
		for _, r := range got {
			if r <= ' ' || r > '~' || r >= 'A' && r <= 'Z' {
				t.Errorf("CanonicalEmail(%q) = %q has %q", s, got, r)
			}
		}
		if len(got) > 254 || !strings.Contains(got, "@") {
			t.Errorf("CanonicalEmail(%q) = %q", s, got)
		}
		if again, err := account.CanonicalEmail(got); again != got || err != nil {
			t.Errorf("CanonicalEmail(%q) = %q, but that gives %q, %v", s, got, again, err)
		}
	})
}
