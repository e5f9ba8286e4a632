// Package mediatest is what the tests of everything that touches media share: the two ffmpegs that `make test`
// provides, clips made with one of them, boxes to build MP4s of, and a destination that holds an MP3's writer to its
// promise. Only tests import it.
package mediatest

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// Setting returns an environment variable that `make test` sets. These tests are worth nothing without, so its absence
// is a failure and not a reason to skip them.
func Setting(t testing.TB, name string) string {
	t.Helper()
	value := os.Getenv(name)
	if value == "" {
		t.Fatalf("%s is not set: run these tests by `make test`, which provides the ffmpeg layer and a complete ffmpeg", name)
	}
	return value
}

// FFmpeg returns the path of the complete ffmpeg, which makes and judges media.
func FFmpeg(t testing.TB) string {
	t.Helper()
	return Setting(t, "MEDIA_FFMPEG")
}

// LayerFFmpeg returns the path of the layer's ffmpeg, which is the one that is deployed.
func LayerFFmpeg(t testing.TB) string {
	t.Helper()
	return filepath.Join(Setting(t, "LAYER_DIR"), "bin", "ffmpeg")
}

// Run runs one of the programs, which must end well, and returns what it wrote to its standard output and error.
func Run(t testing.TB, program string, stdin []byte, args ...string) (out, words []byte) {
	t.Helper()
	out, words, err := run(t.Context(), program, stdin, args)
	if err != nil {
		t.Fatal(err)
	}
	return out, words
}

func run(ctx context.Context, program string, stdin []byte, args []string) (out, words []byte, err error) {
	cmd := exec.CommandContext(ctx, program, append([]string{"-hide_banner", "-nostats", "-y"}, args...)...)
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(stdin), &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return nil, nil, fmt.Errorf("%s %v: %w\n%s", program, args, err, stderr.Bytes())
	}
	return stdout.Bytes(), stderr.Bytes(), nil
}

// File makes a file of the named kind from arguments of the complete ffmpeg, split at spaces. It goes with the test.
func File(t testing.TB, name, args string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := generate(t.Context(), FFmpeg(t), file, args); err != nil {
		t.Fatal(err)
	}
	return file
}

// generate fails on the slightest complaint. With one thread the same arguments give the same file.
func generate(ctx context.Context, program, file, args string) error {
	all := append(append([]string{"-v", "error"}, strings.Fields(args)...), "-threads", "1", file)
	_, words, err := run(ctx, program, nil, all)
	if err == nil && len(words) > 0 {
		err = fmt.Errorf("%s %v: %s", program, all, words)
	}
	return err
}

var clips sync.Map // of func() ([]byte, error), by name and arguments

// Clip is what a File of these arguments holds; the same one is made only once.
func Clip(t testing.TB, name, args string) []byte {
	t.Helper()
	program, ctx := FFmpeg(t), context.WithoutCancel(t.Context()) // others wait for it, too
	made, _ := clips.LoadOrStore(name+" "+args, sync.OnceValues(func() ([]byte, error) {
		dir, err := os.MkdirTemp("", "clip")
		if err != nil {
			return nil, err
		}
		defer os.RemoveAll(dir) //nolint:errcheck // under the system's temporary folder
		file := filepath.Join(dir, name)
		if err := generate(ctx, program, file, args); err != nil {
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
