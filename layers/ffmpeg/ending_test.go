package ffmpeg_test

import (
	"math"
	"slices"
	"testing"
)

// sine is that many seconds of sound.
func sine(seconds string) []string {
	return []string{"-f", "lavfi", "-i", "sine=frequency=440:sample_rate=44100:duration=" + seconds}
}

func TestTheEndSaysHowFarTheTrackReaches(t *testing.T) {
	t.Parallel()
	pause := []string{"-af", "aselect=not(between(t\\,3\\,7))"}
	for name, c := range map[string]struct {
		args                       []string
		first, span, heard, damage float64
	}{
		"whole.mkv":   {slices.Concat(sine("10"), []string{"-c:a", "flac"}), 0, 10, 10, 0},
		"paused.mkv":  {slices.Concat(sine("10"), pause, []string{"-c:a", "aac"}), 0, 10, 6, 0},
		"paused.mp4":  {slices.Concat(sine("10"), pause, []string{"-c:a", "alac"}), 0, 10, 6, 0},
		"shifted.mkv": {slices.Concat(sine("10"), pause, []string{"-c:a", "flac", "-output_ts_offset", "100"}), 100, 10, 6, 0},
		"damaged.mkv": {slices.Concat(sine("10"), []string{"-c:a", "ac3", "-bsf:a", "noise=amount=if(between(n\\,100\\,157)\\,1\\,0)"}), 0, 10, 8, 2},
		"copied.mp3":  {slices.Concat(sine("10"), []string{"-c:a", "libmp3lame", "-write_xing", "0"}), 0, 10, 0, 0},
		"shifted.ts":  {slices.Concat(sine("10"), []string{"-c:a", "libmp3lame", "-output_ts_offset", "50000"}), 50001.4, 10, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			command := "encode stream=0 channels=1 rate=44100 vbr=9 workers=2"
			if c.heard == 0 {
				command = "copy stream=0"
			}
			r := mustEnd(t, &rangedInput{data: readFile(t, generate(t, name, c.args...))}, tells(command))
			for what, values := range map[string][2]float64{
				"first": {r.end.First, c.first}, "span": {r.end.Span, c.span}, "lost": {r.end.Lost, c.damage}, "samples": {float64(r.end.Samples) / 44100, c.heard},
			} {
				if math.Abs(values[0]-values[1]) > 0.12 {
					t.Errorf("%s is %.3f s, want %.3f", what, values[0], values[1])
				}
			}
			if last := r.progress; c.heard == 0 && (len(last) == 0 || last[len(last)-1] > 10*44100) {
				t.Errorf("progress %d of 10 seconds", last)
			}
		})
	}
}

func TestAFileThatBreaksOffIsNoFailedRead(t *testing.T) {
	t.Parallel()
	clip := readFile(t, generate(t, "clip.wv", slices.Concat(sine("4"), []string{"-c:a", "wavpack"})...))
	r := mustEnd(t, &rangedInput{data: clip[:len(clip)/2]}, tells("encode stream=0 channels=1 rate=44100 vbr=9 workers=2"))
	if !r.end.EndedEarly || math.Abs(r.end.Span-2) > 0.6 {
		t.Errorf("END has %+v, want it ended early after 2 seconds", r.end)
	}
}

func TestOnlyMP3IsCopied(t *testing.T) {
	t.Parallel()
	for _, codec := range []string{"adpcm_adx", "mp2", "aac"} {
		clip := readFile(t, generate(t, "clip."+map[string]string{"adpcm_adx": "adx", "mp2": "mkv", "aac": "mp4"}[codec], append(tone("44100"), "-c:a", codec)...))
		r := runEngine(t, &rangedInput{data: clip}, tells("copy stream=0"))
		if r.failure == nil || r.failure.Code != "internal" || len(r.packets) > 0 || r.exit != 0 {
			t.Errorf("%s: failure %+v, %d bytes of packets, exit code %d", codec, r.failure, len(r.packets), r.exit)
		}
	}
}
