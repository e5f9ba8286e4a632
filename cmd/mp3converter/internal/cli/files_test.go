package cli_test

import (
	"io"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

func TestDownload(t *testing.T) {
	t.Parallel()
	p := newSignedIn(t)
	fid := p.svc.add(fakeFile{State: "ready", Filename: "talk.mp4", mp3: []byte("sound")})
	out := filepath.Join(p.dir, "out.mp3")
	if r := p.run("download", fid, "-o", out).want(t, 0); r.stdout != out+"\n" || p.read("out.mp3") != "sound" {
		t.Errorf("printed %q", r.stdout)
	}
	p.run("download", fid, "-o", out).want(t, 8, "--force")
	p.run("download", fid, "-o", p.dir).want(t, 0)
	if p.read("talk.mp3") != "sound" {
		t.Error("the MP3 does not have the video's name")
	}
	d := p.run("download", "--json", "--force", fid, "-o", p.dir).want(t, 0).document(t)
	if d.at("output") != filepath.Join(p.dir, "talk.mp3") || d.at("bytes") != 5.0 || d.at("fid") != fid {
		t.Errorf("document %v", d)
	}
	if r := p.run("download", fid, "-o", "-").want(t, 0); r.stdout != "sound" {
		t.Errorf("standard output is %q", r.stdout)
	}
	p.wantFolder("out.mp3", "talk.mp3")
}

func TestDownloadRefusals(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		file fakeFile
		args []string
		exit int
		code string
		says string
	}{
		"not ready":                  {file: fakeFile{State: "converting"}, exit: 8, code: "not_ready", says: "download --wait"},
		"failed":                     {file: fakeFile{State: "failed", failure: "It is not a video."}, exit: 5, code: "conversion_failed", says: "It is not a video."},
		"failed, after waiting":      {file: fakeFile{State: "failed", failure: "It is not a video."}, args: []string{"--wait"}, exit: 5, code: "no_audio", says: "It is not a video."},
		"expired":                    {file: fakeFile{State: "expired"}, exit: 4, code: "expired", says: "expired"},
		"expired, after waiting":     {file: fakeFile{State: "expired"}, args: []string{"--wait"}, exit: 4, code: "expired", says: "expired"},
		"shorter than the link says": {file: fakeFile{State: "ready", mp3: []byte("sound"), claimed: 9}, exit: 1, code: "error", says: "5 bytes where the service says 9"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newSignedIn(t)
			fid := p.svc.add(tc.file)
			args := append([]string{"download", "-o", p.dir, fid}, tc.args...)
			p.run(args...).want(t, tc.exit, tc.says)
			d := p.run(append(args, "--json")...).want(t, tc.exit).document(t)
			if d.at("error.code") != tc.code || d.at("error.exit") != float64(tc.exit) {
				t.Errorf("document %v", d)
			}
			p.wantFolder()
		})
	}
	t.Run("unknown", func(t *testing.T) {
		t.Parallel()
		newSignedIn(t).run("download", newFID()).want(t, 4, "no such file", "not_found")
	})
}

func TestBrokenDownloadGoesOnWhereItWas(t *testing.T) {
	t.Parallel()
	const size = 4 << 20
	for name, changes := range map[string]bool{"the same object": false, "another object": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newSignedIn(t)
			fid := p.svc.add(fakeFile{State: "ready", mp3: []byte(strings.Repeat("a", size))})
			want := "a"
			if changes {
				want = "b"
			}
			ranges := make(chan string, 10)
			p.svc.onStorage = func(w http.ResponseWriter, r *http.Request, n int) bool {
				ranges <- r.Header.Get("Range")
				if n > 1 {
					if changes && r.Header.Get("If-Range") != "" {
						w.Header().Set("Content-Length", strconv.Itoa(size))
						_, _ = io.WriteString(w, strings.Repeat("b", size))
						return true
					}
					return false
				}
				w.Header().Set("ETag", `"`+strconv.Itoa(size)+`"`)
				w.Header().Set("Content-Length", strconv.Itoa(size))
				_, _ = io.WriteString(w, strings.Repeat("a", size/2))
				_ = http.NewResponseController(w).Flush()
				hangUp(w)
				return true
			}
			p.run("download", fid, "-o", filepath.Join(p.dir, "a.mp3")).want(t, 0)
			if got := p.read("a.mp3"); got != strings.Repeat(want, size) {
				t.Errorf("the MP3 is wrong (%d bytes)", len(got))
			}
			if first, second := <-ranges, <-ranges; first != "" || !strings.HasPrefix(second, "bytes=") {
				t.Errorf("ranges %q and %q", first, second)
			}
			p.wantFolder("a.mp3")
		})
	}
}

