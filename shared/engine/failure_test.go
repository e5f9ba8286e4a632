package engine_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"mp3converter/shared/audio"
	"mp3converter/shared/engine"
	"mp3converter/shared/mediatest"
	"mp3converter/shared/source"
	"mp3converter/shared/source/sourcetest"
)

// lasting is an MP4 whose headers say that everything lasts so many times as long.
func lasting(data []byte, times uint32) []byte {
	data = bytes.ReplaceAll(data, []byte("edts"), []byte("free")) // an edit list would say the truth
	stretch := func(at int) { binary.BigEndian.PutUint32(data[at:], binary.BigEndian.Uint32(data[at:])*times) }
	each := func(box string, do func(at int)) {
		for at := 0; ; at += 4 {
			i := bytes.Index(data[at:], []byte(box))
			if i < 0 {
				return
			}
			at += i
			do(at + 4)
		}
	}
	each("mvhd", func(at int) { stretch(at + 16) })
	each("mdhd", func(at int) { stretch(at + 16) })
	each("stts", func(at int) {
		for i := range int(binary.BigEndian.Uint32(data[at+4:])) {
			stretch(at + 12 + 8*i)
		}
	})
	return data
}

func TestFailures(t *testing.T) {
	t.Parallel()
	const encryption = "-encryption_scheme cenc-aes-ctr -encryption_key 76a6c65c5ea762046bd749a2e632ccbb -encryption_kid a7e61c373e219033c21091fa607bf3b8"
	cut := func(data []byte, percent int) []byte { return data[:len(data)*percent/100] }
	mkv := mediatest.Clip(t, "a.mkv", picture+tone440+h264aac)
	for _, tc := range []struct {
		name string
		data []byte
		opts audio.Options
		code engine.Code
		want string // in the sentence
	}{
		{"an empty upload", nil, audio.Options{}, engine.CodeEmptyUpload, "empty"},
		{"a text named .mp4", []byte(strings.Repeat("Dear diary, today I converted a video.\n", 500)), audio.Options{}, engine.CodeNotMedia, "neither a video nor a sound file"},
		{"one byte", []byte("x"), audio.Options{}, engine.CodeNotMedia, ""},
		{"a playlist of other files", []byte("#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n/etc/passwd\n#EXT-X-ENDLIST\n"), audio.Options{}, engine.CodeNotMedia, ""},
		{"a list of files to join", []byte("ffconcat version 1.0\nfile /etc/passwd\n"), audio.Options{}, engine.CodeNotMedia, ""},
		{"a picture", mediatest.Clip(t, "a.png", "-f lavfi -i testsrc2=s=64x64:d=1:r=1 -frames:v 1"), audio.Options{}, engine.CodeNotMedia, ""},
		{"a video without sound", mediatest.Clip(t, "mute.mp4", picture+"-c:v libx264"), audio.Options{}, engine.CodeNoAudio, "has a video track but no audio track"},
		{"a track that does not exist", mediatest.Clip(t, "two.mkv", tone440+"-map 0 -map 0 -c:a aac"), audio.Options{Track: ptr(5)}, engine.CodeTrackMissing, "The file has 2 audio tracks; track 5 does not exist."},
		{"a track after the only one", mkv, audio.Options{Track: ptr(1)}, engine.CodeTrackMissing, "The file has 1 audio track; track 1 does not exist."},
		{"an MP4 cut off before its index", cut(mp4(t), 60), audio.Options{}, engine.CodeCorrupt, "looks like an MP4 file"},
		{"an MP4 cut off after its index", cut(mediatest.Clip(t, "b.mp4", picture+tone440+h264aac+"-movflags +faststart"), 60), audio.Options{}, engine.CodeCorrupt, "ends early: only 1."},
		{"an MP4 of which only the index is there", cut(mediatest.Clip(t, "b.mp4", picture+tone440+h264aac+"-movflags +faststart"), 4), audio.Options{}, engine.CodeCorrupt, ""},
		{"a Matroska file cut off", cut(mkv, 60), audio.Options{}, engine.CodeCorrupt, "ends early: only 1."},
		{"a Matroska file that says it is longer than its sound", bytes.ReplaceAll(mkv, []byte("00:00:03."), []byte("00:01:03.")), audio.Options{}, engine.CodeCorrupt, "of 1 minute 3 seconds of sound"},
		{"an MP4 of nothing but noise", append(bytes.Clone(mp4(t)[:48]), bytes.Repeat([]byte{7}, 5000)...), audio.Options{}, engine.CodeCorrupt, ""},
		{"an encrypted track", mediatest.Clip(t, "enc.mp4", tone440+"-c:a aac "+encryption), audio.Options{}, engine.CodeEncrypted, "copy-protected"},
		{"a track that says it is encrypted", bytes.Replace(mp4(t), []byte("mp4a"), []byte("drms"), 1), audio.Options{}, engine.CodeEncrypted, "copy-protected"},
		{"sound in an unknown format", bytes.Replace(mkv, []byte("A_AAC"), []byte("A_ZZZ"), 1), audio.Options{}, engine.CodeUnsupportedAudio, "cannot be converted"},
		{"sound in a format that is known but not decoded", mediatest.Clip(t, "dfpwm.mkv", tone440+"-c:a dfpwm"), audio.Options{}, engine.CodeUnsupportedAudio, ""},
		{"too long by what it says", lasting(mp4(t), 8640), audio.Options{}, engine.CodeTooLong, "7 hours 15 minutes long, more than the 6 hours"},
		{"a start after the end", mp4(t), audio.Options{Start: ptr(10.0)}, engine.CodeRangeEmpty, "only 3 seconds long"},
		{"a start after the end of a stream that does not say how long it is", mediatest.Clip(t, "a.ts", picture+tone440+h264aac), audio.Options{Start: ptr(60.0), End: ptr(61.0)}, engine.CodeRangeEmpty, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			f := refused(t, tc.data, tc.opts, tc.code)
			if !strings.Contains(f.Detail, tc.want) {
				t.Errorf("the sentence is %q, want %q in it", f.Detail, tc.want)
			}
		})
	}
}

