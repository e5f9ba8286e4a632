package cli_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mp3converter/shared/account/accounttest"
)

func TestLogin(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		args  []string
		stdin string
		typed []string
		env   map[string]string
		exit  int
		says  string
	}{
		"password from standard input":        {args: []string{"--password-stdin", testEmail}, stdin: testPassword + "\r\nmore\n", says: "Signed in"},
		"password from the environment":       {args: []string{testEmail}, env: map[string]string{"MP3CONVERTER_PASSWORD": testPassword}, says: "Signed in"},
		"password typed":                      {args: []string{testEmail}, typed: []string{testPassword}, says: "Password for " + testEmail},
		"address typed too, in capitals":      {stdin: "ADA@example.com\n", typed: []string{testPassword}, says: "E-mail address: "},
		"address from the environment":        {typed: []string{testPassword}, env: map[string]string{"MP3CONVERTER_EMAIL": testEmail}, says: "Signed in"},
		"wrong password":                      {args: []string{"--password-stdin", testEmail}, stdin: "guess\n", exit: 3, says: "wrong e-mail address or password"},
		"nobody to ask for the password":      {args: []string{testEmail}, exit: 2, says: "--password-stdin"},
		"nobody to ask for the address":       {args: []string{"--password-stdin"}, stdin: testPassword, exit: 2, says: "whose account"},
		"empty standard input":                {args: []string{"--password-stdin", testEmail}, exit: 2, says: "empty"},
		"not an address":                      {args: []string{"--password-stdin", "ada"}, stdin: testPassword, exit: 2, says: "not an e-mail address"},
		"a password on the command line":      {args: []string{testEmail, "--password=guess"}, exit: 2, says: "no option --password"},
		"plain HTTP to another machine":       {args: []string{"--api", "http://mp3.example.invalid", "--password-stdin", testEmail}, stdin: testPassword, exit: 2, says: "unprotected"},
		"not a URL":                           {args: []string{"--api", "ftp://example.com", testEmail}, exit: 2, says: "https://"},
		"a URL that is more than the service": {args: []string{"--api", "https://example.com/?x=1", testEmail}, exit: 2, says: "a host with an optional path"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPerson(t)
			p.env["MP3CONVERTER_API"] = p.svc.api.URL + "/"
			for k, v := range tc.env {
				p.env[k] = v
			}
			p.stdin, p.typed = tc.stdin, tc.typed
			p.run(append([]string{"login"}, tc.args...)...).want(t, tc.exit, tc.says)
			delete(p.env, "MP3CONVERTER_API")
			delete(p.env, "MP3CONVERTER_PASSWORD")
			if tc.exit == 0 {
				p.run("list").want(t, 0) // service and token are remembered
			} else if _, err := os.Stat(filepath.Join(p.config, "session.json")); err == nil {
				t.Error("a failed sign-in left a session")
			}
		})
	}
}

func TestLoginAsJSONAndLogout(t *testing.T) {
	t.Parallel()
	p := newPerson(t)
	p.run("list").want(t, 2, "which service")
	p.stdin = testPassword
	d := p.run("login", "--json", "--api", p.svc.api.URL, "--password-stdin", testEmail).want(t, 0).document(t)
	if d.at("email") != testEmail || d.at("api") != p.svc.api.URL || d.at("expires_at") != "2026-01-02T13:00:00Z" {
		t.Errorf("document %v", d)
	}
	p.run("logout").want(t, 0, "Signed out")
	p.run("logout").want(t, 0, "Nobody")
	data, err := os.ReadFile(filepath.Join(p.config, "session.json"))
	var kept map[string]any
	if err != nil || json.Unmarshal(data, &kept) != nil || kept["token"] != nil || kept["email"] != testEmail {
		t.Errorf("after signing out: %s %v", data, err)
	}
	p.run("list").want(t, 3, "run mp3converter login")
}

