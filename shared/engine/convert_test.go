package engine_test

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"mp3converter/shared/audio"
	"mp3converter/shared/mediatest"
)

func TestContainers(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, file, args string }{
		{"MP4 with its index at the end", "a.mp4", h264aac},
		{"MP4 with its index first", "b.mp4", h264aac + "-movflags +faststart"},
		{"MP4 in fragments", "c.mp4", h264aac + "-movflags +frag_keyframe+empty_moov"},
		{"QuickTime with uncompressed sound", "a.mov", "-c:v mjpeg -c:a pcm_s16le"},
		{"Matroska", "a.mkv", h264aac},
		{"Matroska with FLAC", "b.mkv", "-c:v libx264 -preset ultrafast -c:a flac"},
		{"WebM with Opus", "a.webm", "-c:v libvpx -deadline realtime -c:a libopus"},
		{"AVI with MP3", "a.avi", "-c:v mpeg4 -c:a libmp3lame"},
		{"AVI with AC-3", "b.avi", "-c:v mpeg4 -c:a ac3"},
		{"MPEG transport stream", "a.ts", h264aac},
		{"MPEG program stream", "a.mpg", "-c:v mpeg2video -r 25 -c:a mp2"},
		{"Flash video", "a.flv", "-c:v flv -c:a libmp3lame"},
		{"Windows Media", "a.wmv", "-c:v wmv2 -c:a wmav2"},
		{"Ogg with Vorbis", "a.ogv", "-c:v libtheora -c:a libvorbis"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			res := converted(t, mediatest.Clip(t, tc.file, picture+tone440+tc.args), audio.Options{})
			p := decoded(t, res.mp3)
			if a := p.amplitude(0, 440); a < 0.05 {
				t.Errorf("the tone's amplitude is %.3f", a)
			}
			if len(p.channels) != 1 {
				t.Errorf("%d channels from a mono track", len(p.channels))
			}
			if math.Abs(res.Duration.Seconds()-3) > 0.15 {
				t.Errorf("duration %v of a clip of 3 s", res.Duration)
			}
			if int64(p.samples()) != res.Samples || p.rate != res.SampleRate {
				t.Errorf("decodes to %d samples at %d Hz, result says %d at %d", p.samples(), p.rate, res.Samples, res.SampleRate)
			}
		})
	}
}

func TestSoundWithCoverAndTags(t *testing.T) {
	t.Parallel()
	const tags = "-metadata title=Grüße;=#1 -metadata artist=A\\B -metadata album=Al -metadata album_artist=AA -metadata date=2021 -metadata track=3/9 -metadata genre=Jazz -metadata comment=Nice "
	args := tone440 + "-f lavfi -i testsrc2=s=64x64:d=1:r=1 -map 0 -map 1 -c:a aac -c:v mjpeg -disposition:v attached_pic -strict unofficial " + tags
	for name, opts := range map[string]audio.Options{
		"as it is":   {},
		"cut":        {Start: ptr(1.0), End: ptr(2.0)},
		"normalized": {Normalize: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			res := converted(t, mediatest.Clip(t, "a.m4a", args), opts)
			got := ffmetadata(t, res.mp3)
			for _, want := range []string{`title=Grüße\;\=\#1`, `artist=A\\B`, "album=Al", "album_artist=AA", "date=2021", "track=3/9", "genre=Jazz", "comment=Nice"} {
				if !strings.Contains(got, want+"\n") {
					t.Errorf("tags lack %s:\n%s", want, got)
				}
			}
			for _, noise := range []string{"handler", "major_brand", "compatible"} {
				if strings.Contains(got, noise) {
					t.Errorf("tags hold %s:\n%s", noise, got)
				}
			}
			_, words := ffmpeg(t, res.mp3, "-i", "pipe:", "-f", "null", "-")
			if !strings.Contains(string(words), "mjpeg") || !strings.Contains(string(words), "(attached pic)") {
				t.Errorf("no cover:\n%s", words)
			}
		})
	}
}

