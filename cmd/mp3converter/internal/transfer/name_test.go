package transfer_test

import (
	"path/filepath"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"mp3converter/cmd/mp3converter/internal/transfer"
)

func TestSafeName(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"Käse & Brot.mp3":                 "Käse & Brot.mp3",
		"日本語.MP3":                         "日本語.mp3",
		"no extension":                    "no extension.mp3",
		"dots...mp3":                      "dots.mp3",
		"":                                "fallback.mp3",
		"..":                              "fallback.mp3",
		".mp3":                            "mp3.mp3",
		"/":                               "fallback.mp3",
		"com1.tar.mp3":                    "_com1.tar.mp3",
		"command.mp3":                     "command.mp3",
		"a\u202egpj.mp3":                  "agpj.mp3",
		"\xff.mp3":                        "_.mp3",
		strings.Repeat("ä", 200) + ".mp3": strings.Repeat("ä", 98) + ".mp3",
	} {
		if got := transfer.SafeName(in, "fallback.mp3"); got != want {
			t.Errorf("SafeName(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestMP3Name(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"film.mp4": "film.mp3", "film": "film.mp3", "a.tar.gz": "a.tar.mp3", ".hidden": ".hidden.mp3", ".hidden.mp4": ".hidden.mp3", "film.": "film.mp3",
	} {
		if got := transfer.MP3Name(in); got != want {
			t.Errorf("MP3Name(%q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzSafeName(f *testing.F) {
	f.Add("../../evil.mp3")
	f.Add("con")
	f.Add("\x00.\u202e")
	f.Fuzz(func(t *testing.T, in string) {
		got := transfer.SafeName(in, "fallback.mp3")
		switch {
		case filepath.Base(got) != got, strings.ContainsAny(got, `/\`):
			t.Errorf("%q is not one path element", got)
		case strings.HasPrefix(got, "."), strings.HasPrefix(got, "-"):
			t.Errorf("%q begins with %q", got, got[:1])
		case !strings.HasSuffix(got, ".mp3"), len(got) > 201, !utf8.ValidString(got):
			t.Errorf("%q is not a usable name", got)
		case strings.ContainsFunc(got, func(r rune) bool { return !unicode.IsPrint(r) }):
			t.Errorf("%q holds something invisible", got)
		}
	})
}