func TestThrottledLoginIsNotRepeated(t *testing.T) {
	t.Parallel()
	p := newPerson(t)
	p.svc.onAPI = func(w http.ResponseWriter, _ *http.Request, _ int) bool {
		w.Header().Set("Retry-After", "1")
		writeProblem(w, 429, "too_many_attempts", "too many attempts to sign in", nil)
		return true
	}
	p.stdin = testPassword
	p.run("login", "--api", p.svc.api.URL, "--password-stdin", testEmail).want(t, 7, "too many attempts")
	if n := p.svc.count("POST /login"); n != 1 {
		t.Errorf("signed in %d times", n)
	}
}

func TestATokenIsOnlySentToItsService(t *testing.T) {
	t.Parallel()
	p := newSignedIn(t)
	other := newFake(t)
	p.run("list", "--api", other.api.URL).want(t, 3, "not signed in")
	if len(other.calls) != 0 {
		t.Errorf("the other service was called: %v", other.calls)
	}
}

func TestEnvironmentAloneIsEnough(t *testing.T) {
	t.Parallel()
	p := newPerson(t)
	p.env["MP3CONVERTER_API"], p.env["MP3CONVERTER_EMAIL"], p.env["MP3CONVERTER_PASSWORD"] = p.svc.api.URL, testEmail, testPassword
	p.run("convert", p.video("a.mp4", "x")).want(t, 0)
	p.env["MP3CONVERTER_PASSWORD"] = "changed"
	p.svc.forgetTokens()
	p.run("list").want(t, 3, "wrong e-mail address or password")
}

func TestSomethingElseAtTheURL(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		answer func(http.ResponseWriter, *http.Request)
		exit   int
	}{
		"a web site":       {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) }, 1},
		"another JSON API": {func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, 200, map[string]any{}) }, 1},
		"a server of files": {func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "Unsupported method", http.StatusNotImplemented)
		}, 6},
		"nothing there, in plain text": {func(w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) }, 4},
		"nothing": {func(w http.ResponseWriter, _ *http.Request) {
			writeJSON(w, 404, map[string]any{"message": "Not Found"})
		}, 4},
		"a redirection": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://elsewhere.example/login", http.StatusMovedPermanently)
		}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPerson(t)
			p.svc.onAPI = func(w http.ResponseWriter, r *http.Request, _ int) bool { tc.answer(w, r); return true }
			p.stdin = testPassword
			p.run("login", "--api", p.svc.api.URL, "--password-stdin", testEmail).want(t, tc.exit, "check --api")
		})
	}
}

func TestCommandLineMistakes(t *testing.T) {
	t.Parallel()
	p := newSignedIn(t)
	a, b := p.video("a.mp4", "x"), p.video("a.mkv", "x")
	song := p.video("song.mp3", "x")
	before := len(p.svc.calls)
	for name, args := range map[string][]string{
		"unknown command":               {"transmogrify"},
		"unknown subcommand":            {"admin", "transmogrify"},
		"unknown flag":                  {"convert", a, "--wat"},
		"no video":                      {"convert"},
		"quality and bitrate":           {"convert", a, "--quality", "2", "--bitrate", "96"},
		"quality out of range":          {"convert", a, "--quality", "10"},
		"no such bitrate":               {"convert", a, "--bitrate", "97"},
		"not a number":                  {"convert", a, "--channels", "stereo"},
		"not a time":                    {"convert", a, "--start", "1:90"},
		"end before start":              {"convert", a, "--start", "10", "--end", "5"},
		"no jobs":                       {"convert", a, "-j", "0"},
		"two videos on standard output": {"convert", a, b, "-o", "-"},
		"JSON and MP3 on the same":      {"convert", a, "-o", "-", "--json"},
		"two videos into a file":        {"convert", a, song, "-o", filepath.Join(p.dir, "out.mp3")},
		"no such directory":             {"convert", a, "-o", filepath.Join(p.dir, "nowhere", "out.mp3")},
		"not a directory":               {"convert", a, "-o", song + "/"},
		"two videos and no directory":   {"convert", a, song, "-o", filepath.Join(p.dir, "nowhere")},
		"the same video twice":          {"upload", a, a},
		"two videos with one MP3":       {"convert", a, b},
		"an MP3 that would replace it":  {"convert", "--force", song},
		"not a file ID":                 {"status", "../../x"},
		"no file ID":                    {"delete"},
		"no table":                      {"admin", "user", "list"},
		"list of nothing":               {"list", "-n", "0"},
	} {
		t.Run(name, func(t *testing.T) {
			if !slices.Contains(args, "--json") {
				p.run(args...).want(t, 2, "--help")
			}
			d := p.run(append([]string{"--json"}, args...)...).want(t, 2).document(t)
			if d.at("error.code") != "usage" {
				t.Errorf("document %v", d)
			}
		})
	}
	if len(p.svc.calls) != before {
		t.Error("a mistake on the command line reached the service")
	}
	p.stdoutTerminal = true
	p.run("convert", a, "-o", "-").want(t, 2, "terminal")
}