func TestCoversThatCannotBeCarriedAreLeftOut(t *testing.T) {
	t.Parallel()
	const cover = "-map 0 -map 1 -c:a aac -disposition:v attached_pic -strict unofficial "
	big := mediatest.Clip(t, "big.m4a", tone440+"-f lavfi -i nullsrc=s=1024x768:d=1:r=1,geq=random(1)*255:128:128 "+cover+"-c:v png")
	if len(big) < 1<<20 {
		t.Fatalf("the cover is too small for this test: %d bytes in all", len(big))
	}
	small := append([]byte(nil), mediatest.Clip(t, "small.m4a", tone440+"-f lavfi -i testsrc2=s=64x64:d=1:r=1 "+cover+"-c:v png")...)
	at := strings.Index(string(small), "\x89PNG")
	if at < 0 {
		t.Fatal("no cover in the clip")
	}
	copy(small[at+8:], strings.Repeat("\x00", 64))
	for name, data := range map[string][]byte{"one that is too large": big, "one that is broken": small} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			res := converted(t, data, audio.Options{})
			if decoded(t, res.mp3).amplitude(0, 440) < 0.05 {
				t.Error("no sound")
			}
			if tooLarge := name == "one that is too large"; res.CoverLeftOut != tooLarge {
				t.Errorf("the result says that the cover was left out: %v", res.CoverLeftOut)
			}
		})
	}
}

func TestChapters(t *testing.T) {
	t.Parallel()
	meta := t.TempDir() + "/meta"
	writeFile(t, meta, ";FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=1000\ntitle=One\n"+
		"[CHAPTER]\nTIMEBASE=1/1000\nSTART=1000\nEND=2500\ntitle=Two\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=2500\nEND=3000\ntitle=Three\n")
	data := mediatest.Clip(t, "chapters.mkv", tone440+"-i "+meta+" -map_metadata 1 -map_chapters 1 -c:a aac")
	for _, tc := range []struct {
		name string
		opts audio.Options
		want string
	}{
		{"all", audio.Options{}, "0-1000 One, 1000-2500 Two, 2500-3000 Three"},
		{"those of a part", audio.Options{Start: ptr(0.5), End: ptr(2.0)}, "0-500 One, 500-1500 Two"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, section := range strings.Split(ffmetadata(t, converted(t, data, tc.opts).mp3), "[CHAPTER]")[1:] {
				var start, end int
				var title string
				if _, err := fmt.Sscanf(section, "\nTIMEBASE=1/1000\nSTART=%d\nEND=%d\ntitle=%s", &start, &end, &title); err != nil {
					t.Fatalf("chapter %q: %v", section, err)
				}
				// Reading an MP3, ffmpeg counts from after the encoder's delay of 25 ms.
				got = append(got, fmt.Sprintf("%d-%d %s", (start+50)/100*100, (end+50)/100*100, title))
			}
			if strings.Join(got, ", ") != tc.want {
				t.Errorf("chapters %v, want %v", got, tc.want)
			}
		})
	}
}

func TestTracks(t *testing.T) {
	t.Parallel()
	tones := []float64{300, 500, 700, 900, 1100}
	args, maps := "", ""
	for i, hz := range tones {
		args += fmt.Sprintf("-f lavfi -i sine=%g:d=1:r=44100 ", hz)
		maps += fmt.Sprintf("-map %d ", i)
	}
	data := mediatest.Clip(t, "five.mkv", args+maps+"-c:a aac -disposition:a 0 -disposition:a:3 default")
	for _, tc := range []struct {
		name  string
		track *int
		want  int
	}{
		{"the first", ptr(0), 0}, {"the second", ptr(1), 1}, {"the third", ptr(2), 2}, {"the fourth", ptr(3), 3},
		{"the fifth", ptr(4), 4}, {"the container's default when none is asked for", nil, 3},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			p := decoded(t, converted(t, data, audio.Options{Track: tc.track}).mp3)
			for i, hz := range tones {
				if a := p.amplitude(0, hz); (i == tc.want) != (a > 0.05) {
					t.Errorf("the tone of track %d has amplitude %.3f", i, a)
				}
			}
		})
	}
}

