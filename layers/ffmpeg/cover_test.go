package ffmpeg_test

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestACoverPictureIsCopiedIntoTheMP3(t *testing.T) {
	t.Parallel()
	jpeg := generate(t, "cover.jpg", "-f", "lavfi", "-i", "testsrc=size=64x48", "-frames:v", "1")
	png := generate(t, "cover.png", "-f", "lavfi", "-i", "testsrc=size=64x48", "-frames:v", "1")
	attached := []string{"-map", "0:a", "-map", "1:v", "-c:v", "copy", "-disposition:v", "attached_pic"}

	for name, clip := range map[string]struct {
		file    string
		picture string
		args    []string
	}{
		"from an MP4 with a JPEG": {"clip.mp4", jpeg, append([]string{"-c:a", "aac"}, attached...)},
		"from an MP4 with a PNG":  {"clip.mp4", png, append([]string{"-c:a", "aac"}, attached...)},
		"from an M4A":             {"clip.m4a", jpeg, append([]string{"-c:a", "alac"}, attached...)},
		"from a FLAC file":        {"clip.flac", jpeg, append([]string{"-c:a", "flac"}, attached...)},
		"from an MP3":             {"clip.mp3", png, append([]string{"-c:a", "libmp3lame"}, attached...)},
		// There the picture is a FLAC picture block (RFC 9639 §8.8) in a comment.
		"from an Ogg file": {"clip.ogg", jpeg, []string{
			"-map", "0:a", "-c:a", "libvorbis", "-metadata:s:a", "METADATA_BLOCK_PICTURE=" + flacPicture("image/jpeg", readFile(t, jpeg)),
		}},
		"from an attachment in a Matroska file": {"clip.mkv", jpeg, []string{
			"-map", "0:a", "-c:a", "aac", "-attach", jpeg, "-metadata:s:t", "mimetype=image/jpeg", "-metadata:s:t", "filename=cover.jpg",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			args := tone("44100")
			if slices.Contains(clip.args, "attached_pic") {
				args = append(args, "-i", clip.picture)
			}
			in := &rangedInput{data: readFile(t, generate(t, clip.file, append(args, clip.args...)...))}
			mp3 := convertRanged(t, in, "-map", "0:v:disp:attached_pic", "-c:v", "copy")
			if _, err := parseMP3(mp3); err != nil {
				t.Error(err)
			}
			if !bytes.Contains(mp3[:len(mp3)-len(skipID3(mp3))], readFile(t, clip.picture)) {
				t.Error("the picture is not in the MP3's tag")
			}
		})
	}
}

func flacPicture(mime string, picture []byte) string {
	const frontCover = 3
	block := binary.BigEndian.AppendUint32(nil, frontCover)
	block = binary.BigEndian.AppendUint32(block, uint32(len(mime)))
	block = append(block, mime...)
	for _, number := range []uint32{0, 64, 48, 24, 0, uint32(len(picture))} {
		block = binary.BigEndian.AppendUint32(block, number)
	}
	return base64.StdEncoding.EncodeToString(append(block, picture...))
}

func TestAVideoTrackIsNotTakenForACover(t *testing.T) {
	t.Parallel()
	mp3 := convertRanged(t, &rangedInput{data: readFile(t, longClip(t))}, "-map", "0:v:disp:attached_pic?", "-c:v", "copy")
	if bytes.Contains(mp3, []byte("APIC")) {
		t.Error("the MP3 has a picture")
	}
}

func TestTagsAndChaptersCarryOver(t *testing.T) {
	t.Parallel()
	notes := filepath.Join(t.TempDir(), "notes.txt")
	text := ";FFMETADATA1\ntitle=A title\nartist=Änne\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=400\ntitle=One\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=400\nEND=1000\ntitle=Two\n"
	if err := os.WriteFile(notes, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"clip.mp4", "clip.mkv"} {
		t.Run("from "+file, func(t *testing.T) {
			t.Parallel()
			clip := generate(t, file, append(tone("44100"), "-i", notes, "-map_metadata", "1", "-c:a", "aac")...)
			// What the engine says of the clip is what it says of the MP3 that the program made of it.
			for name, file := range map[string][]byte{"clip": readFile(t, clip), "MP3": convertRanged(t, &rangedInput{data: readFile(t, clip)})} {
				got := inspect(t, file)
				if len(got.Chapters) != 2 || got.Chapters[1].Tags["title"] != "Two" || math.Abs(got.Chapters[1].Start-0.4) > 0.03 { // where a file counts the encoder's delay, that is in it
					t.Errorf("the %s has the chapters %+v", name, got.Chapters)
				}
				if got.Format.Tags["title"] != "A title" || got.Format.Tags["artist"] != "Änne" {
					t.Errorf("the %s has the tags %+v", name, got.Format.Tags)
				}
			}
		})
	}
}
