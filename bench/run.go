package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"mp3converter/bench/internal/inputs"
	"mp3converter/bench/internal/measure"
	"mp3converter/bench/internal/report"
)

const (
	// scaling is the letter of the case that compares numbers of workers, on the input of another.
	scaling      = "w"
	scalingInput = "e"
)

// bench is one run.
type bench struct {
	self    string
	tools   tools
	letters []string // of the cases; all of them when empty
	inputs  string   // their folder
	made    map[string]inputs.About
	store   *objectStore
	report  *report.Run
	out     string
	jobs    int
}

// say prints a line of progress.
func say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, time.Now().Format("15:04:05 ")+format+"\n", args...)
}

// newBench finds the tools and makes the inputs.
func newBench(ctx context.Context, letters []string, out string) (*bench, error) {
	all := inputs.All()
	for _, letter := range letters {
		if letter != scaling && !slices.ContainsFunc(all, func(in inputs.Input) bool { return in.Case == letter }) {
			return nil, fmt.Errorf("there is no case %q", letter)
		}
	}
	b := &bench{letters: letters, out: out, made: map[string]inputs.About{}}
	var err error
	if b.self, err = os.Executable(); err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	if b.tools, err = findTools(ctx); err != nil {
		return nil, err
	}
	if b.inputs, err = cacheDir(); err != nil {
		return nil, err
	}
	maker := inputs.Maker{FFmpeg: b.tools.naive, FFprobe: b.tools.ffprobe, Dir: b.inputs, Progress: say}
	for _, in := range all {
		if b.wants(in.Case) || in.Case == scalingInput && b.wants(scaling) {
			if b.made[in.Case], err = maker.Make(ctx, in); err != nil {
				return nil, err
			}
		}
	}
	return b, nil
}

func (b *bench) wants(letter string) bool {
	return len(b.letters) == 0 || slices.Contains(b.letters, letter)
}

// measure runs the cases and saves after each.
func (b *bench) measure(ctx context.Context, rounds int) (err error) {
	if b.store, err = startStore(ctx, b.self, b.inputs); err != nil {
		return err
	}
	defer func() {
		cpu, stopped := b.store.stop()
		say("the object server took %.1f s of processor time", cpu.Seconds())
		err = errors.Join(err, stopped)
	}()
	b.report = &report.Run{
		Date: time.Now().UTC().Truncate(time.Second), Machine: machine(ctx, b.tools), Prices: report.ListPrices(),
		Workers: defaultWorkers, Rounds: rounds, Cases: []report.Case{},
		Network: report.Network{LatencySeconds: link.Latency.Seconds(), JobBytes: link.Job, ConnBytes: link.Connection},
	}
	for _, in := range inputs.All() {
		if !b.wants(in.Case) {
			continue
		}
		if err := b.compare(ctx, in, b.made[in.Case], rounds); err != nil {
			return fmt.Errorf("case %s: %w", in.Case, err)
		}
	}
	if b.wants(scaling) {
		if err := b.scale(ctx, b.made[scalingInput], rounds); err != nil {
			return fmt.Errorf("case %s: %w", scaling, err)
		}
	}
	return nil
}

// compare converts one input both ways by turns.
func (b *bench) compare(ctx context.Context, in inputs.Input, about inputs.About, rounds int) error {
	ways := b.ways()
	var results []report.Round
	for round := range rounds {
		if err := readThrough(about.Path); err != nil {
			return err
		}
		var both [2]result
		for i := range ways {
			i = (i + round) % 2 // whoever was second comes first
			var err error
			if both[i], err = b.convert(ctx, in, about, ways[i]); err == nil {
				err = b.tools.check(ctx, both[i].mp3, about.Seconds)
			}
			if err != nil {
				return fmt.Errorf("%s: %w", ways[i].name, err)
			}
			f := both[i].figures
			say("case %s, round %d of %d: %-5s %6.2f s, %6.2f s of processor time, %7.1f MB read", in.Case, round+1, rounds,
				ways[i].name, f.Wall, f.CPU, f.Bytes/1e6)
		}
		if round == 0 {
			if err := b.tools.alike(ctx, both[0].mp3, both[1].mp3, about.Seconds); err != nil {
				return err
			}
		}
		for i := range both {
			if err := b.store.Remove(ctx, both[i].bucket); err != nil {
				return err
			}
		}
		results = append(results, report.Round{Naive: both[0].figures, Ours: both[1].figures})
	}
	return b.add(report.NewCase(in.Name(), reported(about), results))
}

