package mp3_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mp3converter/shared/mediatest"
	"mp3converter/shared/mp3"
)

// run runs an ffmpeg, and fails on the slightest complaint.
func run(t testing.TB, program string, stdin []byte, args ...string) []byte {
	t.Helper()
	out, words := mediatest.Run(t, program, stdin, append([]string{"-v", "error"}, args...)...)
	if len(words) > 0 {
		t.Fatalf("%s %v: %s", program, args, words)
	}
	return out
}

func ffmpeg(t testing.TB, stdin []byte, args ...string) []byte {
	t.Helper()
	return run(t, mediatest.FFmpeg(t), stdin, args...)
}

// lame makes an MP3, without tags, of what arguments split at spaces name, by the LAME of the layer: another version packs
// in another way.
func lame(t testing.TB, stdin []byte, args string) []byte {
	t.Helper()
	return run(t, mediatest.LayerFFmpeg(t), stdin, append(strings.Fields(args), "-c:a", "libmp3lame", "-write_xing", "0", "-id3v2_version", "0", "-f", "mp3", "pipe:")...)
}

// sound is a source that keeps an encoder's decisions changing: a sweep, a pulsing tone and noise.
const sound = "-f lavfi -i aevalsrc=0.4*sin(2*PI*(200+900*t)*t)+0.05*random(0)|0.3*sin(2*PI*330*t)*gt(mod(t\\,0.4)\\,0.2)+0.03*random(1):d=3:s=44100 "

// pcm decodes an MP3, gapless, and fails on the slightest complaint.
func pcm(t testing.TB, data []byte) []byte {
	t.Helper()
	file := filepath.Join(t.TempDir(), "a.mp3") // a pipe would keep the padding at the end
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return ffmpeg(t, nil, "-xerror", "-i", file, "-map", "0:a", "-f", "s16le", "-")
}

func testdata(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func newDestination(t testing.TB) *mediatest.Destination {
	return &mediatest.Destination{T: t, Rewritable: mp3.Rewritable}
}

// split cuts a stream of whole frames into them, without the tag before.
func split(t testing.TB, data []byte) [][]byte {
	t.Helper()
	data = data[mp3.TagSize(data):]
	var frames [][]byte
	for len(data) > 0 {
		h, err := mp3.ParseHeader(data)
		if err != nil || h.Size() > len(data) {
			t.Fatalf("frame %d: %v, %d bytes left", len(frames), err, len(data))
		}
		frames = append(frames, data[:h.Size()])
		data = data[h.Size():]
	}
	return frames
}

// checked holds frames to Checker.
func checked(t testing.TB, frames [][]byte) {
	t.Helper()
	c := mp3.Checker{CRC: true}
	for _, frame := range frames {
		if err := c.Check(frame); err != nil {
			t.Fatal(err)
		}
	}
}

// written is the MP3 that a Writer makes of frames.
func written(t testing.TB, frames [][]byte, opts mp3.Options, end mp3.EndInfo) ([]byte, mp3.Result) {
	t.Helper()
	dst := newDestination(t)
	w := mp3.NewWriter(dst, opts)
	for _, frame := range frames {
		if err := w.WriteFrames(frame); err != nil {
			t.Fatal(err)
		}
	}
	result, err := w.Finish(end)
	if err != nil {
		t.Fatal(err)
	}
	if result.Bytes != int64(len(dst.Data)) || result.Frames != int64(len(frames)) {
		t.Errorf("result says %d bytes and %d frames, it was %d and %d", result.Bytes, result.Frames, len(dst.Data), len(frames))
	}
	return dst.Data, result
}
