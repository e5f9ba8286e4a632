package mp3_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"mp3converter/shared/mp3"
)

// runFFmpeg runs the full ffmpeg that makes and judges media.
func runFFmpeg(stdin []byte, args ...string) ([]byte, error) {
	program := os.Getenv("MEDIA_FFMPEG")
	if program == "" {
		return nil, fmt.Errorf("MEDIA_FFMPEG is not set: run these tests by `make test`, which sets it")
	}
	return runProgram(program, stdin, args...)
}

func runProgram(program string, stdin []byte, args ...string) ([]byte, error) {
	cmd := exec.Command(program, append([]string{"-hide_banner", "-nostats", "-y", "-v", "error"}, args...)...)
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(stdin), &stdout, &stderr
	if err := cmd.Run(); err != nil || stderr.Len() > 0 {
		return nil, fmt.Errorf("%s %v: %w\n%s", program, args, err, stderr.Bytes())
	}
	return stdout.Bytes(), nil
}

// lame makes an MP3, without tags, of what arguments split at spaces name, by the LAME of the layer: another version packs
// in another way.
func lame(t testing.TB, stdin []byte, args string) []byte {
	t.Helper()
	dir := os.Getenv("LAYER_DIR")
	if dir == "" {
		t.Fatal("LAYER_DIR is not set: run these tests by `make test`, which builds the ffmpeg layer and sets it")
	}
	out, err := runProgram(filepath.Join(dir, "bin", "ffmpeg"), stdin, append(strings.Fields(args), "-c:a", "libmp3lame", "-write_xing", "0", "-id3v2_version", "0", "-f", "mp3", "pipe:")...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func ffmpeg(t testing.TB, stdin []byte, args ...string) []byte {
	t.Helper()
	out, err := runFFmpeg(stdin, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// sound is a source that keeps an encoder's decisions changing: a sweep, a pulsing tone and noise.
const sound = "-f lavfi -i aevalsrc=0.4*sin(2*PI*(200+900*t)*t)+0.05*random(0)|0.3*sin(2*PI*330*t)*gt(mod(t\\,0.4)\\,0.2)+0.03*random(1):d=3:s=44100 "

var clips sync.Map // of func() ([]byte, error), by name and arguments

// clip makes a file of the named kind from ffmpeg's arguments, split at spaces; the same one is made only once.
func clip(t testing.TB, name, args string) []byte {
	t.Helper()
	made, _ := clips.LoadOrStore(name+" "+args, sync.OnceValues(func() ([]byte, error) {
		dir, err := os.MkdirTemp("", "clip")
		if err != nil {
			return nil, err
		}
		defer os.RemoveAll(dir) //nolint:errcheck // under the system's temporary folder
		file := filepath.Join(dir, name)
		if _, err := runFFmpeg(nil, append(strings.Fields(args), "-threads", "1", file)...); err != nil {
			return nil, err
		}
		return os.ReadFile(file)
	}))
	data, err := made.(func() ([]byte, error))()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// pcm decodes an MP3, gapless, and fails on the slightest complaint.
func pcm(t testing.TB, data []byte) []byte {
	t.Helper()
	file := filepath.Join(t.TempDir(), "a.mp3") // a pipe would keep the padding at the end
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return ffmpeg(t, nil, "-xerror", "-i", file, "-map", "0:a", "-f", "s16le", "-")
}

func testdata(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// destination takes an MP3 and holds the Writer to what it promises of its writes.
type destination struct {
	t    testing.TB
	data []byte
	// most is the longest write.
	most int
}

func (d *destination) WriteAt(p []byte, offset int64) (int, error) {
	d.most = max(d.most, len(p))
	end := offset + int64(len(p))
	switch {
	case offset == int64(len(d.data)):
		d.data = append(d.data, p...)
	case end <= int64(len(d.data)) && end <= mp3.Rewritable:
		copy(d.data[offset:], p)
	default:
		d.t.Errorf("WriteAt(%d bytes, %d) after %d bytes is neither in order nor within the first %d", len(p), offset, len(d.data), mp3.Rewritable)
	}
	return len(p), nil
}

// split cuts a stream of whole frames into them, without the tag before.
func split(t testing.TB, data []byte) [][]byte {
	t.Helper()
	data = data[mp3.TagSize(data):]
	var frames [][]byte
	for len(data) > 0 {
		h, err := mp3.ParseHeader(data)
		if err != nil || h.Size() > len(data) {
			t.Fatalf("frame %d: %v, %d bytes left", len(frames), err, len(data))
		}
		frames = append(frames, data[:h.Size()])
		data = data[h.Size():]
	}
	return frames
}

// checked holds frames to Checker.
func checked(t testing.TB, frames [][]byte) {
	t.Helper()
	c := mp3.Checker{CRC: true}
	for _, frame := range frames {
		if err := c.Check(frame); err != nil {
			t.Fatal(err)
		}
	}
}

// written is the MP3 that a Writer makes of frames.
func written(t testing.TB, frames [][]byte, opts mp3.Options, end mp3.EndInfo) ([]byte, mp3.Result) {
	t.Helper()
	dst := &destination{t: t}
	w := mp3.NewWriter(dst, opts)
	for _, frame := range frames {
		if err := w.WriteFrames(frame); err != nil {
			t.Fatal(err)
		}
	}
	result, err := w.Finish(end)
	if err != nil {
		t.Fatal(err)
	}
	if result.Bytes != int64(len(dst.data)) || result.Frames != int64(len(frames)) {
		t.Errorf("result says %d bytes and %d frames, it was %d and %d", result.Bytes, result.Frames, len(dst.data), len(frames))
	}
	return dst.data, result
}
