package isobmff

import (
	"context"
	"encoding/binary"
	"fmt"
)

const (
	// headSize is what is read of the file first, and at least at a time: a page of the source.
	headSize = 64 << 10
	// tailSize is what is read in one go when the file has no more left: the movie box of most recordings.
	tailSize = 2 << 20
	// readSize is how much of a large box is read at a time.
	readSize = 8 << 20
	// maxJumps is how many times the search for the movie box may read far from where it read before.
	maxJumps = 32
)

// file is the file being opened, and the part of it that was read last.
type file struct {
	r      Source
	size   int64
	costs  Costs
	window []byte
	start  int64 // of the window
	jumps  int
}

// located is what the top level of a file has.
type located struct {
	ftyp []byte // the whole box; empty: the file has none
	moov []byte // the body
	end  int64  // of the movie box, where fragments follow
}

// peek returns the bytes at an offset that a box's header can take, fewer at the end of the file, reading a page or the
// whole tail.
func (f *file) peek(ctx context.Context, offset int64) ([]byte, error) {
	n := int(min(16, f.size-offset))
	if n <= 0 {
		return nil, nil
	}
	if offset < f.start || offset+int64(n) > f.start+int64(len(f.window)) {
		length := max(int64(n), headSize)
		if left := f.size - offset; left <= tailSize && offset > 0 {
			length = left
		}
		window := make([]byte, min(length, f.size-offset))
		if err := readFull(ctx, f.r, window, offset); err != nil {
			return nil, err
		}
		f.window, f.start = window, offset
		f.jumps++
	}
	return f.window[offset-f.start:][:n], nil
}

// load reads a whole range into memory, in large pieces.
func (f *file) load(ctx context.Context, offset, length int64) ([]byte, error) {
	p := make([]byte, length)
	have := 0
	if offset >= f.start && offset < f.start+int64(len(f.window)) {
		have = copy(p, f.window[offset-f.start:])
	}
	for have < len(p) {
		n := min(len(p)-have, readSize)
		if err := readFull(ctx, f.r, p[have:have+n], offset+int64(have)); err != nil {
			return nil, err
		}
		have += n
	}
	return p, nil
}

// locate walks the boxes at the top level up to the movie box.
func (f *file) locate(ctx context.Context, maxMoov int64) (located, error) {
	var found located
	head, err := f.peek(ctx, 0)
	if err != nil {
		return found, err
	}
	certain, ok := startsLikeISO(head, f.size)
	if !ok {
		return found, ErrNotISO
	}
	lost := func(format string, args ...any) error {
		if !certain {
			return ErrNotISO
		}
		return fallback(format, args...)
	}
	for offset := int64(0); ; {
		p, err := f.peek(ctx, offset)
		if err != nil {
			return found, err
		}
		kind, header, size, ok := boxHeader(p)
		if !ok {
			return found, lost("the file has no movie box")
		}
		if size == 0 {
			size = f.size - offset
		}
		if size > f.size-offset {
			return found, lost("the %q box at %d is cut off", kind, offset)
		}
		switch kind {
		case "ftyp":
			if size > maxSmall || found.ftyp != nil {
				return found, fallback("the file type is odd")
			}
			if found.ftyp, err = f.load(ctx, offset, size); err != nil {
				return found, err
			}
		case "moov":
			if size > maxMoov {
				return found, fallback("the movie box has %d bytes", size)
			}
			found.moov, err = f.load(ctx, offset+int64(header), size-int64(header))
			found.end = offset + size
			return found, err
		case "moof":
			return found, fallback("a fragment comes before the movie box")
		}
		if offset += size; f.jumps > maxJumps {
			return found, lost("the movie box is not among the first boxes")
		}
	}
}

// startsLikeISO judges the first bytes of a file; certain, when it can be nothing else.
func startsLikeISO(p []byte, fileSize int64) (certain, ok bool) {
	kind, _, size, ok := boxHeader(p)
	if !ok || size > fileSize && kind != "mdat" {
		return false, false
	}
	switch kind {
	case "ftyp", "moov":
		return true, true
	case "mdat", "wide", "free", "skip", "pnot", "uuid", "styp", "junk", "PICT", "pict":
		return false, true
	}
	return false, false
}

// inflated returns the body of a movie box, decompressed when it holds a compressed one (QuickTime's cmov).
func inflated(moov []byte) ([]byte, error) {
	cmov, ok := child(moov, "cmov")
	if !ok {
		return moov, nil
	}
	method, _ := child(cmov.body, "dcom")
	data, _ := child(cmov.body, "cmvd")
	if string(method.body) != "zlib" || len(data.body) < 4 {
		return nil, fallback("the movie box is compressed in an unknown way")
	}
	size := binary.BigEndian.Uint32(data.body)
	if size > maxInflated {
		return nil, fallback("the movie box has %d bytes", size)
	}
	p, err := inflate(data.body[4:], int64(size))
	if err != nil {
		return nil, fmt.Errorf("decompress movie box: %w", err)
	}
	inner, _, ok := nextBox(p)
	if !ok || inner.kind != "moov" {
		return nil, fallback("the compressed movie box holds something else")
	}
	return inner.body, nil
}
