package cli_test

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestConvert(t *testing.T) {
	t.Parallel()
	p := newSignedIn(t)
	video := p.video("holiday.mp4", strings.Repeat("video", 1000))
	r := p.run("convert", video).want(t, 0, "uploading 100 %", "converting 40 %", "downloading 100 %")
	if want := filepath.Join(p.dir, "holiday.mp3") + "\n"; r.stdout != want {
		t.Errorf("standard output %q, want %q", r.stdout, want)
	}
	if got := p.read("holiday.mp3"); got != string(mp3Of([]byte(strings.Repeat("video", 1000)))) {
		t.Errorf("the MP3 is wrong: %q", got)
	}
	p.wantFolder("holiday.mp3", "holiday.mp4")
	if p.pending() != 0 {
		t.Error("a finished conversion is still pending")
	}
	if got := p.svc.only(); got.Filename != "holiday.mp4" || got.Audio != nil {
		t.Errorf("announced %+v", got)
	}
}

func TestConvertSendsOptionsInTheContractsTerms(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		args []string
		want map[string]any
	}{
		"constant bitrate": {[]string{"--bitrate", "96"}, map[string]any{"mode": "cbr", "bitrate": 96.0}},
		"quality 0":        {[]string{"--quality", "0"}, map[string]any{"quality": 0.0}},
		"all the rest": {
			[]string{"--channels=1", "--track=0", "--start=1:30", "--end=1:02:03.5", "--normalize"},
			map[string]any{"channels": 1.0, "track": 0.0, "start": 90.0, "end": 3723.5, "normalize": true},
		},
		"times with units": {[]string{"--start", "0", "--end", "1m30s"}, map[string]any{"start": 0.0, "end": 90.0}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newSignedIn(t)
			p.run(append([]string{"convert", p.video("a.mp4", "x")}, tc.args...)...).want(t, 0)
			if got := p.svc.only().Audio; !reflect.DeepEqual(got, tc.want) {
				t.Errorf("audio %v, want %v", got, tc.want)
			}
		})
	}
}

func TestConvertOutput(t *testing.T) {
	t.Parallel()
	mp3 := string(mp3Of([]byte("x")))
	t.Run("to a file", func(t *testing.T) {
		t.Parallel()
		p := newSignedIn(t)
		p.run("convert", p.video("a.mp4", "x"), "-o", filepath.Join(p.dir, "b.mp3")).want(t, 0)
		p.wantFolder("a.mp4", "b.mp3")
	})
	t.Run("into a directory", func(t *testing.T) {
		t.Parallel()
		p := newSignedIn(t)
		out := t.TempDir()
		p.run("convert", p.video("a.mp4", "x"), p.video("b.mkv", "x"), "-o", out).want(t, 0)
		for _, name := range []string{"a.mp3", "b.mp3"} {
			if got, err := os.ReadFile(filepath.Join(out, name)); err != nil || string(got) != mp3 {
				t.Errorf("%s: %q, %v", name, got, err)
			}
		}
	})
	t.Run("to standard output", func(t *testing.T) {
		t.Parallel()
		p := newSignedIn(t)
		if r := p.run("convert", p.video("a.mp4", "x"), "-o", "-").want(t, 0); r.stdout != mp3 {
			t.Errorf("standard output is %q", r.stdout)
		}
		p.wantFolder("a.mp4")
	})
	t.Run("an existing file is kept and nothing is sent", func(t *testing.T) {
		t.Parallel()
		p := newSignedIn(t)
		p.video("a.mp3", "mine")
		p.run("convert", p.video("a.mp4", "x")).want(t, 8, "--force")
		if p.read("a.mp3") != "mine" || p.svc.count("POST /upload") != 0 {
			t.Error("the existing file was not respected")
		}
		p.run("convert", "--force", filepath.Join(p.dir, "a.mp4")).want(t, 0)
		if p.read("a.mp3") != mp3 {
			t.Error("--force did not replace the file")
		}
	})
	t.Run("no video is ever replaced", func(t *testing.T) {
		t.Parallel()
		p := newSignedIn(t)
		other := p.video("b.mov", "mine")
		p.run("convert", p.video("a.mp4", "x"), "-o", other).want(t, 8, "is not called .mp3")
		p.run("convert", "--force", p.video("a.mp4", "x"), "-o", other).want(t, 8, "is not called .mp3")
		if p.read("b.mov") != "mine" || p.svc.count("POST /upload") != 0 {
			t.Error("the other video was not respected")
		}
	})
	t.Run("as JSON", func(t *testing.T) {
		t.Parallel()
		p := newSignedIn(t)
		r := p.run("convert", "--json", p.video("a.mp4", "x")).want(t, 0)
		d := r.document(t)
		if d.at("output") != filepath.Join(p.dir, "a.mp3") || d.at("state") != "ready" || d.at("bytes") != float64(len(mp3)) ||
			d.at("duration_seconds") != 61.5 || d.at("fid") != p.svc.only().FID {
			t.Errorf("document %v", d)
		}
		if r.stderr != "" {
			t.Errorf("--json shows progress: %q", r.stderr)
		}
	})
}

