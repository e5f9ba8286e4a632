package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"
)

// ports are those that a stack listens on; 0 in a wish means any free one.
type ports struct {
	Page     int // the web page and the API
	Emulator int // the emulated AWS services, through the helper
	Mailbox  int
	Internal int // the emulator itself; nobody's wish
}

func portsFrom(getenv func(string) string) (ports, error) {
	var p ports
	for _, port := range []struct {
		value    *int
		variable string
		byRule   int
	}{
		{&p.Page, "PORT", 8080},
		{&p.Emulator, "EMULATOR_PORT", 4566},
		{&p.Mailbox, "MAILBOX_PORT", 8025},
	} {
		*port.value = port.byRule
		text := getenv(port.variable)
		if text == "" {
			continue
		}
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 || n > 65535 {
			return ports{}, fmt.Errorf("%s=%q is not a port: give a number from 1 to 65535, or 0 for any free one", port.variable, text)
		}
		*port.value = n
	}
	return p, nil
}

// matches reports whether running on have satisfies the wish.
func (want ports) matches(have ports) bool {
	return (want.Page == 0 || want.Page == have.Page) &&
		(want.Emulator == 0 || want.Emulator == have.Emulator) &&
		(want.Mailbox == 0 || want.Mailbox == have.Mailbox)
}

// choose turns a wish into ports that are free now. Where any port will do, the one used before is taken again if it
// is free, so that addresses stay the same.
func (want ports) choose(ctx context.Context, before ports) (ports, error) {
	var listen net.ListenConfig
	var listeners []net.Listener
	defer func() {
		for _, l := range listeners {
			_ = l.Close()
		}
	}()
	got := want
	for _, port := range []struct {
		value          *int
		before         int
		what, variable string
	}{
		{&got.Page, before.Page, "the page", "PORT"},
		{&got.Emulator, before.Emulator, "the emulator", "EMULATOR_PORT"},
		{&got.Mailbox, before.Mailbox, "the mailbox", "MAILBOX_PORT"},
		{&got.Internal, before.Internal, "the emulator's own use", ""},
	} {
		tries := []int{*port.value}
		if *port.value == 0 && port.before != 0 {
			tries = []int{port.before, 0}
		}
		var l net.Listener
		var err error
		for _, try := range tries {
			if l, err = listen.Listen(ctx, "tcp", loopback(try)); err == nil {
				break
			}
		}
		switch {
		case errors.Is(err, syscall.EADDRINUSE):
			return ports{}, fmt.Errorf("port %d, wanted for %s, is taken by another program: stop that, or choose another port with %s=…",
				*port.value, port.what, port.variable)
		case err != nil:
			return ports{}, fmt.Errorf("listen on port %d for %s (%s): %w", *port.value, port.what, port.variable, err)
		}
		listeners = append(listeners, l)
		*port.value = l.Addr().(*net.TCPAddr).Port
	}
	return got, nil
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