func TestChannels(t *testing.T) {
	t.Parallel()
	tones := []float64{300, 500, 700, 60, 900, 1100} // FL FR FC LFE BL BR
	expr := make([]string, len(tones))
	for i, hz := range tones {
		expr[i] = fmt.Sprintf("0.9*sin(%g*2*PI*t)", hz)
	}
	surround := mediatest.Clip(t, "surround.mkv", "-f lavfi -i aevalsrc="+strings.Join(expr, "|")+":c=5.1:d=1:s=48000 -c:a ac3 -b:a 448k")
	stereo := mediatest.Clip(t, "stereo.mkv", "-f lavfi -i aevalsrc=0.5*sin(300*2*PI*t)|0.5*sin(500*2*PI*t):c=stereo:d=1:s=44100 -c:a aac")
	for _, tc := range []struct {
		name     string
		data     []byte
		channels *int
		want     []string // tones in each channel
	}{
		{"5.1 is mixed down to stereo", surround, nil, []string{"300 700 900", "500 700 1100"}},
		{"5.1 is mixed down to mono when asked for", surround, ptr(1), []string{"300 500 700 900 1100"}},
		{"stereo stays stereo", stereo, nil, []string{"300", "500"}},
		{"stereo becomes mono when asked for", stereo, ptr(1), []string{"300 500"}},
		{"mono becomes stereo when asked for", mp4(t), ptr(2), []string{"440", "440"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			p := decoded(t, converted(t, tc.data, audio.Options{Channels: tc.channels}).mp3)
			if len(p.channels) != len(tc.want) {
				t.Fatalf("%d channels, want %d", len(p.channels), len(tc.want))
			}
			for c := range p.channels {
				var heard []string
				for _, hz := range []float64{300, 440, 500, 700, 900, 1100} {
					if p.amplitude(c, hz) > 0.05 {
						heard = append(heard, fmt.Sprint(hz))
					}
				}
				if got := strings.Join(heard, " "); got != tc.want[c] {
					t.Errorf("channel %d holds the tones %s, want %s", c, got, tc.want[c])
				}
			}
			if peak := p.peak(); peak > 1 {
				t.Errorf("the peak is %.3f: it clips", peak)
			}
		})
	}
}

func TestPartsAreExactToTheSample(t *testing.T) {
	t.Parallel()
	// The pitch rises with time, so that each moment sounds different.
	const sweep = "-f lavfi -i aevalsrc=0.5*sin(2*PI*(200*t+150*t*t)):d=3:s=44100 "
	for _, tc := range []struct {
		name, file, args string
		start, end       *float64
		samples          int
	}{
		{"start and end", "sweep.mp4", "-c:a aac", ptr(0.7), ptr(2.1), 61740},
		{"start alone", "sweep.mkv", "-c:a flac", ptr(2.0), nil, 44100},
		{"end alone", "sweep.mp4", "-c:a aac", nil, ptr(1.25), 55125},
		{"a fraction of a sample", "sweep.mkv", "-c:a flac", ptr(0.123456), ptr(0.654321), 23411},
		{"an end after the end", "sweep.mkv", "-c:a flac", ptr(2.5), ptr(100.0), 22050},
		{"Matroska, whose clock is coarse", "sweep.mka", "-c:a aac", ptr(1.0), ptr(2.0), 44100},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			data := mediatest.Clip(t, tc.file, sweep+tc.args)
			part := converted(t, data, audio.Options{Start: tc.start, End: tc.end, Quality: ptr(0)})
			if d := part.Samples - int64(tc.samples); d < -1 || d > 1 {
				t.Errorf("%d samples, want %d", part.Samples, tc.samples)
			}
			whole := decoded(t, converted(t, data, audio.Options{Quality: ptr(0)}).mp3).channels[0]
			got := decoded(t, part.mp3).channels[0]
			start := 0.0
			if tc.start != nil {
				start = *tc.start
			}
			at := int(math.Round(start * 44100))
			best, bestAt := math.Inf(1), 0
			for shift := max(-at, -30); shift <= 30; shift++ {
				sum := 0.0
				for i := 2000; i < 12000 && i < len(got); i++ {
					if j := at + shift + i; j < len(whole) {
						d := got[i] - whole[j]
						sum += d * d
					}
				}
				if sum < best {
					best, bestAt = sum, shift
				}
			}
			if bestAt < -1 || bestAt > 1 {
				t.Errorf("the part begins %d samples from where it should", bestAt)
			}
		})
	}
}

