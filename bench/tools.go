package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"mp3converter/bench/internal/report"
)

// tools are the programs that a run needs.
type tools struct {
	naive   string // a full ffmpeg: BENCH_FFMPEG, or the one on PATH
	ffprobe string // beside it, or on PATH
	ours    string // the layer's ffmpeg: FFMPEG, or LAYER_DIR's, or what layers/ffmpeg/build.sh finds or builds
}

func findTools(ctx context.Context) (tools, error) {
	var t tools
	var err error
	if t.naive, err = exec.LookPath(firstOf(os.Getenv("BENCH_FFMPEG"), "ffmpeg")); err != nil {
		return t, fmt.Errorf("find a full ffmpeg, which makes the inputs and is measured against (Debian: apt-get install ffmpeg; or set BENCH_FFMPEG): %w", err)
	}
	if t.ffprobe, err = exec.LookPath(filepath.Join(filepath.Dir(t.naive), "ffprobe")); err != nil {
		if t.ffprobe, err = exec.LookPath("ffprobe"); err != nil {
			return t, fmt.Errorf("find ffprobe: %w", err)
		}
	}
	t.ours = os.Getenv("FFMPEG")
	if dir := os.Getenv("LAYER_DIR"); t.ours == "" && dir != "" {
		t.ours = filepath.Join(dir, "bin", "ffmpeg")
	}
	if t.ours == "" {
		arch := "x86_64"
		if runtime.GOARCH == "arm64" {
			arch = "arm64"
		}
		cmd := exec.CommandContext(ctx, "layers/ffmpeg/build.sh", "--arch", arch)
		cmd.Stderr = os.Stderr
		out, err := cmd.Output()
		if err != nil {
			return t, fmt.Errorf("build the ffmpeg layer (run this in the project's folder): %w", err)
		}
		t.ours = filepath.Join(strings.TrimSpace(string(out)), "bin", "ffmpeg")
	}
	return t, nil
}

func firstOf(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

// cacheDir is where inputs are kept from one run to the next.
func cacheDir() (string, error) {
	if dir := os.Getenv("MP3CONVERTER_CACHE"); dir != "" {
		return filepath.Join(dir, "bench"), nil
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the cache folder: %w", err)
	}
	return filepath.Join(dir, "mp3converter", "bench"), nil
}

// machine describes where a run takes place; what cannot be found out stays empty.
func machine(ctx context.Context, t tools) report.Machine {
	m := report.Machine{
		CPU: field("/proc/cpuinfo", "model name"), Cores: runtime.NumCPU(), Arch: runtime.GOARCH, Go: runtime.Version(),
		NaiveFFmpeg: version(ctx, t.naive), OursFFmpeg: version(ctx, t.ours),
	}
	if kernel, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		m.Kernel = strings.TrimSpace(string(kernel))
	}
	if kib, err := strconv.ParseInt(strings.TrimSuffix(field("/proc/meminfo", "MemTotal"), " kB"), 10, 64); err == nil {
		m.MemoryBytes = kib << 10
	}
	if out, err := exec.CommandContext(ctx, "git", "describe", "--tags", "--always", "--dirty").Output(); err == nil {
		m.Commit = strings.TrimSpace(string(out))
	}
	return m
}

// field finds the first `name : value` in a file of the kernel's.
func field(path, name string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		if key, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// version is the third word of what ffmpeg says first.
func version(ctx context.Context, ffmpeg string) string {
	out, err := exec.CommandContext(ctx, ffmpeg, "-version").Output()
	words := strings.Fields(string(out))
	if err != nil || len(words) < 3 {
		return ""
	}
	return words[2]
}
