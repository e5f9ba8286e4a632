package engine_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"mp3converter/shared/audio"
	"mp3converter/shared/engine"
	"mp3converter/shared/mediatest"
	"mp3converter/shared/source"
	"mp3converter/shared/source/sourcetest"
)

// checkers are programs that find fault with MP3s, by what they say of one that is sound. They are asked only when
// MP3_CHECKERS is set, as they are not everywhere.
var checkers = []struct {
	program string
	args    []string
	fine    func(said string) bool
}{
	{"mp3val", []string{"-si"}, func(said string) bool {
		for line := range strings.Lines(said) {
			if strings.Contains(line, "WARNING") && !strings.Contains(line, "No supported tags") || strings.Contains(line, "ERROR") {
				return false
			}
		}
		return strings.Contains(said, "Done!")
	}},
	{"mpg123", []string{"--test", "--quiet"}, func(said string) bool { return strings.TrimSpace(said) == "" }},
	{"mediainfo", []string{"--Output=General;%Format% %AudioCount% %Duration%"}, func(said string) bool {
		return strings.HasPrefix(said, "MPEG Audio 1 ")
	}},
}

func check(t testing.TB, data []byte) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "a.mp3")
	writeFile(t, file, string(data))
	_, words := ffmpeg(t, nil, "-v", "error", "-xerror", "-i", file, "-map", "0:a", "-f", "null", "-")
	if len(words) > 0 {
		t.Errorf("ffmpeg says: %s", words)
	}
	if os.Getenv("MP3_CHECKERS") == "" {
		return
	}
	for _, c := range checkers {
		said, err := exec.CommandContext(t.Context(), c.program, append(c.args, file)...).CombinedOutput()
		if err != nil || !c.fine(string(said)) {
			t.Errorf("%s: %v: %s", c.program, err, said)
		}
	}
}

func TestCheckersFindNoFault(t *testing.T) {
	t.Parallel()
	sound := func(rate int) string { return speechOf(6, rate) + "-c:a flac " }
	covered := speechOf(6, 44100) + "-f lavfi -i testsrc2=s=64x64:d=1:r=1 -map 0 -map 1 -c:a aac -c:v mjpeg -disposition:v attached_pic -metadata title=T "
	for _, tc := range []struct {
		name, file, args string
		opts             audio.Options
		samples          int64 // 0: not exact
	}{
		{"VBR 2", "44.mkv", sound(44100), audio.Options{}, 6 * 44100},
		{"VBR 0", "44.mkv", sound(44100), audio.Options{Quality: ptr(0)}, 6 * 44100},
		{"VBR 9", "44.mkv", sound(44100), audio.Options{Quality: ptr(9)}, 6 * 44100},
		{"CBR 320", "44.mkv", sound(44100), audio.Options{Mode: audio.CBR, Bitrate: ptr(320)}, 6 * 44100},
		{"CBR 32", "44.mkv", sound(44100), audio.Options{Mode: audio.CBR, Bitrate: ptr(32)}, 6 * 44100},
		{"mono", "44.mkv", sound(44100), audio.Options{Channels: ptr(1)}, 6 * 44100},
		{"48 kHz", "48.mkv", sound(48000), audio.Options{}, 6 * 48000},
		{"32 kHz", "32.mkv", sound(32000), audio.Options{}, 6 * 32000},
		{"24 kHz", "24.mkv", sound(24000), audio.Options{}, 6 * 24000},
		{"11,025 Hz", "11.mkv", sound(11025), audio.Options{}, 6 * 11025},
		{"8 kHz", "8.mkv", sound(8000), audio.Options{}, 6 * 8000},
		{"8 kHz, CBR", "8.mkv", sound(8000), audio.Options{Mode: audio.CBR, Bitrate: ptr(64)}, 6 * 8000},
		{"96 kHz", "96.mkv", sound(96000), audio.Options{}, 6 * 48000},
		{"a part", "44.mkv", sound(44100), audio.Options{Start: ptr(1.5), End: ptr(4.0)}, 110250},
		{"loudness", "44.mkv", sound(44100), audio.Options{Normalize: true}, 6 * 44100},
		{"a cover and tags", "cover.m4a", covered, audio.Options{}, 0},
		{"copied frames", "copy.mp3", speechOf(6, 44100) + "-c:a libmp3lame -q:a 2", audio.Options{}, 6 * 44100},
		{"copied from a container", "copy.mkv", speechOf(6, 44100) + "-c:a libmp3lame -b:a 128k", audio.Options{}, 0},
		{"little sound", "few.mkv", "-f lavfi -i sine=440:d=0.3:r=44100 -c:a flac", audio.Options{}, 13230},
		{"silence", "silence.mkv", "-f lavfi -i anullsrc=d=5:r=44100 -c:a flac", audio.Options{}, 5 * 44100},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			res := converted(t, mediatest.Clip(t, tc.file, tc.args), tc.opts)
			check(t, res.mp3)
			if tc.samples > 0 && res.Samples != tc.samples {
				t.Errorf("%d samples, want %d", res.Samples, tc.samples)
			}
			if got := decoded(t, res.mp3); int64(got.samples()) != res.Samples || got.rate != res.SampleRate {
				t.Errorf("it decodes to %d samples at %d Hz, the result says %d at %d", got.samples(), got.rate, res.Samples, res.SampleRate)
			}
			exactly := time.Duration(float64(res.Samples) / float64(res.SampleRate) * float64(time.Second))
			if res.Duration != exactly {
				t.Errorf("%v for %d samples", res.Duration, res.Samples)
			}
		})
	}
}

