package ffmpeg_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// mp3File is what a player learns from walking over an MP3's frames (ISO 11172-3 §2.4.1.3, and the
// Xing and LAME tags for what the first frame says about the others).
type mp3File struct {
	rate       int
	frames     int // that carry sound
	samples    int // of sound, encoder delay and padding taken off
	xingFrames int // as the Xing header has it
	xingBytes  int
	bytes      int // all frames, the Xing one included
}

func (f mp3File) seconds() float64 { return float64(f.samples) / float64(f.rate) }

func parseMP3(b []byte) (mp3File, error) {
	b = skipID3(b)
	b, _ = bytes.CutSuffix(b, id3v1(b))
	file := mp3File{bytes: len(b)}
	trim, perFrame := 0, 0
	for at := 0; at < len(b); {
		size, rate, samples, err := mp3Header(b[at:])
		if err != nil {
			return file, fmt.Errorf("offset %d of %d: %w", at, len(b), err)
		}
		frame := b[at:min(at+size, len(b))]
		if len(frame) < size {
			return file, fmt.Errorf("offset %d: frame cut short", at)
		}
		if i := max(bytes.Index(frame, []byte("Xing")), bytes.Index(frame, []byte("Info"))); at == 0 && i > 0 {
			file.xingFrames = int(binary.BigEndian.Uint32(frame[i+8:]))
			file.xingBytes = int(binary.BigEndian.Uint32(frame[i+12:]))
			lame := frame[i+120:]
			trim = int(lame[21])<<4 | int(lame[22])>>4
			trim += int(lame[22]&15)<<8 | int(lame[23])
		} else {
			file.frames++
		}
		file.rate, perFrame = rate, samples
		at += size
	}
	if file.frames == 0 {
		return file, errors.New("no frames")
	}
	file.samples = file.frames*perFrame - trim
	return file, nil
}

func skipID3(b []byte) []byte {
	if len(b) < 10 || string(b[:3]) != "ID3" {
		return b
	}
	return b[10+(int(b[6])<<21|int(b[7])<<14|int(b[8])<<7|int(b[9])):]
}

func id3v1(b []byte) []byte {
	if len(b) >= 128 && string(b[len(b)-128:][:3]) == "TAG" {
		return b[len(b)-128:]
	}
	return nil
}

func mp3Header(b []byte) (size, rate, samples int, err error) {
	if len(b) < 4 || b[0] != 0xff || b[1]&0xe6 != 0xe2 {
		return 0, 0, 0, errors.New("no frame header of layer III")
	}
	version := b[1] >> 3 & 3 // 3: MPEG-1, 2: MPEG-2, 0: MPEG-2.5
	bitrates := [16]int{0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160}
	samples, shift := 576, 1
	if version == 3 {
		bitrates = [16]int{0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320}
		samples, shift = 1152, 0
	}
	if version == 0 {
		shift = 2
	}
	bitrate := bitrates[b[2]>>4]
	rate = [4]int{44100, 48000, 32000}[b[2]>>2&3] >> shift
	if bitrate == 0 || rate == 0 {
		return 0, 0, 0, errors.New("reserved bitrate or sampling rate")
	}
	return samples/8*bitrate*1000/rate + int(b[2]>>1&1), rate, samples, nil
}

func TestTheXingHeaderThatTheProgramWritesIsRight(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		"for a variable bitrate": nil,
		"for a constant bitrate": {"-b:a", "320k"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// Longer than the buffer, so that the header really is gone when the end is known.
			clip := generate(t, "clip.wav", "-f", "lavfi", "-i", "anoisesrc=duration=40:sample_rate=44100", "-ac", "2")
			mp3 := convertRanged(t, &rangedInput{data: readFile(t, clip)}, args...)
			got, err := parseMP3(mp3)
			if err != nil {
				t.Fatal(err)
			}
			if len(mp3) < 300<<10 {
				t.Errorf("an MP3 of %d bytes never leaves the buffer, which makes this test worthless", len(mp3))
			}
			if got.xingFrames != got.frames || got.xingBytes != got.bytes {
				t.Errorf("the Xing header has %d frames and %d bytes, the file %d and %d", got.xingFrames, got.xingBytes, got.frames, got.bytes)
			}
			if got.samples != 40*44100 {
				t.Errorf("%d samples, want %d", got.samples, 40*44100)
			}
		})
	}
}

func TestAnMP3ThatCannotBeWrittenIsAnError(t *testing.T) {
	t.Parallel()
	_, words, err := run(t, layerProgram(t, "ffmpeg"), "-v", "error", "-nostdin",
		"-f", "s16le", "-ar", "44100", "-t", "600", "-i", "/dev/zero", "-b:a", "320k", "-f", "mp3", "-y", "/dev/full")
	if err == nil || !strings.Contains(words, "No space left on device") {
		t.Errorf("ffmpeg ended with %v and said %q", err, words)
	}
}
