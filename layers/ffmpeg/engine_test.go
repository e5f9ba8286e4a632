package ffmpeg_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// short is a second of sound as a file.
func short(channels int) []byte {
	stereo := ""
	if channels == 2 {
		stereo = "two voices"
	}
	return newPCM(music, stereo, 44100, 44100, 1).wav
}

func TestTheEngineSaysWhatAFileIs(t *testing.T) {
	t.Parallel()
	png := generate(t, "cover.png", "-f", "lavfi", "-i", "testsrc=size=64x48", "-frames:v", "1")
	for name, clip := range map[string]struct {
		args    []string
		format  string
		streams []string // type, codec, channels and rate, default or picture
		seconds float64
	}{
		"clip.mp4": {
			args:   []string{"-f", "lavfi", "-i", "testsrc=size=64x48:duration=1", "-map", "1", "-map", "0", "-c:v", "mpeg4", "-c:a", "aac"},
			format: "mov,mp4,m4a,3gp,3g2,mj2", streams: []string{"video mpeg4 0 0 default", "audio aac 1 44100 default"}, seconds: 1,
		},
		"two.mkv": {
			args: []string{"-map", "0", "-map", "0", "-c:a:0", "ac3", "-ac:a:1", "2", "-c:a:1", "flac", "-disposition:a:0", "0",
				"-disposition:a:1", "default", "-metadata", "title=\"A \\ title\n\""},
			format: "matroska,webm", streams: []string{"audio ac3 1 44100", "audio flac 2 44100 default"}, seconds: 1,
		},
		"cover.m4a": {
			args:   []string{"-i", png, "-map", "0", "-map", "1", "-c:a", "alac", "-c:v", "copy", "-disposition:v", "attached_pic"},
			format: "mov,mp4,m4a,3gp,3g2,mj2", streams: []string{"audio alac 1 44100 default", "video png 0 0 picture"}, seconds: 1,
		},
		"clip.mp3": {
			args: []string{"-c:a", "libmp3lame"}, format: "mp3", streams: []string{"audio mp3 1 44100"}, seconds: 1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := inspect(t, readFile(t, generate(t, name, append(tone("44100"), clip.args...)...)))
			if got.Format.Name != clip.format || got.Format.Duration == nil || math.Abs(*got.Format.Duration-clip.seconds) > 0.06 {
				t.Errorf("the format is %+v", got.Format)
			}
			if want := clip.args[len(clip.args)-1]; strings.HasPrefix(want, "title=") && got.Format.Tags["title"] != want[len("title="):] {
				t.Errorf("the tags are %q", got.Format.Tags)
			}
			var streams []string
			for i, s := range got.Streams {
				words := []string{s.Type, s.Codec, strconv.Itoa(s.Channels), strconv.Itoa(s.Rate)}
				switch {
				case s.Disposition.Attached == 1:
					words = append(words, "picture")
				case s.Disposition.Default == 1:
					words = append(words, "default")
				}
				if s.Index != i {
					t.Errorf("stream %d has the index %d", i, s.Index)
				}
				streams = append(streams, strings.Join(words, " "))
			}
			if !slices.Equal(streams, clip.streams) {
				t.Errorf("the streams are %q, want %q", streams, clip.streams)
			}
		})
	}
}

func TestEventsComeInOrder(t *testing.T) {
	t.Parallel()
	png := generate(t, "cover.png", "-f", "lavfi", "-i", "testsrc=size=64x48", "-frames:v", "1")
	clip := readFile(t, generate(t, "clip.m4a", append(tone("44100"), "-i", png, "-map", "0", "-map", "1", "-c:a", "alac", "-c:v", "copy", "-disposition:v", "attached_pic")...))
	r := mustEnd(t, &rangedInput{data: clip}, tells("encode stream=0 picture=1 channels=1 rate=44100 vbr=4 workers=2"))
	if want := []uint32{eventInfo, eventPicture, eventMP3, eventProgress, eventMP3, eventEnd}; !slices.Equal(r.kinds, want) {
		t.Errorf("the events were %v, want %v", r.kinds, want)
	}
	if !bytes.Equal(r.picture, readFile(t, png)) {
		t.Errorf("the picture of %d bytes is not the one that was put in", len(r.picture))
	}
}

