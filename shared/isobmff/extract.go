package isobmff

import (
	"context"
	"fmt"
	"slices"
	"time"

	"mp3converter/shared/source"
)

// Extract is an audio-only MP4 that exists only as a plan: Header, followed by the bytes of the pieces in Want, in their
// order. It has one audio stream, the first and only; a demuxer may see streams of other kinds before it.
type Extract struct {
	// Header is ftyp, moov and the beginning of mdat, with the chapters' titles.
	Header []byte
	// Want are the pieces of the original file that follow, none empty, no two overlapping.
	Want []source.Extent
	// Bytes is the length of all pieces together.
	Bytes int64
	// Partial is true when the pieces do not hold the whole track.
	Partial bool
	// Skip is the place of the first sample that the extract decodes to among those that the whole track decodes to,
	// per channel. Decoders with a memory need some packets to come to the same values: a cut is made after those.
	Skip int64
	// SampleRate is the unit of Skip, in Hz.
	SampleRate int
}

// Size is the length of the virtual file.
func (e *Extract) Size() int64 { return int64(len(e.Header)) + e.Bytes }

// Span is the part of a track that will be used, on the time line of what the whole track decodes to: the edit list's
// priming has been cut off, so that time 0 is the first sample that a decoder of the whole file gives out. End 0 is the
// end of the track. The zero Span is the whole track.
type Span struct {
	Start, End time.Duration
}

// Extract plans the virtual file for an audio track, by its index in AudioTracks. Where it is certain which packets the
// span needs, only those are wanted, with some before them for the decoder to get going; else the whole track is.
// It reads nothing but chapter titles.
func (m *Movie) Extract(ctx context.Context, track int, span Span) (*Extract, error) {
	if track < 0 || track >= len(m.audio) {
		return nil, fmt.Errorf("extract audio track %d of %d: no such track", track, len(m.audio))
	}
	t := m.audio[track]
	wrap := func(err error) error { return fmt.Errorf("extract audio track %d: %w", track, err) }
	if t.err != nil {
		return nil, wrap(t.err)
	}
	x := &extraction{movie: m, sound: t}
	if err := x.checkEdits(); err != nil {
		return nil, wrap(err)
	}
	e := &Extract{SampleRate: t.info.SampleRate}
	x.cut(span, e)
	if err := x.want(e); err != nil {
		return nil, wrap(err)
	}
	if err := x.readChapters(ctx); err != nil {
		return nil, wrap(err)
	}
	e.Header = x.header(e.Bytes)
	return e, nil
}

// extraction is the making of an Extract.
type extraction struct {
	movie *Movie
	sound *trak
	// part is the table of samples first to last-1, when not all are taken.
	part        *table
	first, last int64
	// noEdits leaves the edit list out.
	noEdits  bool
	chapters []chapterTrack
}

// checkEdits makes sure that the edit list will be taken as the original's is.
func (x *extraction) checkEdits() error {
	for _, p := range x.movie.parts {
		if p.trak == x.sound {
			break
		}
		if p.trak != nil && p.trak.err != nil && len(x.sound.edits) > 0 {
			return fallback("how its edit list is to be taken depends on a broken track")
		}
	}
	return nil
}

// want lists the pieces of the file that hold the samples taken, neighbours joined.
func (x *extraction) want(e *Extract) error {
	add := func(offset, length int64) {
		e.Bytes += length
		if n := len(e.Want); n > 0 && e.Want[n-1].End() == offset {
			e.Want[n-1].Length += length
		} else if length > 0 {
			e.Want = append(e.Want, source.Extent{Offset: offset, Length: length})
		}
	}
	if x.part == nil {
		e.Want = make([]source.Extent, 0, x.sound.table.pieces+x.sound.fragments.pieces)
		for _, t := range x.sound.tables() {
			if err := t.eachChunk(func(c chunk) bool { add(c.offset, c.length); return true }); err != nil {
				return err
			}
		}
		return nil
	}
	t := x.samples()
	var bad error
	err := t.eachChunk(func(c chunk) bool {
		from, to := max(x.first, c.first), min(x.last, c.first+c.samples)
		if from >= to {
			return c.first < x.last
		}
		var before, length int64
		if before, bad = t.length(c.first, from-c.first); bad != nil {
			return false
		}
		if length, bad = t.length(from, to-from); bad != nil {
			return false
		}
		add(c.offset+before, length)
		return true
	})
	if err == nil {
		err = bad
	}
	return err
}

// checkOverlap makes sure that chunks out of order do not overlap.
func (t *table) checkOverlap() error {
	var all []source.Extent
	if err := t.eachChunk(func(c chunk) bool {
		if c.length > 0 {
			all = append(all, source.Extent{Offset: c.offset, Length: c.length})
		}
		return len(all) <= maxExtents
	}); err != nil {
		return err
	}
	if len(all) > maxExtents {
		return fallback("it lies in too many pieces")
	}
	slices.SortFunc(all, compareExtents)
	for i := range all[1:] {
		if all[i].End() > all[i+1].Offset {
			return fallback("its chunks overlap")
		}
	}
	return nil
}
