package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// decodedSeconds decodes the whole MP3 with a full ffmpeg, which must find nothing to complain of, and measures it.
func decodedSeconds(t *testing.T, data []byte) float64 {
	t.Helper()
	path := filepath.Join(t.TempDir(), "check.mp3")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	const rate = 8000
	out, err := exec.CommandContext(t.Context(), os.Getenv("MEDIA_FFMPEG"), "-nostdin", "-v", "error", "-xerror", "-f", "mp3", "-i", path,
		"-map", "0:a:0", "-ac", "1", "-ar", strconv.Itoa(rate), "-f", "s16le", "-").Output()
	if err != nil {
		t.Fatalf("the MP3 (%d bytes, %.20q) does not decode: %v", len(data), data, err)
	}
	return float64(len(out)) / 2 / rate
}

// wantMP3 checks how long the MP3 plays, to a twentieth of a second.
func wantMP3(t *testing.T, data []byte, seconds float64) {
	t.Helper()
	if got := decodedSeconds(t, data); got < seconds-0.05 || got > seconds+0.05 {
		t.Errorf("the MP3 plays %.3f s; want %.3f s", got, seconds)
	}
}

// download fetches the MP3 as the page does.
func (p *person) download(t *testing.T, id string) []byte {
	t.Helper()
	r := p.do(t, "GET", "/download?fid="+id, nil, header("Accept", "application/json"))
	var link struct{ URL string }
	r.into(t, &link)
	if !strings.HasPrefix(link.URL, "http") {
		t.Fatalf("no link: %s", r)
	}
	got := fetch(t, link.URL)
	if got.status != 200 {
		t.Fatalf("the link answers %s", got)
	}
	return got.body
}
