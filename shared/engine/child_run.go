package engine

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// The engine protocol, which layers/ffmpeg/README.md specifies: the child opens the file, says what it is, is told what to
// do, and does it. Events begin with their kind and their length, little-endian.
const protocolVersion = 1

// event is a kind of event.
type event uint32

const (
	eventInfo event = iota + 1
	eventPicture
	eventMP3
	eventProgress
	eventPackets
	eventEnd
	eventFailure
)

const (
	// maxEvent bounds an event that is taken whole: what a file says of itself can be long.
	maxEvent = 8 << 20
	// maxPicture is more than a cover may have that fits into Rewritable.
	maxPicture = 1 << 20
)

// task is what one run of the child is for. Its functions are called from one goroutine; an error of theirs ends the
// child and is what run returns.
type task struct {
	// decide is told what the file is, and says what to do with it.
	decide func(probed) (command string, err error)
	// picture is the cover that was asked for.
	picture func(data []byte)
	// mp3 takes the next bytes of the MP3, packets those of the track as it is.
	mp3, packets func(data []byte) error
	// progress is told how many samples of the MP3, or of the track, are done.
	progress func(samples int64) error

	report  report
	failure *childFailure
	ended   bool
	// pictureDropped says that the cover was too large to be taken.
	pictureDropped bool
}

// report is what the child says at the end.
type report struct {
	// Delay samples come before those that were encoded, and Padding after.
	Delay, Padding int
	// Lowpass is LAME's, in Hz.
	Lowpass int
	// Segments were encoded side by side; Requantised frames of theirs once more, in order.
	Segments, Requantised int64
	// Of what is copied, Skip samples at the start and Discard at the end are not to be heard, nor the first LeftOut
	// packets; nor, if Edited is above 0, something in between.
	Skip, Discard int
	LeftOut       int `json:"left_out"`
	Edited        int64
	// First is the time of the track's first packet, and Span the time from there to the end of its last; Lost is how much
	// of that was in packets that could not be decoded.
	First, Span, Lost seconds
	// In seconds.
	DecodeCPU float64 `json:"decode_cpu"`
	EncodeCPU float64 `json:"encode_cpu"`
	JoinCPU   float64 `json:"join_cpu"`
	// BadPackets could not be decoded.
	BadPackets int64 `json:"bad_packets"`
	EndedEarly bool  `json:"ended_early"`
	Encrypted  bool
}

// childFailure is what the child says when it gives up.
type childFailure struct {
	Code, Text string
}

func (f *childFailure) Error() string { return "ffmpeg: " + f.Code + ": " + f.Text }

// run runs the child over the input. It returns an error of the task, of the source or of the child itself; what the
// child reported is in the task.
func (c *conversion) run(ctx context.Context, in input, ch *child, t *task) error {
	defer ch.close()
	server := &readServer{input: in}
	url, err := ch.asks(server)
	if err != nil {
		return err
	}
	commands := make(chan string, 1)
	fd, err := ch.reads(func(ctx context.Context, w io.Writer) error {
		select {
		case command := <-commands:
			_, err := io.WriteString(w, command+"\n")
			if err != nil {
				return unlessGone("write command", err)
			}
		case <-ctx.Done():
		}
		return nil
	})
	if err != nil {
		return err
	}
	events, err := ch.writes(func(r io.Reader) error { return t.hear(r, commands) })
	if err != nil {
		return err
	}
	c.reach = &server.reach
	used, err := ch.run(ctx, []string{"engine", strconv.Itoa(protocolVersion), url, strconv.Itoa(fd), strconv.Itoa(events)})
	c.stats.UserCPU += used.user
	c.stats.SystemCPU += used.system
	c.stats.MaxRSS = max(c.stats.MaxRSS, used.maxRSS)
	switch {
	case err != nil:
		return err
	case t.failure != nil:
		return t.failure
	case !t.ended:
		return &exitError{state: nil, words: "it ended without a word: " + ch.words.String()}
	}
	return nil
}

// hear takes events until there are no more.
func (t *task) hear(r io.Reader, commands chan<- string) error {
	in := bufio.NewReaderSize(r, 64<<10)
	var buf []byte
	for {
		var head [8]byte
		if _, err := io.ReadFull(in, head[:]); err != nil {
			return unlessGone("read event", err)
		}
		kind, size := event(binary.LittleEndian.Uint32(head[:])), binary.LittleEndian.Uint32(head[4:])
		if kind == eventPicture && size > maxPicture { // nothing can carry it
			t.pictureDropped = true
			if _, err := io.CopyN(io.Discard, in, int64(size)); err != nil {
				return unlessGone("read event", err)
			}
			continue
		}
		if size > maxEvent {
			return fmt.Errorf("%w: event %d of %d bytes", errProtocol, kind, size)
		}
		if int(size) > cap(buf) {
			buf = make([]byte, size)
		}
		buf = buf[:size]
		if _, err := io.ReadFull(in, buf); err != nil {
			return unlessGone("read event", err)
		}
		if err := t.take(kind, buf, commands); err != nil {
			return err
		}
	}
}

// take deals with one event; data is its own only until it returns.
func (t *task) take(kind event, data []byte, commands chan<- string) error {
	switch {
	case kind == eventInfo:
		p, err := parseProbe(data)
		if err != nil {
			return err
		}
		command, err := t.decide(p)
		if err != nil {
			return err
		}
		select {
		case commands <- command:
		default:
			return fmt.Errorf("%w: said twice what the file is", errProtocol)
		}
		return nil
	case kind == eventPicture && t.picture != nil:
		t.picture(append([]byte(nil), data...))
		return nil
	case kind == eventMP3 && t.mp3 != nil:
		return t.mp3(data)
	case kind == eventPackets && t.packets != nil:
		return t.packets(data)
	case kind == eventProgress && len(data) == 8:
		if t.progress == nil {
			return nil
		}
		return t.progress(int64(binary.LittleEndian.Uint64(data) & (1<<63 - 1)))
	case kind == eventEnd:
		t.ended = true
		return decodeEvent(data, &t.report)
	case kind == eventFailure:
		t.failure = new(childFailure)
		return decodeEvent(data, t.failure)
	}
	return fmt.Errorf("%w: event %d of %d bytes", errProtocol, kind, len(data))
}

func decodeEvent(data []byte, to any) error {
	if err := json.Unmarshal(data, to); err != nil {
		return errors.Join(errProtocol, err)
	}
	return nil
}
