package engine

import (
	"context"
	"errors"
	"io"
	"time"

	"mp3converter/shared/isobmff"
	"mp3converter/shared/source"
)

// input is what the child reads: the file, or one made of parts of it.
type input interface {
	Size() int64
	// ReadAtContext is io.ReaderAt's ReadAt that also returns when ctx ends.
	ReadAtContext(ctx context.Context, p []byte, offset int64) (int, error)
}

// sound is an audio-only MP4 that exists only here: a header in memory, and behind it the pieces of the file that hold
// the sound. To ffmpeg it is a file like any other.
type sound struct {
	header []byte
	body   *source.Extents
}

// Size implements input.
func (s *sound) Size() int64 { return int64(len(s.header)) + s.body.Size() }

// ReadAtContext implements input.
func (s *sound) ReadAtContext(ctx context.Context, p []byte, offset int64) (int, error) {
	if offset < 0 || offset >= int64(len(s.header)) {
		return s.body.ReadAtContext(ctx, p, offset-int64(len(s.header)))
	}
	n := copy(p, s.header[offset:])
	if n == len(p) || s.body.Size() == 0 {
		if n < len(p) {
			return n, io.EOF
		}
		return n, nil
	}
	more, err := s.body.ReadAtContext(ctx, p[n:], 0)
	return n + more, err
}

// excerpt is the track's sound in a file of its own.
type excerpt struct {
	sound
	// skip is how long before the start of the excerpt the track began.
	skip time.Duration
	// whole is how long the track is, when the excerpt is not all of it; else 0.
	whole time.Duration
}

// encodeSpeed is about how many times faster than it plays a sound is encoded by one worker: while that goes on, reading
// need not be faster.
const encodeSpeed = 200

// takeSound makes the excerpt, if the file is an MP4 in which the sound can be told from the rest; else it is nil.
func (c *conversion) takeSound(ctx context.Context) (*excerpt, error) {
	movie, err := isobmff.Open(ctx, c.reader, isobmff.Options{Costs: c.engine.costs})
	if err != nil {
		return nil, unlessOdd(err)
	}
	track := movie.DefaultTrack()
	if c.opts.Track != nil {
		track = *c.opts.Track
	}
	tracks := movie.AudioTracks()
	if track < 0 || track >= len(tracks) {
		return nil, nil // the general way says what is wrong
	}
	span := isobmff.Span{Start: duration(c.opts.Start), End: duration(c.opts.End)}
	e, err := movie.Extract(ctx, track, span)
	if err != nil {
		return nil, unlessOdd(err)
	}
	t := tracks[track]
	costs := c.engine.costs
	if !c.copies(t.Codec == "mp3" || t.Codec == ".mp3") {
		costs.Busy = time.Duration(float64(t.Duration) / encodeSpeed / float64(c.engine.workers))
	}
	fetch := isobmff.Plan(e.Want, c.src.Size(), costs)
	body, err := source.NewExtents(ctx, c.src, e.Want, fetch.Extents, c.engine.source)
	if err != nil {
		return nil, err
	}
	x := &excerpt{sound: sound{header: e.Header, body: body}}
	if e.Partial {
		x.whole = t.Duration
		if e.SampleRate > 0 {
			x.skip = time.Duration(float64(e.Skip) / float64(e.SampleRate) * float64(time.Second))
		}
	}
	return x, nil
}

// unlessOdd drops the errors that mean that the file is to be read as a whole.
func unlessOdd(err error) error {
	if errors.Is(err, isobmff.ErrNotISO) || errors.Is(err, isobmff.ErrFallback) {
		return nil
	}
	return &sourceError{err}
}