func TestCoversComeAlong(t *testing.T) {
	t.Parallel()
	const in = tone440 + "-f lavfi -i testsrc2=s=64x64:d=1:r=1 -map 0 -map 1 -disposition:v attached_pic "
	for _, tc := range []struct{ file, args, magic string }{
		{"jpeg.m4a", "-c:a aac -c:v mjpeg -strict unofficial", "\xff\xd8\xff"},
		{"png.m4a", "-c:a aac -c:v png", "\x89PNG"},
		{"jpeg.mp3", "-c:a libmp3lame -c:v mjpeg -strict unofficial", "\xff\xd8\xff"},
		{"png.mp3", "-c:a libmp3lame -c:v png", "\x89PNG"},
		{"png.flac", "-c:a flac -c:v png", "\x89PNG"},
	} {
		t.Run(tc.file, func(t *testing.T) {
			t.Parallel()
			data := mediatest.Clip(t, tc.file, in+tc.args)
			res := converted(t, data, audio.Options{})
			file, was := filepath.Join(t.TempDir(), "out.mp3"), filepath.Join(t.TempDir(), tc.file)
			writeFile(t, file, string(res.mp3))
			writeFile(t, was, string(data))
			got, _ := ffmpeg(t, nil, "-v", "error", "-i", file, "-map", "0:v", "-c", "copy", "-f", "rawvideo", "-")
			want, _ := ffmpeg(t, nil, "-v", "error", "-i", was, "-map", "0:v", "-c", "copy", "-f", "rawvideo", "-")
			if string(got) != string(want) || !strings.HasPrefix(string(got), tc.magic) || res.CoverLeftOut {
				t.Errorf("a cover of %d bytes, want the %d of the file", len(got), len(want))
			}
		})
	}
}

func TestChaptersOfMP4(t *testing.T) {
	t.Parallel()
	meta := filepath.Join(t.TempDir(), "meta")
	writeFile(t, meta, ";FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=1000\ntitle=Eins\n"+
		"[CHAPTER]\nTIMEBASE=1/1000\nSTART=1000\nEND=3000\ntitle=Zwei Wörter\n")
	data := mediatest.Clip(t, "chapters.m4a", tone440+"-i "+meta+" -map_metadata 1 -map_chapters 1 -c:a aac")
	hidden := func(box string) []byte {
		if strings.Count(string(data), box) != 1 {
			t.Fatalf("%d of %s in the clip", strings.Count(string(data), box), box)
		}
		return []byte(strings.Replace(string(data), box, "free", 1))
	}
	for name, data := range map[string][]byte{"both": data, "a text track": hidden("chpl"), "a list": hidden("chap")} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := ffmetadata(t, converted(t, data, audio.Options{}).mp3)
			if strings.Count(got, "[CHAPTER]") != 2 || !strings.Contains(got, "title=Eins\n") || !strings.Contains(got, "title=Zwei Wörter\n") {
				t.Errorf("chapters:\n%s", got)
			}
		})
	}
}

func TestTagsThatAreNoUTF8(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"tag.m4a", "tag.mkv"} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			data := mediatest.Clip(t, file, tone440+"-c:a aac -metadata title=BrokenXX -metadata artist=Whole")
			res := converted(t, []byte(strings.ReplaceAll(string(data), "BrokenXX", "Broken\xff\xc0")), audio.Options{})
			got := ffmetadata(t, res.mp3)
			if !strings.Contains(got, "title=Broken") || !strings.Contains(got, "artist=Whole\n") || strings.ToValidUTF8(got, "") != got {
				t.Errorf("tags: %q", got)
			}
			check(t, res.mp3)
		})
	}
}

// Not side by side with other tests, whose goroutines and files it would see.
func TestNothingIsLeftBehind(t *testing.T) { //nolint:paralleltest // see above
	bin := ownLayer(t)
	noise := mediatest.Clip(t, "left.m4a", "-f lavfi -i anoisesrc=d=60:r=44100:a=0.3:seed=5 -c:a aac -b:a 256k")
	whole := takeApart(t, noise).assemble(t, layout{moov: odd, moovFirst: true})
	t.Setenv("TMPDIR", t.TempDir())
	e := newEngine(t, engine.Config{FFmpeg: filepath.Join(bin, "ffmpeg"), Source: source.Config{Attempts: 1, Backoff: time.Millisecond, Block: 256 << 10}})
	for name, data := range map[string][]byte{"an excerpt": noise, "the whole file": whole} {
		for _, end := range []string{"well", "by an error of the storage", "by its context"} {
			before := runtime.NumGoroutine()
			ctx, cancel := context.WithCancel(t.Context())
			src := &sourcetest.Object{Data: data}
			if end == "by an error of the storage" {
				src.Open = func(_ context.Context, _ int, offset, _ int64) error {
					if offset > int64(len(data))/2 && offset < int64(len(data))*3/4 {
						return errors.New("500 internal error")
					}
					return nil
				}
			}
			_, err := e.Convert(ctx, src, newDestination(t), audio.Options{}, func(percent int) {
				if end == "by its context" && percent > 20 {
					cancel()
				}
			})
			cancel()
			if (err == nil) != (end == "well") {
				t.Errorf("%s that ends %s: error %v", name, end, err)
			}
			deadline := time.Now().Add(5 * time.Second)
			for ; runtime.NumGoroutine() > before && time.Now().Before(deadline); runtime.Gosched() {
			}
			if n := runtime.NumGoroutine(); n > before {
				t.Errorf("%s that ends %s: %d goroutines, %d before", name, end, n, before)
			}
			if left := offspring(t, bin); len(left) > 0 {
				t.Errorf("%s that ends %s: children %v", name, end, left)
			}
			if files, err := os.ReadDir(os.TempDir()); err != nil || len(files) > 0 {
				t.Errorf("%s that ends %s: files %v, error %v", name, end, fmt.Sprint(files), err)
			}
		}
	}
}
