package mp3

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// ErrNotCopyable is what errors wrap that say why a stream's frames cannot be taken as they are; decoding it and
// encoding the sound anew is the way then.
var ErrNotCopyable = errors.New("MP3 stream cannot be copied")

const (
	// maxFreeFrame is the longest free format frame looked for: 640 kbit/s at 8 kHz.
	maxFreeFrame = 5761
	// freeTries bounds how often a free format frame's end is looked for, which costs far more than all else.
	freeTries = 256
	// maxAPE bounds the APE tag that is skipped by the size it states.
	maxAPE = 16 << 20
)

// framer finds the Layer III frames in a stream of bytes that may have anything between them. It is given the bytes
// in pieces, and keeps no more than it needs to tell a frame from what looks like one: a few frames' length.
type framer struct {
	buf []byte
	at  int // start in buf of what is not dealt with
	eof bool

	skip   int64 // bytes of a tag still to be dropped
	junk   bool  // the byte before was neither frame nor tag
	locked bool
	stream Header // of the first frame

	gap     bool  // something was dropped since the last frame
	dropped int64 // bytes
	tries   int   // of free format
}

// answer to a question about bytes that may not be there yet.
type answer uint8

const (
	no answer = iota
	yes
	unknown
)

// add appends bytes to look at.
func (f *framer) add(p []byte) {
	f.buf = append(f.buf[:copy(f.buf, f.buf[f.at:])], p...)
	f.at = 0
}

// next returns the next frame, which is valid until add is called; nil when more bytes are needed or, after eof, when
// there is no more.
func (f *framer) next() (Header, []byte, error) {
	for {
		rest := f.buf[f.at:]
		if f.skip > 0 {
			f.drop(int(min(f.skip, int64(len(rest)))))
			if f.skip > 0 {
				return Header{}, nil, nil
			}
			continue
		}
		if len(rest) == 0 || len(rest) < tagProbe && !f.eof {
			return Header{}, nil, nil
		}
		if !f.junk && f.startTag(rest) {
			continue
		}
		h, found, err := f.frameAt(rest)
		switch {
		case err != nil:
			return Header{}, nil, err
		case found == unknown:
			return Header{}, nil, nil
		case found == no:
			f.junk = f.junk || rest[0] != 0 // zeros are common padding behind tags
			n := 1
			if f.junk { // then only a sync word ends it
				if n += bytes.IndexByte(rest[1:], 0xff); n == 0 {
					n = len(rest)
				}
			}
			f.drop(n)
			continue
		}
		f.at += h.Size()
		f.junk = false
		if !f.locked {
			f.locked, f.stream = true, h
		}
		return h, rest[:h.Size()], nil
	}
}

func (f *framer) drop(n int) {
	f.at += n
	f.dropped += int64(n)
	f.skip = max(0, f.skip-int64(n))
	f.gap = true
}

// tagProbe is how much of a tag must be seen to know its length.
const tagProbe = 32

// startTag begins to skip the tag that rest starts with. Lyrics3 needs no care: there is no sync word in text.
func (f *framer) startTag(rest []byte) bool {
	switch {
	case TagSize(rest) > 0:
		f.skip = int64(TagSize(rest))
	case bytes.HasPrefix(rest, []byte("TAG")):
		f.skip = 128 // ID3v1
	case len(rest) >= tagProbe && bytes.HasPrefix(rest, []byte("APETAGEX")):
		f.skip = tagProbe
		size, flags := binary.LittleEndian.Uint32(rest[12:]), binary.LittleEndian.Uint32(rest[20:])
		if isHeader := flags&(1<<29) != 0; isHeader && size <= maxAPE {
			f.skip += int64(size)
		}
	}
	return f.skip > 0
}

// frameAt says whether rest starts with a frame, and with an error that it starts with one which makes the stream not
// copyable.
func (f *framer) frameAt(rest []byte) (Header, answer, error) {
	h, err := ParseHeader(rest)
	if err != nil {
		return h, no, nil //nolint:nilerr // no frame starts here, which is an answer
	}
	if f.locked && !f.junk && f.copyable(h) {
		return h, f.whole(h, rest), nil
	}
	further := 1
	if f.junk || !f.copyable(h) {
		further = 2
	}
	var found answer
	if h.FreeFormat() {
		found = f.freeFormat(h, rest)
	} else {
		found = f.chain(h, rest, further)
	}
	if found == yes {
		err = f.refuse(h)
	}
	return h, found, err
}

