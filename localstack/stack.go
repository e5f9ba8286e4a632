package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// stack is one local deployment: where its files are, which ports it has and which processes belong to it.
type stack struct {
	root   string // of the repository
	shared string // root/.local: what all stacks of this checkout share (virtual environments, binaries, layer)
	dir    string // what is this stack's own (data, logs, env file)

	wantPorts    ports
	retrySeconds string
	overrides    map[string]string // of the template's parameters

	out   io.Writer
	outMu sync.Mutex
	begun time.Time
}

// running is what up leaves behind for the next up and for down.
type running struct {
	Ports    ports
	Emulator process
	Helper   process
	// What the processes were started with; another value means that they have to be started anew.
	EmulatorConfig string
	HelperConfig   string
}

func newStack(dir string, getenv func(string) string, out io.Writer) (*stack, error) {
	root, err := repositoryRoot()
	if err != nil {
		return nil, err
	}
	s := &stack{root: root, shared: filepath.Join(root, ".local"), dir: dir, out: out, begun: time.Now()}
	if s.dir == "" {
		s.dir = s.shared
	}
	if s.dir, err = filepath.Abs(s.dir); err != nil {
		return nil, err
	}
	if s.wantPorts, err = portsFrom(getenv); err != nil {
		return nil, err
	}
	if s.retrySeconds = getenv("RETRY_SECONDS"); s.retrySeconds == "" {
		s.retrySeconds = "1"
	}
	return s, nil
}

// repositoryRoot is the nearest folder at or above the working directory that has a template.yaml beside a go.mod.
func repositoryRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		_, errTemplate := os.Stat(filepath.Join(dir, "template.yaml"))
		_, errModule := os.Stat(filepath.Join(dir, "go.mod"))
		if errTemplate == nil && errModule == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("not inside the repository: no folder here or above has template.yaml and go.mod")
		}
		dir = parent
	}
}

// say prints one line of progress with the seconds since the start.
func (s *stack) say(format string, args ...any) {
	s.outMu.Lock()
	defer s.outMu.Unlock()
	fmt.Fprintf(s.out, "%5.1fs  %s\n", time.Since(s.begun).Seconds(), fmt.Sprintf(format, args...))
}

func (s *stack) path(elem ...string) string {
	return filepath.Join(append([]string{s.dir}, elem...)...)
}

// lock keeps a second localstack from working on the same files; it goes with the process that holds it.
func (s *stack) lock(path string) (release func(), err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	fd := int(f.Fd())
	if err := syscall.Flock(fd, syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		s.say("waiting for another localstack that works on %s", filepath.Dir(path))
		if err := syscall.Flock(fd, syscall.LOCK_EX); err != nil {
			_ = f.Close()
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
	}
	return func() { _ = f.Close() }, nil
}

func (s *stack) loadRunning() (running, error) {
	var r running
	data, err := os.ReadFile(s.path("running.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(data, &r); err != nil {
		return r, fmt.Errorf("read %s: %w", s.path("running.json"), err)
	}
	return r, nil
}

func (s *stack) saveRunning(r running) error {
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(s.path("running.json"), append(data, '\n'), 0o600)
}

// writeFile replaces a file as a whole: a reader sees the old or the new one, never a part.
func writeFile(path string, data []byte, mode fs.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Chmod(mode), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
