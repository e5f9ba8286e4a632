package engine_test

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"mp3converter/shared/audio"
	"mp3converter/shared/engine"
	"mp3converter/shared/mediatest"
	"mp3converter/shared/source/sourcetest"
)

// What is odd about an MP4 is in excerpt_test.go (edit lists, mdat and moov of all kinds, fragments) and in package
// isobmff (samples, tags, chapters, lies); what is odd about an MP3 is in copy_test.go and in package mp3.

func TestEverySurroundChannelIsHeard(t *testing.T) {
	t.Parallel()
	for layout, tones := range map[string][]float64{ // 0: the channel for low frequencies, which a mix leaves out
		"3.0":       {300, 500, 700},
		"quad":      {300, 500, 900, 1100},
		"5.1":       {300, 500, 700, 0, 900, 1100},
		"7.1":       {300, 500, 700, 0, 900, 1100, 1300, 1700},
		"6.1":       {300, 500, 700, 0, 900, 1100, 1300},
		"octagonal": {300, 500, 700, 900, 1100, 1300, 1500, 1700},
	} {
		for _, channels := range []int{1, 2} {
			t.Run(fmt.Sprint(layout, " to ", channels), func(t *testing.T) {
				t.Parallel()
				expr := make([]string, len(tones))
				for i, hz := range tones {
					expr[i] = fmt.Sprintf("0.99*sin(%g*2*PI*t)", hz)
				}
				data := mediatest.Clip(t, "surround.wav", "-f lavfi -i aevalsrc="+strings.Join(expr, "|")+":c="+layout+":d=1:s=48000 -c:a pcm_s16le")
				p := decoded(t, converted(t, data, audio.Options{Channels: &channels}).mp3)
				if len(p.channels) != channels {
					t.Fatalf("%d channels", len(p.channels))
				}
				for _, hz := range tones {
					loudest := 0.0
					for c := range p.channels {
						loudest = max(loudest, p.amplitude(c, hz))
					}
					if hz > 0 && loudest < 0.04 {
						t.Errorf("the tone of %g Hz has amplitude %.3f", hz, loudest)
					}
				}
				if peak := p.peak(); peak > 1.001 {
					t.Errorf("the peak is %.3f: it clips", peak)
				}
			})
		}
	}
}

func TestSoundThatChangesInMidFile(t *testing.T) {
	t.Parallel()
	part := func(hz, rate, channels int, codec string) []byte {
		return mediatest.Clip(t, "part.ts", fmt.Sprintf("-f lavfi -i sine=%d:d=3:r=%d -ac %d -c:a %s", hz, rate, channels, codec))
	}
	first := part(440, 44100, 2, "aac")
	for name, second := range map[string][]byte{
		"another sample rate":           part(1000, 48000, 2, "aac"),
		"a much lower sample rate":      part(1000, 22050, 2, "aac"),
		"mono":                          part(1000, 44100, 1, "aac"),
		"5.1":                           part(1000, 44100, 6, "aac"),
		"another sample rate, and mono": part(1000, 32000, 1, "aac"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			res := converted(t, slices.Concat(first, second), audio.Options{Quality: ptr(2)})
			p := decoded(t, res.mp3)
			if d := res.Duration.Seconds() - 6; math.Abs(d) > 0.2 || res.SampleRate != 44100 || len(p.channels) != 2 {
				t.Errorf("%v at %d Hz in %d channels, want 6 s at 44100 in 2", res.Duration, res.SampleRate, len(p.channels))
			}
			// A second half that is played too fast or too slow has another pitch.
			if a, b := p.amplitude(0, 440), p.amplitude(0, 1000); a < 0.01 || b < 0.01 {
				t.Errorf("the tones have amplitudes %.3f and %.3f", a, b)
			}
		})
	}
}

