package ffmpeg_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// The operations of the ranged protocol, version 1 (README.md).
const (
	opRead = 1
	opSize = 3
)

// object is what a ranged input has ranges of.
type object interface {
	io.ReaderAt
	Size() int64
}

// rangedInput is the parent's side of an input: it answers requests for parts of data.
type rangedInput struct {
	data         []byte
	object       object // instead of data, if that is too much to hold
	sizeUnknown  bool
	answerAtMost int   // bytes per answer; 0: as many as asked for
	failFrom     int64 // reads that reach this offset get an error; 0: none
	reads        []int64
}

func (in *rangedInput) serve(requests io.Reader, answers io.Writer) error {
	object := in.object
	if object == nil {
		object = bytes.NewReader(in.data)
	}
	size := uint64(object.Size())
	for {
		var request struct {
			Op, Length uint32
			Offset     uint64
		}
		if err := binary.Read(requests, binary.LittleEndian, &request); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		answer := struct {
			Status int32
			Length uint32
			Value  uint64
		}{}
		var payload []byte
		switch request.Op {
		case opSize:
			answer.Value = size
			if in.sizeUnknown {
				answer.Status, answer.Value = -1, 0
			}
		case opRead:
			in.reads = append(in.reads, int64(request.Offset))
			from := min(request.Offset, size)
			to := min(from+uint64(request.Length), size)
			if in.answerAtMost > 0 {
				to = min(to, from+uint64(in.answerAtMost))
			}
			if in.failFrom > 0 && to >= uint64(in.failFrom) {
				answer.Status = -5
			} else {
				payload = make([]byte, to-from)
				if _, err := object.ReadAt(payload, int64(from)); err != nil && !errors.Is(err, io.EOF) {
					return err
				}
			}
			answer.Length = uint32(len(payload))
		default:
			return fmt.Errorf("input: unexpected operation %d", request.Op)
		}
		var message bytes.Buffer
		if err := binary.Write(&message, binary.LittleEndian, answer); err != nil {
			return err
		}
		message.Write(payload)
		if _, err := answers.Write(message.Bytes()); err != nil {
			return err
		}
	}
}

// rangedURL is how a command reads an input that give made its first.
const rangedURL = "ranged:3,4"

// give adds to a command the pipes by which it reads the input, and answers until the command lets go of them.
func (in *rangedInput) give(t testing.TB, cmd *exec.Cmd, served *sync.WaitGroup) {
	t.Helper()
	childAnswers, answers := pipe(t)
	requests, childRequests := pipe(t)
	cmd.ExtraFiles = append(cmd.ExtraFiles, childAnswers, childRequests)
	served.Go(func() {
		defer answers.Close()
		defer requests.Close()
		if err := in.serve(requests, answers); err != nil && !strings.Contains(err.Error(), "broken pipe") {
			t.Error(err)
		}
	})
}

func pipe(t testing.TB) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	return r, w
}

// start starts a command, which from then on alone holds its ends of the pipes.
func start(cmd *exec.Cmd) error {
	err := cmd.Start()
	for _, file := range cmd.ExtraFiles {
		file.Close()
	}
	return err
}

