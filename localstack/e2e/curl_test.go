package e2e

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// curl runs the real curl in dir and returns what it printed.
func curl(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "curl", append([]string{"-sS", "--max-time", "120"}, args...)...)
	cmd.Dir = dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("curl %v: %v: %s", args, err, stderr.Bytes())
	}
	return string(out)
}

var bareToken = regexp.MustCompile(`^[\w-]+\.[\w-]+\.[\w-]+$`)

// The three lines of the well-known tutorial, with nothing but the host changed, and the ID taken from the e-mail.
func TestTheTutorialsThreeCurlLinesWorkAsWritten(t *testing.T) {
	t.Parallel()
	p, dir, url := newPerson(t), t.TempDir(), os.Getenv("API_URL")
	if err := os.Link(clip(t), filepath.Join(dir, "video.mp4")); err != nil {
		t.Fatal(err)
	}

	token := curl(t, dir, "-X", "POST", url+"/login", "-u", p.email+":"+p.password)
	if !bareToken.MatchString(token) {
		t.Fatalf("POST /login printed %q, not a bare token", token)
	}
	answer := curl(t, dir, "-X", "POST", "-F", "file=@./video.mp4", "-H", "Authorization: Bearer "+token, url+"/upload")
	var accepted struct{ FID string }
	if err := json.Unmarshal([]byte(answer), &accepted); err != nil || accepted.FID == "" {
		t.Fatalf("POST /upload printed %q", answer)
	}
	var letters []mail
	eventually(t, "the e-mail", func() bool {
		letters = p.mails(t, accepted.FID)
		return len(letters) > 0
	})
	id := regexp.MustCompile(`File ID: ([a-z2-7]{26})`).FindStringSubmatch(letters[0].Text)
	if id == nil || id[1] != accepted.FID {
		t.Fatalf("the e-mail does not say the file's ID: %s", letters[0].Text)
	}
	curl(t, dir, "--output", "out.mp3", "-X", "GET", "-H", "Authorization: Bearer "+token, url+"/download?fid="+id[1])
	data, err := os.ReadFile(filepath.Join(dir, "out.mp3"))
	if err != nil {
		t.Fatal(err)
	}
	wantMP3(t, data, 3)
}

func TestALargerFileGoesWithCurlToThePresignedURL(t *testing.T) {
	t.Parallel()
	p, dir, url := newPerson(t), t.TempDir(), os.Getenv("API_URL")
	// Seven minutes at the default quality are more than fits into an answer of the download function.
	path := video(t, "seven-minutes.mkv", join(tone(330, 420), []string{"-f", "lavfi", "-i", "anoisesrc=r=44100:d=420:a=0.3:seed=1",
		"-filter_complex", "amix=inputs=2", "-ac", "2", "-c:a", "flac"})...)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	c := p.announce(t, "video.mkv", info.Size(), nil)
	curl(t, dir, "-f", "-T", path, c.Upload.URL)
	f := p.finished(t, c.ID)
	if f.State != "ready" {
		t.Fatalf("the file ended %+v", f)
	}
	auth := "Authorization: Bearer " + p.token
	curl(t, dir, "--output", "out.txt", "-H", auth, url+"/download?fid="+c.ID)
	text, err := os.ReadFile(filepath.Join(dir, "out.txt"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), "curl -L") {
		t.Errorf("without -L the answer should say how to get the MP3; it says %.300q", text)
	}
	curl(t, dir, "-L", "--output", "out.mp3", "-H", auth, url+"/download?fid="+c.ID)
	data, err := os.ReadFile(filepath.Join(dir, "out.mp3"))
	if err != nil {
		t.Fatal(err)
	}
	if int64(len(data)) != f.MP3Size {
		t.Errorf("downloaded %d bytes of %d", len(data), f.MP3Size)
	}
	wantMP3(t, data, 420)
}