func TestGapsInTheTimestamps(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"gap.mkv", "gap.ts", "gap.mp4"} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			data := mediatest.Clip(t, file, speechOf(6, 44100)+"-c:a aac -bsf:a noise=drop=between(pts\\,90000\\,130000)")
			exact(t, data, filepath.Ext(file)[1:], 2)
		})
	}
}

func TestHardlyAnySound(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, file, args string
		samples          int64
	}{
		{"one sample in Matroska", "one.mkv", "-c:a pcm_f32le", 1},
		{"one sample of PCM", "one.mov", "-c:a pcm_s16le", 1},
		{"one sample of ALAC", "one.m4a", "-c:a alac", 1},
		{"one sample in WAV", "one.wav", "-c:a pcm_s16le", 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			res := converted(t, mediatest.Clip(t, tc.file, "-f lavfi -i aevalsrc=0.5:d=1:s=44100 -af atrim=end_sample=1 "+tc.args), audio.Options{})
			if res.Samples != tc.samples || decoded(t, res.mp3).samples() != int(tc.samples) {
				t.Errorf("%d samples, want %d", res.Samples, tc.samples)
			}
		})
	}
	for file, code := range map[string]engine.Code{"none.mov": engine.CodeNoAudio, "none.mkv": engine.CodeCorrupt} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			data := mediatest.Clip(t, file, picture+"-f lavfi -i anullsrc -map 0 -map 1 -c:v mjpeg -af atrim=end_sample=0 -t 1 -c:a pcm_s16le")
			_ = refused(t, data, audio.Options{}, code)
		})
	}
}

func TestBrokenTags(t *testing.T) {
	t.Parallel()
	sound := recording(t, "-b:a 128k")
	huge := append([]byte("ID3\x04\x00\x00\x7f\x7f\x7f\x7f"), sound...)
	for name, data := range map[string][]byte{
		"a frame longer than the tag":   slices.Concat([]byte("ID3\x03\x00\x00\x00\x00\x00\x20TIT2\x7f\xff\xff\xff\x00\x00\x01\xff\xfe"), make([]byte, 19), sound),
		"an odd number of UTF-16 bytes": slices.Concat([]byte("ID3\x03\x00\x00\x00\x00\x00\x10TIT2\x00\x00\x00\x06\x00\x00\x01\xff\xfea\x00b"), sound),
		"a surrogate by itself":         slices.Concat([]byte("ID3\x03\x00\x00\x00\x00\x00\x0fTIT2\x00\x00\x00\x05\x00\x00\x01\xff\xfe\x00\xd8"), sound),
		"UTF-8 that is none":            slices.Concat([]byte("ID3\x04\x00\x00\x00\x00\x00\x0fTIT2\x00\x00\x00\x05\x00\x00\x03\xff\xc0\x80\xf8"), sound),
		"a cover that is none":          slices.Concat([]byte("ID3\x03\x00\x00\x00\x00\x00\x20APIC\x00\x00\x00\x16\x00\x00\x00image/png\x00\x03\x00"), make([]byte, 9), sound),
		"a version that is none":        slices.Concat([]byte("ID3\x09\x09\xff\x00\x00\x00\x10"), make([]byte, 16), sound),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			res := converted(t, data, audio.Options{})
			if got := decoded(t, res.mp3).samples(); int64(got) != res.Samples || res.Duration < 3900*time.Millisecond {
				t.Errorf("%v, %d samples of which %d are heard", res.Duration, res.Samples, got)
			}
		})
	}
	t.Run("a tag longer than the file", func(t *testing.T) {
		t.Parallel()
		res, err := convert(t, newEngine(t, engine.Config{}), &sourcetest.Object{Data: huge}, audio.Options{})
		if err == nil && decoded(t, res.mp3).samples() == 0 {
			t.Error("no sound and no error")
		}
	})
}

