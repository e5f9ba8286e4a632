package ffmpeg_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"sync"
	"testing"
)

// The events of the engine protocol, version 1 (README.md).
const (
	eventInfo = iota + 1
	eventPicture
	eventMP3
	eventProgress
	eventPackets
	eventEnd
	eventFailure
)

// engineRun is all that one run of the engine said.
type engineRun struct {
	kinds    []uint32 // of the events, in order; of several equal ones after each other, one
	info     engineInfo
	picture  []byte
	mp3      []byte
	packets  []byte
	progress []uint64
	end      *engineEnd
	failure  *engineFailure
	exit     int
	words    string // on standard error

	commands io.WriteCloser
	last     uint32
	decide   func(engineInfo) string // what to do with the file; "" says nothing
}

type engineInfo struct {
	Streams []struct {
		Index       int
		Type        string `json:"codec_type"`
		Codec       string `json:"codec_name"`
		Tag         string `json:"codec_tag_string"`
		Channels    int
		Rate        int `json:"sample_rate"`
		Duration    *float64
		Disposition struct {
			Default  int
			Attached int `json:"attached_pic"`
		}
		Tags map[string]string
	}
	Chapters []struct {
		ID    int
		Start float64 `json:"start_time"`
		End   float64 `json:"end_time"`
		Tags  map[string]string
	}
	Format struct {
		Name     string `json:"format_name"`
		Duration *float64
		Tags     map[string]string
	}
}

type engineEnd struct {
	Samples, Frames                   int64
	Delay, Padding, Lowpass           int
	Segments, Requantised, Reanalysed int64
	DecodeCPU                         float64 `json:"decode_cpu"`
	EncodeCPU                         float64 `json:"encode_cpu"`
	JoinCPU                           float64 `json:"join_cpu"`
	First, Span, Lost                 float64
	BadPackets                        int64 `json:"bad_packets"`
	DecodedFrames                     int64 `json:"decoded_frames"`
	EndedEarly                        bool  `json:"ended_early"`
	Encrypted, Copied, Measured       bool
}

type engineFailure struct{ Code, Text string }

// errEnough ends a run: the parent closes its ends of the pipes.
var errEnough = errors.New("enough")

// hear takes events until there are no more.
func (r *engineRun) hear(events io.Reader) error {
	for {
		var head struct{ Kind, Size uint32 }
		if err := binary.Read(events, binary.LittleEndian, &head); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		data := make([]byte, head.Size)
		if _, err := io.ReadFull(events, data); err != nil {
			return fmt.Errorf("event %d of %d bytes: %w", head.Kind, head.Size, err)
		}
		if err := r.take(head.Kind, data); err != nil {
			return fmt.Errorf("event %d of %d bytes: %w", head.Kind, head.Size, err)
		}
		if head.Kind == r.last {
			return errEnough
		}
	}
}

func (r *engineRun) take(kind uint32, data []byte) error {
	if n := len(r.kinds); n == 0 || r.kinds[n-1] != kind {
		r.kinds = append(r.kinds, kind)
	}
	switch kind {
	case eventInfo:
		if err := json.Unmarshal(data, &r.info); err != nil {
			return err
		}
		if command := r.decide(r.info); command != "" {
			if _, err := io.WriteString(r.commands, command+"\n"); err != nil {
				return err
			}
		}
		return r.commands.Close()
	case eventPicture:
		r.picture = data
	case eventMP3:
		r.mp3 = append(r.mp3, data...)
	case eventProgress:
		if len(data) != 8 {
			return errors.New("want 8 bytes")
		}
		r.progress = append(r.progress, binary.LittleEndian.Uint64(data))
	case eventPackets:
		r.packets = append(r.packets, data...)
	case eventEnd:
		return json.Unmarshal(data, &r.end)
	case eventFailure:
		return json.Unmarshal(data, &r.failure)
	default:
		return errors.New("an unknown kind")
	}
	return nil
}

// runEngine runs the engine over a file that is served by ranges.
func runEngine(t testing.TB, in *rangedInput, decide func(engineInfo) string) *engineRun {
	t.Helper()
	return runEngineUntil(t, in, decide, 0)
}

// runEngineUntil is runEngine, but that the parent is gone after the first event of that kind.
func runEngineUntil(t testing.TB, in *rangedInput, decide func(engineInfo) string, last uint32) *engineRun {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), engineLimit)
	defer cancel()
	commandsR, commands := pipe(t)
	events, eventsW := pipe(t)
	r := &engineRun{commands: commands, decide: decide, last: last}
	cmd := exec.CommandContext(ctx, layerProgram(t, "ffmpeg"), "engine", "1", rangedURL, "5", "6")
	var words bytes.Buffer
	cmd.Stderr = &words
	var served sync.WaitGroup
	in.give(t, cmd, &served)
	cmd.ExtraFiles = append(cmd.ExtraFiles, commandsR, eventsW)
	if err := start(cmd); err != nil {
		t.Fatal(err)
	}
	served.Go(func() {
		defer events.Close()
		defer commands.Close()
		if err := r.hear(events); err != nil && !errors.Is(err, errEnough) {
			t.Error(err)
		}
	})
	var exit *exec.ExitError
	if err := cmd.Wait(); err != nil && !errors.As(err, &exit) {
		t.Error(err)
	}
	served.Wait()
	if ctx.Err() != nil {
		t.Fatalf("the engine did not end within %s", engineLimit)
	}
	r.exit, r.words = cmd.ProcessState.ExitCode(), words.String()
	return r
}

// tells is a decision made without looking.
func tells(command string) func(engineInfo) string {
	return func(engineInfo) string { return command }
}

// mustEnd is runEngine for what has to go well.
func mustEnd(t testing.TB, in *rangedInput, decide func(engineInfo) string) *engineRun {
	t.Helper()
	r := runEngine(t, in, decide)
	if r.failure != nil || r.end == nil || r.exit != 0 {
		t.Fatalf("failure %+v, exit code %d\n%s", r.failure, r.exit, r.words)
	}
	return r
}

// inspect is what a file in memory is.
func inspect(t *testing.T, file []byte) engineInfo {
	t.Helper()
	r := runEngine(t, &rangedInput{data: file}, tells(""))
	if r.failure != nil {
		t.Fatalf("%+v\n%s", r.failure, r.words)
	}
	return r.info
}
