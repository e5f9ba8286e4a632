package mp3

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
)

// Rewritable is how many bytes at the start of an MP3 a Writer may write a second time; all others it writes once, in
// order.
const Rewritable = 1 << 20

// flushSize is how many bytes of frames are collected for one write.
const flushSize = 64 << 10

// ErrNoFrames says that an MP3 was finished without a single frame.
var ErrNoFrames = errors.New("no MP3 frames")

// Options are what a Writer is told at the start.
type Options struct {
	Tag Tag
	// Method of the encode, if it is known: it sets the header frame's bitrate.
	Method Method
}

// EndInfo is what is known of an encode only when it is done.
type EndInfo struct {
	Encoder EncoderInfo
	// Gapless goes into the LAME tag, and so is lost if Encoder has no name.
	Gapless Gapless
}

// Result is what was written.
type Result struct {
	// Bytes is the file's length, Frames the number of frames without the header frame.
	Bytes, Frames int64
	// Samples is the length of the sound, per channel, without the encoder's delay and padding.
	Samples    int64
	SampleRate int
	// PictureLeftOut says that the tag's picture was too large, or none that players know.
	PictureLeftOut bool
}

// Writer assembles an MP3: tag, header frame, frames. It writes to its destination in order, and at the end the header
// frame once more, which lies within the first Rewritable bytes. It keeps a bounded number of bytes.
type Writer struct {
	dst    io.WriterAt
	opts   Options
	result Result
	check  Checker
	err    error

	offset int64 // of the next write
	buf    []byte

	header      Header // of the header frame
	headerAt    int64
	last        Header
	constant    bool // all frames so far have one bitrate
	index       index
	streamBytes int64 // of frames, without the header frame
	streamCRC   uint16
}

// NewWriter returns a Writer to dst, which must take writes in order and, at the end, a second one to bytes below
// Rewritable. Nothing is written before the first frame.
func NewWriter(dst io.WriterAt, opts Options) *Writer {
	return &Writer{dst: dst, opts: opts, constant: true}
}

// WriteFrames takes the next frames, whole ones, as many as there are. They must form a stream as Checker asks; errors
// of theirs wrap ErrFrame. After an error the Writer is of no more use.
func (w *Writer) WriteFrames(b []byte) error {
	if w.err == nil {
		w.err = w.writeFrames(b)
	}
	return w.err
}

func (w *Writer) writeFrames(b []byte) error {
	for rest := b; len(rest) > 0; {
		h, err := ParseHeader(rest)
		if err != nil || h.Size() > len(rest) {
			return fmt.Errorf("frame %d: %w: not whole", w.check.Frames(), ErrFrame)
		}
		frame := rest[:h.Size()]
		if err := w.check.Check(frame); err != nil {
			return err
		}
		if w.check.Frames() == 1 {
			w.start(h)
		}
		w.constant = w.constant && h.BitrateIndex == w.check.first.BitrateIndex
		w.last = h
		w.index.add(w.streamBytes)
		w.streamBytes += int64(len(frame))
		rest = rest[len(frame):]
	}
	w.streamCRC = updateCRC(w.streamCRC, b)
	return w.write(b)
}

// start makes tag and header frame, from the stream's first header.
func (w *Writer) start(h Header) {
	w.header = h
	w.header.Protected, w.header.Padding = false, false
	if !w.opts.Method.constant() && w.opts.Method != MethodUnknown {
		// As LAME does, for players that take the header frame's bitrate for a hint.
		kbps := map[Version]int{MPEG1: 128, MPEG2: 64, MPEG25: 32}[h.Version]
		w.header.BitrateIndex = bitrateIndex(h.Version, kbps)
	}
	for w.header.Size() < w.header.MainDataAt()+xingSize+extensionSize {
		w.header.BitrateIndex++
	}
	w.buf, w.result.PictureLeftOut = w.opts.Tag.appendTag(w.buf)
	w.opts.Tag = Tag{} // a picture may be large
	w.headerAt = int64(len(w.buf))
	w.buf = append(w.buf, make([]byte, w.header.Size())...)
	w.header.Put(w.buf[w.headerAt:])
}

