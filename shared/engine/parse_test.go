package engine

import (
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"mp3converter/shared/audio"
	"mp3converter/shared/mp3"
)

func TestInWords(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		time.Second:                    "1 second",
		3500 * time.Millisecond:        "3.5 seconds",
		59 * time.Second:               "59 seconds",
		time.Minute:                    "1 minute",
		9*time.Minute + 3*time.Second:  "9 minutes 3 seconds",
		10*time.Minute + 3*time.Second: "10 minutes",
		6 * time.Hour:                  "6 hours",
		7*time.Hour + 12*time.Minute:   "7 hours 12 minutes",
	} {
		if got := inWords(d); got != want {
			t.Errorf("%v is %q in words, want %q", d, got, want)
		}
	}
}

func TestClock(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{
		"00:00:03.023000000": 3023 * time.Millisecond,
		"01:02:03":           time.Hour + 2*time.Minute + 3*time.Second,
		"":                   0, "3": 0, "a:b:c": 0, "-1:00:00": 0, "00:NaN:00": 0, "1e300:0:0": 0,
	} {
		if got := clock(text); got != want {
			t.Errorf("clock(%q) = %v, want %v", text, got, want)
		}
	}
}

func TestWords(t *testing.T) {
	t.Parallel()
	var w words
	long := strings.Repeat("x", 3*maxWords)
	for _, p := range []string{"[mov] stream 1, par", "tial file\n", long, "\n", long + "\n", "last"} {
		if n, err := w.Write([]byte(p)); n != len(p) || err != nil {
			t.Fatalf("Write = %d, %v", n, err)
		}
	}
	if !w.said[endedEarly] || w.said[underDRM] {
		t.Errorf("remarks %v", w.said)
	}
	if got := w.String(); len(got) > maxWords || !strings.HasSuffix(got, "last") {
		t.Errorf("kept %d bytes ending in %q", len(got), got[len(got)-5:])
	}
}

func TestLoudness(t *testing.T) {
	t.Parallel()
	const words = `{ old } [Parsed_loudnorm_1 @ 0x1]` + "\n{\n\"input_i\" : \"-27.61\",\n\"input_tp\" : \"-4.47\",\n\"input_lra\" : \"18.06\",\n\"input_thresh\" : \"-39.20\",\n\"output_i\" : \"-16.58\"}\n[out] size=N/A"
	l, err := parseLoudness(words)
	if err != nil || l != (loudness{-27.61, -4.47, 18.06, -39.2}) {
		t.Fatalf("loudness %+v, error %v", l, err)
	}
	if got, want := l.gain(), " gain=1 i=-27.61 lra=18.06 tp=-4.47 thresh=-39.20"; got != want {
		t.Errorf("gain %q, want %q", got, want)
	}
	for _, silent := range []loudness{
		{Integrated: number64(math.Inf(-1)), TruePeak: number64(math.Inf(-1)), Threshold: -70},
		{Integrated: number64(math.NaN())},
		{Integrated: -20, TruePeak: 200, Threshold: -30},
	} {
		if got := silent.gain(); got != "" {
			t.Errorf("%+v gives the gain %q", silent, got)
		}
	}
	for _, bad := range []string{"", "nothing", "{", `{"input_i":"abc"}`, `{"input_i":7}`} {
		if _, err := parseLoudness(bad); err == nil {
			t.Errorf("no error for %q", bad)
		}
	}
}

func TestMakeTag(t *testing.T) {
	t.Parallel()
	var p probed
	p.Format.Tags = map[string]string{"TITLE": "a title", "encoder": "noise"}
	p.Chapters = []chapter{
		{Start: 0, End: seconds(time.Second), Tags: map[string]string{"title": "One"}},
		{Start: seconds(time.Second), End: seconds(3 * time.Second)},
		{Start: seconds(5 * time.Second), End: seconds(4 * time.Second)},
	}
	got := makeTag(p, stream{}, 500*time.Millisecond, 2*time.Second)
	want := mp3.Tag{Title: "a title", Chapters: []mp3.Chapter{
		{Start: 0, End: 500 * time.Millisecond, Title: "One"}, {Start: 500 * time.Millisecond, End: 1500 * time.Millisecond},
	}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("tag %+v, want %+v", got, want)
	}
	p.Format.Name = "ogg"
	if got := makeTag(p, stream{Tags: map[string]string{"artist": "on the track"}}, 0, 0); got.Artist != "on the track" {
		t.Errorf("artist %q of an Ogg file", got.Artist)
	}
}

func FuzzParseProbe(f *testing.F) {
	f.Add([]byte(`{"streams":[{"index":1,"codec_type":"audio","codec_name":"aac","channels":2,"sample_rate":"44100","duration":"3.0","tags":{"DURATION":"00:00:03.0"}}],` +
		`"chapters":[{"start_time":"0.0","end_time":"1.5","tags":{"title":"x"}}],"format":{"format_name":"mov,mp4","duration":"1e300","tags":{"title":"t"}}}`))
	f.Add([]byte(`{"streams":[{"codec_type":"audio","codec_name":"x","sample_rate":"-1","duration":"N/A"}],"format":{"duration":"-5"}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := parseProbe(data)
		if err != nil {
			return
		}
		limits := Limits{}.withDefaults(1)
		pl, err := makePlan(p, audio.Options{}.WithDefaults(), limits, nil)
		if err != nil {
			var failure *Failure
			if !errors.As(err, &failure) {
				t.Fatalf("error %v is no failure", err)
			}
			return
		}
		if pl.length < 0 || pl.sampleRate < 8000 || pl.sampleRate > 48000 || pl.channels < 1 || pl.channels > 2 {
			t.Fatalf("plan %+v", pl)
		}
		for _, command := range []string{pl.copyCommand(), pl.encodeCommand(audio.Options{}.WithDefaults(), "", 2)} {
			if strings.ContainsAny(command, "\n\"'") || len(command) > 500 {
				t.Fatalf("command %q", command)
			}
		}
	})
}
