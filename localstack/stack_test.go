package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

func environment(values map[string]string) func(string) string {
	return func(name string) string { return values[name] }
}

func TestPortsComeFromTheEnvironment(t *testing.T) {
	t.Parallel()
	got, err := portsFrom(environment(map[string]string{"PORT": "9000", "MAILBOX_PORT": "0"}))
	if want := (ports{Page: 9000, Emulator: 4566}); err != nil || got != want {
		t.Errorf("got %+v, %v", got, err)
	}
	for _, bad := range []string{"x", "-1", "65536", "80 "} {
		if _, err := portsFrom(environment(map[string]string{"EMULATOR_PORT": bad})); err == nil || !strings.Contains(err.Error(), "EMULATOR_PORT") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestABusyPortIsNamedWithItsVariable(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	busy := l.Addr().(*net.TCPAddr).Port
	_, err = ports{Mailbox: busy}.choose(t.Context(), ports{})
	if err == nil || !strings.Contains(err.Error(), "MAILBOX_PORT") || !strings.Contains(err.Error(), strconv.Itoa(busy)) {
		t.Errorf("got %v", err)
	}
}

func TestFreePortsAreDifferentAndStayTheSame(t *testing.T) {
	t.Parallel()
	first, err := ports{}.choose(t.Context(), ports{})
	if err != nil {
		t.Fatal(err)
	}
	distinct := map[int]bool{first.Page: true, first.Emulator: true, first.Mailbox: true, first.Internal: true}
	if len(distinct) != 4 || distinct[0] {
		t.Errorf("got %+v", first)
	}
	if !(ports{}).matches(first) || !(ports{Page: first.Page}).matches(first) || (ports{Page: first.Page + 1}).matches(first) {
		t.Error("matches is wrong")
	}
}

func TestStatLinesMayHoldParentheses(t *testing.T) {
	t.Parallel()
	line := "42 (a) b (c)) S 7 42 42 0 -1 4194304 1 0 0 0 1 2 0 0 20 0 1 0 123456 1 1 18446744073709551615"
	got, err := parseStat(line)
	if want := (procStat{state: "S", parent: 7, start: "123456"}); err != nil || got != want {
		t.Errorf("got %+v, %v", got, err)
	}
	if _, err := parseStat("42 (x"); err == nil {
		t.Error("half a line is accepted")
	}
}

func TestStopEndsAProcessAndItsDescendants(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ready := filepath.Join(dir, "ready")
	// The child is in a session of its own and, like its parent, deaf to polite requests.
	script := `trap '' TERM; setsid sh -c 'trap "" TERM; echo $$ >"$0.tmp"; mv "$0.tmp" "$0"; while :; do sleep 1; done' "$1" & wait; while :; do sleep 1; done`
	p, err := startDetached("/bin/sh", []string{"-c", script, "sh", ready}, os.Environ(), dir, filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := poll(ctx, func() bool { _, err := os.Stat(ready); return err == nil }); err != nil {
		t.Fatal("the child did not start")
	}
	text, err := os.ReadFile(ready)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	child, err := identify(pid)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.stop(ctx, 100*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	if err := poll(ctx, func() bool { return !child.alive() && !p.alive() }); err != nil {
		t.Error("something is left")
	}
}

func TestAnotherProcessWithTheSameNumberIsLeftAlone(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), "sleep", "60")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	p, err := identify(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	stranger := p
	stranger.Start += "1"
	if err := stranger.stop(t.Context(), time.Second); err != nil {
		t.Fatal(err)
	}
	if !p.alive() || stranger.alive() || (process{}).alive() {
		t.Error("a process that is not ours was ended, or taken for ours")
	}
}

func TestEqualFilesGiveEqualArchives(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"bin/one", "bin/two"} {
		if err := writeFile(filepath.Join(dir, name), []byte(name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	first, err := zipFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	later := time.Now().Add(time.Hour)
	if err := os.Chtimes(filepath.Join(dir, "bin/one"), later, later); err != nil {
		t.Fatal(err)
	}
	second, err := zipFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	if first.Key != second.Key || !bytes.Equal(first.Data, second.Data) {
		t.Error("the time of a file is in the archive")
	}
}

func TestDeploymentsDifferByTemplateAndParameters(t *testing.T) {
	t.Parallel()
	one := deployment{template: []byte("a"), parameters: map[string]string{"x": "1", "y": "2"}}
	same := deployment{template: []byte("a"), parameters: map[string]string{"y": "2", "x": "1"}}
	other := deployment{template: []byte("a"), parameters: map[string]string{"x": "1", "y": "3"}}
	if one.fingerprint() != same.fingerprint() || one.fingerprint() == other.fingerprint() {
		t.Error("fingerprints are wrong")
	}
}

func TestRedeliveredEventsLookLikeS3s(t *testing.T) {
	t.Parallel()
	data, err := objectCreated("b", "a b/ä", `"etag"`, 7, time.Unix(0, 0))
	if err != nil {
		t.Fatal(err)
	}
	var event struct {
		Records []struct {
			EventName, EventTime string
			S3                   struct {
				Bucket struct{ Name string }
				Object struct {
					Key  string
					Size int
					ETag string
				}
			}
		}
	}
	if err := json.Unmarshal(data, &event); err != nil {
		t.Fatal(err)
	}
	r := event.Records[0]
	if r.EventName != "ObjectCreated:Put" || r.S3.Bucket.Name != "b" || r.S3.Object.Key != "a+b%2F%C3%A4" || r.S3.Object.Size != 7 || r.S3.Object.ETag != "etag" {
		t.Errorf("got %+v", r)
	}
}

func TestTheLogIsFollowedFromNowOn(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log")
	if err := appendFile(path, []byte("old\n")); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	f := newFollower(&out, path, path+".missing")
	if err := appendFile(path, []byte("new\n")); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := f.copy(); err != nil {
			t.Fatal(err)
		}
	}
	if out.String() != "new\n" {
		t.Errorf("got %q", out.String())
	}
}
