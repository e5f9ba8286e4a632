//go:build !linux

package engine

import (
	"context"
	"errors"
	"io"
	"os"
	"time"
)

// errNotLinux is what every conversion ends with on other systems: the limits that a hostile video is held in, and the
// layer itself, are Linux's. The package builds there so that the tools around it do.
var errNotLinux = errors.New("videos are converted on Linux only")

type child struct {
	path   string
	memory int64
	cpu    time.Duration
	words  words
}

type usage struct {
	user, system time.Duration
	maxRSS       int64
}

type exitError struct {
	state *os.ProcessState
	words string
	cpu   bool
}

func (e *exitError) Error() string { return errNotLinux.Error() }
func (e *exitError) crashed() bool { return false }
func (e *exitError) killed() bool  { return false }

func (c *child) reads(func(context.Context, io.Writer) error) (int, error) { return 0, errNotLinux }
func (c *child) writes(func(io.Reader) error) (int, error)                 { return 0, errNotLinux }
func (c *child) asks(*readServer) (string, error)                          { return "", errNotLinux }
func (c *child) close()                                                    {}
func (c *child) run(context.Context, []string) (usage, error)              { return usage{}, errNotLinux }