func TestFramesAreCopiedAsTheyAre(t *testing.T) {
	t.Parallel()
	frames := generate(t, "clip.mp3", append(tone("44100"), "-c:a", "libmp3lame", "-q:a", "3", "-write_xing", "0", "-id3v2_version", "0")...)
	for _, name := range []string{"clip.mkv", "clip.mp4", "clip.avi", "clip.ts", "again.mp3"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clip := readFile(t, generate(t, name, "-i", frames, "-c", "copy"))
			r := mustEnd(t, &rangedInput{data: clip}, tells("copy stream=0"))
			if !bytes.Equal(r.packets, readFile(t, frames)) || !r.end.Copied {
				t.Errorf("%d bytes came out, other than the %d that were put in; %+v", len(r.packets), len(readFile(t, frames)), r.end)
			}
		})
	}
}

// measured is what loudnorm prints.
type measured struct {
	I      string `json:"input_i"`
	TP     string `json:"input_tp"`
	LRA    string `json:"input_lra"`
	Thresh string `json:"input_thresh"`
}

func measure(t *testing.T, file []byte) (m measured) {
	t.Helper()
	r := mustEnd(t, &rangedInput{data: file}, tells("measure stream=0 channels=1 rate=44100"))
	if from := strings.LastIndex(r.words, "{"); !r.end.Measured || from < 0 || json.Unmarshal([]byte(r.words[from:]), &m) != nil {
		t.Fatalf("END has %+v, and the words are %q", r.end, r.words)
	}
	return m
}

func TestMeasuredLoudnessIsEvenedOut(t *testing.T) {
	t.Parallel()
	clip := readFile(t, generate(t, "clip.wav", "-f", "lavfi", "-i", "sine=frequency=440:duration=10:sample_rate=44100"))
	before := measure(t, clip)
	r := mustEnd(t, &rangedInput{data: clip}, tells(fmt.Sprintf("encode stream=0 channels=1 rate=44100 vbr=0 gain=1 i=%s tp=%s lra=%s thresh=%s",
		before.I, before.TP, before.LRA, before.Thresh)))
	if loudness, err := strconv.ParseFloat(measure(t, r.mp3).I, 64); err != nil || math.Abs(loudness+16) > 0.3 {
		t.Errorf("%s LUFS became %v, want -16 (%v)", before.I, loudness, err)
	}
}

func TestAPartIsExactToTheSample(t *testing.T) {
	t.Parallel()
	for command, want := range map[string]int64{
		"":                      44100,
		"start=0.25":            33075,
		"end=0.75":              33075,
		"start=0.1 end=0.10001": 0, // from 4410.0 to 4410.4
		"start=0.1 end=0.1001":  4,
		"start=0.9 end=5":       4410,
		"start=5":               0,
	} {
		r := mustEnd(t, &rangedInput{data: short(1)}, tells("encode stream=0 channels=1 rate=44100 vbr=4 workers=2 "+command))
		if r.end.Samples != want || countFrames(t, r.mp3) != r.end.Frames {
			t.Errorf("%q: END has %+v, want %d samples", command, r.end, want)
		}
	}
}