func TestMemoryDoesNotGrowWithLength(t *testing.T) {
	t.Parallel()
	// Stats.MaxRSS counts from this process's size, which that of the other tests' clips is part of.
	peak := func(minutes int) (kilobytes int) {
		bin := ownLayer(t)
		data := mediatest.Clip(t, "long.mkv", fmt.Sprintf("-f lavfi -i sine=440:d=%d:r=16000 -c:a flac -compression_level 0", 60*minutes))
		e := newEngine(t, engine.Config{FFmpeg: filepath.Join(bin, "ffmpeg"), Workers: 2})
		src := &sourcetest.Object{Data: data}
		if _, err := e.Convert(t.Context(), src, newDestination(t), audio.Options{Quality: ptr(9)}, func(int) {
			for _, pid := range offspring(t, bin) {
				kilobytes = max(kilobytes, mostResident(t, pid))
			}
		}); err != nil {
			t.Fatal(err)
		}
		return kilobytes
	}
	short, long := peak(10), peak(60)
	t.Logf("%d kB for 10 minutes, %d kB for 60", short, long)
	if short == 0 || long > 100<<10 || float64(long) > 1.1*float64(short) {
		t.Errorf("%d kB for 10 minutes, %d kB for 60", short, long)
	}
}

// mostResident is the most memory that a process has had, in kB; 0 if it is gone.
func mostResident(t testing.TB, pid int) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	kilobytes := 0
	for line := range strings.Lines(string(status)) {
		_, _ = fmt.Sscanf(line, "VmHWM: %d kB", &kilobytes)
	}
	return kilobytes
}

func TestChaptersAndCoversOfEveryKind(t *testing.T) {
	t.Parallel()
	meta := filepath.Join(t.TempDir(), "meta")
	writeFile(t, meta, ";FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=1000\ntitle=One\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=1000\nEND=3000\ntitle=Zwölf\n")
	const jpeg, png = "-c:v mjpeg ", "-c:v png "
	withCover := tone440 + "-f lavfi -i testsrc2=s=64x64:d=1:r=1 -i " + meta + " -map 0 -map 1 -map_metadata 2 -map_chapters 2 -disposition:v attached_pic -strict unofficial "
	chaptersOnly := tone440 + "-i " + meta + " -map 0 -map_metadata 1 -map_chapters 1 "
	for _, tc := range []struct{ name, file, args, cover string }{
		{"a text track and chpl in MP4, JPEG", "chapters.mp4", withCover + "-c:a aac " + jpeg, "mjpeg"},
		{"a text track and chpl in M4A, PNG", "chapters.m4a", withCover + "-c:a aac " + png, "png"},
		{"a text track in QuickTime", "chapters.mov", chaptersOnly + "-c:a pcm_s16le", ""},
		{"fragments with chpl", "chaptersfrag.mp4", chaptersOnly + "-c:a aac -movflags empty_moov+frag_keyframe", ""},
		{"Matroska", "chapters.mka", chaptersOnly + "-c:a flac", ""},
		{"an MP3 that is copied, PNG", "chapters.mp3", withCover + "-c:a libmp3lame " + png, "png"},
		{"an MP3 that is copied, JPEG", "chaptersj.mp3", withCover + "-c:a libmp3lame " + jpeg, "mjpeg"},
		{"an MP3 with ID3v2.3", "chapters23.mp3", withCover + "-c:a libmp3lame -id3v2_version 3 " + jpeg, "mjpeg"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			data := mediatest.Clip(t, tc.file, tc.args)
			res := converted(t, data, audio.Options{})
			tags := ffmetadata(t, res.mp3)
			if !strings.Contains(tags, "title=One\n") || !strings.Contains(tags, "title=Zwölf\n") {
				t.Errorf("chapters are missing:\n%s", tags)
			}
			_, words := ffmpeg(t, res.mp3, "-i", "pipe:", "-f", "null", "-")
			if tc.cover != "" && (!strings.Contains(string(words), "Video: "+tc.cover) || !strings.Contains(string(words), "(attached pic)")) {
				t.Errorf("no cover:\n%s", words)
			}
		})
	}
}
