package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// maxFiles is more than ffmpeg ever has open here: its pipes, and threads' wake-ups.
	maxFiles = 64
	// killDelay is how long the pipes of a killed child may stay open before they are closed under it.
	killDelay = 5 * time.Second
)

// child is one run of ffmpeg. Pipes are added before it runs; each is served by a goroutine of its own,
// and run waits for all of them.
type child struct {
	path   string
	memory int64
	cpu    time.Duration
	words  words

	files []*os.File // the child's ends, from descriptor 3 on
	serve []func(ctx context.Context) error
	ours  []*os.File
}

// errEnded is what those who served a child see once it has ended.
var errEnded = errors.New("the child has ended")

// usage is what a child took.
type usage struct {
	user, system time.Duration
	maxRSS       int64
}

// exitError says how a child ended that did not end well.
type exitError struct {
	state *os.ProcessState
	words string
	cpu   bool // it had used up its processor time
}

func (e *exitError) Error() string { return fmt.Sprintf("ffmpeg ended with %v: %s", e.state, e.words) }

// crashed is true when the child died of a bug in it.
func (e *exitError) crashed() bool {
	if e.state == nil {
		return false
	}
	status, ok := e.state.Sys().(syscall.WaitStatus)
	if !ok || !status.Signaled() {
		return false
	}
	switch status.Signal() {
	case syscall.SIGSEGV, syscall.SIGABRT, syscall.SIGBUS, syscall.SIGFPE, syscall.SIGILL, syscall.SIGSYS, syscall.SIGTRAP, syscall.SIGXFSZ:
		return true
	default:
		return false
	}
}

// killed is true when the child was ended from outside.
func (e *exitError) killed() bool {
	if e.state == nil {
		return false
	}
	status, ok := e.state.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && !e.crashed()
}

// reads adds a pipe that the child reads, with write at its other end; it returns the child's descriptor.
func (c *child) reads(write func(context.Context, io.Writer) error) (int, error) {
	theirs, ours, err := os.Pipe()
	if err != nil {
		return 0, fmt.Errorf("make pipe: %w", err)
	}
	return c.add(theirs, ours, func(ctx context.Context) error { return write(ctx, ours) }), nil
}

// writes adds a pipe that the child writes, with read at its other end; it returns the child's descriptor.
func (c *child) writes(read func(io.Reader) error) (int, error) {
	ours, theirs, err := os.Pipe()
	if err != nil {
		return 0, fmt.Errorf("make pipe: %w", err)
	}
	return c.add(theirs, ours, func(context.Context) error { return read(ours) }), nil
}

// asks adds the two pipes of the ranged protocol; it returns the URL by which the child reads the video.
func (c *child) asks(server *readServer) (string, error) {
	requests, theirRequests, err := os.Pipe()
	if err != nil {
		return "", fmt.Errorf("make pipe: %w", err)
	}
	out := c.add(theirRequests, requests, nil)
	in, err := c.reads(func(ctx context.Context, answers io.Writer) error {
		return server.serve(ctx, requests, answers)
	})
	return "ranged:" + strconv.Itoa(in) + "," + strconv.Itoa(out), err
}

func (c *child) add(theirs, ours *os.File, serve func(context.Context) error) int {
	c.files = append(c.files, theirs)
	c.ours = append(c.ours, ours)
	if serve != nil {
		c.serve = append(c.serve, func(ctx context.Context) error {
			defer ours.Close() // an end of a pipe
			return serve(ctx)
		})
	}
	return 2 + len(c.files)
}

// close lets go of every pipe that is still open.
func (c *child) close() {
	for _, f := range append(c.files, c.ours...) {
		_ = f.Close() // an end of a pipe, perhaps closed already
	}
}

// run starts the child and returns once it has ended and everything that served it has too. The error is, in this
// order, the cause of ctx if that ended, the first error of those who served, or an exitError.
func (c *child) run(ctx context.Context, args []string) (usage, error) {
	defer c.close()
	serving, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	cmd := exec.CommandContext(serving, c.path, args...) //nolint:gosec // fixed path; the arguments hold only numbers
	cmd.Env = []string{}
	cmd.Dir = "/"
	cmd.Stderr = &c.words
	cmd.ExtraFiles = c.files
	cmd.WaitDelay = killDelay
	// A group of its own, so that what it may have started is killed too.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }

	// Pdeathsig comes when the thread ends that started the child, not the process: hold on to it until then.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := cmd.Start(); err != nil {
		// In words only: that there is no such program must not be taken for there being no such video.
		return usage{}, fmt.Errorf("start %s: %s", c.path, err.Error())
	}
	for _, f := range c.files {
		_ = f.Close() // the child has its own copy
	}
	limited := c.limit(cmd.Process.Pid)
	if limited != nil {
		cancel(limited)
	}

	var wg sync.WaitGroup
	var first error
	var once sync.Once
	for _, serve := range c.serve {
		wg.Go(func() {
			if err := serve(serving); err != nil && !errors.Is(err, errEnded) {
				once.Do(func() { first = err })
				cancel(err) // the child is no use any more
			}
		})
	}
	waited := cmd.Wait()
	// What is still being fetched for the child is not wanted any more. What it has written is, up to the last byte.
	cancel(errEnded)
	wg.Wait()
	used := c.usage(cmd.ProcessState)
	switch {
	case ctx.Err() != nil:
		return used, context.Cause(ctx)
	case limited != nil:
		return used, limited
	case first != nil:
		return used, first
	case waited != nil:
		var exit *exec.ExitError
		if !errors.As(waited, &exit) {
			return used, fmt.Errorf("wait for %s: %w", c.path, waited)
		}
		return used, &exitError{state: exit.ProcessState, words: c.words.String(), cpu: used.user+used.system >= c.cpu-time.Second/2}
	}
	return used, nil
}

// limit takes away what the child must not have. It has been given no byte of the video yet.
func (c *child) limit(pid int) error {
	cpu := uint64(max(1, (c.cpu+time.Second-1)/time.Second))
	for _, l := range []struct {
		resource int
		name     string
		limit    uint64
	}{
		{unix.RLIMIT_CPU, "processor time", cpu},
		{unix.RLIMIT_AS, "address space", uint64(c.memory)},
		{unix.RLIMIT_NOFILE, "open files", maxFiles},
		{unix.RLIMIT_FSIZE, "file size", 0},
		{unix.RLIMIT_CORE, "core dump", 0},
	} {
		err := unix.Prlimit(pid, l.resource, &unix.Rlimit{Cur: l.limit, Max: l.limit}, nil)
		if err != nil && !errors.Is(err, unix.ESRCH) { // gone already: its exit says why
			return fmt.Errorf("limit %s of ffmpeg: %w", l.name, err)
		}
	}
	return nil
}

func (c *child) usage(state *os.ProcessState) usage {
	if state == nil {
		return usage{}
	}
	used := usage{user: state.UserTime(), system: state.SystemTime()}
	if rusage, ok := state.SysUsage().(*syscall.Rusage); ok {
		used.maxRSS = rusage.Maxrss << 10 // Linux counts in KiB
	}
	return used
}
