// Package inputs makes the videos that conversions are measured on, and keeps them for the next time. Nothing is
// downloaded: the sound is made up by package sound, the picture by ffmpeg's test sources, a few seconds of it over and
// over, since nobody looks at it; only its bytes count.
package inputs

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"mp3converter/bench/internal/sound"
)

// generation is part of every file's name: raise it when the same description gives other bytes.
const generation = 1

// Input describes one video.
type Input struct {
	// Case is one letter; Title says what it stands for.
	Case, Title string
	Seconds     float64

	picture picture
	sound   track
	ext     string
	mux     []string
	// runs are the fewest and the most stretches in which the audio samples may lie in the file, both 0 when that is
	// not looked at.
	runs [2]int
}

// Name begins with the case's letter.
func (in Input) Name() string { return in.Case + " " + in.Title }

type picture struct {
	Size    string
	Bitrate int // bits a second, constant
}

type track struct {
	Kind    sound.Kind
	Seed    uint64
	Seconds float64
	Codec   string
	Bitrate int
}

// About is what a finished video turned out to be.
type About struct {
	Path    string  `json:"-"`
	Bytes   int64   `json:"bytes"`
	Seconds float64 `json:"seconds"`
	// AudioRuns is in how many stretches of the file the audio samples lie; 0 when that was not looked at.
	AudioRuns int `json:"audio_runs,omitempty"`
}

// halfSecond lets a track's samples of half a second lie together, as cameras write them.
const halfSecond = "-chunk_duration 500000"

// All are the cases in the order of their letters.
func All() []Input {
	const ten = 600
	aac := track{Kind: sound.Programme, Seed: 1, Seconds: ten, Codec: "aac", Bitrate: 128_000}
	mp3, talk, clip := aac, aac, aac
	mp3.Codec, mp3.Bitrate = "libmp3lame", 192_000
	talk.Kind, talk.Seed, talk.Seconds = sound.Talk, 2, 7200
	clip.Seconds = 5
	hd, camera := picture{"1280x720", 5_000_000}, picture{"1920x1080", 20_000_000}
	small := picture{"640x360", 350_000}
	return []Input{
		{Case: "a", Title: "720p MP4, interleaved by the frame", Seconds: ten, picture: hd, sound: aac, ext: ".mp4", runs: [2]int{14_000, 20_000}},
		{Case: "b", Title: "camera MP4, half-second chunks", Seconds: ten, picture: camera, sound: aac, ext: ".mp4", mux: strings.Fields(halfSecond), runs: [2]int{1100, 1400}},
		{Case: "c", Title: "camera MP4, one-second fragments", Seconds: ten, picture: camera, sound: aac, ext: ".mp4", mux: strings.Fields("-movflags frag_keyframe+empty_moov"), runs: [2]int{500, 700}},
		{Case: "d", Title: "720p Matroska", Seconds: ten, picture: hd, sound: aac, ext: ".mkv"},
		{Case: "e", Title: "two hours of talk", Seconds: talk.Seconds, picture: small, sound: talk, ext: ".mp4", runs: [2]int{100_000, 250_000}},
		{Case: "f", Title: "720p MP4 with an MP3 track", Seconds: ten, picture: hd, sound: mp3, ext: ".mp4", mux: strings.Fields(halfSecond), runs: [2]int{1100, 1400}},
		{Case: "g", Title: "a clip of five seconds", Seconds: clip.Seconds, picture: hd, sound: clip, ext: ".mp4"},
	}
}

// Maker makes videos with a full ffmpeg and keeps them in a folder.
type Maker struct {
	// FFmpeg and FFprobe are paths of programs with H.264, AAC and MP3 encoders.
	FFmpeg, FFprobe string
	Dir             string
	// Progress is told, in words, what takes its time.
	Progress func(format string, args ...any)
}

// Make returns the video, making it first unless it is there.
func (m *Maker) Make(ctx context.Context, in Input) (About, error) {
	if err := os.MkdirAll(m.Dir, 0o755); err != nil {
		return About{}, fmt.Errorf("make the folder of inputs: %w", err)
	}
	name := in.Case + "-" + key(in.picture, in.sound, in.mux) + in.ext
	path := filepath.Join(m.Dir, name)
	about, err := readAbout(path)
	if err == nil || !errors.Is(err, os.ErrNotExist) {
		return about, err
	}
	m.Progress("making the input of case %s, once", in.Case)
	audio, err := m.audio(ctx, in.sound)
	if err != nil {
		return About{}, err
	}
	video, err := m.video(ctx, in.picture)
	if err != nil {
		return About{}, err
	}
	args := []string{"-stream_loop", "-1", "-i", video, "-i", audio, "-map", "0:v", "-map", "1:a", "-c", "copy", "-t", fmt.Sprint(in.Seconds)}
	if err := m.make(ctx, path, nil, append(args, in.mux...)...); err != nil {
		return About{}, fmt.Errorf("put video and audio together: %w", err)
	}
	about, err = m.look(ctx, in, path)
	if err != nil {
		return About{}, errors.Join(err, os.Remove(path))
	}
	return about, writeAbout(about)
}

