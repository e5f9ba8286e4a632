package conversion_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"reflect"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"mp3converter/shared/audio"
	"mp3converter/shared/conversion"
	"mp3converter/shared/conversion/conversiontest"
	"mp3converter/shared/engine"
	"mp3converter/shared/library"
	"mp3converter/shared/library/librarytest"
	"mp3converter/shared/message"
	"mp3converter/shared/source"
	"mp3converter/shared/transfer"
)

// job is one run of the engine as a script sees it.
type job struct {
	ctx      context.Context
	run      int // counted from 1
	src      source.Ranges
	dst      io.WriterAt
	opts     audio.Options
	progress func(percent int)
}

// after waits as the engine works: it goes on until its context ends.
func (j job) after(d time.Duration) error {
	select {
	case <-j.ctx.Done():
		return fmt.Errorf("convert: %w", context.Cause(j.ctx))
	case <-time.After(d):
		return nil
	}
}

// write stores an MP3 and returns what the engine would.
func (j job) write(mp3 string) (engine.Result, error) {
	if _, err := j.dst.WriteAt([]byte(mp3), 0); err != nil {
		return engine.Result{}, err
	}
	return engine.Result{Bytes: int64(len(mp3)), Duration: time.Minute, Stats: engine.Stats{Requests: 3}}, nil
}

// works is an engine that takes that long, tells its progress every half second, and is cancelled with its context.
func works(d time.Duration) func(j job) (engine.Result, error) {
	return func(j job) (engine.Result, error) {
		const step = 500 * time.Millisecond
		for done := time.Duration(0); done < d; done += step {
			j.progress(int(99 * done / d))
			if err := j.after(min(step, d-done)); err != nil {
				return engine.Result{}, err
			}
		}
		return j.write(fmt.Sprintf("MP3 of run %d", j.run))
	}
}

// scripted is an engine that does what a test says.
type scripted struct {
	mu     sync.Mutex
	runs   int
	script func(j job) (engine.Result, error)
	opts   audio.Options // of the last run
}

func (e *scripted) Convert(ctx context.Context, src source.Ranges, dst io.WriterAt, opts audio.Options, progress func(int)) (engine.Result, error) {
	e.mu.Lock()
	e.runs++
	e.opts = opts
	j := job{ctx, e.runs, src, dst, opts, progress}
	e.mu.Unlock()
	return e.script(j)
}

// outbox keeps what is sent, unless err is set.
type outbox struct {
	mu   sync.Mutex
	sent []message.Outcome
	err  error
}

func (o *outbox) Send(_ context.Context, m message.Outcome) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err != nil {
		return o.err
	}
	o.sent = append(o.sent, m)
	return nil
}

// meter keeps the runs it is told of.
type meter struct {
	mu   sync.Mutex
	runs []conversion.Run
}

func (m *meter) Record(r conversion.Run) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.runs = append(m.runs, r)
}

// usage is that of a process that is busy for a tenth of its time.
func (w *world) usage() conversion.Usage {
	return conversion.Usage{CPU: time.Since(w.began) / 10, PeakMemory: 1000}
}

var errStore = errors.New("no route to store")

// store is a Store as one call sees it: it may lose its way there, as when the function dies or its network does.
type store struct {
	library.Store
	mu   sync.Mutex
	lost func(p library.Patch) bool
}

// lose makes every change fail of which lost says so, from now on.
func (s *store) lose(lost func(p library.Patch) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lost = lost
}

func everything(library.Patch) bool { return true }

func (s *store) Change(ctx context.Context, id string, guards []library.Guard, p library.Patch) (library.File, error) {
	s.mu.Lock()
	lost := s.lost
	s.mu.Unlock()
	if lost != nil && lost(p) {
		return library.File{}, errStore
	}
	return s.Store.Change(ctx, id, guards, p)
}

