package conversion_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"mp3converter/shared/conversion"
	"mp3converter/shared/engine"
	"mp3converter/shared/library"
	"mp3converter/shared/mp3"
)

// spent has every field of the engine's account set.
var spent = engine.Stats{
	BytesRead: 1000, Requests: 3, BytesWritten: 120, Probe: time.Second, Measure: 2 * time.Second, Encode: 7 * time.Second,
	UserCPU: 11 * time.Second, SystemCPU: time.Second, DecodeCPU: 3 * time.Second, EncodeCPU: 8 * time.Second, JoinCPU: time.Second,
	Segments: 6, Requantised: 4, MaxRSS: 30000,
}

// spends is an engine that takes ten seconds, makes an MP3 and says what it took; or err, should there be one.
func spends(err error) func(j job) (engine.Result, error) {
	return func(j job) (engine.Result, error) {
		if err := j.after(10 * time.Second); err != nil {
			return engine.Result{Stats: spent}, err
		}
		if err != nil {
			return engine.Result{Stats: spent}, err
		}
		result, err := j.write(fmt.Sprintf("MP3 of run %d", j.run))
		result.Stats = spent
		return result, err
	}
}

// took is the work of such a run, as this service reckons.
func took(writes int64) library.Work {
	p := conversion.ListPrices("us-east-1", "amd64", 1024)
	return library.Work{
		BytesRead: 1000, BytesWritten: 120, ReadRequests: 4, WriteRequests: writes, Wall: 10 * time.Second, Probe: time.Second,
		Measure: 2 * time.Second, Encode: 7 * time.Second, CPU: 13 * time.Second, DecodeCPU: 3 * time.Second, EncodeCPU: 8 * time.Second,
		JoinCPU: time.Second, PeakMemory: 31000, Segments: 6, Requantised: 4, Workers: 2,
		CostUSD: 10*p.GBSecond + 4*p.Read + float64(writes)*p.Write,
	}
}

func wantWork(t *testing.T, got, want library.Work) {
	t.Helper()
	if math.Abs(got.CostUSD-want.CostUSD) > 1e-12 {
		t.Errorf("it cost %g, want %g", got.CostUSD, want.CostUSD)
	}
	if got.CostUSD = want.CostUSD; got != want {
		t.Errorf("the work is\n%+v, want\n%+v", got, want)
	}
}

var errFlaky = errors.New("the network had a hiccup")

// ends are the ways in which a run may end: what the engine does, and what happens meanwhile.
var ends = map[conversion.Outcome]struct {
	script func(j job) (engine.Result, error)
	during func(w *world)
	writes int64
	err    error
	msg    string
	fields []string // in the log, beside those of all outcomes
}{
	conversion.Converted: {script: spends(nil), writes: 1, msg: "converted", fields: []string{"mp3_bytes", "duration_seconds", "cover_left_out"}},
	conversion.Failed:    {script: spends(fmt.Errorf("convert: %w", errNoAudio)), msg: "cannot be converted", fields: []string{"code", "error"}},
	conversion.Repeated:  {script: spends(errFlaky), err: errFlaky, msg: "not converted; the call is to be repeated"},
	conversion.Dropped: {
		script: works(time.Minute), during: (*world).delete, msg: "conversion stopped: the file was deleted, or another conversion took over",
	},
}

func (w *world) end(t *testing.T, outcome conversion.Outcome) {
	t.Helper()
	end := ends[outcome]
	w.engine.script = end.script
	if end.during != nil {
		time.AfterFunc(time.Second, func() { end.during(w) })
	}
	c, _ := w.call()
	wantErr(t, c.Convert(t.Context(), w.id), end.err)
}

