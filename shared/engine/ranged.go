package engine

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"sync/atomic"
	"syscall"
)

// The ranged protocol, version 1, which the layer's ffmpeg speaks and layers/ffmpeg/README.md specifies: requests and
// answers begin with 16 bytes, little-endian.
const (
	opRead = 1
	opSize = 3

	frameSize = 16
	// maxChunk is the most that one answer carries; it is what the child asks for.
	maxChunk = 256 << 10
)

// errProtocol says that the child does not keep to the ranged protocol; a child that is sound never does that.
var errProtocol = errors.New("ranged protocol broken")

// readServer answers a child's requests for bytes of the video.
type readServer struct {
	input input
	// reach is the end of the furthest read so far, or 0: how far the child has got.
	reach atomic.Int64
}

// serve answers until requests ends. The child's going away is no error; the source's failing is.
func (s *readServer) serve(ctx context.Context, requests io.Reader, answers io.Writer) error {
	frame := make([]byte, frameSize)
	answer := make([]byte, frameSize+maxChunk)
	for {
		if _, err := io.ReadFull(requests, frame); err != nil {
			return unlessGone("read request", err)
		}
		op, length, offset := binary.LittleEndian.Uint32(frame), binary.LittleEndian.Uint32(frame[4:]), binary.LittleEndian.Uint64(frame[8:])
		clear(answer[:frameSize])
		n := 0
		switch {
		case op == opRead && offset <= math.MaxInt64:
			var err error
			n, err = s.input.ReadAtContext(ctx, answer[frameSize:frameSize+min(length, maxChunk)], int64(offset))
			if err != nil && !errors.Is(err, io.EOF) {
				return &sourceError{err}
			}
			binary.LittleEndian.PutUint32(answer[4:], uint32(n))
			s.reach.Store(max(s.reach.Load(), int64(offset)+int64(n)))
		case op == opSize:
			binary.LittleEndian.PutUint64(answer[8:], uint64(s.input.Size()))
		default:
			return fmt.Errorf("%w: request %d for %d bytes at %d", errProtocol, op, length, offset)
		}
		if _, err := answers.Write(answer[:frameSize+n]); err != nil {
			return unlessGone("write answer", err)
		}
	}
}

// sourceError is an error of the video's storage, which the child must not be blamed for.
type sourceError struct{ err error }

func (e *sourceError) Error() string { return "read video: " + e.err.Error() }
func (e *sourceError) Unwrap() error { return e.err }

// unlessGone is nil for the errors of a pipe whose other end is closed: the child's exit says more.
func unlessGone(doing string, err error) error {
	for _, gone := range []error{io.EOF, io.ErrUnexpectedEOF, io.ErrClosedPipe, os.ErrClosed, syscall.EPIPE} {
		if errors.Is(err, gone) {
			return nil
		}
	}
	return fmt.Errorf("%s: %w", doing, err)
}
