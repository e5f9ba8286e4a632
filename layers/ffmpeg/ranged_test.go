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
	"slices"
	"strings"
	"sync"
	"testing"
)

// The operations of the ranged protocol, version 1 (README.md).
const (
	opRead  = 1
	opWrite = 2
	opSize  = 3
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

// rangedOutput is the parent's side of an output: it puts what is written in its place.
type rangedOutput struct {
	data   []byte
	writes int
	limit  int // close the pipe once this much has come; 0: never
}

func (out *rangedOutput) serve(requests io.Reader) error {
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
		if request.Op != opWrite {
			return fmt.Errorf("output: unexpected operation %d", request.Op)
		}
		end := int(request.Offset) + int(request.Length)
		if end > len(out.data) {
			out.data = append(out.data, make([]byte, end-len(out.data))...)
		}
		if _, err := io.ReadFull(requests, out.data[request.Offset:end]); err != nil {
			return err
		}
		out.writes++
		if out.limit > 0 && len(out.data) >= out.limit {
			return nil
		}
	}
}

// runRanged runs a program of the layer in whose arguments IN and OUT stand for the URLs of in and
// out, either of which may be nil.
func runRanged(t *testing.T, program string, in *rangedInput, out *rangedOutput, args ...string) (stdout []byte, stderr string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), runLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, layerProgram(t, program))
	var childs []*os.File
	var served sync.WaitGroup
	pipe := func() (r, w *os.File) {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		return r, w
	}
	give := func(file *os.File) int {
		childs = append(childs, file)
		return 2 + len(childs)
	}
	if in != nil {
		requests, childRequests := pipe()
		childAnswers, answers := pipe()
		url := fmt.Sprintf("ranged:%d,%d", give(childAnswers), give(childRequests))
		args = replace(args, "IN", url)
		served.Go(func() {
			defer answers.Close()
			defer requests.Close()
			if err := in.serve(requests, answers); err != nil && !strings.Contains(err.Error(), "broken pipe") {
				t.Error(err)
			}
		})
	}
	if out != nil {
		requests, childRequests := pipe()
		args = replace(args, "OUT", fmt.Sprintf("ranged:-1,%d", give(childRequests)))
		served.Go(func() {
			defer requests.Close()
			if err := out.serve(requests); err != nil {
				t.Error(err)
			}
		})
	}
	var words, printed bytes.Buffer
	cmd.Args = append(cmd.Args, args...)
	cmd.ExtraFiles, cmd.Stdout, cmd.Stderr = childs, &printed, &words
	err = cmd.Start()
	for _, file := range childs {
		file.Close()
	}
	if err == nil {
		err = cmd.Wait()
	}
	served.Wait()
	if ctx.Err() != nil {
		t.Fatalf("%s did not end within %s", program, runLimit)
	}
	return printed.Bytes(), words.String(), err
}

func replace(args []string, name, value string) []string {
	args = slices.Clone(args)
	for i, arg := range args {
		if arg == name {
			args[i] = value
		}
	}
	return args
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// convertRanged is how the converter uses the layer: in from the parent, out to the parent.
func convertRanged(t *testing.T, in *rangedInput, args ...string) []byte {
	t.Helper()
	var out rangedOutput
	full := append([]string{"-v", "error", "-nostdin", "-i", "IN", "-map", "0:a:0"}, args...)
	if !slices.Contains(args, "-b:a") {
		full = append(full, "-q:a", "4")
	}
	_, words, err := runRanged(t, "ffmpeg", in, &out, append(full, "-f", "mp3", "OUT")...)
	if err != nil {
		t.Fatalf("ffmpeg: %v\n%s", err, words)
	}
	return out.data
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

func TestTheXingHeaderWrittenBackThroughRangesIsRight(t *testing.T) {
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
	_, words, err := runRanged(t, "ffmpeg", in, nil, "-v", "error", "-nostdin", "-i", "IN", "-map", "0:a:0", "-f", "null", "-")
	if err == nil || !strings.Contains(words, "the parent reports error -5") {
		t.Errorf("ffmpeg ended with %v and said %q", err, words)
	}
}

func TestAWriteErrorOfTheParentEndsTheConversion(t *testing.T) {
	t.Parallel()
	_, words, err := runRanged(t, "ffmpeg", nil, &rangedOutput{limit: 1}, "-v", "error", "-nostdin",
		"-f", "s16le", "-ar", "44100", "-t", "600", "-i", "/dev/zero", "-b:a", "320k", "-f", "mp3", "OUT")
	if err == nil || !strings.Contains(words, "write to the parent: Broken pipe") {
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