func TestVersionHelpAndCompletion(t *testing.T) {
	t.Parallel()
	p := newPerson(t)
	p.run("version").want(t, 0, "mp3converter v1.2.3 go1.26 plan9/mips")
	p.run("--version").want(t, 0, "mp3converter v1.2.3 go1.26 plan9/mips")
	if d := p.run("--version", "--json").want(t, 0).document(t); d.at("version") != "v1.2.3" {
		t.Errorf("document %v", d)
	}
	if d := p.run("version", "--json").want(t, 0).document(t); d.at("version") != "v1.2.3" {
		t.Errorf("document %v", d)
	}
	p.run("--help").want(t, 0, "Exit codes:", "130  interrupted", "MP3CONVERTER_PASSWORD")
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		p.run("completion", shell).want(t, 0, "mp3converter")
	}
}

func TestAdmin(t *testing.T) {
	t.Parallel()
	p := newPerson(t)
	p.users = new(accounttest.Memory)
	p.env["USERS_TABLE"] = "users"
	const good = "a long enough password"
	p.typed = []string{good, good}
	p.run("admin", "user", "add", "Grace@Example.com").want(t, 0, "The same again", "grace@example.com may sign in")
	p.typed = nil
	p.env["MP3CONVERTER_PASSWORD"] = good
	d := p.run("admin", "user", "add", "grace@example.com", "--json").want(t, 8).document(t)
	if d.at("error.code") != "user_exists" {
		t.Errorf("document %v", d)
	}
	p.env["MP3CONVERTER_PASSWORD"] = "too short"
	p.run("admin", "user", "add", "short@example.com").want(t, 2, "at least 12")
	p.typed, p.env["MP3CONVERTER_PASSWORD"] = []string{good, "something else"}, ""
	p.run("admin", "user", "passwd", "grace@example.com").want(t, 2, "differ")
	p.stdin = good + "!\n"
	p.run("admin", "user", "passwd", "--password-stdin", "grace@example.com").want(t, 0, "new password")
	p.run("admin", "user", "passwd", "--password-stdin", "nobody@example.com").want(t, 4, "unknown user")
	p.run("admin", "user", "disable", "grace@example.com").want(t, 0, "disabled")
	p.run("admin", "user", "list").want(t, 0, "grace@example.com", "yes", "2026-01-02")
	p.run("admin", "user", "enable", "nobody@example.com").want(t, 4)
	p.run("admin", "user", "enable", "grace@example.com").want(t, 0, "enabled")
	r := p.run("admin", "user", "list", "--json").want(t, 0)
	if d := r.document(t); d.at("disabled") != false || d.at("email") != "grace@example.com" || d.at("id") == nil || d.at("created") == nil {
		t.Errorf("document %v", d)
	}
	if strings.Contains(r.stdout, "argon2") {
		t.Error("a password's hash is shown")
	}
}
