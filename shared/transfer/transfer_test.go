package transfer_test

import (
	"mime"
	"strings"
	"testing"
	"unicode/utf8"

	"mp3converter/shared/transfer"
)

func TestCleanFilenameKeepsTheLastPathElement(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 251) + ".mp4"
	for in, want := range map[string]string{
		"holiday.mp4":               "holiday.mp4",
		" holiday.mp4\n":            "holiday.mp4",
		"/home/anna/holiday.mp4":    "holiday.mp4",
		`C:\Users\anna\holiday.mp4`: "holiday.mp4",
		`C:\mixed/path\holiday.mp4`: "holiday.mp4",
		"../../etc/passwd":          "passwd",
		"日本語 のビデオ.mkv":              "日本語 のビデオ.mkv",
		"e\u0301.mp4":               "e\u0301.mp4",
		"👩‍👩‍👧‍👦 zero-width joiners.mp4":     "👩‍👩‍👧‍👦 zero-width joiners.mp4",
		`quotes " ' % ; = & < >.mp4`:         `quotes " ' % ; = & < >.mp4`,
		"...":                                "...",
		".hidden":                            ".hidden",
		"noextension":                        "noextension",
		long:                                 long,
		strings.Repeat("d/", 9999) + "a.mp4": "a.mp4",
	} {
		if got, err := transfer.CleanFilename(in); got != want || err != nil {
			t.Errorf("CleanFilename(%q) = %q, %v; want %q", in, got, err, want)
		}
	}
}

func TestCleanFilenameRefusesWhatIsNoneOrDeceives(t *testing.T) {
	t.Parallel()
	for _, in := range []string{
		"", " ", ".", "..", "/", "a/", `a\`, "a/..", "../", "a/ . ", "\u00a0",
		strings.Repeat("x", 256), strings.Repeat("é", 128),
		"a\x00.mp4", "a\nb.mp4", "a\r\nX-Header: 1.mp4", "a\tb.mp4", "a\x1b[31m.mp4", "a\x7f.mp4", "a\u0085b.mp4",
		"a\u2028b.mp4", "a\u2029b.mp4",
		"invoice\u202e4pm.exe", "a\u200e.mp4", "a\u200f.mp4", "a\u061c.mp4", "a\u2066b\u2069.mp4", "a\u202ab\u202c.mp4",
		"\xff\xfe.mp4", "a\xc3.mp4", "a\ufffd.mp4", "\xed\xa0\x80.mp4",
	} {
		if got, err := transfer.CleanFilename(in); got != "" || err == nil {
			t.Errorf("CleanFilename(%q) = %q, %v; want an error", in, got, err)
		}
	}
}

func TestCheckContentTypeTakesVideoAndSound(t *testing.T) {
	t.Parallel()
	for in, ok := range map[string]bool{
		"": true, "video/mp4": true, "VIDEO/MP4": true, "audio/mpeg": true, "video/x-matroska": true,
		"application/octet-stream": true, "application/ogg": true, "application/mp4": true,
		`video/mp4; codecs="avc1.42E01E, mp4a.40.2"`: true,
		"text/html": false, "image/svg+xml": false, "application/json": false, "application/x-sh": false,
		"video": false, "video/": false, "/mp4": false, "video/mp4; x": false, "video/mp4\r\nX: 1": false, "video /mp4": false,
		"video/mp4, text/html": false, "vidéo/mp4": false, "*/*": false,
		"video/" + strings.Repeat("x", 121): true, "video/" + strings.Repeat("x", 122): false,
	} {
		if err := transfer.CheckContentType(in); (err == nil) != ok {
			t.Errorf("CheckContentType(%q) = %v, want it taken: %v", in, err, ok)
		}
	}
}

func TestCheckSHA256WantsLowerCaseHex(t *testing.T) {
	t.Parallel()
	good := strings.Repeat("0af9", 16)
	for in, ok := range map[string]bool{
		"": true, good: true, strings.ToUpper(good): false, good[1:]: false, good + "0": false, good[1:] + "g": false,
		good + "\n": false, " " + good[1:]: false,
	} {
		if err := transfer.CheckSHA256(in); (err == nil) != ok {
			t.Errorf("CheckSHA256(%q) = %v, want it taken: %v", in, err, ok)
		}
	}
}

func TestDispositionFollowsRFC6266(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"song.mp3":      `attachment; filename="song.mp3"`,
		"two words.mp3": `attachment; filename="two words.mp3"`,
		"a;b=c.mp3":     `attachment; filename="a;b=c.mp3"`,
		`a"b\c.mp3`:     `attachment; filename="a_b_c.mp3"; filename*=UTF-8''a%22b%5Cc.mp3`,
		"100%.mp3":      `attachment; filename="100_.mp3"; filename*=UTF-8''100%25.mp3`,
		"ünï +.mp3":     `attachment; filename="_n_ +.mp3"; filename*=UTF-8''%C3%BCn%C3%AF%20%2B.mp3`,
		"日本.mp3":        `attachment; filename="__.mp3"; filename*=UTF-8''%E6%97%A5%E6%9C%AC.mp3`,
		"🎬.mp3":         `attachment; filename="_.mp3"; filename*=UTF-8''%F0%9F%8E%AC.mp3`,
		"a\r\nX: 1.mp3": `attachment; filename="a__X: 1.mp3"; filename*=UTF-8''a%0D%0AX%3A%201.mp3`,
		"*'()!~-_.mp3":  `attachment; filename="*'()!~-_.mp3"`,
		"é*'().mp3":     `attachment; filename="_*'().mp3"; filename*=UTF-8''%C3%A9%2A%27%28%29.mp3`,
	} {
		if got := transfer.Disposition(name); got != want {
			t.Errorf("Disposition(%q) =\n%s, want\n%s", name, got, want)
		}
	}
}