func TestConvertFailureSaysWhy(t *testing.T) {
	t.Parallel()
	const sentence = "The video has no audio track."
	fail := func(p *person) {
		p.onPause = func(int) { f := p.svc.only(); p.svc.mu.Lock(); f.failure = sentence; p.svc.mu.Unlock() }
	}
	p := newSignedIn(t)
	fail(p)
	p.run("convert", p.video("a.mp4", "x")).want(t, 5, sentence)
	p.wantFolder("a.mp4")
	if p.pending() != 0 {
		t.Error("a failed conversion is still pending")
	}
	p = newSignedIn(t)
	fail(p)
	d := p.run("convert", "--json", p.video("a.mp4", "x")).want(t, 5).document(t)
	if d.at("error.code") != "no_audio" || d.at("error.detail") != sentence || d.at("error.exit") != 5.0 || d.at("state") != "failed" {
		t.Errorf("document %v", d)
	}
}

func TestConvertSeveralReportsEachAndExitsWithTheFirstFailure(t *testing.T) {
	t.Parallel()
	p := newSignedIn(t)
	var videos []string
	for i := range 6 {
		videos = append(videos, p.video(fmt.Sprintf("%d.mp4", i), fmt.Sprintf("video %d", i)))
	}
	args := []string{"convert", "--json", videos[0], filepath.Join(p.dir, "missing.mp4"), videos[1], p.video("empty.mp4", "")}
	docs := p.run(append(args, videos[2:]...)...).want(t, 4).documents(t)
	errors := map[string]any{}
	for _, d := range docs {
		errors[filepath.Base(d.at("input").(string))] = d.at("error.code")
	}
	want := map[string]any{"missing.mp4": "not_found", "empty.mp4": "error"}
	for i := range 6 {
		name := fmt.Sprintf("%d.mp4", i)
		want[name] = nil
		if got := p.read(fmt.Sprintf("%d.mp3", i)); got != string(mp3Of(fmt.Appendf(nil, "video %d", i))) {
			t.Errorf("%s became %q", name, got)
		}
	}
	if !reflect.DeepEqual(errors, want) {
		t.Errorf("errors %v, want %v", errors, want)
	}
}

