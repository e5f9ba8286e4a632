package cli_test

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestInterruptedWaitIsTakenUpAgain(t *testing.T) {
	t.Parallel()
	p := newSignedIn(t)
	video := p.video("a.mp4", "x")
	p.onPause = func(int) { p.interrupt() }
	r := p.run("convert", video).want(t, 130)
	fid := p.svc.only().FID
	r.want(t, 130, "mp3converter download "+fid+" --wait")
	p.wantFolder("a.mp4")

	p.onPause = nil
	d := p.run("convert", "--json", video).want(t, 0).document(t)
	if d.at("fid") != fid || d.at("resumed") != true {
		t.Errorf("document %v", d)
	}
	if p.svc.count("POST /upload") != 1 || p.svc.count("PUT /bucket/{fid}") != 1 {
		t.Error("the video was sent again")
	}
	p.wantFolder("a.mp3", "a.mp4")
	if p.pending() != 0 {
		t.Error("the conversion is still pending")
	}
}

func TestInterruptedUploadIsTakenUpAgain(t *testing.T) {
	t.Parallel()
	p := newSignedIn(t)
	video := p.video("a.mp4", strings.Repeat("x", 3<<20))
	p.svc.onStorage = func(w http.ResponseWriter, r *http.Request, n int) bool {
		if n > 1 || r.Method != http.MethodPut {
			return false
		}
		_, _ = io.CopyN(io.Discard, r.Body, 1<<20)
		p.interrupt()
		_, _ = io.Copy(io.Discard, r.Body)
		hangUp(w)
		return true
	}
	p.run("convert", video).want(t, 130, "give the same command again")
	p.run("convert", video).want(t, 0)
	if p.svc.count("POST /upload") != 1 || p.svc.count("PUT /bucket/{fid}") != 2 {
		t.Errorf("%v", p.svc.calls)
	}
}

func TestConvertGoesOnWhereUploadStopped(t *testing.T) {
	t.Parallel()
	p := newSignedIn(t)
	video := p.video("a.mp4", "x")
	r := p.run("upload", video).want(t, 0)
	if fid := strings.TrimSpace(r.stdout); fid != p.svc.only().FID {
		t.Errorf("upload printed %q", r.stdout)
	}
	p.run("convert", video).want(t, 0, "taken up again")
	if p.svc.count("PUT /bucket/{fid}") != 1 {
		t.Error("the video was sent again")
	}
}

func TestBeginsAnewWhenItIsNotTheSameAnyMore(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change func(*person, string)
		args   []string
	}{
		"the video changed": {change: func(p *person, video string) { p.video("a.mp4", "other") }},
		"it was touched": {change: func(p *person, video string) {
			if err := os.Chtimes(video, time.Time{}, time.Unix(1e9, 0)); err != nil {
				p.t.Fatal(err)
			}
		}},
		"other options":        {args: []string{"--quality", "5"}},
		"it is asked for":      {args: []string{"--new"}},
		"the service forgot":   {change: func(p *person, _ string) { p.svc.mu.Lock(); clear(p.svc.files); p.svc.mu.Unlock() }},
		"it failed meanwhile":  {change: func(p *person, _ string) { setState(p, "failed") }},
		"it expired meanwhile": {change: func(p *person, _ string) { setState(p, "expired") }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newSignedIn(t)
			video := p.video("a.mp4", "x")
			p.onPause = func(int) { p.interrupt() }
			p.run("convert", video).want(t, 130)
			p.onPause = nil
			if tc.change != nil {
				tc.change(p, video)
			}
			p.run(append([]string{"convert", video}, tc.args...)...).want(t, 0)
			if p.svc.count("POST /upload") != 2 {
				t.Error("the old conversion was taken up again")
			}
		})
	}
}

func setState(p *person, state string) {
	p.svc.mu.Lock()
	defer p.svc.mu.Unlock()
	for _, f := range p.svc.files {
		f.State = state
	}
}

