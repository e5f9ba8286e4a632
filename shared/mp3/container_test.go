package mp3_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"mp3converter/shared/mediatest"
	"mp3converter/shared/mp3"
)

// TestCopyFromContainers takes the packets of an MP3 track out of video files, as a demuxer hands them over.
func TestCopyFromContainers(t *testing.T) {
	t.Parallel()
	const spf = 1152
	for _, test := range []struct {
		name, args string
		skip       int   // as the container says
		samples    int64 // that are heard; 0: all of the frames
	}{
		{"a.mp4", "-q:a 2 -f mp4", 1105, 3 * 44100},
		{"a.mkv", "-b:a 128k", 0, 0},
		{"a.ts", "-q:a 4 -f mpegts", 0, 0},
		{"a.avi", "-b:a 64k", 0, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			video := mediatest.Clip(t, test.name, "-f lavfi -i testsrc2=s=64x64:r=5:d=3 "+sound+"-c:v mpeg4 -c:a libmp3lame "+test.args)
			file := filepath.Join(t.TempDir(), test.name)
			if err := os.WriteFile(file, video, 0o600); err != nil {
				t.Fatal(err)
			}
			packets := ffmpeg(t, nil, "-i", file, "-map", "0:a", "-c", "copy", "-f", "data", "-")
			frames, done := copied(t, packets, 4096, mp3.CopyOptions{})
			if test.samples > 0 {
				var err error
				discard := done.Frames*spf - int64(test.skip) - test.samples
				frames, done, err = tryCopyHeard(packets, 4096, mp3.CopyOptions{}, func(c *mp3.Copier) { c.Heard(test.skip, int(discard)) })
				if err != nil {
					t.Fatal(err)
				}
			}
			data, result := written(t, frames, mp3.Options{}, done.End)
			want := test.samples
			if want == 0 {
				want = result.Frames * spf
			}
			if done.Silenced != 0 || result.Samples != want {
				t.Errorf("%+v, %+v, want %d samples", done, result, want)
			}
			sound, source := pcm(t, data), ffmpeg(t, packets, "-f", "mp3", "-i", "pipe:", "-f", "s16le", "-")
			if len(sound) != 4*int(want) {
				t.Errorf("%d samples are heard, want %d", len(sound)/4, want)
			}
			if !bytes.Contains(source, sound) {
				t.Error("the sound differs from the source's")
			}
		})
	}
}
