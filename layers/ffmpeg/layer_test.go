// Package ffmpeg_test holds the built layer to what the converter needs of it: every kind of sound
// track that people's videos carry is decoded, in every container, from a file, a pipe or the ranged
// protocol; the engine's MP3 is the one of a serial encode; nothing else is in; and a broken or hostile file
// ends in an error, soon.
//
// The clips are made on the spot by a complete ffmpeg. "make test" provides both programs.
package ffmpeg_test

import (
	"bytes"
	"context"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mp3converter/shared/mediatest"
)

// toneHz is the pitch of every generated clip, by which decoded sound is known to be the right one.
const toneHz = 440

// runLimit is far more than any clip takes, and ends a program that hangs; engineLimit is for hours of sound, too.
const (
	runLimit    = 30 * time.Second
	engineLimit = 5 * time.Minute
)

// layerProgram is a program of the layer.
func layerProgram(t testing.TB, name string) string {
	t.Helper()
	return filepath.Join(mediatest.Setting(t, "LAYER_DIR"), "bin", name)
}

// run is one program's whole life; a failure carries the program's last words.
func run(t *testing.T, program string, args ...string) (stdout []byte, stderr string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), runLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	var out, words bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &words
	err = cmd.Run()
	if ctx.Err() != nil {
		t.Fatalf("%s did not end within %s", filepath.Base(program), runLimit)
	}
	return out.Bytes(), words.String(), err
}

func mustRun(t *testing.T, program string, args ...string) []byte {
	t.Helper()
	out, words, err := run(t, program, args...)
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", filepath.Base(program), strings.Join(args, " "), err, words)
	}
	return out
}

// generate makes a clip with the complete ffmpeg; args end before the output's name.
func generate(t *testing.T, name string, args ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	full := append([]string{"-v", "error", "-nostdin", "-y", "-bitexact"}, args...)
	mustRun(t, mediatest.FFmpeg(t), append(full, path)...)
	return path
}

// tone is the input of every clip's sound track.
func tone(rate string) []string {
	return []string{"-f", "lavfi", "-i", "sine=frequency=440:duration=1:sample_rate=" + rate}
}

// toneShare is how much of the sound's power (mono, 16 bits, 8 kHz) lies at toneHz: 1 is all of it.
func toneShare(pcm []byte) float64 {
	var total, sin, cos float64
	n := len(pcm) / 2
	for i := range n {
		sample := float64(int16(uint16(pcm[2*i]) | uint16(pcm[2*i+1])<<8))
		phase := 2 * math.Pi * toneHz * float64(i) / 8000
		total += sample * sample
		sin += sample * math.Sin(phase)
		cos += sample * math.Cos(phase)
	}
	if total == 0 {
		return 0
	}
	return 2 * (sin*sin + cos*cos) / (total * float64(n))
}

// list is what "ffmpeg -<what>" prints, one name each.
func list(t *testing.T, what string) map[string]string {
	t.Helper()
	names := make(map[string]string)
	for line := range strings.Lines(string(mustRun(t, layerProgram(t, "ffmpeg"), "-v", "error", "-"+what))) {
		if fields := strings.Fields(line); len(fields) >= 2 && fields[1] != "=" {
			for name := range strings.SplitSeq(fields[1], ",") {
				names[name] = fields[0]
			}
		}
	}
	return names
}

func TestTheLayerIsOneProgram(t *testing.T) {
	t.Parallel()
	files, err := os.ReadDir(filepath.Join(mediatest.Setting(t, "LAYER_DIR"), "bin"))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != 1 || files[0].Name() != "ffmpeg" {
		t.Errorf("bin/ has %v", files)
	}
}

func TestOnlyLocalProtocolsAreCompiledIn(t *testing.T) {
	t.Parallel()
	out := string(mustRun(t, layerProgram(t, "ffmpeg"), "-v", "error", "-protocols"))
	_, names, _ := strings.Cut(out, "Input:")
	got := strings.Fields(strings.ReplaceAll(names, "Output:", ""))
	want := "fd file pipe ranged fd file pipe" // to read, and to write
	if strings.Join(got, " ") != want {
		t.Errorf("it has the protocols %q, want %q", got, want)
	}
}

func TestANetworkAddressIsRefused(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"http://127.0.0.1/", "tcp://127.0.0.1:80", "https://127.0.0.1/", "concat:a|b", "subfile,,start,0,end,1,,:a"} {
		_, words, err := run(t, layerProgram(t, "ffmpeg"), "-v", "error", "-nostdin", "-i", url, "-f", "null", "-")
		if err == nil || !strings.Contains(words, "Protocol not found") && !strings.Contains(words, "No such file") {
			t.Errorf("reading %s ended with %v and said %q", url, err, words)
		}
	}
}

func TestNoVideoOrSubtitleDecoderIsCompiledIn(t *testing.T) {
	t.Parallel()
	for name, kind := range list(t, "decoders") {
		if !strings.HasPrefix(kind, "A") {
			t.Errorf("decoder %s (%s) is not one for sound", name, kind)
		}
	}
}

func TestNoPartUnderTheGPLIsCompiledIn(t *testing.T) {
	t.Parallel()
	out := string(mustRun(t, layerProgram(t, "ffmpeg"), "-L"))
	if !strings.Contains(out, "GNU Lesser General Public") || !strings.Contains(out, "version 2.1") {
		t.Errorf("it is not under the LGPL 2.1: %s", out)
	}
	for _, text := range []string{"ffmpeg-COPYING.LGPLv2.1", "lame-COPYING", "zlib-notice.txt", "BUILD.txt"} {
		if info, err := os.Stat(filepath.Join(mediatest.Setting(t, "LAYER_DIR"), "licenses", text)); err != nil || info.Size() == 0 {
			t.Errorf("licence text %s: %v", text, err)
		}
	}
}

// The complete ffmpeg can make none of these, so that only their presence can be checked here.
func TestDecodersThatNoEncoderMatchesAreListed(t *testing.T) {
	t.Parallel()
	decoders := list(t, "decoders")
	for name := range strings.FieldsSeq(`
		mp1float mp3adufloat mp3on4float dolby_e ape tak shorten wmalossless wmapro wmavoice als ralf
		speex amrwb gsm gsm_ms qcelp evrc cook real_288 sipr atrac1 atrac3 atrac3al atrac3plus atrac3plusal
		qdm2 qdmc mace3 mace6 imc on2avc truespeech xma1 xma2 mpc7 mpc8 pcm_lxf`) {
		if _, ok := decoders[name]; !ok {
			t.Errorf("decoder %s is missing", name)
		}
	}
}
