package engine_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"mp3converter/shared/audio"
	"mp3converter/shared/engine"
	"mp3converter/shared/mediatest"
)

const (
	// minute is a picture of a minute, and paused the sound to it, of which the middle half is left out: 30 seconds are there.
	minute = "-f lavfi -i testsrc2=s=64x48:r=5:d=60 "
	paused = "-f lavfi -i sine=440:d=60:r=44100 -af aselect=not(between(t\\,10\\,40)) "
)

// withPauses are files whose sound has less to it than its time stamps span.
var withPauses = []struct{ name, file, args string }{
	{"MP4", "pause.mp4", minute + paused + "-c:v mpeg4 -c:a aac"},
	{"MP4, index first", "pausefirst.mp4", minute + paused + "-c:v mpeg4 -c:a aac -movflags +faststart"},
	{"MP4 in fragments", "pausefrag.mp4", minute + paused + "-c:v mpeg4 -c:a aac -movflags frag_keyframe+empty_moov"},
	{"MP4 with MP3", "pausemp3.mp4", minute + paused + "-c:v mpeg4 -c:a libmp3lame"},
	{"QuickTime", "pause.mov", minute + paused + "-c:v mpeg4 -c:a alac"},
	{"Matroska with AAC", "pause.mkv", minute + paused + "-c:v mpeg4 -c:a aac"},
	{"Matroska with MP3", "pausemp3.mkv", minute + paused + "-c:v mpeg4 -c:a libmp3lame"},
	{"Matroska with Vorbis", "pausevorbis.mkv", minute + paused + "-c:v mpeg4 -c:a libvorbis"},
	{"Matroska with FLAC", "pauseflac.mkv", minute + paused + "-c:v mpeg4 -c:a flac"},
	{"WebM", "pause.webm", minute + paused + "-c:v libvpx -c:a libopus"},
	{"AVI with MP3", "pause.avi", minute + paused + "-c:v mpeg4 -c:a libmp3lame"},
	{"AVI with AC-3", "pauseac3.avi", minute + paused + "-c:v mpeg4 -c:a ac3"},
	{"Flash video", "pause.flv", minute + paused + "-c:v flv -c:a aac"},
	{"Windows Media", "pause.wmv", minute + paused + "-c:v wmv2 -c:a wmav2"},
	{"transport stream", "pause.ts", minute + paused + "-r 25 -c:v mpeg2video -c:a aac"},
}

func TestAPauseInTheTimestampsIsNotMissingSound(t *testing.T) {
	t.Parallel()
	for _, tc := range withPauses {
		for way, opts := range map[string]audio.Options{"": {}, ", encoded": {Quality: ptr(9)}, ", evened out": {Quality: ptr(9), Normalize: true}} {
			t.Run(tc.name+way, func(t *testing.T) {
				t.Parallel()
				res := converted(t, mediatest.Clip(t, tc.file, tc.args), opts)
				if math.Abs(res.Duration.Seconds()-30) > 0.15 {
					t.Errorf("%v of 30 s", res.Duration)
				}
			})
		}
	}
}

func TestSoundThatIsShorterThanThePicture(t *testing.T) {
	t.Parallel()
	const gxf = "-f lavfi -i testsrc2=s=720x576:r=25:d=20 "
	for _, tc := range []struct {
		name, file, args string
		seconds          float64
	}{
		{"Windows Media", "brief.wmv", minute + "-f lavfi -i sine=440:d=10:r=44100 -c:v wmv2 -c:a wmav2", 10},
		{"GXF", "brief.gxf", gxf + "-f lavfi -i sine=440:d=6:r=48000 -c:v mpeg2video -c:a pcm_s16le", 6},
		{"MP4 in fragments, at its end", "late.mp4", minute + "-itsoffset 40 -f lavfi -i sine=440:d=20:r=44100 -c:v mpeg4 -c:a aac -movflags frag_keyframe+empty_moov", 20},
		{"MP4, in its middle", "middle.mp4", minute + "-itsoffset 30 -f lavfi -i sine=440:d=10:r=44100 -c:v mpeg4 -c:a aac", 10},
		{"Matroska, in its middle", "middle.mkv", minute + "-itsoffset 30 -f lavfi -i sine=440:d=10:r=44100 -c:v mpeg4 -c:a aac", 10},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			res := converted(t, mediatest.Clip(t, tc.file, tc.args), audio.Options{Quality: ptr(9)})
			if math.Abs(res.Duration.Seconds()-tc.seconds) > 0.3 {
				t.Errorf("%v of %g s", res.Duration, tc.seconds)
			}
		})
	}
}