func TestEveryOutcomeIsMeasuredOnce(t *testing.T) {
	t.Parallel()
	for outcome, end := range ends {
		t.Run(string(outcome), func(t *testing.T) {
			inTime(t, func(t *testing.T) {
				w := newWorld(t, library.Queued)
				w.end(t, outcome)
				if len(w.meter.runs) != 1 || w.meter.runs[0].Outcome != outcome {
					t.Fatalf("the meter was told %+v", w.meter.runs)
				}
				r := w.meter.runs[0]
				if r.Sound != map[bool]time.Duration{true: time.Minute}[outcome == conversion.Converted] {
					t.Errorf("it plays for %s", r.Sound)
				}
				if outcome != conversion.Dropped { // that one stopped somewhere in the middle
					wantWork(t, r.Work, took(end.writes))
				}
			})
		})
	}
}

// logged are the fields of every outcome, as docs/operations.md lists them.
var logged = []string{
	"time", "level", "msg", "fid", "outcome", "attempt", "video_bytes", "read_bytes", "written_bytes", "read_requests", "write_requests",
	"wall_seconds", "probe_seconds", "measure_seconds", "encode_seconds", "cpu_seconds", "decode_cpu_seconds", "encode_cpu_seconds",
	"join_cpu_seconds", "peak_memory_bytes", "copied", "segments", "requantised_frames", "workers", "cost_usd",
}

func TestAnOutcomeIsOneLineInTheLogThatNamesNobody(t *testing.T) {
	t.Parallel()
	for outcome, end := range ends {
		t.Run(string(outcome), func(t *testing.T) {
			inTime(t, func(t *testing.T) {
				w := newWorld(t, library.Queued)
				w.end(t, outcome)
				log := w.log.String()
				var line map[string]any
				if err := json.Unmarshal([]byte(log), &line); err != nil { // which two lines are not
					t.Fatalf("the log is %s (%v)", log, err)
				}
				if line["level"] != "INFO" || line["msg"] != end.msg || line["fid"] != w.id || line["outcome"] != string(outcome) {
					t.Errorf("the log is %s", log)
				}
				want := slices.Sorted(slices.Values(slices.Concat(logged, end.fields)))
				if got := slices.Sorted(maps.Keys(line)); !reflect.DeepEqual(got, want) {
					t.Errorf("the line has the fields %v, want %v", got, want)
				}
				if w := line["wall_seconds"]; outcome != conversion.Dropped && (w != 10.0 || line["read_bytes"] != 1000.0 || line["cpu_seconds"] != 13.0) {
					t.Errorf("the log is %s", log)
				}
				for _, private := range []string{"anna", "@example.com", "holiday"} {
					if strings.Contains(log, private) {
						t.Errorf("the log has %q: %s", private, log)
					}
				}
			})
		})
	}
}

func TestWhatIsLoggedIsDocumented(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, field := range logged[3:] { // the first are those of every line
		if !strings.Contains(string(doc), "`"+field+"`") {
			t.Errorf("docs/operations.md does not say what %s is", field)
		}
	}
}

func TestTheRecordHasTheWorkOfAllAttempts(t *testing.T) {
	inTime(t, func(t *testing.T) {
		w := newWorld(t, library.Queued)
		w.end(t, conversion.Repeated)
		wantWork(t, w.file().Work, took(0))
		w.end(t, conversion.Converted)
		wantWork(t, w.wantEnd(library.Ready, 2).Work, took(0).Plus(took(1)))
		wantWork(t, w.meter.runs[1].Work, took(1))
	})
}

func TestAFailureIsRecordedWithItsWork(t *testing.T) {
	inTime(t, func(t *testing.T) {
		w := newWorld(t, library.Queued)
		w.end(t, conversion.Failed)
		wantWork(t, w.wantEnd(library.Failed, 1).Work, took(0))
	})
}

// notCopyable is an engine that finds, when half of the MP3 is written, that it has to be encoded after all.
func notCopyable(j job) (engine.Result, error) {
	if j.opts.Mode != "" {
		j.progress(1)
		return spends(nil)(j)
	}
	if _, err := j.dst.WriteAt(make([]byte, engine.Rewritable+1), 0); err != nil {
		return engine.Result{}, err
	}
	j.progress(60)
	err := j.after(10 * time.Second)
	return engine.Result{Stats: spent}, errors.Join(err, fmt.Errorf("convert: %w", mp3.ErrNotCopyable))
}

