package report_test

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"mp3converter/bench/internal/report"
)

func round(naiveWall, oursWall, oursCPU float64) report.Round {
	return report.Round{
		Naive: report.Figures{Wall: naiveWall, CPU: 6, Bytes: 4e8, Requests: 49, USD: 0.001, USDArm: 0.0008, RSS: 8e7, Tmp: 4.1e8, OutBytes: 1.4e7, Uploaded: 1.4e7},
		Ours:  report.Figures{Wall: oursWall, CPU: oursCPU, Bytes: 2e7, Requests: 98, USD: 0.0005, USDArm: 0.0004, RSS: 4e7, OutBytes: 1.4e7, Uploaded: 1.4e7},
	}
}

func TestMediansAreOfEachFigureByItself(t *testing.T) {
	t.Parallel()
	c := report.NewCase("a", report.Input{}, []report.Round{round(10, 4, 9), round(30, 2, 8), round(12, 3, 1)})
	if c.Naive.Wall != 12 || c.Ours.Wall != 3 || c.Ours.CPU != 8 || *c.Ratio.Wall != 4 || *c.Ratio.CPU != 0.75 {
		t.Errorf("medians %+v and %+v, ratio %v", c.Naive, c.Ours, *c.Ratio.Wall)
	}
	if c.Ratio.Tmp != nil {
		t.Errorf("something ÷ 0 is %v", *c.Ratio.Tmp)
	}
	even := report.NewCase("a", report.Input{}, []report.Round{round(10, 4, 9), round(30, 2, 8)})
	if even.Naive.Wall != 20 || even.Ours.Wall != 3 {
		t.Errorf("medians of two %+v and %+v", even.Naive, even.Ours)
	}
}

// Whoever reads latest.json relies on these names.
func TestTheJSONHasItsShape(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "out")
	run := report.Run{
		Date: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Prices: report.ListPrices(), Rounds: 1,
		Cases: []report.Case{report.NewCase("b camera", report.Input{Bytes: 7, Seconds: 600}, []report.Round{round(10, 4, 9)})},
	}
	if err := run.Save(dir); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "latest.json"))
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Cases []struct {
			Name  string
			Naive map[string]float64
			Ours  map[string]float64
			Ratio map[string]*float64
		}
		Machine map[string]any
		Date    time.Time
	}
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Cases) != 1 || !strings.HasPrefix(got.Cases[0].Name, "b") || got.Date.Year() != 2026 {
		t.Fatalf("read %+v", got)
	}
	c := got.Cases[0]
	for _, name := range []string{"wall", "cpu", "bytes", "requests", "usd", "rss", "tmp", "out_bytes"} {
		naive, isThere := c.Naive[name]
		ours, isThereToo := c.Ours[name]
		ratio, isThereAsWell := c.Ratio[name]
		if !isThere || !isThereToo || !isThereAsWell {
			t.Errorf("%s is missing", name)
		}
		if ours != 0 && math.Abs(*ratio-naive/ours) > 1e-9 {
			t.Errorf("%s: %g ÷ %g is not %g", name, naive, ours, *ratio)
		}
		if ours == 0 && ratio != nil {
			t.Errorf("%s: the ratio is %g", name, *ratio)
		}
	}
	for _, name := range []string{"cpu", "cores", "go", "kernel", "commit", "naive_ffmpeg", "ours_ffmpeg"} {
		if _, ok := got.Machine[name]; !ok {
			t.Errorf("the machine's %s is missing", name)
		}
	}
	again, err := report.Load(dir)
	if err != nil || !reflect.DeepEqual(*again, run) {
		t.Errorf("loaded %+v, %v", again, err)
	}
}

func TestTablesShowBothSidesAndTheRatio(t *testing.T) {
	t.Parallel()
	run := report.Run{Cases: []report.Case{report.NewCase("b camera", report.Input{}, []report.Round{round(10, 4, 9)})}}
	var table, markdown strings.Builder
	if err := run.Table(&table); err != nil {
		t.Fatal(err)
	}
	if err := run.Markdown(&markdown); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"table": table.String(), "Markdown": markdown.String()} {
		for _, want := range []string{"b camera", "naive", "ours", "2.50×", "∞", "20.00×", "1.00×"} {
			if !strings.Contains(text, want) {
				t.Errorf("the %s has no %q:\n%s", name, want, text)
			}
		}
	}
	if lines := strings.Count(markdown.String(), "\n|"); lines != 5 {
		t.Errorf("the Markdown table has %d lines:\n%s", lines, markdown.String())
	}
}

func TestCostsAreOfTimeAndRequests(t *testing.T) {
	t.Parallel()
	x86, arm := report.ListPrices().Cost(10*time.Second, 100, 4)
	const gbSeconds = 10 * 3538.0 / 1024
	if want := gbSeconds*0.0000166667 + 100*0.0000004 + 4*0.000005; math.Abs(x86-want) > 1e-12 {
		t.Errorf("x86-64 costs %g, want %g", x86, want)
	}
	if want := gbSeconds*0.0000133334 + 100*0.0000004 + 4*0.000005; math.Abs(arm-want) > 1e-12 {
		t.Errorf("arm64 costs %g, want %g", arm, want)
	}
}