// look finds out what was made, and holds it to what was wanted.
func (m *Maker) look(ctx context.Context, in Input, path string) (About, error) {
	info, err := os.Stat(path)
	if err != nil {
		return About{}, err
	}
	about := About{Path: path, Bytes: info.Size(), Seconds: in.Seconds}
	if in.runs[1] == 0 {
		return about, nil
	}
	about.AudioRuns, err = audioRuns(ctx, m.FFprobe, path)
	if err == nil && (about.AudioRuns < in.runs[0] || about.AudioRuns > in.runs[1]) {
		err = fmt.Errorf("case %s came out with audio in %d pieces, want %d to %d", in.Case, about.AudioRuns, in.runs[0], in.runs[1])
	}
	return about, err
}

// audioRuns counts the stretches of the file in which audio packets lie back to back.
func audioRuns(ctx context.Context, ffprobe, path string) (int, error) {
	out, err := exec.CommandContext(ctx, ffprobe, "-v", "error", "-select_streams", "a:0",
		"-show_entries", "packet=size,pos", "-of", "csv=p=0", path).Output()
	if err != nil {
		return 0, fmt.Errorf("look at the packets of %s: %w", path, err)
	}
	runs, end := 0, int64(-1)
	for line := range strings.Lines(string(out)) {
		if strings.TrimSpace(line) == "" {
			continue // where ffprobe would tell of side data
		}
		var size, pos int64
		if _, err := fmt.Sscanf(line, "%d,%d", &size, &pos); err != nil {
			return 0, fmt.Errorf("read what ffprobe says of %s: %q: %w", path, line, err)
		}
		if pos != end {
			runs++
		}
		end = pos + size
	}
	return runs, nil
}

// audio makes the track by itself; several videos may have the same.
func (m *Maker) audio(ctx context.Context, t track) (string, error) {
	ext := ".m4a"
	if t.Codec == "libmp3lame" {
		ext = ".mp3"
	}
	path := filepath.Join(m.Dir, "sound-"+key(t)+ext)
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	pcm := m.watched(sound.NewReader(t.Seed, t.Kind, t.Seconds), t.Seconds)
	err := m.make(ctx, path, pcm, "-f", "s16le", "-ar", fmt.Sprint(sound.Rate), "-ac", "2", "-i", "pipe:0",
		"-c:a", t.Codec, "-b:a", fmt.Sprint(t.Bitrate))
	if err != nil {
		return "", fmt.Errorf("make sound: %w", err)
	}
	return path, nil
}

// minBuffer holds a whole picture, in bits, when there is little to spend on it.
const minBuffer = 300_000

// video makes ten seconds of picture, at a bitrate that is padded where the picture does not need it.
func (m *Maker) video(ctx context.Context, p picture) (string, error) {
	path := filepath.Join(m.Dir, "picture-"+key(p)+".mp4")
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	rate, buffer := fmt.Sprint(p.Bitrate), fmt.Sprint(max(p.Bitrate/5, minBuffer))
	err := m.make(ctx, path, nil, "-f", "lavfi", "-i", "testsrc2=size="+p.Size+":rate=25,noise=alls=12:allf=t:all_seed=1",
		"-t", "10", "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "25", "-threads", "1",
		"-b:v", rate, "-minrate", rate, "-maxrate", rate, "-bufsize", buffer, "-x264-params", "nal-hrd=cbr")
	if err != nil {
		return "", fmt.Errorf("make picture: %w", err)
	}
	return path, nil
}

// make runs ffmpeg; the result gets its name when it is whole.
func (m *Maker) make(ctx context.Context, path string, stdin io.Reader, args ...string) error {
	part := filepath.Join(filepath.Dir(path), "part-"+filepath.Base(path))
	args = append(append([]string{"-nostdin", "-v", "error", "-y"}, args...), "-fflags", "+bitexact", "-flags", "+bitexact", part)
	cmd := exec.CommandContext(ctx, m.FFmpeg, args...)
	cmd.Stdin = stdin
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, strings.TrimSpace(string(out)))
	}
	return os.Rename(part, path)
}

// watched tells every few seconds how far the reading of the sound has come.
func (m *Maker) watched(r io.Reader, seconds float64) io.Reader {
	return &watched{r: r, total: seconds * sound.Rate * 4, next: time.Now().Add(patience), tell: m.Progress}
}

const patience = 5 * time.Second

type watched struct {
	r           io.Reader
	read, total float64
	next        time.Time
	tell        func(format string, args ...any)
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	w.read += float64(n)
	if now := time.Now(); now.After(w.next) {
		w.next = now.Add(patience)
		w.tell("  making sound: %.0f %%", 100*w.read/w.total)
	}
	return n, err
}

// key names what things are made from.
func key(from ...any) string {
	text, err := json.Marshal(append(from, generation))
	if err != nil {
		panic(err) // plain data
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:6])
}

func readAbout(path string) (About, error) {
	text, err := os.ReadFile(path + ".json")
	if err != nil {
		return About{}, err
	}
	about := About{Path: path}
	if err := json.Unmarshal(text, &about); err != nil {
		return About{}, fmt.Errorf("read %s.json: %w", path, err)
	}
	info, err := os.Stat(path)
	if err == nil && info.Size() != about.Bytes {
		err = fmt.Errorf("%s is not what it was: remove it and %s.json", path, path)
	}
	return about, err
}

func writeAbout(about About) error {
	text, err := json.Marshal(about)
	if err != nil {
		return err
	}
	return os.WriteFile(about.Path+".json", text, 0o644)
}
