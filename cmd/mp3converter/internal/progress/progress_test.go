package progress_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"mp3converter/cmd/mp3converter/internal/progress"
)

func TestLinesAreWrittenEveryTenPercent(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	d := progress.New(&out, progress.Lines, time.Now)
	task := d.Task("a.mp4")
	task.Stage("uploading", 200, true)
	for done := int64(1); done <= 200; done++ {
		task.At(done)
	}
	task.At(3) // a second attempt
	task.At(40)
	task.Stage("converting", 100, false)
	task.At(35)
	task.Stage("downloading", 0, true)
	task.At(35)
	task.End()
	d.Print("done")
	d.Close()
	want := "a.mp4: uploading\n"
	for _, percent := range []string{"10", "20", "30", "40", "50", "60", "70", "80", "90", "100"} {
		want += "a.mp4: uploading " + percent + " %\n"
	}
	want += "a.mp4: converting\na.mp4: converting 30 %\na.mp4: downloading\ndone\n"
	if out.String() != want {
		t.Errorf("written:\n%swant:\n%s", out.String(), want)
	}
}

func TestSilentWritesOnlyWhatIsPrinted(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	d := progress.New(&out, progress.Silent, time.Now)
	task := d.Task("a.mp4")
	task.Stage("uploading", 10, true)
	task.At(10)
	task.Note("again")
	task.End()
	d.Print("failed")
	d.Close()
	if out.String() != "failed\n" {
		t.Errorf("written: %q", out.String())
	}
}

func TestBarsOfSeveralTasks(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	var mu sync.Mutex
	clock := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	now := func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		clock = clock.Add(time.Second)
		return clock
	}
	d := progress.New(&out, progress.Bars, now)
	var wg sync.WaitGroup
	for _, name := range []string{"one.mp4", "a name that is much too long for a bar.mp4"} {
		wg.Go(func() {
			task := d.Task(name)
			defer task.End()
			task.Stage("uploading", 1000, true)
			for done := int64(0); done <= 1000; done += 10 {
				task.At(done)
			}
			task.Stage("converting", 100, false)
			task.At(100)
			d.Print(name + " is done")
		})
	}
	wg.Wait()
	d.Close()
	d.Print("the end")
	for _, want := range []string{"one.mp4 is done\n", "a name that is much too long for a bar.mp4 is done\n", "the end\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing in %q", want, out.String())
		}
	}
	if !strings.HasSuffix(out.String(), "the end\n") {
		t.Errorf("something follows the end: %q", out.String())
	}
}

func TestBytesAndClock(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{
		0: "0 B", 999: "999 B", 1000: "1.0 kB", 9_949: "9.9 kB", 9_960: "10 kB", 387_000_000: "387 MB", 999_600: "1.0 MB", 5_400_000_000: "5.4 GB",
		1 << 62: "4612 PB",
	} {
		if got := progress.Bytes(n); got != want {
			t.Errorf("Bytes(%d) = %q, want %q", n, got, want)
		}
	}
	for d, want := range map[time.Duration]string{0: "0:00", 61_400 * time.Millisecond: "1:01", 3723 * time.Second: "1:02:03"} {
		if got := progress.Clock(d); got != want {
			t.Errorf("Clock(%v) = %q, want %q", d, got, want)
		}
	}
}