func (b *bench) add(c report.Case) error {
	b.report.Cases = append(b.report.Cases, c)
	return b.report.Save(b.out)
}

func reported(a inputs.About) report.Input {
	return report.Input{Bytes: a.Bytes, Seconds: a.Seconds, AudioRuns: a.AudioRuns}
}

// way is one way of converting: a role of this program and its arguments.
type way struct {
	name string
	args []string
}

func (b *bench) ways() [2]way {
	return [2]way{
		{name: "naive", args: []string{"naive", "-ffmpeg", b.tools.naive}},
		{name: "ours", args: []string{"ours", "-ffmpeg", b.tools.ours, "-workers", strconv.Itoa(defaultWorkers)}},
	}
}

// result is one conversion; its MP3 lies in its bucket.
type result struct {
	figures report.Figures
	bucket  string
	mp3     string
}

const outKey = "out.mp3"

// convert runs one conversion from the object server to the object server.
func (b *bench) convert(ctx context.Context, in inputs.Input, about inputs.About, w way) (result, error) {
	b.jobs++
	r := result{bucket: fmt.Sprintf("%s-%s-%d", w.name, in.Case, b.jobs)}
	r.mp3 = filepath.Join(b.store.puts, r.bucket, outKey)
	used, _, err := b.process(ctx, append(slices.Clone(w.args), "-bucket", r.bucket, "-key", filepath.Base(about.Path), "-out", outKey))
	if err != nil {
		return r, err
	}
	counted, err := b.store.Counters(ctx, r.bucket)
	if err != nil {
		return r, err
	}
	r.figures = figures(used, b.report.Prices, counted.Reads, counted.Writes)
	r.figures.Bytes, r.figures.Uploaded = float64(counted.Down), float64(counted.Up)
	info, err := os.Stat(r.mp3)
	if err != nil {
		return r, fmt.Errorf("look at the MP3: %w", err)
	}
	r.figures.OutBytes = float64(info.Size())
	return r, nil
}

func figures(used measure.Usage, prices report.Prices, reads, writes int64) report.Figures {
	f := report.Figures{
		Wall: used.Wall.Seconds(), CPU: used.CPU.Seconds(), RSS: float64(used.RSS), Tmp: float64(used.Disk),
		Requests: float64(reads + writes),
	}
	f.USD, f.USDArm = prices.Cost(used.Wall, reads, writes)
	return f
}

// process runs this program in a role, measured, and returns what it printed.
func (b *bench) process(ctx context.Context, args []string) (measure.Usage, string, error) {
	temp, err := os.MkdirTemp("", "mp3converter-bench-")
	if err != nil {
		return measure.Usage{}, "", fmt.Errorf("make temporary folder: %w", err)
	}
	var out, words strings.Builder
	cmd := exec.CommandContext(ctx, b.self, args...)
	cmd.Stdout, cmd.Stderr = &out, &words
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + temp, "TMPDIR=" + temp,
		"AWS_ENDPOINT_URL=" + b.store.URL, "AWS_REGION=us-east-1", "AWS_EC2_METADATA_DISABLED=true",
		"AWS_ACCESS_KEY_ID=bench", "AWS_SECRET_ACCESS_KEY=bench",
	}
	used, err := measure.Run(ctx, cmd, temp)
	if err != nil {
		err = fmt.Errorf("%w: %s", err, strings.TrimSpace(words.String()))
	}
	return used, out.String(), errors.Join(err, os.RemoveAll(temp))
}

// readThrough brings a file into the page cache, so that no disk is measured.
func readThrough(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("read input: %w", err)
	}
	defer f.Close()
	if _, err := io.Copy(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{f}); err != nil {
		return fmt.Errorf("read input: %w", err)
	}
	return nil
}
