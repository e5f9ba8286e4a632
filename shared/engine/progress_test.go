package engine_test

import (
	"math"
	"slices"
	"testing"
	"time"

	"mp3converter/shared/audio"
	"mp3converter/shared/engine"
	"mp3converter/shared/mediatest"
	"mp3converter/shared/source/sourcetest"
)

func TestProgressIsReal(t *testing.T) {
	t.Parallel()
	minutes := func(file, args string) []byte {
		return mediatest.Clip(t, file, "-f lavfi -i anoisesrc=d=120:r=44100:a=0.3:seed=5 "+args)
	}
	for _, tc := range []struct {
		name    string
		data    []byte
		workers int
		opts    audio.Options
		steps   int
	}{
		{"an excerpt", minutes("noise.m4a", "-c:a aac"), 1, audio.Options{}, 5},
		{"an excerpt on several cores", minutes("noise.m4a", "-c:a aac"), 3, audio.Options{}, 5},
		{"the whole file", minutes("noise.mkv", "-c:a ac3"), 2, audio.Options{}, 5},
		{"a part", minutes("noise.m4a", "-c:a aac"), 2, audio.Options{Start: ptr(30.0), End: ptr(90.0)}, 5},
		{"a stream that does not say how long it is", minutes("noise.ts", "-c:a ac3"), 2, audio.Options{}, 3},
		{"copied frames", minutes("noise.mp3", "-c:a libmp3lame"), 1, audio.Options{}, 5},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			res := convertedBy(t, engine.Config{Workers: tc.workers}, tc.data, tc.opts)
			steps := res.progress
			if len(steps) < tc.steps || steps[len(steps)-1] < 90 {
				t.Errorf("progress %v", steps)
			}
			for i := range steps[:max(0, len(steps)-1)] {
				if steps[i+1] <= steps[i] || steps[i+1]-steps[i] > 50 {
					t.Errorf("progress %v", steps)
					break
				}
			}
		})
	}
}

func TestMeasuringAPartIsProgressThroughThatPart(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ file, args string }{{"noise.m4a", "-c:a aac"}, {"noise.mkv", "-c:a ac3"}} {
		t.Run(tc.file, func(t *testing.T) {
			t.Parallel()
			data := mediatest.Clip(t, tc.file, "-f lavfi -i anoisesrc=d=120:r=44100:a=0.3:seed=5 "+tc.args)
			steps := convertedBy(t, engine.Config{Workers: 1}, data, audio.Options{Start: ptr(90.0), Normalize: true}).progress
			// Up to 40 % it is measured.
			if n, _ := slices.BinarySearch(steps, 40); n < 3 || steps[1] > 25 {
				t.Errorf("progress %v", steps)
			}
		})
	}
}

func TestAStartDoesNotMoveTheLimit(t *testing.T) {
	t.Parallel()
	data := mediatest.Clip(t, "noise.ac3", "-f lavfi -i anoisesrc=d=120:r=44100:a=0.3:seed=5 -c:a ac3")
	e := newEngine(t, engine.Config{Workers: 1, Limits: engine.Limits{MaxDuration: 10 * time.Second}})
	// The first megabyte is held back: 26 seconds.
	res, err := convert(t, e, &sourcetest.Object{Data: data}, audio.Options{Start: ptr(60.0), Mode: audio.CBR, Bitrate: ptr(320)})
	_ = failure(t, res, err, engine.CodeTooLong)
	if len(res.mp3) > 0 {
		t.Errorf("%d bytes were made of sound of which 10 seconds are allowed", len(res.mp3))
	}
}

func TestAClockThatStartsBeyondTheLimit(t *testing.T) {
	t.Parallel()
	data := mediatest.Clip(t, "hours.ts", speechOf(20, 44100)+"-c:a libmp3lame -output_ts_offset 50000")
	for name, opts := range map[string]audio.Options{"copied": {}, "encoded": {Quality: ptr(5)}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			res := converted(t, data, opts)
			if res.Stats.Copied != (name == "copied") || math.Abs(res.Duration.Seconds()-20) > 0.1 {
				t.Errorf("%v of 20 s, copied: %v", res.Duration, res.Stats.Copied)
			}
		})
	}
}
