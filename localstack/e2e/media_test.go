package e2e

import (
	"os"
	"path/filepath"
	"testing"
)

// h264 and aac are the usual codecs of a phone's video.
var (
	h264 = []string{"-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"}
	aac  = []string{"-c:a", "aac", "-b:a", "128k"}
)

func TestVideosOfEveryKindBecomeMP3s(t *testing.T) {
	t.Parallel()
	two := join(picture(2), tone(440, 2))
	cases := map[string]struct {
		file    string
		args    []string
		options map[string]any
		seconds float64
	}{
		"MP4 with moov first": {"first.mp4", join(two, h264, aac, []string{"-movflags", "+faststart"}), nil, 2},
		"MP4 with moov last":  {"last.mp4", join(two, h264, aac), nil, 2},
		"MOV with PCM":        {"pcm.mov", join(two, h264, []string{"-c:a", "pcm_s16le"}), nil, 2},
		"Matroska with AC-3":  {"ac3.mkv", join(two, h264, []string{"-c:a", "ac3"}), nil, 2},
		"WebM with Opus":      {"opus.webm", join(two, []string{"-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", "-c:a", "libopus"}), nil, 2},
		"AVI with MP3":        {"mp3.avi", join(two, []string{"-c:v", "mpeg4", "-c:a", "libmp3lame"}), nil, 2},
		"MPEG-TS":             {"stream.ts", join(two, h264, aac), nil, 2},
		"FLV":                 {"flash.flv", join(two, []string{"-c:v", "flv1", "-c:a", "aac"}), nil, 2},
		"WMV":                 {"windows.wmv", join(two, []string{"-c:v", "wmv2", "-c:a", "wmav2"}), nil, 2},
		"one second":          {"second.mp4", join(picture(1), tone(440, 1), h264, aac), nil, 1},
		"the third of five tracks": {"five.mkv", join(picture(2), tone(300, 2), tone(400, 2), tone(500, 2), tone(600, 2), tone(700, 2),
			[]string{"-map", "0", "-map", "1", "-map", "2", "-map", "3", "-map", "4", "-map", "5"}, h264, aac), map[string]any{"track": 2}, 2},
		"a cut of constant bitrate": {"cut.mp4", join(picture(3), tone(440, 3), h264, aac),
			map[string]any{"mode": "cbr", "bitrate": 128, "channels": 1, "start": 0.5, "end": 1.75}, 1.25},
		"normalized": {"quiet.mp4", join(picture(4), tone(440, 4), []string{"-filter:a", "volume=-20dB"}, h264, aac), map[string]any{"normalize": true}, 4},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPerson(t)
			id := p.upload(t, video(t, c.file, c.args...), c.options)
			f := p.finished(t, id)
			if f.State != "ready" || f.Progress != 100 {
				t.Fatalf("ended %+v", f)
			}
			if f.Duration < c.seconds-0.1 || f.Duration > c.seconds+0.1 {
				t.Errorf("the record says %.3f s; want %.3f", f.Duration, c.seconds)
			}
			wantMP3WithinCodecDelay(t, p.download(t, id), c.seconds)
		})
	}
}

// wantMP3WithinCodecDelay allows for containers that do not say how much of the first frames is the codec's delay.
func wantMP3WithinCodecDelay(t *testing.T, data []byte, seconds float64) {
	t.Helper()
	const slack = 0.1
	decoded := decodedSeconds(t, data)
	if decoded < seconds-slack || decoded > seconds+slack {
		t.Errorf("the MP3 plays %.3f s; want %.3f s", decoded, seconds)
	}
}

func TestWhatCannotBeConvertedSaysWhy(t *testing.T) {
	t.Parallel()
	write := func(name string, data []byte) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	truncated := func(path string) string {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return write("truncated-"+filepath.Base(path), data[:len(data)/2])
	}
	long := video(t, "ten-seconds-first.mp4", join(picture(10), tone(440, 10), h264, aac, []string{"-movflags", "+faststart"})...)
	cases := map[string]struct {
		path    string
		options map[string]any
		code    string
	}{
		"a video without sound":            {video(t, "silent.mp4", join(picture(1), h264)...), nil, "no_audio"},
		"a text file named .mp4":           {write("letter.mp4", []byte("Dear Sir or Madam, this is no video at all.\n")), nil, "not_media"},
		"a truncated file with moov last":  {truncated(video(t, "ten-seconds-last.mp4", join(picture(10), tone(440, 10), h264, aac)...)), nil, "corrupt"},
		"a truncated file with moov first": {truncated(long), nil, "corrupt"},
		"a track that is not there":        {long, map[string]any{"track": 4}, "track_missing"},
		"a start behind the end":           {long, map[string]any{"start": 60}, "range_empty"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPerson(t)
			id := p.upload(t, c.path, c.options)
			f := p.finished(t, id)
			if f.State != "failed" || f.Error.Code != c.code || f.Error.Detail == "" {
				t.Fatalf("ended %+v; want failed with %s", f, c.code)
			}
			var letters []mail
			eventually(t, "the e-mail", func() bool {
				letters = p.mails(t, id)
				return len(letters) > 0
			})
			if letters[0].Subject == "" || !contains(letters[0].Text, f.Error.Detail) {
				t.Errorf("the e-mail does not give the reason %q: %s", f.Error.Detail, letters[0].Text)
			}
		})
	}
}