func TestNamesFromTheServiceCannotEscape(t *testing.T) {
	t.Parallel()
	for suggested, want := range map[string]string{
		"../../etc/cron.d/evil.mp3":  "evil.mp3",
		`..\..\evil.mp3`:             "evil.mp3",
		".bashrc":                    "bashrc.mp3",
		"-rf.mp3":                    "rf.mp3",
		"a\x1b[31mred\r\n.mp3":       "a[31mred.mp3",
		"nul.mp3":                    "_nul.mp3",
		"what? \"this\": <that>.mp3": "what_ _this__ _that_.mp3",
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			p := newSignedIn(t)
			fid := p.svc.add(fakeFile{State: "ready", mp3: []byte("sound"), suggested: suggested})
			p.run("download", fid, "-o", p.dir).want(t, 0)
			p.wantFolder(want)
		})
	}
}

func TestListAndStatus(t *testing.T) {
	t.Parallel()
	p := newSignedIn(t)
	p.run("list").want(t, 0, "no files")
	var ids []string
	for range 205 {
		ids = append(ids, p.svc.add(fakeFile{State: "ready", mp3: []byte("sound"), Size: 12_345_678}))
	}
	failed := p.svc.add(fakeFile{State: "failed", failure: "It is not a video.", Filename: "evil\x1b[2J.mp4"})
	p.run("list").want(t, 0, failed, "12 MB", "1:02", "It is not a video.", "evil�[2J.mp4")
	if docs := p.run("list", "--json").want(t, 0).documents(t); len(docs) != 20 || docs[0].at("fid") != failed || docs[1].at("fid") != ids[204] {
		t.Errorf("%d documents", len(docs))
	}
	if docs := p.run("list", "--json", "--all").want(t, 0).documents(t); len(docs) != 206 {
		t.Errorf("%d documents, want 206", len(docs))
	}
	if docs := p.run("list", "--json", "-n", "130").want(t, 0).documents(t); len(docs) != 130 {
		t.Errorf("%d documents, want 130", len(docs))
	}
	d := p.run("status", "--json", failed).want(t, 0).document(t)
	if d.at("state") != "failed" || d.at("error.code") != "no_audio" || d.at("audio.quality") != 2.0 {
		t.Errorf("document %v", d)
	}
	r := p.run("status", "--json", newFID(), ids[0]).want(t, 4)
	if docs := r.documents(t); len(docs) != 2 || docs[0].at("error.code") != "not_found" || docs[1].at("state") != "ready" {
		t.Errorf("documents %v", docs)
	}
}

func TestColorsOnlyWhereTheyAreWanted(t *testing.T) {
	t.Parallel()
	p := newSignedIn(t)
	p.svc.add(fakeFile{State: "ready"})
	colored := func() bool { return strings.Contains(p.run("list").want(t, 0).stdout, "\x1b[") }
	if colored() {
		t.Error("colors in a pipe")
	}
	p.stdoutTerminal = true
	if !colored() {
		t.Error("no colors on a terminal")
	}
	p.env["NO_COLOR"] = "1"
	if colored() {
		t.Error("colors in spite of NO_COLOR")
	}
}

func TestDelete(t *testing.T) {
	t.Parallel()
	p := newSignedIn(t)
	one, two := p.svc.add(fakeFile{State: "ready"}), p.svc.add(fakeFile{State: "converting"})
	if r := p.run("delete", one).want(t, 0); r.stdout != one+"\n" {
		t.Errorf("printed %q", r.stdout)
	}
	p.run("delete", one).want(t, 4)
	p.svc.onAPI = func(w http.ResponseWriter, r *http.Request, n int) bool {
		if n == 3 { // done, but the answer is lost
			r.SetPathValue("fid", two)
			p.svc.deleteFile(discard{http.Header{}}, r)
			hangUp(w)
		}
		return false
	}
	d := p.run("delete", "--json", two).want(t, 0).document(t)
	if d.at("deleted") != true || d.at("fid") != two {
		t.Errorf("document %v", d)
	}
}

// discard is an answer nobody gets.
type discard struct{ h http.Header }

func (d discard) Header() http.Header         { return d.h }
func (d discard) Write(p []byte) (int, error) { return len(p), nil }
func (d discard) WriteHeader(int)             {}