func TestKeysHoldTheIDAlone(t *testing.T) {
	t.Parallel()
	if v, m := transfer.VideoKey("abc"), transfer.MP3Key("abc"); v != "abc" || m != "abc.mp3" {
		t.Errorf("the keys are %q and %q", v, m)
	}
}

func FuzzCleanFilename(f *testing.F) {
	for _, seed := range []string{"a.mp4", "../x", `C:\a b.mp4`, "ü\u202e.mp4", "\xff", " . ", "a\u0085/b\u3000"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := transfer.CleanFilename(s)
		if err != nil {
			if got != "" || !utf8.ValidString(err.Error()) {
				t.Errorf("CleanFilename(%q) = %q, %q", s, got, err)
			}
			return
		}
		if got == "" || got == "." || got == ".." || len(got) > 255 || !utf8.ValidString(got) || strings.ContainsAny(got, "/\\\r\n\x00") {
			t.Errorf("CleanFilename(%q) = %q", s, got)
		}
		if again, err := transfer.CleanFilename(got); again != got || err != nil {
			t.Errorf("CleanFilename(%q) = %q, but that gives %q, %v", s, got, again, err)
		}
	})
}

func FuzzDisposition(f *testing.F) {
	for _, seed := range []string{"a.mp3", `"\%`, "ü;'*.mp3", "a\r\nb", "\u2028", "a  b", " "} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		got := transfer.Disposition(name)
		for _, r := range got {
			if r < ' ' || r > '~' {
				t.Fatalf("Disposition(%q) = %q has %q", name, got, r)
			}
		}
		kind, params, err := mime.ParseMediaType(got)
		if err != nil || kind != "attachment" {
			t.Fatalf("Disposition(%q) = %q: %v", name, got, err)
		}
		if utf8.ValidString(name) && params["filename"] != name {
			t.Errorf("Disposition(%q) = %q says %q", name, got, params["filename"])
		}
	})
}
