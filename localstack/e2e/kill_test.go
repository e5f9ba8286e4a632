package e2e

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// killConvert ends the process of the convert function that has a child at work, with SIGKILL: it cannot clean up.
func killConvert(t *testing.T) {
	t.Helper()
	busy := map[int]bool{}
	var functions []int
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil || len(stats) == 0 {
		t.Fatal("this test finds the function's process in /proc, which is not there")
	}
	for _, stat := range stats {
		dir := filepath.Dir(stat)
		pid, _ := strconv.Atoi(filepath.Base(dir))
		name, parent := nameAndParent(stat)
		if name == "ffmpeg" {
			busy[parent] = true
		}
		if name == "bootstrap" && isConvert(filepath.Join(dir, "environ")) {
			functions = append(functions, pid)
		}
	}
	killed := 0
	for _, pid := range functions {
		if busy[pid] {
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			killed++
		}
	}
	if killed != 1 {
		t.Fatalf("killed %d processes; of %d convert processes one should have been at work", killed, len(functions))
	}
}

// isConvert says whether the process is the convert function of the stack under test.
func isConvert(environ string) bool {
	data, err := os.ReadFile(environ)
	if err != nil {
		return false // ended meanwhile
	}
	mine := 0
	for _, v := range bytes.Split(data, []byte{0}) {
		switch string(v) {
		case "AWS_LAMBDA_FUNCTION_NAME=" + os.Getenv("CONVERT_FUNCTION"), "AWS_ENDPOINT_URL=" + os.Getenv("AWS_ENDPOINT_URL"):
			mine++
		}
	}
	return mine == 2
}

// nameAndParent reads the second and the fourth field of /proc/PID/stat.
func nameAndParent(stat string) (name string, parent int) {
	data, err := os.ReadFile(stat)
	if err != nil {
		return "", 0
	}
	text := string(data)
	open, shut := strings.IndexByte(text, '('), strings.LastIndexByte(text, ')')
	if open < 0 || shut < open {
		return "", 0
	}
	fields := strings.Fields(text[shut+1:])
	if len(fields) < 2 {
		return "", 0
	}
	parent, _ = strconv.Atoi(fields[1])
	return text[open+1 : shut], parent
}
