// Bench measures a conversion against the plain way of doing it, side by side: `make bench`, or
//
//	go run ./bench [-cases a,b] [-rounds 3] [-out bench/out] [-markdown]
//
// It makes its inputs, once, and keeps them in $MP3CONVERTER_CACHE/bench; starts an object server of its own behind a
// link of known speed; converts every input both ways by turns; prints medians and ratios and writes them to
// latest.json. Nothing is downloaded and nothing leaves this machine. docs/performance.md says how to read the result.
//
// Both ways and the object server are processes of their own: this program, started again with the role as its first
// argument.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"mp3converter/bench/internal/report"
)

// defaultWorkers is the number of encoders that ours runs at once: one for each processor of the function.
const defaultWorkers = 2

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := start(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func start(ctx context.Context, args []string) error {
	if len(args) > 0 {
		switch role, rest := args[0], args[1:]; role {
		case "serve":
			return serve(ctx, rest)
		case "naive":
			return naive(ctx, rest)
		case "ours":
			return ours(ctx, rest)
		}
	}
	flags := flag.NewFlagSet("bench", flag.ExitOnError)
	letters := flags.String("cases", "", "letters of the cases to run, with commas between them (default: all)")
	rounds := flags.Int("rounds", 3, "how often each case is measured; the medians count")
	out := flags.String("out", "bench/out", "folder for latest.json")
	markdown := flags.Bool("markdown", false, "print the table in Markdown")
	prepare := flags.Bool("prepare", false, "make the inputs of the cases and measure nothing")
	again := flags.Bool("again", false, "measure nothing and print the table of the last run")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 || *rounds < 1 {
		return fmt.Errorf("unexpected argument %q, or less than one round; see -help", strings.Join(flags.Args(), " "))
	}
	if *again {
		run, err := report.Load(*out)
		if err != nil {
			return err
		}
		return show(run, *markdown)
	}
	b, err := newBench(ctx, strings.FieldsFunc(*letters, func(r rune) bool { return r == ',' || r == ' ' }), *out)
	if err != nil || *prepare {
		return err
	}
	if err := b.measure(ctx, *rounds); err != nil {
		return err
	}
	return show(b.report, *markdown)
}

func show(run *report.Run, markdown bool) error {
	if markdown {
		return run.Markdown(os.Stdout)
	}
	return run.Table(os.Stdout)
}