func TestAGlitchDoesNotFailAConversion(t *testing.T) {
	t.Parallel()
	data := bytes.Clone(mediatest.Clip(t, "a.ts", picture+tone440+h264aac))
	for packet := 200; packet < 210; packet++ {
		copy(data[packet*188+20:], bytes.Repeat([]byte{0xa5}, 100))
	}
	if res := converted(t, data, audio.Options{}); res.Duration < 2500*time.Millisecond {
		t.Errorf("only %v of 3 s came out", res.Duration)
	}
}

// endless is a WAV that says nothing of its length and goes on for an hour.
func endless() *sourcetest.Object {
	var head bytes.Buffer
	head.WriteString("RIFF\xff\xff\xff\xffWAVEfmt ")
	for _, field := range []any{uint32(16), uint16(1), uint16(1), uint32(44100), uint32(88200), uint16(2), uint16(16)} {
		_ = binary.Write(&head, binary.LittleEndian, field)
	}
	head.WriteString("data\xff\xff\xff\xff")
	return &sourcetest.Object{Data: append(head.Bytes(), make([]byte, 88200*3600)...)}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		limits engine.Limits
		src    func() source.Ranges
		code   engine.Code
		want   string
	}{
		{"a stream that is longer than it says", engine.Limits{MaxDuration: 10 * time.Second}, func() source.Ranges { return endless() }, engine.CodeTooLong, "10 seconds"},
		{"an MP3 that grows too large", engine.Limits{Output: 1 << 20}, func() source.Ranges { return endless() }, engine.CodeTooLong, "1 MB"},
		{"a conversion that takes too long", engine.Limits{Wall: 300 * time.Millisecond}, func() source.Ranges { return endless() }, engine.CodeTimeLimit, "0.3 seconds"},
		{"a conversion that computes too much", engine.Limits{CPU: time.Second}, func() source.Ranges { return endless() }, engine.CodeTimeLimit, "computing time"},
		{"a source that never answers", engine.Limits{Wall: 300 * time.Millisecond}, func() source.Ranges {
			return &sourcetest.Object{Data: make([]byte, 1000), Open: func(ctx context.Context, _ int, _, _ int64) error {
				<-ctx.Done()
				return ctx.Err()
			}}
		}, engine.CodeTimeLimit, ""},
		{"a child that wants too much memory", engine.Limits{Memory: 16 << 20}, func() source.Ranges { return &sourcetest.Object{Data: mp4(t)} }, engine.CodeCorrupt, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			res, err := convert(t, newEngine(t, engine.Config{Limits: tc.limits}), tc.src(), audio.Options{})
			if f := failure(t, res, err, tc.code); !strings.Contains(f.Detail, tc.want) {
				t.Errorf("the sentence is %q, want %q in it", f.Detail, tc.want)
			}
		})
	}
}