func TestConvertSurvivesFaults(t *testing.T) {
	t.Parallel()
	type hook = func(http.ResponseWriter, *http.Request, int) bool
	busy := func(kind string, times int, status int, header ...string) hook {
		return func(w http.ResponseWriter, r *http.Request, n int) bool {
			if !strings.HasPrefix(r.Method+" "+r.URL.Path, kind) || n > times {
				return false
			}
			if len(header) > 0 {
				w.Header().Set("Retry-After", header[0])
			}
			w.WriteHeader(status)
			return true
		}
	}
	for name, tc := range map[string]struct {
		api, storage hook
		size         int
		puts         int
		announced    int
	}{
		"the service is busy while waiting": {api: busy("GET /files/", 3, 503), puts: 1, announced: 1},
		"the link is slow to come":          {api: busy("GET /download", 2, 500), puts: 1, announced: 1},
		"the announcement is throttled":     {api: busy("POST /upload", 2, 429, "1"), puts: 1, announced: 3},
		"storage answers 503 SlowDown":      {storage: busy("PUT ", 2, 503), puts: 3, announced: 1},
		"storage breaks the download off":   {storage: busy("GET ", 1, 500), puts: 1, announced: 1},
		"a large video is refused at first": {storage: busy("PUT ", 1, 500), puts: 2, announced: 1, size: 3 << 20},
		"the connection breaks in the upload": {puts: 2, announced: 1, size: 3 << 20, storage: func(w http.ResponseWriter, r *http.Request, n int) bool {
			if r.Method == http.MethodPut && n == 1 {
				_, _ = io.CopyN(io.Discard, r.Body, 1<<20)
				hangUp(w)
			}
			return false
		}},
		"the answer to the upload is lost": {puts: 2, announced: 1, storage: func(w http.ResponseWriter, r *http.Request, n int) bool {
			if r.Method == http.MethodPut && n == 1 {
				_, _ = io.Copy(io.Discard, r.Body)
				hangUp(w)
			}
			return false
		}},
		"the upload's link has expired": {puts: 2, announced: 1, storage: func(w http.ResponseWriter, r *http.Request, n int) bool {
			if r.Method == http.MethodPut && n == 1 {
				storageError(w, 403, "AccessDenied", "Request has expired")
				return true
			}
			return false
		}},
		"the download's link has expired": {puts: 1, announced: 1, storage: func(w http.ResponseWriter, r *http.Request, n int) bool {
			if r.Method == http.MethodGet && n == 1 {
				storageError(w, 403, "AccessDenied", "Request has expired")
				return true
			}
			return false
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newSignedIn(t)
			p.svc.onAPI, p.svc.onStorage = tc.api, tc.storage
			content := strings.Repeat("v", max(tc.size, 5000))
			p.run("convert", p.video("a.mp4", content)).want(t, 0)
			if got := p.read("a.mp3"); got != string(mp3Of([]byte(content))) {
				t.Errorf("the MP3 is wrong (%d bytes)", len(got))
			}
			p.wantFolder("a.mp3", "a.mp4")
			if puts, announced := p.svc.count("PUT /bucket/{fid}"), p.svc.count("POST /upload"); puts != tc.puts || announced != tc.announced {
				t.Errorf("%d PUTs and %d announcements, want %d and %d", puts, announced, tc.puts, tc.announced)
			}
		})
	}
}

func TestConvertDoesNotRepeatWhatMayHaveHappened(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		answer func(http.ResponseWriter)
		exit   int
	}{
		"after a fault":             {func(w http.ResponseWriter) { writeProblem(w, 500, "internal", "our fault", nil) }, 6},
		"after a broken connection": {hangUp, 6},
		"after a full quota": {func(w http.ResponseWriter) {
			w.Header().Set("Retry-After", "3600")
			writeProblem(w, 429, "quota_exceeded", "that was your last upload for today", nil)
		}, 7},
		"after a refusal": {func(w http.ResponseWriter) {
			writeProblem(w, 422, "validation_failed", "the video is too large", nil)
		}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newSignedIn(t)
			p.svc.onAPI = func(w http.ResponseWriter, r *http.Request, _ int) bool {
				if r.URL.Path != "/upload" {
					return false
				}
				_, _ = io.Copy(io.Discard, r.Body)
				tc.answer(w)
				return true
			}
			p.run("convert", p.video("a.mp4", "x")).want(t, tc.exit)
			if n := p.svc.count("POST /upload"); n != 1 {
				t.Errorf("announced %d times", n)
			}
		})
	}
}

func TestWaitsAsLongAsTheServerAsks(t *testing.T) {
	t.Parallel()
	p := newSignedIn(t)
	p.svc.onAPI = func(w http.ResponseWriter, r *http.Request, n int) bool {
		if n > 1 || r.URL.Path != "/files" {
			return false
		}
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(http.StatusServiceUnavailable)
		return true
	}
	p.run("list").want(t, 0)
	if len(p.pauses) != 1 || p.pauses[0] != 7*time.Second {
		t.Errorf("pauses %v, want 7s", p.pauses)
	}
}

func TestPollsAtGrowingIntervals(t *testing.T) {
	t.Parallel()
	p := newSignedIn(t)
	fid := p.svc.add(fakeFile{State: "queued", stuck: true})
	p.onPause = func(n int) {
		if n == 30 {
			p.interrupt()
		}
	}
	p.run("download", "--wait", fid).want(t, 130, "mp3converter download "+fid+" --wait")
	if first, last := p.pauses[0], p.pauses[29]; first != 500*time.Millisecond || last != 3*time.Second {
		t.Errorf("the pauses go from %v to %v", first, last)
	}
}

func TestTimeout(t *testing.T) {
	t.Parallel()
	p := newSignedIn(t)
	fid := p.svc.add(fakeFile{State: "converting", stuck: true})
	p.run("download", "--wait", "--timeout", "1ns", fid).want(t, 8, "not ready in time", "--wait")
}
