package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"
)

// exec runs a command against a stack that nobody used before, and removes the stack's data afterwards; its logs stay.
// The error is an *exec.ExitError if the command did not end well.
func (s *stack) exec(ctx context.Context, args []string) (err error) {
	if s.dir == s.shared {
		return errors.New("exec removes the stack's data: give it a folder of its own with -dir")
	}
	s.out = os.Stderr // standard output belongs to the command
	s.wantPorts = ports{}
	if err := s.clean(ctx); err != nil {
		return err
	}
	defer func() {
		// Also when the context has ended, for then the stack must end, too.
		if downErr := s.clean(context.WithoutCancel(ctx)); err == nil {
			err = downErr
		}
	}()
	ctx, cancel := whileParentLives(ctx)
	defer cancel()
	if err := s.up(ctx); err != nil {
		return err
	}
	variables, err := s.readEnv()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = os.Environ()
	for _, v := range variables {
		cmd.Env = append(cmd.Env, v.name+"="+v.value)
	}
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	if err := cmd.Run(); err != nil {
		s.say("the logs of the stack are in %s", s.relative(s.path("log")))
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			return err
		}
		return fmt.Errorf("run %s: %w", args[0], err)
	}
	return nil
}

// clean stops the stack and removes its data and env file.
func (s *stack) clean(ctx context.Context) error {
	release, err := s.lock(s.path("lock"))
	if err != nil {
		return err
	}
	defer release()
	r, err := s.loadRunning()
	if err != nil {
		return err
	}
	return errors.Join(s.stopAll(ctx, &r), os.RemoveAll(s.path("state")), os.RemoveAll(s.path("env")), os.RemoveAll(s.path("running.json")))
}