func TestErrorsOfTheStorageAreNotBlamedOnTheFile(t *testing.T) {
	t.Parallel()
	down := errors.New("503 slow down")
	data := mediatest.Clip(t, "large.mkv", "-f lavfi -i anoisesrc=d=60:r=44100 -c:a flac")
	for name, tc := range map[string]struct {
		from int64
		err  error
	}{
		"from the start":         {0, down},
		"from the middle":        {int64(len(data)) / 2, down},
		"an object replaced":     {0, source.ErrChanged},
		"an object gone midways": {int64(len(data)) / 2, source.ErrGone},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			src := &sourcetest.Object{Data: data, Open: func(_ context.Context, _ int, offset, length int64) error {
				if offset+length > tc.from {
					return tc.err
				}
				return nil
			}}
			res, err := convert(t, newEngine(t, engine.Config{Source: source.Config{Attempts: 2, Backoff: time.Millisecond}}), src, audio.Options{})
			var f *engine.Failure
			if !errors.Is(err, tc.err) || errors.As(err, &f) {
				t.Errorf("got %d bytes and error %v, want %v and no permanent failure", len(res.mp3), err, tc.err)
			}
		})
	}
}

func TestAStorageThatStuttersIsNoProblem(t *testing.T) {
	t.Parallel()
	data := mp4(t)
	src := &sourcetest.Object{Data: data, Body: func(_ context.Context, n int, r io.Reader) io.Reader {
		return io.LimitReader(&slow{r}, 3000)
	}}
	e := newEngine(t, engine.Config{Source: source.Config{Backoff: time.Microsecond}})
	res, err := convert(t, e, src, audio.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if want := converted(t, data, audio.Options{}); !bytes.Equal(res.mp3, want.mp3) {
		t.Error("the MP3 is not the same as from a storage that does not")
	}
}

// slow gives a few bytes at a time, and lets everyone else go first.
type slow struct{ r io.Reader }

func (s *slow) Read(p []byte) (int, error) {
	runtime.Gosched()
	return s.r.Read(p[:min(len(p), 700)])
}

func TestErrorsOfTheDestinationAreTransient(t *testing.T) {
	t.Parallel()
	full := errors.New("bucket is down")
	for name, src := range map[string]source.Ranges{"at the end": &sourcetest.Object{Data: mp4(t)}, "midways": endless()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := newEngine(t, engine.Config{}).Convert(t.Context(), src, &mediatest.Destination{T: t, Fail: full}, audio.Options{Mode: audio.CBR, Bitrate: ptr(320)}, nil)
			var f *engine.Failure
			if !errors.Is(err, full) || errors.As(err, &f) {
				t.Errorf("error %v, want %v and no permanent failure", err, full)
			}
		})
	}
}

