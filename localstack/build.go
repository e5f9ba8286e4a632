package main

import (
	"archive/zip"
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sort"
	"strings"
	"time"
)

// versionVariable is where the version is linked into the binaries.
const versionVariable = "mp3converter/shared/host.Version"

// archive is a zip as Lambda takes it, with the name it gets in storage: that of its content, so that what did not
// change keeps its name and needs no new deployment.
type archive struct {
	Key  string
	Data []byte
}

// command runs a program quietly; what it printed is part of the error.
func (s *stack) command(ctx context.Context, env []string, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = s.root
	if env != nil {
		cmd.Env = env
	}
	output, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w\n%s", filepath.Base(name), strings.Join(args, " "), err, bytes.TrimSpace(output))
	}
	return nil
}

// buildBinaries compiles the packages (such as ./functions/login) in one go and returns the folder of the results.
func (s *stack) buildBinaries(ctx context.Context, packages []string) (string, error) {
	goTool, err := exec.LookPath("go")
	if err != nil {
		return "", errors.New("go is missing: install Go, see go.mod for the version")
	}
	dir := filepath.Join(s.shared, "build", "bin")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	// The emulator runs the binaries as processes of this machine, so they are built for it; otherwise with the flags
	// a deployment uses.
	env := append(os.Environ(), "CGO_ENABLED=0")
	args := []string{
		"build", "-tags", "lambda.norpc", "-trimpath", "-buildvcs=false",
		"-ldflags", "-s -w -X " + versionVariable + "=" + s.version(ctx), "-o", dir + string(filepath.Separator),
	}
	if err := s.command(ctx, env, goTool, append(args, packages...)...); err != nil {
		return "", fmt.Errorf("build the functions: %w", err)
	}
	return dir, nil
}

// version is what git calls the checked-out commit, or "dev" where there is no git to ask.
func (s *stack) version(ctx context.Context) string {
	cmd := exec.CommandContext(ctx, "git", "describe", "--tags", "--always", "--dirty")
	cmd.Dir = s.root
	output, err := cmd.Output()
	if text := strings.TrimSpace(string(output)); err == nil && text != "" {
		return text
	}
	return "dev"
}

// architecture is this machine's, as Lambda calls it.
func architecture() string {
	if runtime.GOARCH == "arm64" {
		return "arm64"
	}
	return "x86_64"
}

// buildLayer builds the ffmpeg layer, or finds the one built before, and returns its folder. A first build takes
// minutes, so its progress is passed on.
func (s *stack) buildLayer(ctx context.Context) (string, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(s.root, "layers", "ffmpeg", "build.sh"), "--arch", architecture())
	cmd.Dir = s.root
	// Its own compilers must end with it when this program is interrupted.
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	var folder bytes.Buffer
	cmd.Stdout = &folder
	progress, err := cmd.StderrPipe()
	if err != nil {
		return "", err
	}
	if err := cmd.Start(); err != nil {
		return "", fmt.Errorf("build the ffmpeg layer: %w", err)
	}
	var last string
	for lines := bufio.NewScanner(progress); lines.Scan(); {
		last = lines.Text()
		s.say("%s", last)
	}
	if err := cmd.Wait(); err != nil {
		return "", fmt.Errorf("build the ffmpeg layer: %w: %s", err, last)
	}
	dir := strings.TrimSpace(folder.String())
	if _, err := os.Stat(filepath.Join(dir, "bin", "ffmpeg")); err != nil {
		return "", fmt.Errorf("the build of the ffmpeg layer left no bin/ffmpeg in %q", dir)
	}
	return dir, nil
}

// linkLayer makes .local/layer lead to the layer, so that a rebuilt one is found under the same path.
func (s *stack) linkLayer(target string) error {
	link := filepath.Join(s.shared, "layer")
	if have, err := os.Readlink(link); err == nil && have == target {
		return nil
	}
	fresh := link + ".new"
	if err := os.Remove(fresh); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return errors.Join(os.Symlink(target, fresh), os.Rename(fresh, link))
}

// zipFiles packs files (name in the archive → path) with fixed times and modes, so that equal contents give equal
// archives.
func zipFiles(files map[string]string) (archive, error) {
	names := make([]string, 0, len(files))
	for name := range files {
		names = append(names, name)
	}
	sort.Strings(names)
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	for _, name := range names {
		data, err := os.ReadFile(files[name])
		if err != nil {
			return archive{}, err
		}
		// Stored as it is: it travels no further than this machine, and compressing took longer than all the rest.
		header := &zip.FileHeader{Name: name, Method: zip.Store, Modified: time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)}
		header.SetMode(0o755)
		entry, err := w.CreateHeader(header)
		if err != nil {
			return archive{}, err
		}
		if _, err := entry.Write(data); err != nil {
			return archive{}, err
		}
	}
	if err := w.Close(); err != nil {
		return archive{}, err
	}
	sum := sha256.Sum256(buf.Bytes())
	return archive{Key: hex.EncodeToString(sum[:]) + ".zip", Data: buf.Bytes()}, nil
}

// zipFolder packs a folder.
func zipFolder(dir string) (archive, error) {
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		files[filepath.ToSlash(name)] = path
		return err
	})
	if err != nil {
		return archive{}, err
	}
	return zipFiles(files)
}
