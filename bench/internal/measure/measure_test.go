package measure_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"mp3converter/bench/internal/measure"
)

// The test program, started again with this variable, does what is to be measured.
const role = "MEASURE_TEST_ROLE"

func TestMain(m *testing.M) {
	switch os.Getenv(role) {
	case "":
		os.Exit(m.Run())
	case "parent": // does nothing itself
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), role+"=child")
		if out, err := cmd.CombinedOutput(); err != nil {
			fmt.Fprintln(os.Stderr, err, string(out))
			os.Exit(1)
		}
	case "child":
		burn()
	case "sleeper": // holds the pipe open until somebody ends it
		fmt.Println("asleep")
		time.Sleep(time.Hour)
	case "sleeper's parent":
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), role+"=sleeper")
		cmd.Stdout = os.Stdout
		_ = cmd.Run()
	}
}

const (
	memory = 64 << 20
	file   = 8 << 20
	busy   = 200 * time.Millisecond
)

// burn takes memory, writes a file that it removes, and keeps a core busy.
func burn() {
	block := bytes.Repeat([]byte{1}, memory)
	name := filepath.Join(os.TempDir(), "file")
	if err := os.WriteFile(name, block[:file], 0o600); err != nil {
		panic(err)
	}
	if err := os.Remove(name); err != nil {
		panic(err)
	}
	for began := time.Now(); time.Since(began) < busy; {
		block[0]++
	}
}

func TestWhatChildrenTakeCounts(t *testing.T) {
	t.Parallel()
	temp := t.TempDir()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), role+"=parent", "TMPDIR="+temp)
	used, err := measure.Run(t.Context(), cmd, temp)
	if err != nil {
		t.Fatal(err)
	}
	if used.Wall < busy || used.CPU < busy/4 || used.RSS < memory || used.RSS > 4*memory || used.Disk < file || used.Disk > 2*file {
		t.Errorf("measured %+v", used)
	}
}

func TestAProgramThatFailsIsAnError(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-no-such-flag")
	if used, err := measure.Run(t.Context(), cmd, ""); err == nil {
		t.Errorf("measured %+v", used)
	}
}

func TestWhatChildrenStartedEndsWithTheContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out := &awaited{cancel: cancel}
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), role+"=sleeper's parent")
	cmd.Stdout = out // a pipe that the sleeper keeps open, and Run waits for
	if _, err := measure.Run(ctx, cmd, ""); err == nil {
		t.Error("a program that was killed ended well")
	}
}

// awaited calls cancel once something is written.
type awaited struct{ cancel context.CancelFunc }

func (a *awaited) Write(p []byte) (int, error) {
	a.cancel()
	return len(p), nil
}