func TestNormalize(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, source string
		rate         int
		opts         audio.Options
		least        float64 // LUFS
	}{
		{"soft sound is raised", "sine=440:d=6:r=44100,volume=0.1", 44100, audio.Options{}, -17},
		{"loud sound is lowered", "anoisesrc=d=6:c=pink:r=48000:a=1:seed=1,volume=2", 48000, audio.Options{}, -17},
		{"peaks are held back", "aevalsrc=0.01*sin(2*PI*440*t)+0.9*sin(2*PI*500*t)*lt(mod(t\\,2)\\,0.02):d=8:s=32000", 32000, audio.Options{}, -20},
		{"a part is measured alone", "sine=440:d=9:r=44100,volume=0.05+0.8*gt(t\\,4):eval=frame", 44100, audio.Options{End: ptr(3.5)}, -17},
		{"silence stays silent", "anullsrc=d=4:r=44100:cl=mono", 44100, audio.Options{}, math.Inf(-1)},
		{"a short sound too", "sine=440:d=1:r=44100,volume=0.1", 44100, audio.Options{}, -17},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			tc.opts.Normalize = true
			res := converted(t, mediatest.Clip(t, "loud.mkv", "-f lavfi -i "+tc.source+" -c:a flac"), tc.opts)
			if res.SampleRate != tc.rate {
				t.Errorf("sample rate %d of a track with %d", res.SampleRate, tc.rate)
			}
			if res.Stats.Measure == 0 {
				t.Error("no time for measuring in the stats")
			}
			if math.IsInf(tc.least, -1) {
				return
			}
			_, words := ffmpeg(t, res.mp3, "-i", "pipe:", "-map", "0:a", "-af", "ebur128=peak=true", "-f", "null", "-")
			_, summary, _ := strings.Cut(string(words), "Summary:")
			var integrated, peak float64
			for line := range strings.Lines(summary) {
				line = strings.TrimSpace(line)
				_, _ = fmt.Sscanf(line, "I: %f LUFS", &integrated)
				_, _ = fmt.Sscanf(line, "Peak: %f dBFS", &peak)
			}
			if integrated < tc.least || integrated > -15 || peak > -1 {
				t.Errorf("loudness %.1f LUFS with peaks of %.1f dBTP, want -16, at least %g, and at most -1", integrated, peak, tc.least)
			}
		})
	}
}

func TestModes(t *testing.T) {
	t.Parallel()
	const noise = "-f lavfi -i anoisesrc=d=3:c=pink:r=44100:seed=3 -ac 2 -c:a flac"
	size := func(opts audio.Options) int64 { return converted(t, mediatest.Clip(t, "noise.mkv", noise), opts).Bytes }
	for _, kbit := range []int{64, 128, 320} {
		got := float64(size(audio.Options{Mode: audio.CBR, Bitrate: ptr(kbit)})) * 8 / 3 / 1000
		if math.Abs(got-float64(kbit)) > float64(kbit)*0.05 {
			t.Errorf("CBR %d came to %.0f kbit/s", kbit, got)
		}
	}
	best, usual, least := size(audio.Options{Quality: ptr(0)}), size(audio.Options{}), size(audio.Options{Quality: ptr(9)})
	if best <= usual || usual <= least {
		t.Errorf("VBR 0, the default and 9 came to %d, %d and %d bytes", best, usual, least)
	}
	if same := size(audio.Options{Quality: ptr(2)}); same != usual {
		t.Errorf("VBR 2 came to %d bytes, the default to %d", same, usual)
	}
}

func TestSampleRatesThatMP3HasNot(t *testing.T) {
	t.Parallel()
	for rate, want := range map[int]int{96000: 48000, 8000: 8000, 37800: 44100} {
		t.Run(fmt.Sprint(rate), func(t *testing.T) {
			t.Parallel()
			res := converted(t, mediatest.Clip(t, fmt.Sprintf("rate%d.mkv", rate), fmt.Sprintf("-f lavfi -i sine=440:d=1:r=%d -c:a pcm_s16le", rate)), audio.Options{})
			if res.SampleRate != want || res.Duration != time.Second {
				t.Errorf("%d Hz and %v, want %d and a second", res.SampleRate, res.Duration, want)
			}
		})
	}
}

func TestAVeryShortClip(t *testing.T) {
	t.Parallel()
	res := converted(t, mediatest.Clip(t, "short.mkv", "-f lavfi -i sine=440:d=0.05:r=44100 -c:a flac"), audio.Options{})
	if res.Samples != 2205 {
		t.Errorf("%d samples, want 2205", res.Samples)
	}
}
