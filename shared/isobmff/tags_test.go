package isobmff_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mp3converter/shared/isobmff"
	"mp3converter/shared/mediatest"
)

// tagged writes an ffmetadata file with tags and n chapters.
func tagged(t testing.TB, n int) string {
	t.Helper()
	var b strings.Builder
	b.WriteString(";FFMETADATA1\ntitle=Übung\nartist=Somebody\nalbum=An album\ntrack=3/9\ndate=2021\ngenre=Talk\ncomment=no comment\n")
	for i := range n {
		fmt.Fprintf(&b, "[CHAPTER]\nTIMEBASE=1/1000\nSTART=%d\nEND=%d\ntitle=Chapter %d: ein Stück\n", i*3000/n, (i+1)*3000/n, i+1)
	}
	file := filepath.Join(t.TempDir(), "tags.txt")
	if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestTagsPicturesAndChaptersComeAlong(t *testing.T) {
	t.Parallel()
	cover := mediatest.File(t, "cover.png", "-f lavfi -i testsrc=s=120x120:d=1 -frames:v 1")
	for _, s := range []struct {
		name, file, args string
		chapters         int
		covers           bool
	}{
		{"video with chapters", "a.mp4", picture + noise + "-i {tags} -map 0 -map 1 -map_metadata 2 " + h264 + "-c:a aac", 5, false},
		{"moov first", "a.mp4", picture + noise + "-i {tags} -map 0 -map 1 -map_metadata 2 " + h264 + "-c:a aac -movflags faststart", 5, false},
		{"QuickTime", "a.mov", picture + noise + "-i {tags} -map 0 -map 1 -map_metadata 2 " + h264 + "-c:a aac", 3, false},
		{"QuickTime with mdta keys", "a.mov", picture + noise + "-i {tags} -map 0 -map 1 -map_metadata 2 " + h264 + "-c:a aac -movflags use_metadata_tags", 3, false},
		{"audiobook with a cover", "a.m4a", noise + "-i {cover} -i {tags} -map 0 -map 1 -map_metadata 2 -c:a aac -c:v copy -disposition:v attached_pic", 40, true},
		{"cover, no chapters", "a.m4a", noise + "-i {cover} -i {tags} -map 0 -map 1 -map_metadata 2 -c:a alac -c:v copy -disposition:v attached_pic", 0, true},
		{"fragmented with chapters", "a.mp4", picture + noise + "-i {tags} -map 0 -map 1 -map_metadata 2 " + h264 + "-c:a aac -movflags frag_keyframe+delay_moov", 5, false},
		{"fragmented after samples, with chapters", "a.mp4", picture + noise + "-i {tags} -map 0 -map 1 -map_metadata 2 " + h264 + "-c:a aac -movflags frag_keyframe", 5, false},
	} {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			file := mediatest.File(t, s.file, strings.NewReplacer("{tags}", tagged(t, s.chapters), "{cover}", cover).Replace(s.args))
			data := readFile(t, file)
			e, err := open(t, data).Extract(t.Context(), 0, isobmff.Span{})
			if err != nil {
				t.Fatal(err)
			}
			virtual := materialised(t, data, e)
			got, want := metadata(t, virtual), metadata(t, file)
			if got != want {
				t.Errorf("metadata:\n%s\nwant\n%s", got, want)
			}
			if !strings.Contains(got, "artist=Somebody") || strings.Count(got, "[CHAPTER]") < s.chapters && !strings.HasPrefix(s.name, "fragmented") {
				t.Errorf("tags or chapters are missing:\n%s", got)
			}
			if !bytes.Equal(decode(t, virtual, 0), decode(t, file, 0)) {
				t.Error("decodes to other samples")
			}
			if s.covers {
				args := []string{"-map", "0:v:0", "-c", "copy", "-f", "image2pipe", "-"}
				a := run(t, mediatest.FFmpeg(t), append([]string{"-i", virtual}, args...)...)
				b := run(t, mediatest.FFmpeg(t), append([]string{"-i", file}, args...)...)
				if len(a) == 0 || !bytes.Equal(a, b) {
					t.Errorf("the cover has %d bytes, %d in the original, and differs", len(a), len(b))
				}
			}
		})
	}
}
