package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process names one process beyond doubt: its number may be used again by the system, its number together with its
// start time (in clock ticks since boot, /proc/<pid>/stat field 22) and the boot it belongs to may not.
type process struct {
	PID   int
	Start string
	Boot  string
}

// startDetached starts a program that outlives this one, in a session of its own, with its output appended to a file.
func startDetached(path string, args, env []string, dir, logFile string) (process, error) {
	if err := os.MkdirAll(filepath.Dir(logFile), 0o755); err != nil {
		return process{}, err
	}
	log, err := os.OpenFile(logFile, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return process{}, err
	}
	defer func() { _ = log.Close() }()
	// Not CommandContext: the process is meant to outlive the command that started it.
	cmd := exec.Command(path, args...) //nolint:noctx // see above
	cmd.Env, cmd.Dir, cmd.Stdout, cmd.Stderr = env, dir, log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return process{}, err
	}
	p, err := identify(cmd.Process.Pid)
	if err != nil {
		return process{}, fmt.Errorf("%s ended at once; see %s", filepath.Base(path), logFile)
	}
	// Collected here while this program lives, by init afterwards.
	go func() { _ = cmd.Wait() }()
	return p, nil
}

func identify(pid int) (process, error) {
	stat, err := readStat(pid)
	if err != nil {
		return process{}, err
	}
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return process{}, err
	}
	return process{PID: pid, Start: stat.start, Boot: strings.TrimSpace(string(boot))}, nil
}

// alive reports whether the very process is still running.
func (p process) alive() bool {
	if p.PID <= 0 {
		return false
	}
	now, err := identify(p.PID)
	if err != nil || now != p {
		return false
	}
	stat, err := readStat(p.PID)
	return err == nil && stat.state != "Z"
}

type procStat struct {
	state, start string
	parent       int
}

func readStat(pid int) (procStat, error) {
	data, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return procStat{}, err
	}
	return parseStat(string(data))
}

// parseStat reads a line of proc(5). The second field is the program's name in parentheses, which may itself hold
// spaces and parentheses, so counting begins after the last one.
func parseStat(line string) (procStat, error) {
	end := strings.LastIndexByte(line, ')')
	fields := strings.Fields(line[end+1:])
	if end < 0 || len(fields) < 20 {
		return procStat{}, errors.New("unreadable /proc/<pid>/stat")
	}
	parent, err := strconv.Atoi(fields[1])
	if err != nil {
		return procStat{}, err
	}
	return procStat{state: fields[0], parent: parent, start: fields[19]}, nil
}

// descendants are all processes below p, wherever they moved themselves (session, process group).
func (p process) descendants() ([]process, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	children := map[int][]int{}
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		if stat, err := readStat(pid); err == nil {
			children[stat.parent] = append(children[stat.parent], pid)
		}
	}
	var found []process
	for queue := children[p.PID]; len(queue) > 0; queue = queue[1:] {
		if child, err := identify(queue[0]); err == nil {
			found = append(found, child)
		}
		queue = append(queue, children[queue[0]]...)
	}
	return found, nil
}

// stop asks the process to end, waits for grace, then ends it and whatever is left of its descendants. A process that
// has ended already, or whose number belongs to another one by now, is left alone.
func (p process) stop(ctx context.Context, grace time.Duration) error {
	if !p.alive() {
		return nil
	}
	below, err := p.descendants()
	if err != nil {
		return err
	}
	if err := p.signal(syscall.SIGTERM); err != nil {
		return err
	}
	waitCtx, cancel := context.WithTimeout(ctx, grace)
	defer cancel()
	_ = poll(waitCtx, func() bool { return !p.alive() })
	if late, err := p.descendants(); err == nil {
		below = append(below, late...)
	}
	for _, q := range append(below, p) {
		if err := q.signal(syscall.SIGKILL); err != nil {
			return err
		}
	}
	killCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := poll(killCtx, func() bool { return !p.alive() }); err != nil {
		return fmt.Errorf("process %d does not end", p.PID)
	}
	return nil
}

func (p process) signal(sig syscall.Signal) error {
	if !p.alive() {
		return nil
	}
	err := syscall.Kill(p.PID, sig)
	if errors.Is(err, syscall.ESRCH) || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// poll waits until done says so, asking ten times a second.
func poll(ctx context.Context, done func() bool) error {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		if done() {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}
