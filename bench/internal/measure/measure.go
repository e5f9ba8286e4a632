// Package measure runs a program and says what it, with everything it started, took: time, processor time, memory and
// disk. It needs Linux.
package measure

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Usage is what a program took.
type Usage struct {
	// Wall is from its start to its end; CPU is user and system time, its children's that it waited for included.
	Wall, CPU time.Duration
	// RSS is the most memory that all its processes together had resident at one moment, in bytes, as seen every 20 ms;
	// or what the kernel noted as one process's peak, if that was more.
	RSS int64
	// Disk is how many bytes the program gave the kernel to write to disk, whether or not they were removed before they
	// got there; or what lay in its folder for temporary files at one moment, if that was more.
	Disk int64
}

const (
	tick = 20 * time.Millisecond
	// walkEvery is the number of ticks between two looks into the folder.
	walkEvery = 10
	// sector is what the kernel counts block output in.
	sector = 512
)

// Run starts the command, made with exec.CommandContext, and returns when it has ended. temp is its folder for
// temporary files. When the command's context ends, what it has started in its process group ends with it.
//
// The kernel passes a process's memory peak on to its children, so the caller must be smaller than what it measures.
func Run(ctx context.Context, cmd *exec.Cmd, temp string) (Usage, error) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return Usage{}, fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	watching, stop := context.WithCancel(ctx)
	peaks := make(chan Usage)
	go func() { peaks <- watch(watching, cmd.Process.Pid, temp) }()
	err := cmd.Wait()
	used := Usage{Wall: time.Since(began)}
	stop()
	peak := <-peaks
	if err != nil {
		return Usage{}, fmt.Errorf("%s: %w", filepath.Base(cmd.Path), err)
	}
	used.CPU = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	used.RSS, used.Disk = peak.RSS, peak.Disk
	if r, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		used.RSS = max(used.RSS, r.Maxrss<<10) // Linux counts in KiB
		used.Disk = max(used.Disk, r.Oublock*sector)
	}
	return used, nil
}

// watch follows the program until the context ends.
func watch(ctx context.Context, pid int, temp string) Usage {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	var peak Usage
	for i := 0; ; i++ {
		var rss int64
		for _, p := range tree(pid) {
			rss += resident(p)
		}
		peak.RSS = max(peak.RSS, rss)
		if i%walkEvery == 0 && temp != "" {
			peak.Disk = max(peak.Disk, size(temp))
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return peak
		}
	}
}

// tree lists a process and its descendants; those that end meanwhile may be missing.
func tree(pid int) []int {
	all := []int{pid}
	for i := 0; i < len(all); i++ {
		tasks := "/proc/" + strconv.Itoa(all[i]) + "/task"
		threads, err := os.ReadDir(tasks)
		if err != nil {
			continue // has ended
		}
		for _, thread := range threads {
			children, err := os.ReadFile(tasks + "/" + thread.Name() + "/children")
			if err != nil {
				continue // likewise
			}
			for _, child := range strings.Fields(string(children)) {
				if n, err := strconv.Atoi(child); err == nil {
					all = append(all, n)
				}
			}
		}
	}
	return all
}

// resident is a process's memory in bytes, 0 when it has ended.
func resident(pid int) int64 {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/statm")
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(text))
	if len(fields) < 2 {
		return 0
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil {
		return 0
	}
	return pages * int64(os.Getpagesize())
}

// size sums up the files in a folder. What vanishes meanwhile does not count.
func size(dir string) int64 {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return 0
	}
	var sum int64
	for _, e := range entries {
		if e.IsDir() {
			sum += size(filepath.Join(dir, e.Name()))
		} else if info, err := e.Info(); err == nil {
			sum += info.Size()
		}
	}
	return sum
}
