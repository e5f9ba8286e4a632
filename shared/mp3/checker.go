package mp3

import "fmt"

// Checker holds a stream to what a decoder relies on: one version and sample rate throughout, side information that
// can be followed, and an unbroken chain of main data, in which every frame's starts no earlier than the one before it
// ended, and ends no later than the frame itself. The zero value is ready for the first frame.
//
// It reads no main data, so a minute of sound costs it well under a millisecond.
type Checker struct {
	// CRC asks that protected frames have the right CRC; decoders commonly do not.
	CRC bool

	frames int64
	first  Header
	chain  reservoir
}

// Check takes the next frame, whole. An error wraps ErrFrame and leaves the Checker as it was.
func (c *Checker) Check(frame []byte) error {
	h, err := parseFrame(frame)
	if err != nil {
		return fmt.Errorf("frame %d: %w", c.frames, err)
	}
	if c.frames > 0 && !h.SameStream(c.first) {
		return fmt.Errorf("frame %d: %w: %v in a stream of %v", c.frames, ErrFrame, h, c.first)
	}
	s, err := ParseSideInfo(h, frame)
	if err != nil {
		return fmt.Errorf("frame %d: %w", c.frames, err)
	}
	if c.CRC && h.Protected && frameCRC(h, frame) != uint16(frame[HeaderSize])<<8|uint16(frame[HeaderSize+1]) {
		return fmt.Errorf("frame %d: %w: wrong CRC", c.frames, ErrFrame)
	}
	chain, err := c.chain.next(len(frame)-h.MainDataAt(), s.MainDataBegin, s.Bits())
	if err != nil {
		return fmt.Errorf("frame %d: %w", c.frames, err)
	}
	if c.frames == 0 {
		c.first = h
	}
	c.chain = chain
	c.frames++
	return nil
}

// Frames is the number of frames that passed.
func (c *Checker) Frames() int64 { return c.frames }

// reservoir is the number of bytes before a frame's slot that are no earlier frame's main data.
type reservoir int

// next follows one frame with a slot of so many bytes, and returns what the frame after it finds.
func (r reservoir) next(slot, begin, bits int) (reservoir, error) {
	main := (bits + 7) / 8
	switch {
	case begin > int(r):
		return r, fmt.Errorf("%w: main data starts %d bytes back, where only %d are free", ErrFrame, begin, int(r))
	case main > begin+slot:
		return r, fmt.Errorf("%w: %d bytes of main data end beyond the frame, which has room for %d", ErrFrame, main, begin+slot)
	}
	// More than main_data_begin can say is of no use to anyone.
	return min(reservoir(begin+slot-main), 1<<9-1), nil
}
