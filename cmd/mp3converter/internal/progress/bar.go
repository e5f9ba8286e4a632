package progress

import (
	"fmt"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

const (
	barWidth  = 80
	nameWidth = 24
)

// addBar gives the task its bar. The total is set later, stage by stage, so that reaching it does not end the bar.
func (t *Task) addBar() *mpb.Bar {
	bar := t.d.bars.New(0, mpb.BarStyle(),
		mpb.BarFillerTrim(),
		mpb.PrependDecorators(
			decor.Name(shorten(t.name, nameWidth), decor.WCSyncSpaceR),
			decor.Any(func(decor.Statistics) string { return t.stageLabel() }, decor.WCSyncSpaceR),
		),
		mpb.AppendDecorators(decor.Any(func(decor.Statistics) string { return t.amount() }, decor.WCSyncSpace)),
	)
	t.mu.Lock()
	t.bar = bar
	t.mu.Unlock()
	return bar
}

func (t *Task) stageLabel() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.stage
}

// amount is what stands right of the bar: percent, and for bytes the rate and the time left.
func (t *Task) amount() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.total <= 0 {
		return ""
	}
	s := fmt.Sprintf("%3d %%", t.done*100/t.total)
	took := t.d.now().Sub(t.began)
	if !t.bytes || t.done == 0 || took < time.Second {
		return s
	}
	rate := float64(t.done) / took.Seconds()
	left := time.Duration(float64(t.total-t.done) / rate * float64(time.Second))
	return fmt.Sprintf("%s  %s/s  %s", s, Bytes(int64(rate)), Clock(left))
}

// Bytes writes a size for people, in decimal units as storage is sold and networks are rated.
func Bytes(n int64) string {
	if n < 1000 {
		return fmt.Sprintf("%d B", n)
	}
	v, unit := float64(n), -1
	for v >= 999.5 && unit < 4 {
		v /= 1000
		unit++
	}
	if v < 9.95 {
		return fmt.Sprintf("%.1f %cB", v, "kMGTP"[unit])
	}
	return fmt.Sprintf("%.0f %cB", v, "kMGTP"[unit])
}

// Clock writes a duration as 1:02:03 or 2:03.
func Clock(d time.Duration) string {
	s := int64(d.Round(time.Second) / time.Second)
	if s >= 3600 {
		return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
	}
	return fmt.Sprintf("%d:%02d", s/60, s%60)
}

// shorten cuts a name in the middle, where file names differ least.
func shorten(s string, width int) string {
	r := []rune(s)
	if len(r) <= width {
		return s
	}
	head := (width - 1) / 2
	tail := width - 1 - head
	return string(r[:head]) + "…" + string(r[len(r)-tail:])
}
