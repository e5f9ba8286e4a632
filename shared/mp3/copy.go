package mp3

import "fmt"

// CopyOptions are what the container says of the stream. They count only where the stream has no LAME tag.
type CopyOptions struct {
	// Skip is how many samples at the start are not to be heard; 0: not said. Fewer than the decoders' own delay of 529
	// cannot be told in an MP3, and are heard.
	Skip int
}

// Copied is the outcome of a copy.
type Copied struct {
	// Frames were passed on, Silenced of them without their sound.
	Frames, Silenced int64
	// Dropped is how many bytes were neither frames nor the header frame: tags, junk, a last frame that is cut off.
	Dropped int64
	// Header is the first frame's.
	Header Header
	// End is for Writer.Finish.
	End EndInfo
}

// Copier takes the bytes of an MP3 stream, as a file or a container has them, and passes on its frames, so that they
// form a valid stream by themselves. It drops tags, junk between frames and the header frame, whose contents it takes
// over. A header frame further on, as files that were joined have, is to every decoder a frame of silence, and stays.
// It keeps a bounded number of bytes.
//
// A frame whose main data is not all there would be muted by some decoders and make noise in others: because the
// stream was cut off before it, because frames were lost in junk, or because it is damaged. It is passed on as silence
// of the same length: header, size and the bytes in its slot stay, for frames after it may need them; its side
// information is emptied. So timing and the bit reservoir stay as they were. Junk alone does not count as loss: if the
// frame behind it goes on exactly where the main data before it ended, nothing was lost.
type Copier struct {
	emit   func(frames []byte) error
	opts   CopyOptions
	tail   int // samples at the end that are not to be heard, the decoders' delay included, as Heard said
	framer framer
	err    error

	info    Info
	hasInfo bool
	seen    bool // a frame, or the header frame
	copied  Copied
	free    reservoir // in the frames passed on
	valid   int       // how many of the bytes before the next frame's slot are what stood there
	scratch []byte
}

// NewCopier returns a Copier that passes whole frames to emit, which must not keep them.
func NewCopier(emit func(frames []byte) error, opts CopyOptions) *Copier {
	c := &Copier{emit: emit, opts: opts}
	c.checkSkip()
	return c
}

// Heard says, before Close, what the container turned out to say: how many samples at the start are not to be heard, and
// how many at the end.
func (c *Copier) Heard(skip, discard int) {
	c.opts, c.tail = CopyOptions{Skip: skip}, min(DecoderDelay+max(discard, 0), MaxGap)
	c.checkSkip()
}

func (c *Copier) checkSkip() {
	if c.err == nil && c.opts.Skip > MaxGap+DecoderDelay {
		c.err = fmt.Errorf("%w: it starts %d samples before the sound", ErrNotCopyable, c.opts.Skip)
	}
}

// Write takes the next bytes of the stream, cut anywhere. Errors wrap ErrNotCopyable, or are emit's. After an error the
// Copier is of no more use.
func (c *Copier) Write(p []byte) (int, error) {
	const piece = 32 << 10
	for done := 0; done < len(p) && c.err == nil; done += piece {
		c.framer.add(p[done:min(done+piece, len(p))])
		c.err = c.pass()
	}
	if c.err != nil {
		return 0, c.err
	}
	return len(p), nil
}

// Close passes on the last frames. A stream without any is not copyable.
func (c *Copier) Close() (Copied, error) {
	if c.err == nil {
		c.framer.eof = true
		c.err = c.pass()
	}
	if c.err == nil && c.copied.Frames == 0 {
		c.err = fmt.Errorf("%w: %w", ErrNotCopyable, ErrNoFrames)
	}
	if c.err != nil {
		return Copied{}, c.err
	}
	c.copied.Dropped = c.framer.dropped
	c.copied.End = c.end()
	return c.copied, nil
}

// pass deals with the frames that are there.
func (c *Copier) pass() error {
	for {
		h, frame, err := c.framer.next()
		if err != nil || frame == nil {
			return err
		}
		if !c.seen {
			c.seen = true
			if c.info, c.hasInfo = parseInfo(h, frame); c.hasInfo {
				continue
			}
		}
		if err := c.copy(h, frame); err != nil {
			return err
		}
	}
}

func (c *Copier) copy(h Header, frame []byte) error {
	slot := len(frame) - h.MainDataAt()
	side, err := ParseSideInfo(h, frame)
	if c.framer.gap && side.MainDataBegin != int(c.free) {
		c.valid = 0
	}
	c.framer.gap = false
	free := c.free
	if err == nil && side.MainDataBegin <= c.valid {
		free, err = c.free.next(slot, side.MainDataBegin, side.Bits())
	}
	if err != nil || side.MainDataBegin > c.valid {
		// Reaching back as far as it can, it leaves to the next frames what theirs is.
		side = SideInfo{MainDataBegin: min(int(c.free), h.maxMainDataBegin())}
		c.scratch = append(c.scratch[:0], frame...)
		frame = c.scratch
		side.Put(h, frame)
		if free, err = c.free.next(slot, side.MainDataBegin, 0); err != nil {
			return err
		}
		c.copied.Silenced++
	}
	c.free = free
	c.valid = min(c.valid+slot, MaxFrameSize)
	if c.copied.Frames == 0 {
		c.copied.Header = h
	}
	c.copied.Frames++
	return c.emit(frame)
}

// end takes over what the header frame or the container says.
func (c *Copier) end() EndInfo {
	end := EndInfo{Encoder: c.info.Encoder, Gapless: c.info.Gapless}
	frame := int64(c.copied.Header.Samples())
	switch {
	case c.hasInfo && end.Gapless.Known:
		lost := c.info.Frames - c.copied.Frames
		switch {
		case lost < 0 && c.info.Frames > 0: // there is more than the header knew of, and its end is none
			end.Gapless.Padding = 0
		case lost > 0: // what was cut off held padding first
			end.Gapless.Padding = int(max(0, int64(end.Gapless.Padding)-lost*frame))
		}
	case c.opts.Skip >= DecoderDelay:
		end.Gapless = Gapless{Known: true, Delay: c.opts.Skip - DecoderDelay, Padding: c.tail}
		if end.Encoder.Name == "" {
			end.Encoder.Name, end.Encoder.StereoMode = "LAME", 7 // players look for that name before they believe a delay
		}
	}
	return end
}
