package engine

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"mp3converter/shared/audio"
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
	if !w.said[endedEarly] || w.said[noDecoder] {
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
	if f := l.filter(44100); !strings.Contains(f, "measured_I=-27.61") || !strings.HasSuffix(f, ",aresample=44100") {
		t.Errorf("filter %s", f)
	}
	for _, silent := range []loudness{
		{Integrated: number64(math.Inf(-1)), TruePeak: number64(math.Inf(-1)), Threshold: -70},
		{Integrated: number64(math.NaN())},
		{Integrated: -20, TruePeak: 200, Threshold: -30},
	} {
		if f := silent.filter(44100); f != "" {
			t.Errorf("%+v gives the filter %s", silent, f)
		}
	}
	for _, bad := range []string{"", "nothing", "{", `{"input_i":"abc"}`, `{"input_i":7}`} {
		if _, err := parseLoudness(bad); err == nil {
			t.Errorf("no error for %q", bad)
		}
	}
}

func TestMetadata(t *testing.T) {
	t.Parallel()
	var p probed
	p.Format.Tags = map[string]string{"TITLE": " a=b;c#d\\e\nf\x00 ", "artist": strings.Repeat("é", maxTag), "encoder": "noise"}
	p.Chapters = []chapter{
		{Start: 0, End: seconds(time.Second), Tags: map[string]string{"title": "One"}},
		{Start: seconds(time.Second), End: seconds(3 * time.Second)},
		{Start: seconds(5 * time.Second), End: seconds(4 * time.Second)},
	}
	got := string(metadata(p, stream{}, 500*time.Millisecond, 2*time.Second))
	want := ";FFMETADATA1\ntitle=a\\=b\\;c\\#d\\\\e\\\nf\nartist=" + strings.Repeat("é", maxTag/2) +
		"\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=500\ntitle=One\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=500\nEND=1500\n"
	if got != want {
		t.Errorf("metadata is\n%.300s\nwant\n%.300s", got, want)
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
		limits := Limits{}.withDefaults()
		pl, err := makePlan(p, audio.Options{}.WithDefaults(), limits)
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
		if len(pl.meta) > Rewritable {
			t.Fatalf("%d bytes of metadata", len(pl.meta))
		}
	})
}

func FuzzParseInfo(f *testing.F) {
	f.Add([]byte("ID3\x04\x00\x00\x00\x00\x00\x00\xff\xfb\x90\x00Xing\x00\x00\x00\x0f\x00\x00\x01\x00"))
	f.Fuzz(func(t *testing.T, head []byte) {
		if info, ok := parseInfo(head); ok && (info.samples < 0 || info.sampleRate <= 0) {
			t.Fatalf("info %+v", info)
		}
	})
}

func TestCapped(t *testing.T) {
	t.Parallel()
	c := capped{limit: 5}
	if n, err := c.Write([]byte("abc")); n != 3 || err != nil {
		t.Errorf("below the limit: %d, %v", n, err)
	}
	if _, err := c.Write([]byte("defg")); !errors.Is(err, errCapped) || !c.over {
		t.Errorf("over the limit: error %v", err)
	}
	if _, err := c.Write([]byte("d")); !errors.Is(err, errCapped) {
		t.Errorf("after the limit: error %v", err)
	}
}
