package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"mp3converter/cmd/mp3converter/internal/cli"
	"mp3converter/shared/account"
)

// person runs the client as one person at one machine: a folder of configuration, a folder of work, and a clock that
// moves only when the client waits.
type person struct {
	t      *testing.T
	svc    *fake
	config string
	dir    string
	env    map[string]string
	stdin  string
	// typed are the answers at the password prompt; nil means that there is no terminal.
	typed []string
	// stdoutTerminal makes standard output a terminal.
	stdoutTerminal bool
	users          account.Users

	mu     sync.Mutex
	now    time.Time
	pauses []time.Duration
	// onPause is called for each pause, counted from 1.
	onPause func(n int)
	cancel  context.CancelCauseFunc
}

// result is what a run left.
type result struct {
	exit           int
	stdout, stderr string
}

func newPerson(t *testing.T) *person {
	t.Helper()
	root := t.TempDir()
	p := &person{
		t: t, svc: newFake(t), config: filepath.Join(root, "config"), dir: filepath.Join(root, "work"),
		now: time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC), env: map[string]string{},
	}
	if err := os.Mkdir(p.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	p.env["MP3CONVERTER_CONFIG_DIR"] = p.config
	return p
}

// newSignedIn is a person who has signed in.
func newSignedIn(t *testing.T) *person {
	t.Helper()
	p := newPerson(t)
	p.stdin = testPassword + "\n"
	p.run("login", "--api", p.svc.api.URL, "--password-stdin", testEmail).want(t, 0)
	return p
}

func (p *person) run(args ...string) result {
	p.t.Helper()
	ctx, cancel := context.WithCancelCause(p.t.Context())
	defer cancel(nil)
	p.mu.Lock()
	p.pauses, p.cancel = nil, cancel
	p.mu.Unlock()
	var out, errs safeBuffer
	env := cli.Env{
		Args: args, Stdin: strings.NewReader(p.stdin), Stdout: &out, Stderr: &errs,
		Getenv: func(name string) string { return p.env[name] }, StdoutTerminal: p.stdoutTerminal,
		Sleep: p.sleep, Now: p.clock,
		Users:   func(context.Context, string) (account.Users, error) { return p.users, nil },
		Version: cli.Version{Version: "v1.2.3", Go: "go1.26", System: "plan9/mips"},
	}
	if p.typed != nil {
		env.ReadPassword = func() (string, error) {
			if len(p.typed) == 0 {
				return "", errors.New("nobody answers")
			}
			answer := p.typed[0]
			p.typed = p.typed[1:]
			return answer, nil
		}
	}
	r := result{exit: cli.Run(ctx, env)}
	r.stdout, r.stderr = out.String(), errs.String()
	for _, secret := range []string{"secret-token", "secret-signature", testPassword} {
		if strings.Contains(r.stdout+r.stderr, secret) {
			p.t.Errorf("%v shows a secret:\n%s%s", args, r.stdout, r.stderr)
		}
	}
	return r
}

func (p *person) clock() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.now
}

func (p *person) sleep(ctx context.Context, d time.Duration) error {
	p.mu.Lock()
	p.pauses = append(p.pauses, d)
	p.now = p.now.Add(d)
	n, hook := len(p.pauses), p.onPause
	p.mu.Unlock()
	if n > 10_000 {
		return errors.New("the client waits for ever")
	}
	if hook != nil {
		hook(n)
	}
	return context.Cause(ctx)
}

// interrupt is Ctrl-C.
func (p *person) interrupt() { p.cancel(cli.ErrInterrupted) }

// video writes a video and returns its path.
func (p *person) video(name, content string) string {
	p.t.Helper()
	path := filepath.Join(p.dir, name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		p.t.Fatal(err)
	}
	return path
}

func (p *person) read(name string) string {
	p.t.Helper()
	data, err := os.ReadFile(filepath.Join(p.dir, name))
	if err != nil {
		p.t.Fatal(err)
	}
	return string(data)
}

// folder lists the folder of work.
func (p *person) folder() []string {
	p.t.Helper()
	entries, err := os.ReadDir(p.dir)
	if err != nil {
		p.t.Fatal(err)
	}
	names := []string{}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func (p *person) wantFolder(names ...string) {
	p.t.Helper()
	slices.Sort(names)
	if got := p.folder(); !slices.Equal(got, names) {
		p.t.Errorf("the folder holds %q, want %q", got, names)
	}
}

// pending counts the conversions the client remembers.
func (p *person) pending() int {
	entries, _ := os.ReadDir(filepath.Join(p.config, "pending"))
	return len(entries)
}

func (r result) want(t *testing.T, exit int, parts ...string) result {
	t.Helper()
	if r.exit != exit {
		t.Errorf("exit code %d, want %d\nstdout: %s\nstderr: %s", r.exit, exit, r.stdout, r.stderr)
	}
	for _, part := range parts {
		if !strings.Contains(r.stdout+r.stderr, part) {
			t.Errorf("the output lacks %q\nstdout: %s\nstderr: %s", part, r.stdout, r.stderr)
		}
	}
	return r
}

// document is a line of --json; its members are looked up by path, such as "error.code".
type document map[string]any

func (d document) at(path string) any {
	var v any = map[string]any(d)
	for key := range strings.SplitSeq(path, ".") {
		m, _ := v.(map[string]any)
		v = m[key]
	}
	return v
}

func (r result) documents(t *testing.T) []document {
	t.Helper()
	var docs []document
	for line := range strings.Lines(r.stdout) {
		var d document
		if err := json.Unmarshal([]byte(line), &d); err != nil {
			t.Fatalf("standard output is not JSON: %v\n%s", err, r.stdout)
		}
		docs = append(docs, d)
	}
	return docs
}

func (r result) document(t *testing.T) document {
	t.Helper()
	docs := r.documents(t)
	if len(docs) != 1 {
		t.Fatalf("%d documents, want 1:\n%s", len(docs), r.stdout)
	}
	return docs[0]
}

// safeBuffer is a buffer that several goroutines may write to.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