// copyable says whether a frame with this header can follow in the stream.
func (f *framer) copyable(h Header) bool {
	return h.Layer == 3 && !h.FreeFormat() && (!f.locked || h.SameStream(f.stream))
}

func (f *framer) refuse(h Header) error {
	switch {
	case h.Layer != 3:
		return fmt.Errorf("%w: it is %v", ErrNotCopyable, h)
	case h.FreeFormat():
		return fmt.Errorf("%w: it is in free format", ErrNotCopyable)
	case f.locked && !h.SameStream(f.stream):
		return fmt.Errorf("%w: it changes from %v to %v", ErrNotCopyable, f.stream, h)
	}
	return nil
}

// chain says whether so many further headers of the same stream follow where the ones before say. At the end of the
// bytes one is enough, or none if the frame ends there or a tag follows.
func (f *framer) chain(h Header, rest []byte, further int) answer {
	at := h.Size()
	for i := range further {
		if f.eof && at >= len(rest) {
			if i > 0 || at == len(rest) {
				return yes
			}
			return no
		}
		if len(rest) < at+HeaderSize && !f.eof {
			return unknown
		}
		next, err := ParseHeader(rest[at:])
		if err != nil || !next.SameStream(h) || next.FreeFormat() {
			if f.eof && i == 0 && !f.junk && trailer(rest[at:]) {
				return yes
			}
			return no
		}
		at += next.Size()
	}
	return yes
}

// trailer says whether a tag follows that is found behind frames.
func trailer(rest []byte) bool {
	for _, magic := range []string{"TAG", "APETAGEX", "LYRICSBEGIN", "ID3"} {
		if bytes.HasPrefix(rest, []byte(magic)) {
			return true
		}
	}
	return false
}

// whole says whether the frame that must start here, since the one before ended here, is all there. It is not if the
// stream ends in it, or if where its end should be nothing follows while other frames start within it.
func (f *framer) whole(h Header, rest []byte) answer {
	size := h.Size()
	if len(rest) < size+HeaderSize {
		if !f.eof {
			return unknown
		}
		return f.wholeAtEnd(size, rest)
	}
	if next, err := ParseHeader(rest[size:]); err == nil && next.SameStream(h) {
		return yes
	}
	if len(rest) < size+MaxFrameSize+HeaderSize && !f.eof {
		return unknown
	}
	for at := HeaderSize; at < size; at++ {
		inner, err := ParseHeader(rest[at:])
		if err == nil && f.copyable(inner) && f.chain(inner, rest[at:], 1) == yes {
			return no
		}
	}
	if f.eof && f.wholeAtEnd(size, rest) == no {
		return no
	}
	// Nothing speaks for it but the four bytes of its header, so it must make sense.
	side, err := ParseSideInfo(h, rest[:size])
	if err != nil || (side.Bits()+7)/8 > side.MainDataBegin+size-h.MainDataAt() {
		return no
	}
	return yes
}

// wholeAtEnd is whole for a frame behind which there is no other: it must not reach into an ID3v1 tag.
func (f *framer) wholeAtEnd(size int, rest []byte) answer {
	end := len(rest)
	if end >= 128 && bytes.HasPrefix(rest[end-128:], []byte("TAG")) {
		end -= 128
	}
	if size > end {
		return no
	}
	return yes
}

// freeFormat says whether a free format frame starts here: headers like it must follow twice at the same distance.
func (f *framer) freeFormat(h Header, rest []byte) answer {
	if f.locked || f.tries >= freeTries {
		return no
	}
	if len(rest) < 2*maxFreeFrame+HeaderSize+1 && !f.eof {
		return unknown
	}
	f.tries++
	like := func(at int) bool {
		o, err := ParseHeader(rest[min(at, len(rest)):])
		return err == nil && o.FreeFormat() && o.SameStream(h)
	}
	for size := h.MainDataAt(); size <= maxFreeFrame; size++ {
		// Either frame may have a byte of padding.
		if like(size) && (like(2*size) || like(2*size+1) || like(2*size-1)) {
			return yes
		}
	}
	return no
}
