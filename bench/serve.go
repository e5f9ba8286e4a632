package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"time"

	"mp3converter/bench/internal/objectserver"
)

// link is the network that conversions are measured behind: what a function of two processors sees of its storage.
var link = objectserver.Link{Latency: 30 * time.Millisecond, Job: 75_000_000, Connection: 25_000_000}

// serve is the object server's process. It prints its address and ends when its standard input does, so that it cannot
// outlive who started it.
func serve(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("serve", flag.ContinueOnError)
	objects := flags.String("objects", "", "")
	puts := flags.String("puts", "", "")
	if err := flags.Parse(args); err != nil {
		return err
	}
	store, err := objectserver.New(*objects, *puts, link, slog.New(slog.NewTextHandler(os.Stderr, nil)))
	if err != nil {
		return err
	}
	var listen net.ListenConfig
	listener, err := listen.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	fmt.Printf("http://%s\n", listener.Addr())
	server := store.HTTP()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // its end is all there is to learn
		_ = server.Close()
	}()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve objects: %w", err)
	}
	return nil
}

// objectStore is the running object server.
type objectStore struct {
	objectserver.Control
	puts  string
	cmd   *exec.Cmd
	stdin io.Closer
}

// startStore starts the object server with the objects of a folder.
func startStore(ctx context.Context, self, objects string) (_ *objectStore, err error) {
	puts, err := os.MkdirTemp("", "mp3converter-bench-store-")
	if err != nil {
		return nil, fmt.Errorf("start object server: %w", err)
	}
	s := &objectStore{puts: puts, cmd: exec.CommandContext(ctx, self, "serve", "-objects", objects, "-puts", puts)}
	s.cmd.Stderr = os.Stderr
	defer func() {
		if err != nil {
			err = fmt.Errorf("start object server: %w", errors.Join(err, os.RemoveAll(puts)))
		}
	}()
	if s.stdin, err = s.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	address, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, errors.Join(err, s.cmd.Wait())
	}
	s.URL = strings.TrimSpace(address)
	return s, nil
}

// stop ends the server and removes what was put into it. It returns the processor time that the server has taken.
func (s *objectStore) stop() (time.Duration, error) {
	err := errors.Join(s.stdin.Close(), s.cmd.Wait(), os.RemoveAll(s.puts))
	if err != nil {
		return 0, fmt.Errorf("stop object server: %w", err)
	}
	return s.cmd.ProcessState.UserTime() + s.cmd.ProcessState.SystemTime(), nil
}