// world is the service around one file of anna's. It must be made inside the test's bubble of time.
type world struct {
	t                 *testing.T
	memory            *librarytest.Memory
	engine            *scripted
	outbox            *outbox
	uploads, mp3s     *conversiontest.Bucket
	id, videoKey, key string
	log               *bytes.Buffer
	logger            *slog.Logger // one for all calls, as it guards the buffer
	meter             *meter
	began             time.Time
}

func newWorld(t *testing.T, state library.State, change ...func(f *library.File)) *world {
	t.Helper()
	w := &world{
		t: t, memory: &librarytest.Memory{}, engine: &scripted{script: works(10500 * time.Millisecond)}, outbox: &outbox{},
		uploads: &conversiontest.Bucket{}, mp3s: &conversiontest.Bucket{}, log: &bytes.Buffer{}, meter: &meter{}, began: time.Now(),
	}
	w.logger = slog.New(slog.NewJSONHandler(w.log, nil))
	f := librarytest.NewFile("anna", time.Now())
	f.State = state
	for _, change := range change {
		change(&f)
	}
	w.id, w.videoKey, w.key = f.ID, transfer.VideoKey(f.ID), transfer.MP3Key(f.ID)
	w.memory.Put(f)
	w.uploads.Put(w.videoKey, []byte("a video"))
	return w
}

// call is a running function, with its own way to the store.
func (w *world) call() (*conversion.Converter, *store) {
	s := &store{Store: w.memory}
	return &conversion.Converter{
		Library: &library.Library{Store: s, Retention: time.Hour}, Videos: w.uploads, Results: w.mp3s, Engine: w.engine,
		Outbox: w.outbox, Prices: conversion.ListPrices("us-east-1", "amd64", 1024), Workers: 2,
		Meter: w.meter, Usage: w.usage, Log: w.logger,
	}, s
}

// convert is one call that goes well.
func (w *world) convert() {
	w.t.Helper()
	c, _ := w.call()
	if err := c.Convert(w.t.Context(), w.id); err != nil {
		w.t.Errorf("Convert: %v", err)
	}
}

func (w *world) file() library.File {
	w.t.Helper()
	f, err := w.memory.Get(w.t.Context(), w.id)
	if err != nil {
		w.t.Fatal(err)
	}
	return f
}

func (w *world) delete() {
	w.t.Helper()
	if _, err := w.memory.Delete(w.t.Context(), w.id, "anna"); err != nil {
		w.t.Error(err)
	}
}

// wantEnd wants the file to have ended in that state, with one outcome told, after that many runs of the engine.
func (w *world) wantEnd(state library.State, runs int) library.File {
	w.t.Helper()
	f := w.file()
	if f.State != state || !f.Announced {
		w.t.Errorf("the file is %s (%v), announced %v; want %s", f.State, f.Failure, f.Announced, state)
	}
	w.wantOutcomes(state)
	w.wantRuns(runs)
	_, there := w.mp3s.Object(w.key)
	if there != (state == library.Ready) || w.mp3s.Unfinished() != 0 {
		w.t.Errorf("there is an MP3: %v; begun and left: %d", there, w.mp3s.Unfinished())
	}
	return f
}

func (w *world) wantOutcomes(states ...library.State) {
	w.t.Helper()
	var want []message.Outcome
	for _, s := range states {
		want = append(want, message.Outcome{Version: 1, ID: w.id, State: s})
	}
	if !reflect.DeepEqual(w.outbox.sent, want) {
		w.t.Errorf("these outcomes were sent: %+v, want %+v", w.outbox.sent, want)
	}
}

func (w *world) wantRuns(n int) {
	w.t.Helper()
	if w.engine.runs != n {
		w.t.Errorf("the engine ran %d times, want %d", w.engine.runs, n)
	}
}

// inTime runs a test in a bubble where time passes as soon as everybody waits.
func inTime(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, test)
}

func wantErr(t *testing.T, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("error is %v, want %v", got, want)
	}
}
