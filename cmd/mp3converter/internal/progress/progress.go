// Package progress shows how far several transfers are: as bars on a terminal, as a line every ten percent where the
// output is kept, or not at all.
package progress

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
)

// Style is how progress is shown.
type Style int

// The styles.
const (
	// Silent shows nothing but what is printed with Print.
	Silent Style = iota
	// Lines writes a line at the start of a stage and for every ten percent of it.
	Lines
	// Bars redraws a bar for each task; only for terminals.
	Bars
)

// step is the share of a stage, in percent, after which Lines writes again.
const step = 10

// Display is where progress is shown. It is safe for concurrent use.
type Display struct {
	style Style
	now   func() time.Time
	mu    sync.Mutex
	out   io.Writer
	bars  *mpb.Progress
}

// New makes a display on out. Close must be called before anything else writes there.
func New(out io.Writer, style Style, now func() time.Time) *Display {
	d := &Display{style: style, now: now, out: out}
	if style == Bars {
		d.bars = mpb.New(mpb.WithOutput(out), mpb.WithWidth(barWidth), mpb.ForceTTY(), mpb.WithAutoRefresh())
	}
	return d
}

// Close takes the bars away and writes what is still to be written.
func (d *Display) Close() {
	if d.bars != nil {
		d.bars.Wait()
	}
}

// Print writes a line, above the bars if there are any.
func (d *Display) Print(line string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.bars != nil {
		if _, err := d.bars.Write([]byte(line + "\n")); err == nil {
			return
		}
	}
	_, _ = fmt.Fprintln(d.out, line)
}

// Task begins to show one piece of work. End must be called on it.
func (d *Display) Task(name string) *Task {
	return &Task{d: d, name: name}
}

// Task is one piece of work on a display: a sequence of stages.
type Task struct {
	d    *Display
	name string

	mu      sync.Mutex
	stage   string
	total   int64
	bytes   bool
	done    int64
	began   time.Time
	printed int64
	bar     *mpb.Bar
}

// Stage begins a stage of total units; bytes says what the units are, percent otherwise. A total of 0 is unknown.
func (t *Task) Stage(name string, total int64, bytes bool) {
	t.mu.Lock()
	t.stage, t.total, t.bytes, t.done, t.printed, t.began = name, total, bytes, 0, 0, t.d.now()
	bar := t.bar
	t.mu.Unlock()
	switch t.d.style {
	case Lines:
		t.d.Print(t.name + ": " + name)
	case Bars:
		if bar == nil {
			bar = t.addBar()
		}
		bar.SetTotal(total, false)
		bar.SetCurrent(0)
	case Silent:
	}
}

// At says how many units of the stage are done.
func (t *Task) At(done int64) {
	t.mu.Lock()
	t.done = done
	bar, line := t.bar, ""
	if t.d.style == Lines && t.total > 0 {
		if percent := done * 100 / t.total / step * step; percent > t.printed {
			t.printed = percent
			line = fmt.Sprintf("%s: %s %d %%", t.name, t.stage, percent)
		}
	}
	t.mu.Unlock()
	if line != "" {
		t.d.Print(line)
	}
	if bar != nil {
		bar.SetCurrent(done)
	}
}

// Note writes a line about the task, unless the display is silent.
func (t *Task) Note(text string) {
	if t.d.style != Silent {
		t.d.Print(t.name + ": " + text)
	}
}

// End takes the task off the display.
func (t *Task) End() {
	t.mu.Lock()
	bar := t.bar
	t.bar = nil
	t.mu.Unlock()
	if bar != nil {
		bar.Abort(true)
	}
}