func TestFramesThatCannotBeCopiedAfterAllAreEncoded(t *testing.T) {
	inTime(t, func(t *testing.T) {
		w := newWorld(t, library.Queued)
		w.engine.script = notCopyable
		last, seen := 0, make(chan struct{})
		go func() {
			defer close(seen)
			for range 19 {
				time.Sleep(time.Second)
				if f := w.file(); f.Progress < last {
					t.Errorf("progress fell from %d to %d", last, f.Progress)
				} else {
					last = f.Progress
				}
			}
		}()
		w.convert()
		<-seen
		f := w.wantEnd(library.Ready, 2)
		if got, _ := w.mp3s.Object(w.key); string(got) != "MP3 of run 2" || f.Attempts != 1 || last != 60 {
			t.Errorf("the MP3 is %q after %d attempts, with progress %d", got, f.Attempts, last)
		}
		if want := w.file().Options.WithDefaults(); !reflect.DeepEqual(w.engine.opts, want) {
			t.Errorf("it was encoded with %+v, want %+v", w.engine.opts, want)
		}
		want := took(0).Plus(took(1))
		want.ReadRequests-- // the video is opened once
		want.CostUSD -= conversion.ListPrices("us-east-1", "amd64", 1024).Read
		want.PeakMemory, want.CPU = 31000, 26*time.Second
		wantWork(t, f.Work, want)
	})
}

func TestFramesThatAreNotEvenThenCopyableAreNotTriedForEver(t *testing.T) {
	inTime(t, func(t *testing.T) {
		w := newWorld(t, library.Queued)
		w.engine.script = func(job) (engine.Result, error) { return engine.Result{Stats: spent}, mp3.ErrNotCopyable }
		c, _ := w.call()
		wantErr(t, c.Convert(t.Context(), w.id), mp3.ErrNotCopyable)
		w.wantRuns(2)
		if f := w.file(); f.State != library.Queued || f.Work.BytesRead != 2000 || w.mp3s.Unfinished() != 0 {
			t.Errorf("the file is %+v, MP3s begun and left: %d", f, w.mp3s.Unfinished())
		}
	})
}

func TestPricesAreTheRegionsAndTheArchitectures(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		got  conversion.Prices
		want conversion.Prices
	}{
		"x86-64 in Virginia":                              {conversion.ListPrices("us-east-1", "amd64", 3538), conversion.Prices{GBSecond: 0.0000166667, MemoryMB: 3538, Read: 4e-7, Write: 5e-6}},
		"arm64 in Frankfurt":                              {conversion.ListPrices("eu-central-1", "arm64", 1), conversion.Prices{GBSecond: 0.0000133334, MemoryMB: 1, Read: 4.3e-7, Write: 5.4e-6}},
		"nowhere that is known, on nothing that is known": {conversion.ListPrices("", "riscv64", 1), conversion.ListPrices("us-east-1", "amd64", 1)},
		"one's own":                                       {conversion.ListPrices("", "", 5).With(conversion.Prices{GBSecond: 1, Read: 2, Write: 3}), conversion.Prices{GBSecond: 1, MemoryMB: 5, Read: 2, Write: 3}},
		"none of one's own":                               {conversion.ListPrices("sa-east-1", "arm64", 5).With(conversion.Prices{}), conversion.ListPrices("sa-east-1", "arm64", 5)},
	} {
		near := func(a, b float64) bool { return math.Abs(a-b) < 1e-15 }
		if !near(c.got.GBSecond, c.want.GBSecond) || !near(c.got.Read, c.want.Read) || !near(c.got.Write, c.want.Write) || c.got.MemoryMB != c.want.MemoryMB {
			t.Errorf("%s: the prices are %+v, want %+v", name, c.got, c.want)
		}
	}
}