func TestSoundIsMixedAndResampled(t *testing.T) {
	t.Parallel()
	for _, rate := range rates {
		for channels := 1; channels <= 2; channels++ {
			r := mustEnd(t, &rangedInput{data: short(3 - channels)}, tells(fmt.Sprintf("encode stream=0 channels=%d rate=%d vbr=4 workers=2", channels, rate)))
			got, err := parseMP3(r.mp3)
			if err != nil || got.rate != rate || (r.mp3[3]>>6 == 3) != (channels == 1) {
				t.Errorf("%d channels at %d Hz: %+v, header %x, %v", channels, rate, got, r.mp3[:4], err)
			}
			if off := r.end.Samples - int64(rate); off < -1 || off > 1 {
				t.Errorf("a second at 44100 Hz became %d samples at %d Hz", r.end.Samples, rate)
			}
		}
	}
}

func TestFailuresHaveACode(t *testing.T) {
	t.Parallel()
	const encode = "encode stream=0 channels=1 rate=44100 vbr=4 workers=2"
	sound := short(1)
	unknown := bytes.Clone(sound)
	binary.LittleEndian.PutUint16(unknown[20:], 0x75) // Voxware MetaSound
	for name, c := range map[string]struct {
		in      *rangedInput
		command string
		code    string
	}{
		"no media":                {&rangedInput{data: []byte(strings.Repeat("not a video\n", 1000))}, encode, "not_media"},
		"nothing":                 {&rangedInput{}, encode, "not_media"},
		"no decoder":              {&rangedInput{data: unknown}, encode, "no_decoder"},
		"unreadable at once":      {&rangedInput{data: sound, failFrom: 1}, encode, "io"},
		"unreadable later":        {&rangedInput{data: newPCM(music, "", 44100, 30*44100, 1).wav, failFrom: 4 << 20}, encode, "io"},
		"no such stream":          {&rangedInput{data: sound}, "encode stream=1 channels=1 rate=44100 vbr=4", "internal"},
		"no such verb":            {&rangedInput{data: sound}, "decode stream=0 channels=1 rate=44100", "internal"},
		"too many channels":       {&rangedInput{data: sound}, "encode stream=0 channels=3 rate=44100", "internal"},
		"a rate that MP3 has not": {&rangedInput{data: sound}, "encode stream=0 channels=1 rate=44000 vbr=4", "internal"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := runEngine(t, c.in, tells(c.command))
			if r.failure == nil || r.failure.Code != c.code || r.end != nil || r.exit != 0 {
				t.Errorf("failure %+v, END %+v, exit code %d, want the failure %s\n%s", r.failure, r.end, r.exit, c.code, r.words)
			}
		})
	}
}

func TestExitCodesOfAWrongCall(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args string
		code int
		says string
	}{
		{"engine", 0, "engine 1\n"},
		{"engine 2 ranged:3,4 5 6", 2, "usage: engine 1 URL COMMANDS EVENTS\n"},
		{"engine 1 ranged:3,4 5", 2, "usage: engine 1 URL COMMANDS EVENTS\n"},
		{"engine 1 ranged:3,4 5 6 7", 2, "usage: engine 1 URL COMMANDS EVENTS\n"},
		{"engine 1 ranged:3,4 5 600", 1, ""},
	} {
		cmd := exec.CommandContext(t.Context(), layerProgram(t, "ffmpeg"), strings.Fields(c.args)...)
		out, _ := cmd.CombinedOutput()
		if got := cmd.ProcessState.ExitCode(); got != c.code || !strings.Contains(string(out), c.says) {
			t.Errorf("%s: exit code %d and %q, want %d and %q", c.args, got, out, c.code, c.says)
		}
	}
}

func TestNoOtherProtocolIsTaken(t *testing.T) {
	t.Parallel()
	wav := filepath.Join(t.TempDir(), "a.wav")
	if err := os.WriteFile(wav, short(1), 0o600); err != nil {
		t.Fatal(err)
	}
	for url, want := range map[string]string{wav: "\x01", "file:" + wav: "\x01", "pipe:0": "\x07", "fd:0": "\x07", "http://127.0.0.1/": "\x07"} {
		cmd := exec.CommandContext(t.Context(), layerProgram(t, "ffmpeg"), "engine", "1", url, "0", "1")
		cmd.Stdin = strings.NewReader("") // no command
		if out, err := cmd.Output(); err != nil || !strings.HasPrefix(string(out), want) {
			t.Errorf("%s: %v and %q", url, err, out)
		}
	}
}

