package main

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"mp3converter/bench/internal/inputs"
	"mp3converter/bench/internal/report"
	"mp3converter/shared/mediatest"
)

// TestMain lets this program take the roles that the benchmark starts it in.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && slices.Contains([]string{"serve", "naive", "ours"}, os.Args[1]) {
		main()
		return
	}
	os.Exit(m.Run())
}

// accessTimes is more than a program is counted for that writes nothing: where a file system has no journal, the note
// of when a file was last read, which the kernel makes about once a day, counts as a page that the reader wrote. A
// conversion reads two programs, the video, and a few files of the system's.
var accessTimes = float64(16 * os.Getpagesize())

func TestBothWaysConvertAndAreMeasured(t *testing.T) {
	t.Parallel()
	b := &bench{
		inputs: t.TempDir(), report: &report.Run{Prices: report.ListPrices()},
		tools: tools{naive: mediatest.FFmpeg(t), ours: mediatest.LayerFFmpeg(t)},
	}
	var err error
	if b.self, err = os.Executable(); err != nil {
		t.Fatal(err)
	}
	in := inputs.All()[slices.IndexFunc(inputs.All(), func(in inputs.Input) bool { return in.Case == "g" })]
	maker := inputs.Maker{FFmpeg: b.tools.naive, Dir: b.inputs, Progress: t.Logf}
	about, err := maker.Make(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := maker.Make(t.Context(), in); err != nil || again != about {
		t.Errorf("made again: %+v and %v, want %+v", again, err, about)
	}
	if b.store, err = startStore(t.Context(), b.self, b.inputs); err != nil {
		t.Fatal(err)
	}
	for _, w := range b.ways() {
		r, err := b.convert(t.Context(), in, about, w)
		if err != nil {
			t.Fatalf("%s: %v", w.name, err)
		}
		f := r.figures
		if f.Wall <= 0 || f.CPU <= 0 || f.RSS < 10e6 || f.USD <= f.USDArm || f.Requests < 2 || f.Bytes > 1.2*float64(about.Bytes) ||
			f.Uploaded != f.OutBytes || f.OutBytes < 50_000 {
			t.Errorf("%s: %+v", w.name, f)
		}
		if toDisk := w.name == "naive"; toDisk != (f.Tmp > accessTimes) {
			t.Errorf("%s wrote %.0f bytes to disk", w.name, f.Tmp)
		}
		seconds, err := b.tools.excerpt(t.Context(), r.mp3, about.Seconds)
		if err != nil || len(seconds) < 3*excerptRate {
			t.Errorf("%s: the MP3 has %d samples, %v", w.name, len(seconds), err)
		}
	}
	if err := b.tools.alike(t.Context(), resultOf(b, "naive-g-1"), resultOf(b, "ours-g-2"), about.Seconds); err != nil {
		t.Error(err)
	}
	if _, err := b.store.stop(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(b.store.puts); !os.IsNotExist(err) {
		t.Errorf("the server left its folder behind: %v", err)
	}
	b.out = t.TempDir()
	if err := b.scale(t.Context(), about, 1); err != nil {
		t.Fatal(err)
	}
	saved, err := report.Load(b.out)
	if err != nil || len(saved.Cases) != len(workerCounts)-1 {
		t.Fatalf("saved %+v, %v", saved, err)
	}
	for _, c := range saved.Cases {
		if c.Ours.Wall <= 0 || c.Ours.Tmp > accessTimes || c.Ours.OutBytes != c.Naive.OutBytes || c.Ratio.Wall == nil {
			t.Errorf("%s: %+v", c.Name, c)
		}
	}
}

func resultOf(b *bench, bucket string) string { return filepath.Join(b.store.puts, bucket, outKey) }

func tone(hertz float64, shift int) []float64 {
	out := make([]float64, 4*excerptRate)
	for i := range out {
		x := float64(i+shift) / excerptRate
		out[i] = 1000 * math.Sin(2*math.Pi*hertz*x*(1+x/50)) // never the same twice
	}
	return out
}

func TestSimilarityToleratesAShiftAndNothingElse(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		a, b  []float64
		alike bool
	}{
		"the same":               {tone(440, 0), tone(440, 0), true},
		"shifted by 50 ms":       {tone(440, 0), tone(440, 400), true},
		"shifted the other way":  {tone(440, 300), tone(440, 0), true},
		"another sound":          {tone(440, 0), tone(470, 0), false},
		"shifted by half second": {tone(440, 0), tone(440, 4000), false},
		"silence":                {tone(440, 0), make([]float64, 4*excerptRate), false},
		"nothing":                {tone(440, 0), nil, false},
	} {
		if got := similarity(c.a, c.b); (got >= leastAlike) != c.alike {
			t.Errorf("%s: %.3f", name, got)
		}
	}
}

func TestCasesHaveOneLetterEach(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{scaling: true}
	var input bool
	for _, in := range inputs.All() {
		if len(in.Case) != 1 || seen[in.Case] || in.Title == "" || in.Name()[0] != in.Case[0] || in.Seconds <= 0 {
			t.Errorf("case %+v", in)
		}
		seen[in.Case] = true
		input = input || in.Case == scalingInput
	}
	if !input {
		t.Errorf("case %s wants the input of case %s", scaling, scalingInput)
	}
	if _, err := newBench(t.Context(), []string{"a", "x"}, t.TempDir()); err == nil {
		t.Error("a case that is not there was taken")
	}
}