func TestAPartOfSoundWithAPause(t *testing.T) {
	t.Parallel()
	for _, tc := range withPauses {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			data := mediatest.Clip(t, tc.file, tc.args)
			if res := converted(t, data, audio.Options{Start: ptr(5.0), End: ptr(20.0), Quality: ptr(9)}); res.Duration != 15*time.Second {
				t.Errorf("%v of 15 s", res.Duration)
			}
			if res := converted(t, data, audio.Options{Start: ptr(5.0), Quality: ptr(9)}); math.Abs(res.Duration.Seconds()-25) > 0.15 {
				t.Errorf("%v of 25 s", res.Duration)
			}
		})
	}
}

func TestACutFileIsRefusedWhateverItsPauses(t *testing.T) {
	t.Parallel()
	cut := func(data []byte) []byte { return data[:len(data)*4/5] }
	for _, tc := range withPauses {
		switch tc.name {
		case "MP4, index first", "MP4 in fragments", "Matroska with AAC", "Matroska with MP3", "Matroska with Vorbis", "Matroska with FLAC", "WebM":
			t.Run(tc.name, func(t *testing.T) {
				t.Parallel()
				f := refused(t, cut(mediatest.Clip(t, tc.file, tc.args)), audio.Options{Quality: ptr(9)}, engine.CodeCorrupt)
				if !strings.Contains(f.Detail, "ends early") {
					t.Errorf("the sentence is %q", f.Detail)
				}
			})
		}
	}
}

func TestTimestampsFurtherApartThanPacketsPlay(t *testing.T) {
	t.Parallel()
	// So it looks when the encoder sends little in silence.
	res := converted(t, lasting(mediatest.Clip(t, "s.m4a", tone440+"-c:a aac"), 20), audio.Options{})
	if math.Abs(res.Duration.Seconds()-3) > 0.1 {
		t.Errorf("%v of 3 s", res.Duration)
	}
}

func TestDamageIsMissingSound(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		file, codec string
		damaged     int // of 100 packets
		want        string
	}{
		{"damage.mkv", "ac3", 8, ""},
		{"damage.mkv", "ac3", 20, "only 48"},
		{"damage.mkv", "ac3", 60, "Most of the sound"},
		{"damage.mkv", "libmp3lame", 8, ""},
		{"damage.mkv", "libmp3lame", 20, "only 47"}, // where what is damaged is taken for one packet
		{"damage.mkv", "libmp3lame", 60, "Most of the sound"},
		{"damage.mp4", "alac", 20, "only 48"},
	} {
		t.Run(fmt.Sprint(tc.codec, " ", tc.damaged), func(t *testing.T) {
			t.Parallel()
			data := mediatest.Clip(t, tc.file, fmt.Sprintf("%s-c:a %s -bsf:a noise=amount=if(between(mod(n\\,100)\\,5\\,%d)\\,1\\,0)", speechOf(60, 48000), tc.codec, 4+tc.damaged))
			if tc.want == "" {
				converted(t, data, audio.Options{Quality: ptr(9)})
			} else if f := refused(t, data, audio.Options{Quality: ptr(9)}, engine.CodeCorrupt); !strings.Contains(f.Detail, tc.want) {
				t.Errorf("the sentence is %q, want %q in it", f.Detail, tc.want)
			}
		})
	}
}

func TestWhatEndsInTheMiddleOfAPacketIsNoFailedRead(t *testing.T) {
	t.Parallel()
	whole := mediatest.Clip(t, "end.aac", tone440+"-c:a aac")
	want := converted(t, whole, audio.Options{Quality: ptr(9)})
	for _, more := range []int{1, 2, 3, 6, 7, 8, 9, 10, 100} {
		t.Run(fmt.Sprint("AAC and ", more, " bytes"), func(t *testing.T) {
			t.Parallel()
			res := converted(t, slices.Concat(whole, make([]byte, more)), audio.Options{Quality: ptr(9)})
			if d := res.Samples - want.Samples; d < 0 || d > 2048 {
				t.Errorf("%d samples, without what follows %d", res.Samples, want.Samples)
			}
		})
	}
	t.Run("WavPack that is cut", func(t *testing.T) {
		t.Parallel()
		whole := mediatest.Clip(t, "cut.wv", tone440+"-c:a wavpack")
		f := refused(t, whole[:len(whole)*3/5], audio.Options{Quality: ptr(9)}, engine.CodeCorrupt)
		if !strings.Contains(f.Detail, "ends early: only 1.") {
			t.Errorf("the sentence is %q", f.Detail)
		}
	})
}