func TestAParentThatIsGoneEndsTheEngine(t *testing.T) {
	t.Parallel()
	minutes := newPCM(noiseOnly, "", 44100, 120*44100, 1).wav
	t.Run("while it encodes", func(t *testing.T) {
		t.Parallel()
		r := runEngineUntil(t, &rangedInput{data: minutes}, tells("encode stream=0 channels=1 rate=44100 cbr=320 workers=2"), eventMP3)
		if r.exit != 1 || r.end != nil {
			t.Errorf("exit code %d, END %+v", r.exit, r.end)
		}
	})
	t.Run("before it says what to do", func(t *testing.T) {
		t.Parallel()
		r := runEngine(t, &rangedInput{data: minutes}, tells(""))
		if r.exit != 0 || !slices.Equal(r.kinds, []uint32{eventInfo}) {
			t.Errorf("exit code %d, events %v", r.exit, r.kinds)
		}
	})
}

func noiseOnly(r *rand.Rand, _, n int) []float32 { return noise(r, n, 0.5) }

func TestAHostileCommandIsNoHarm(t *testing.T) {
	t.Parallel()
	const encode = "encode stream=0 channels=2 rate=44100 "
	for _, c := range []string{
		"\n", " ", "=", "encode=1", "encode stream", "encode stream=", "encode stream=0x0", "encode stream=0 color=1",
		strings.Repeat("x", 5000), "encode " + strings.Repeat("stream=0 ", 200), "\x00", "encode\x00 stream=0",
		"copy", "measure", "copy stream=-1", "copy stream=99999999999999999999", "encode stream=0 channels=2 rate=-1",
	} {
		if r := runEngine(t, &rangedInput{data: short(2)}, tells(c)); r.exit != 0 || r.end != nil {
			t.Errorf("%.40q: exit code %d, END %+v", c, r.exit, r.end)
		}
	}
	for _, c := range []string{
		"", "vbr=99", "vbr=-7", "cbr=0", "cbr=-1", "cbr=2147483647", "vbr=4 workers=-1", "vbr=4 workers=2147483647", "vbr=4 frames=-1",
		"vbr=4 frames=9223372036854775807", "vbr=4 start=nan", "vbr=4 end=inf", "vbr=4 start=-1e300 end=1e300", "vbr=4 start=2 end=1",
		"vbr=4 gain=1", "vbr=4 gain=1 i=nan tp=inf", "vbr=4 gain=1 i=-1e300", "vbr=4 picture=2147483647", "vbr=4 picture=0",
	} {
		r := runEngine(t, &rangedInput{data: short(2)}, tells(encode+c))
		if r.exit != 0 || (r.end == nil) == (r.failure == nil) {
			t.Errorf("%q: exit code %d, END %+v, failure %+v\n%s", c, r.exit, r.end, r.failure, r.words)
		}
	}
}

func TestSamplesThatAreNoSoundAreNoHarm(t *testing.T) {
	t.Parallel()
	inf := float32(math.Inf(1))
	worst := []float32{float32(math.NaN()), inf, -inf, math.MaxFloat32, -math.MaxFloat32, math.SmallestNonzeroFloat32, 1e20, 0}
	samples := make([]float32, 100000)
	for i := range samples {
		samples[i] = worst[(i*i/7)%len(worst)]
	}
	for _, setting := range settings {
		r := mustEnd(t, &rangedInput{data: interleave(44100, samples, samples).wav}, tells("encode stream=0 channels=2 rate=44100 workers=2 "+setting))
		if r.end.Samples != 100000 || countFrames(t, r.mp3) != r.end.Frames {
			t.Errorf("%s: %+v", setting, r.end)
		}
	}
}
