package measure_test

import (
	"bytes"
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