// runRanged runs the program, which reads the input as rangedURL; a failure comes with the program's last words.
func runRanged(t *testing.T, in *rangedInput, args ...string) (words string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), runLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, layerProgram(t, "ffmpeg"), append([]string{"-v", "error", "-nostdin"}, args...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	var served sync.WaitGroup
	in.give(t, cmd, &served)
	if err = start(cmd); err == nil {
		err = cmd.Wait()
	}
	served.Wait()
	if ctx.Err() != nil {
		t.Fatalf("ffmpeg did not end within %s", runLimit)
	}
	return stderr.String(), err
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// convertRanged is the MP3 that the program makes of the first sound track, with the Xing header that only a file can have.
func convertRanged(t *testing.T, in *rangedInput, args ...string) []byte {
	t.Helper()
	if !slices.Contains(args, "-b:a") {
		args = append([]string{"-q:a", "4"}, args...)
	}
	mp3 := filepath.Join(t.TempDir(), "out.mp3")
	if words, err := runRanged(t, in, slices.Concat([]string{"-i", rangedURL, "-map", "0:a:0"}, args, []string{mp3})...); err != nil {
		t.Fatalf("ffmpeg: %v\n%s", err, words)
	}
	return readFile(t, mp3)
}

// longClip is a video of ten seconds and some megabytes, with its index at the end.
func longClip(t *testing.T) string {
	t.Helper()
	return generate(t, "long.mp4",
		"-f", "lavfi", "-i", "testsrc=size=320x240:rate=25:duration=10",
		"-f", "lavfi", "-i", "sine=frequency=440:duration=10:sample_rate=44100",
		"-c:v", "mpeg4", "-b:v", "3M", "-minrate", "3M", "-maxrate", "3M", "-bufsize", "1M", "-c:a", "aac")
}

func TestAnMP4WithItsIndexAtTheEndIsReadByRanges(t *testing.T) {
	t.Parallel()
	in := &rangedInput{data: readFile(t, longClip(t))}
	moov := int64(bytes.LastIndex(in.data, []byte("moov")))
	if moov < int64(len(in.data)/2) {
		t.Fatalf("the clip has its index at %d of %d bytes, which makes this test worthless", moov, len(in.data))
	}
	got, err := parseMP3(convertRanged(t, in))
	if err != nil {
		t.Fatal(err)
	}
	if seconds := got.seconds(); seconds < 9.94 || seconds > 10.06 {
		t.Errorf("the MP3 lasts %.3f s, want 10", seconds)
	}
	if len(in.reads) < 2 || in.reads[1] < moov-8 || in.reads[1] > moov {
		t.Errorf("the second read should go for the index at %d; reads were at %v", moov, in.reads)
	}
	if most := len(in.data)/(256<<10) + 4; len(in.reads) > most {
		t.Errorf("%d reads for %d bytes, want at most %d", len(in.reads), len(in.data), most)
	}
}

func TestTheParentMayAnswerInAnyWayTheContractAllows(t *testing.T) {
	t.Parallel()
	clip := readFile(t, generate(t, "clip.mkv", append(tone("44100"), "-c:a", "libmp3lame")...))
	want := convertRanged(t, &rangedInput{data: clip})
	for name, in := range map[string]*rangedInput{
		"with less than was asked for": {data: clip, answerAtMost: 100},
		"without knowing the size":     {data: clip, sizeUnknown: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if !bytes.Equal(convertRanged(t, in), want) {
				t.Error("the MP3 is another one")
			}
		})
	}
}

func TestAReadErrorOfTheParentEndsTheConversion(t *testing.T) {
	t.Parallel()
	in := &rangedInput{data: readFile(t, longClip(t)), failFrom: 1 << 20}
	words, err := runRanged(t, in, "-i", rangedURL, "-map", "0:a:0", "-f", "null", "-")
	if err == nil || !strings.Contains(words, "the parent reports error -5") {
		t.Errorf("ffmpeg ended with %v and said %q", err, words)
	}
}

func TestNothingIsWrittenByRanges(t *testing.T) {
	t.Parallel()
	in := &rangedInput{data: newPCM(music, "", 8000, 8000, 1).wav}
	words, err := runRanged(t, in, "-i", rangedURL, "-f", "mp3", "ranged:4,4")
	if err == nil || !strings.Contains(words, "Impossible to open the 'ranged' protocol for writing") {
		t.Errorf("ffmpeg ended with %v and said %q", err, words)
	}
}

func TestAMalformedRangedURLIsRefused(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"ranged:", "ranged:0", "ranged:0,", "ranged:a,b", "ranged:-1,1", "ranged:0,1,2", "ranged:0,-1", "ranged:900,901", "ranged:0,99999999999"} {
		if _, words, err := run(t, layerProgram(t, "ffmpeg"), "-v", "error", "-nostdin", "-i", url, "-f", "null", "-"); err == nil {
			t.Errorf("%s was taken: %s", url, words)
		}
	}
}
