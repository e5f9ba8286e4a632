package ffmpeg_test

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestWhatIsNoMediaFileIsRefused(t *testing.T) {
	t.Parallel()
	noise := make([]byte, 1<<20)
	chacha := rand.NewChaCha8([32]byte{1})
	if _, err := chacha.Read(noise); err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{
		"nothing at all": {},
		"zeros":          make([]byte, 1<<20),
		"random bytes":   noise,
		"text":           []byte(strings.Repeat("not a video\n", 10000)),
		// These would make a complete ffmpeg open other files by name.
		"a playlist":                        []byte("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:///etc/passwd\n"),
		"a list of files":                   []byte("ffconcat version 1.0\nfile /etc/passwd\n"),
		"an SDP":                            []byte("v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n"),
		"an MP4 box that claims to be huge": []byte("\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isomiso2\x7f\xff\xff\xffmoov\x00\x00\x00\x00"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			words, err := runRanged(t, &rangedInput{data: data}, "-i", rangedURL, "-map", "0:a:0", filepath.Join(t.TempDir(), "out.mp3"))
			if err == nil {
				t.Errorf("ffmpeg took it, saying %q", words)
			}
		})
	}
}

func TestATruncatedVideoEndsInOrder(t *testing.T) {
	t.Parallel()
	whole := readFile(t, longClip(t))
	t.Run("without its index it is refused", func(t *testing.T) {
		t.Parallel()
		words, err := runRanged(t, &rangedInput{data: whole[:len(whole)/2]}, "-i", rangedURL, filepath.Join(t.TempDir(), "out.mp3"))
		if err == nil || !strings.Contains(words, "moov atom not found") {
			t.Errorf("ffmpeg ended with %v and said %q", err, words)
		}
	})
	t.Run("with its index first what is there can be had", func(t *testing.T) {
		t.Parallel()
		clip := readFile(t, generate(t, "clip.mp4", append(tone("44100"), "-c:a", "aac", "-movflags", "+faststart")...))
		got, err := parseMP3(convertRanged(t, &rangedInput{data: clip[:len(clip)*3/4]}))
		if err != nil || got.seconds() < 0.5 || got.seconds() > 0.95 {
			t.Errorf("an MP3 of %.3f s, %v", got.seconds(), err)
		}
	})
}

func TestADamagedVideoNeitherHangsNorCrashes(t *testing.T) {
	t.Parallel()
	for _, file := range []struct{ name, codec string }{
		{"clip.mp4", "aac"}, {"clip.mkv", "libvorbis"}, {"clip.avi", "ac3"}, {"clip.ts", "eac3"}, {"clip.wmv", "wmav2"}, {"clip.flv", "nellymoser"}, {"clip.ogg", "flac"},
	} {
		t.Run(file.name, func(t *testing.T) {
			t.Parallel()
			clip := readFile(t, generate(t, file.name, append(tone("22050"), "-c:a", file.codec)...))
			for seed := range uint64(5) {
				random := rand.New(rand.NewPCG(seed, 0))
				damaged := append([]byte(nil), clip...)
				for range len(damaged)/200 + 1 {
					damaged[random.IntN(len(damaged))] = byte(random.Uint32())
				}
				words, err := runRanged(t, &rangedInput{data: damaged}, "-i", rangedURL, "-map", "0:a:0", "-t", "60", filepath.Join(t.TempDir(), "out.mp3"))
				if err != nil && strings.Contains(err.Error(), "signal") {
					kept := filepath.Join(os.TempDir(), "damaged-"+file.name)
					_ = os.WriteFile(kept, damaged, 0o600)
					t.Errorf("seed %d: %v; the file is kept as %s\n%s", seed, err, kept, words)
				}
			}
		})
	}
}