func TestCancellingLeavesNoChild(t *testing.T) {
	t.Parallel()
	bin := ownLayer(t)
	ctx, cancel := context.WithCancel(t.Context())
	e := newEngine(t, engine.Config{FFmpeg: filepath.Join(bin, "ffmpeg")})
	var seen []int
	_, err := e.Convert(ctx, endless(), newDestination(t), audio.Options{}, func(percent int) {
		if percent > 0 {
			seen = offspring(t, bin)
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("error %v, want the context's", err)
	}
	if len(seen) != 1 {
		t.Errorf("children %v while converting, want one", seen)
	}
	for _, pid := range append(seen, offspring(t, bin)...) {
		if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
			t.Errorf("child %d is left, alive or unreaped", pid)
		}
	}
}

func TestNewRefusesAnFFmpegWithoutTheEngineMode(t *testing.T) {
	t.Parallel()
	for want, ffmpeg := range map[string]string{"engine mode": mediatest.FFmpeg(t), "find": filepath.Join(t.TempDir(), "nothing")} {
		if _, err := engine.New(t.Context(), engine.Config{FFmpeg: ffmpeg}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("New(%s): error %v, want %q in it", ffmpeg, err, want)
		}
	}
}

// Not side by side with other tests, as it changes the folder of them all.
func TestAnFFmpegWithARelativePath(t *testing.T) { //nolint:paralleltest // see above
	t.Chdir(ownLayer(t))
	e := newEngine(t, engine.Config{FFmpeg: "./ffmpeg"})
	t.Chdir("/")
	if _, err := convert(t, e, &sourcetest.Object{Data: mp4(t)}, audio.Options{}); err != nil {
		t.Error(err)
	}
}

func TestAnFFmpegThatIsGoneIsNoMissingVideo(t *testing.T) {
	t.Parallel()
	bin := ownLayer(t)
	e := newEngine(t, engine.Config{FFmpeg: filepath.Join(bin, "ffmpeg")})
	if err := os.Remove(filepath.Join(bin, "ffmpeg")); err != nil {
		t.Fatal(err)
	}
	_, err := convert(t, e, &sourcetest.Object{Data: mp4(t)}, audio.Options{})
	var f *engine.Failure
	if err == nil || errors.Is(err, fs.ErrNotExist) || errors.As(err, &f) || !strings.Contains(err.Error(), "start "+bin) {
		t.Errorf("error %v, want one of starting ffmpeg, worth a retry", err)
	}
}

// TestMain lets the test binary be the converter that TestAKilledConverterLeavesNoChild kills.
func TestMain(m *testing.M) {
	if ffmpeg := os.Getenv("ENGINE_TEST_CONVERT_WITH"); ffmpeg != "" {
		e, err := engine.New(context.Background(), engine.Config{FFmpeg: ffmpeg})
		if err == nil {
			_, err = e.Convert(context.Background(), endless(), discard{}, audio.Options{}, func(percent int) { fmt.Println(percent) })
		}
		fmt.Println(err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

type discard struct{}

func (discard) WriteAt(p []byte, _ int64) (int, error) { return len(p), nil }

func TestAKilledConverterLeavesNoChild(t *testing.T) {
	t.Parallel()
	bin := ownLayer(t)
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = []string{"ENGINE_TEST_CONVERT_WITH=" + filepath.Join(bin, "ffmpeg")}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() && lines.Text() == "0" {
	}
	if n := len(offspring(t, bin)); n != 1 {
		t.Errorf("%d children while converting (%q), want 1", n, lines.Text())
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	for deadline := time.Now().Add(5 * time.Second); len(offspring(t, bin)) > 0; runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("children %v live on", offspring(t, bin))
		}
	}
}

// ownLayer is the layer's program under a path that no other test uses.
func ownLayer(t *testing.T) string {
	t.Helper()
	bin := t.TempDir()
	if err := os.Symlink(mediatest.LayerFFmpeg(t), filepath.Join(bin, "ffmpeg")); err != nil {
		t.Fatal(err)
	}
	return bin
}
