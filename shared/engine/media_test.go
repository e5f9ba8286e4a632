package engine_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"mp3converter/shared/audio"
	"mp3converter/shared/engine"
	"mp3converter/shared/mediatest"
	"mp3converter/shared/source"
	"mp3converter/shared/source/sourcetest"
)

func newEngine(t testing.TB, cfg engine.Config) *engine.Engine {
	t.Helper()
	if cfg.FFmpeg == "" {
		cfg.FFmpeg = mediatest.LayerFFmpeg(t)
	}
	e, err := engine.New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// ffmpeg runs the complete ffmpeg, and returns what it wrote to its standard output and error.
func ffmpeg(t testing.TB, stdin []byte, args ...string) (out, words []byte) {
	t.Helper()
	return mediatest.Run(t, mediatest.FFmpeg(t), stdin, args...)
}

const (
	picture = "-f lavfi -i testsrc2=s=160x90:r=10:d=3 "
	tone440 = "-f lavfi -i sine=440:d=3:r=44100 "
	h264aac = "-c:v libx264 -preset ultrafast -c:a aac "
)

func mp4(t testing.TB) []byte { return mediatest.Clip(t, "a.mp4", picture+tone440+h264aac) }

// result is the outcome of a conversion, with everything that was written.
type result struct {
	engine.Result
	mp3      []byte
	progress []int
}

func newDestination(t testing.TB) *mediatest.Destination {
	return &mediatest.Destination{T: t, Rewritable: engine.Rewritable}
}

func convert(t testing.TB, e *engine.Engine, src source.Ranges, opts audio.Options) (result, error) {
	t.Helper()
	if err := opts.Validate(); err != nil {
		t.Fatal(err)
	}
	dst := newDestination(t)
	var res result
	r, err := e.Convert(t.Context(), src, dst, opts, func(percent int) { res.progress = append(res.progress, percent) })
	res.Result, res.mp3 = r, dst.Data
	return res, err
}

// converted is convert of a file that must succeed.
func converted(t testing.TB, data []byte, opts audio.Options) result {
	t.Helper()
	object := &sourcetest.Object{Data: data}
	res, err := convert(t, newEngine(t, engine.Config{}), object, opts)
	if err != nil {
		t.Fatal(err)
	}
	if res.Bytes != int64(len(res.mp3)) {
		t.Errorf("result says %d bytes, %d were written", res.Bytes, len(res.mp3))
	}
	for i, percent := range res.progress {
		if percent < 0 || percent > 99 || i > 0 && percent <= res.progress[i-1] {
			t.Errorf("progress %v does not rise from 0 to 99", res.progress)
			break
		}
	}
	if object.Unclosed() != 0 {
		t.Errorf("%d ranges of the video are still open", object.Unclosed())
	}
	return res
}

// refused is convert of a file that must end in a failure with this code.
func refused(t testing.TB, data []byte, opts audio.Options, code engine.Code) *engine.Failure {
	t.Helper()
	res, err := convert(t, newEngine(t, engine.Config{}), &sourcetest.Object{Data: data}, opts)
	return failure(t, res, err, code)
}

func failure(t testing.TB, res result, err error, code engine.Code) *engine.Failure {
	t.Helper()
	var f *engine.Failure
	if !errors.As(err, &f) {
		t.Fatalf("got %d bytes and error %v, want failure %s", len(res.mp3), err, code)
	}
	if f.Code != code {
		t.Fatalf("failure %v, want %s", f, code)
	}
	if f.Detail == "" || !strings.HasSuffix(f.Detail, ".") || strings.Count(f.Detail, ". ") > 0 {
		t.Errorf("%q is not one sentence", f.Detail)
	}
	return f
}

// pcm is decoded sound, one slice for each channel.
type pcm struct {
	rate     int
	channels [][]float64
}

// decoded decodes an MP3, gapless, as it is.
func decoded(t testing.TB, mp3 []byte) pcm {
	t.Helper()
	file := filepath.Join(t.TempDir(), "a.mp3") // a pipe would keep the padding at the end
	writeFile(t, file, string(mp3))
	raw, words := ffmpeg(t, nil, "-i", file, "-map", "0:a", "-f", "f32le", "-")
	var p pcm
	channels := 0
	for line := range strings.Lines(string(words)) {
		_, after, ok := strings.Cut(line, "Audio: mp3")
		if _, rest, found := strings.Cut(after, ", "); ok && found && channels == 0 { // the input's line comes first
			_, _ = fmt.Sscanf(rest, "%d Hz", &p.rate)
			channels = 1
			if strings.Contains(rest, "stereo") {
				channels = 2
			}
		}
	}
	if channels == 0 || p.rate == 0 {
		t.Fatalf("no MP3 in what was written:\n%s", words)
	}
	p.channels = make([][]float64, channels)
	for i := 0; i+4 <= len(raw); i += 4 {
		c := i / 4 % channels
		p.channels[c] = append(p.channels[c], float64(math.Float32frombits(binary.LittleEndian.Uint32(raw[i:]))))
	}
	return p
}

func (p pcm) samples() int { return len(p.channels[0]) }

// amplitude is that of one frequency in a channel, by Goertzel's algorithm over its middle.
func (p pcm) amplitude(channel int, hz float64) float64 {
	x := p.channels[channel]
	x = x[len(x)/4 : len(x)*3/4]
	w := 2 * math.Cos(2*math.Pi*hz/float64(p.rate))
	var s1, s2 float64
	for i, v := range x {
		// A Hann window keeps the other tones out.
		v *= 1 - math.Cos(2*math.Pi*float64(i)/float64(len(x)))
		s1, s2 = v+w*s1-s2, s1
	}
	return 2 * math.Sqrt(max(0, s1*s1+s2*s2-w*s1*s2)) / float64(len(x))
}

func (p pcm) peak() float64 {
	peak := 0.0
	for _, x := range p.channels {
		for _, v := range x {
			peak = max(peak, math.Abs(v))
		}
	}
	return peak
}

// ffmetadata is what the full ffmpeg reads of an MP3's tags and chapters.
func ffmetadata(t testing.TB, mp3 []byte) string {
	t.Helper()
	out, _ := ffmpeg(t, mp3, "-v", "error", "-i", "pipe:", "-f", "ffmetadata", "-")
	return string(out)
}

// offspring lists the processes whose command line names the program.
func offspring(t testing.TB, program string) []int {
	t.Helper()
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	var pids []int
	for _, line := range lines {
		data, err := os.ReadFile(line)
		if err == nil && bytes.HasPrefix(data, []byte(program)) {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(line)))
			pids = append(pids, pid)
		}
	}
	return pids
}

func ptr[T any](v T) *T { return &v }

func writeFile(t testing.TB, name, content string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}
