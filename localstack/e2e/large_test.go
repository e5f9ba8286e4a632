//go:build large

package e2e

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// A video of 2 GB goes the whole way while the convert function's process stays small.
func TestLargeUploadNeedsLittleMemory(t *testing.T) {
	const maxBytes = 256 << 20
	path := video(t, "large.mov", join([]string{"-f", "lavfi", "-i", "testsrc2=size=1280x720:rate=25:duration=64"}, tone(440, 64),
		[]string{"-pix_fmt", "yuv420p", "-c:v", "rawvideo", "-c:a", "aac"})...)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Size() < 2<<30 {
		t.Fatalf("the test video has only %d bytes", info.Size())
	}
	p := newPerson(t)
	f := p.finished(t, p.upload(t, path, nil))
	if f.State != "ready" {
		t.Fatalf("ended %+v", f)
	}
	wantMP3(t, p.download(t, f.ID), 64)
	peak := peakOfConvert(t)
	t.Logf("%d bytes of video; the convert function's process never had more than %d MB resident", info.Size(), peak>>20)
	if peak > maxBytes {
		t.Errorf("more than %d MB", maxBytes>>20)
	}
}

// peakOfConvert is the largest resident size that any convert process has had (VmHWM).
func peakOfConvert(t *testing.T) int64 {
	t.Helper()
	environs, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		t.Fatal(err)
	}
	var peak int64
	for _, environ := range environs {
		if !isConvert(environ) {
			continue
		}
		status, err := os.ReadFile(filepath.Join(filepath.Dir(environ), "status"))
		if err != nil {
			continue // ended meanwhile
		}
		_, rest, _ := strings.Cut(string(status), "VmHWM:")
		kib, _ := strconv.ParseInt(strings.Fields(rest + " 0")[0], 10, 64)
		peak = max(peak, kib<<10)
	}
	if peak == 0 {
		t.Fatal("no process of the convert function was found")
	}
	return peak
}
