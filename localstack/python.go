package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
)

// venv makes a Python virtual environment from a pinned list of requirements, unless the one that is there was made
// from the same list, and returns its bin folder.
func (s *stack) venv(ctx context.Context, name, requirements, what string) (string, error) {
	dir := filepath.Join(s.shared, name)
	bin := filepath.Join(dir, "bin")
	list := filepath.Join(s.root, "localstack", requirements)
	data, err := os.ReadFile(list)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(data)
	want := hex.EncodeToString(sum[:])
	stamp := filepath.Join(dir, "requirements.sha256")
	if have, err := os.ReadFile(stamp); err == nil && string(have) == want {
		return bin, nil
	}
	python, err := exec.LookPath("python3")
	if err != nil {
		return "", errors.New("python3 is missing: install Python 3.10 or newer with its venv module (Debian: apt-get install python3-venv)")
	}
	s.say("python: installing %s into %s (once)", what, s.relative(dir))
	if err := s.command(ctx, nil, python, "-m", "venv", "--clear", dir); err != nil {
		return "", fmt.Errorf("make a virtual environment: %w", err)
	}
	pip := filepath.Join(bin, "pip")
	if err := s.command(ctx, nil, pip, "install", "--quiet", "--disable-pip-version-check", "-r", list); err != nil {
		return "", fmt.Errorf("install %s: %w", requirements, err)
	}
	if err := writeFile(stamp, []byte(want), 0o644); err != nil {
		return "", err
	}
	s.say("python: installed %s", what)
	return bin, nil
}

// tools makes the environment of the tools that check and build the template, and prints its bin folder on out.
func (s *stack) tools(ctx context.Context, out io.Writer) error {
	s.out = os.Stderr
	release, err := s.lock(filepath.Join(s.shared, "tools.lock"))
	if err != nil {
		return err
	}
	defer release()
	bin, err := s.venv(ctx, "venv-sam", "requirements-lint.txt", "the AWS SAM command line, cfn-lint and shellcheck")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, bin)
	return err
}

// relative shortens a path for people.
func (s *stack) relative(path string) string {
	if short, err := filepath.Rel(s.root, path); err == nil && filepath.IsLocal(short) {
		return short
	}
	return path
}