func TestTheDefaultQualityAskedForIsAnotherConversion(t *testing.T) {
	t.Parallel()
	p := newSignedIn(t)
	video := p.video("a.mp4", "x")
	p.onPause = func(int) { p.interrupt() }
	p.run("convert", video).want(t, 130)
	p.onPause = nil
	p.run("convert", "--quality", "2", video).want(t, 0)
	if p.svc.count("POST /upload") != 2 {
		t.Error("quality 2 was taken for the default, which leaves MP3 tracks as they are")
	}
}

func TestVideoThatChangesWhileItIsSentIsNotConverted(t *testing.T) {
	t.Parallel()
	p := newSignedIn(t)
	video := p.video("a.mp4", strings.Repeat("x", 3<<20))
	p.svc.onStorage = func(_ http.ResponseWriter, r *http.Request, _ int) bool {
		if r.Method == http.MethodPut {
			p.video("a.mp4", strings.Repeat("y", 3<<20))
			if err := os.Chtimes(video, time.Time{}, time.Unix(1e9, 0)); err != nil {
				t.Error(err)
			}
		}
		return false
	}
	p.run("convert", video).want(t, 1, "changed while it was being sent")
	if p.svc.count("DELETE /files/{fid}") != 1 || p.pending() != 0 {
		t.Error("the mixed upload was left behind")
	}
	p.wantFolder("a.mp4")
}

func TestExpiredTokenIsRenewedWithThePasswordOfTheEnvironment(t *testing.T) {
	t.Parallel()
	p := newSignedIn(t)
	video := p.video("a.mp4", "x")
	p.onPause = func(n int) {
		if n == 1 {
			p.svc.forgetTokens() // in the middle of the wait
		}
	}
	p.env["MP3CONVERTER_PASSWORD"] = testPassword
	p.run("convert", video).want(t, 0)
	if n := p.svc.count("POST /login"); n != 2 {
		t.Errorf("signed in %d times, want 2", n)
	}
}

func TestExpiredTokenWithoutPasswordSaysWhatToDo(t *testing.T) {
	t.Parallel()
	p := newSignedIn(t)
	video := p.video("a.mp4", "x")
	p.onPause = func(int) { p.svc.forgetTokens() }
	p.run("convert", video).want(t, 3, "run mp3converter login", "mp3converter download ")
	p.now = p.now.Add(2 * time.Hour)
	before := len(p.svc.calls)
	p.run("list").want(t, 3, "run mp3converter login")
	if len(p.svc.calls) != before {
		t.Error("a token known to have expired was sent")
	}
	d := p.run("list", "--json").want(t, 3).document(t)
	if d.at("error.code") != "not_signed_in" {
		t.Errorf("document %v", d)
	}
	p.stdin = testPassword
	p.run("login", "--password-stdin").want(t, 0)
	p.onPause = nil
	p.run("convert", video).want(t, 0)
	if p.svc.count("POST /upload") != 1 || p.svc.only().FID == "" {
		t.Error("the conversion was not taken up after signing in again")
	}
}

func TestUnreachableServiceIsReportedAfterSeveralAttempts(t *testing.T) {
	t.Parallel()
	p := newSignedIn(t)
	p.svc.api.Close()
	r := p.run("list").want(t, 6, "127.0.0.1")
	if len(p.pauses) != 5 {
		t.Errorf("%d pauses, want 5", len(p.pauses))
	}
	if strings.Contains(r.stderr, "/files") {
		t.Errorf("the URL is shown: %s", r.stderr)
	}
}

func TestConfigurationIsPrivate(t *testing.T) {
	t.Parallel()
	p := newSignedIn(t)
	p.onPause = func(int) { p.interrupt() }
	p.run("convert", p.video("a.mp4", "x")).want(t, 130)
	session := filepath.Join(p.config, "session.json")
	if err := os.Chmod(session, 0o644); err != nil {
		t.Fatal(err)
	}
	p.run("list").want(t, 0)
	_ = filepath.Walk(p.config, func(path string, info os.FileInfo, err error) error {
		if err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v (%v)", path, info.Mode(), err)
		}
		return nil
	})
}