func (w *Writer) write(b []byte) error {
	if len(b) < flushSize {
		w.buf = append(w.buf, b...)
		if len(w.buf) < flushSize {
			return nil
		}
		b = nil
	}
	if err := w.flush(); err != nil {
		return err
	}
	return w.writeOut(b)
}

func (w *Writer) flush() error {
	err := w.writeOut(w.buf)
	w.buf = w.buf[:0]
	if cap(w.buf) > 4*flushSize { // it held a tag with a picture
		w.buf = nil
	}
	return err
}

func (w *Writer) writeOut(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	n, err := w.dst.WriteAt(b, w.offset)
	if err != nil {
		return fmt.Errorf("write MP3: %w", err)
	}
	w.offset += int64(n)
	return nil
}

// Finish writes what is left and the header frame. Without frames it writes nothing, and fails with ErrNoFrames.
func (w *Writer) Finish(end EndInfo) (Result, error) {
	if w.err != nil {
		return Result{}, w.err
	}
	w.err = errors.New("MP3 is finished")
	if w.check.Frames() == 0 {
		return Result{}, ErrNoFrames
	}
	g := end.Gapless
	if g.Delay < 0 || g.Padding < 0 || g.Delay > MaxGap || g.Padding > MaxGap {
		return Result{}, fmt.Errorf("delay %d or padding %d is not 0 to %d samples", g.Delay, g.Padding, MaxGap)
	}
	if end.Encoder.Name == "" {
		end.Gapless = Gapless{}
	}
	frame := w.headerFrame(end)
	if w.offset == 0 {
		copy(w.buf[w.headerAt:], frame)
	}
	late := w.offset > 0
	if err := w.flush(); err != nil {
		return Result{}, err
	}
	if late {
		if _, err := w.dst.WriteAt(frame, w.headerAt); err != nil {
			return Result{}, fmt.Errorf("write MP3 header: %w", err)
		}
	}
	w.result.Bytes = w.offset
	w.result.Frames = w.check.Frames()
	w.result.SampleRate = w.header.SampleRate()
	w.result.Samples = end.Gapless.samples(w.result.Frames * int64(w.header.Samples()))
	return w.result, nil
}

// headerFrame makes the frame with the Xing header and the LAME tag. To a decoder that knows neither it is a frame of
// silence.
func (w *Writer) headerFrame(end EndInfo) []byte {
	frame := make([]byte, w.header.Size())
	h := w.header
	h.Extension = w.last.Extension // LAME writes the header when the last frame has passed
	h.Put(frame)
	total := w.streamBytes + int64(len(frame))
	b := frame[h.MainDataAt():]
	copy(b, "Xing")
	if end.Encoder.Method.constant() || end.Encoder.Method == MethodUnknown && w.constant {
		copy(b, "Info")
	}
	flags := uint32(hasFrames | hasBytes | hasTOC | hasQuality)
	if w.check.Frames() > math.MaxUint32 {
		flags &^= hasFrames
	}
	known := total
	if total > math.MaxUint32 {
		flags &^= hasBytes
		known = 0
	}
	b = b[4:]
	put := func(n uint32) {
		binary.BigEndian.PutUint32(b, n)
		b = b[4:]
	}
	put(flags)
	if flags&hasFrames != 0 {
		put(uint32(w.check.Frames()))
	}
	if flags&hasBytes != 0 {
		put(uint32(total))
	}
	w.index.toc(b[:tocSize], int64(len(frame)), total)
	b = b[tocSize:]
	put(uint32(end.Encoder.Quality))
	if end.Encoder.Name != "" {
		end.Encoder.put(b, end.Gapless)
		binary.BigEndian.PutUint32(b[28:], uint32(known))
		binary.BigEndian.PutUint16(b[32:], w.streamCRC)
		covered := len(frame) - len(b) + extensionSize - 2
		binary.BigEndian.PutUint16(b[34:], updateCRC(0, frame[:covered]))
	}
	return frame
}
