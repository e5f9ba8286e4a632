package isobmff

import (
	"context"
	"encoding/binary"
	"slices"

	"mp3converter/shared/source"
)

const (
	// maxChapters is how many chapters are carried along, of all tracks together; a track with more loses them.
	maxChapters = 1000
	// maxTitles bounds their titles, and the picture of a chapter track of pictures, in bytes.
	maxTitles = 4 << 20
)

// chapterTrack is a chapter track to carry along: text, or pictures of which a demuxer shows the first.
type chapterTrack struct {
	trak  *trak
	table table
	data  []byte
	at    int64 // of data, among all chapter tracks' data
}

// readChapters reads the samples of the chapter tracks (QuickTime's "chap" track reference). One that is odd is left
// out: there are chapters for convenience only.
func (x *extraction) readChapters(ctx context.Context) error {
	var at, chapters int64
	for _, id := range x.movie.chapters {
		i := slices.IndexFunc(x.movie.parts, func(p part) bool { return p.trak != nil && p.trak.id == id })
		if i < 0 || x.movie.parts[i].trak == x.sound {
			continue
		}
		c := chapterTrack{trak: x.movie.parts[i].trak, at: at}
		if slices.ContainsFunc(x.chapters, func(o chapterTrack) bool { return o.trak == c.trak }) {
			continue
		}
		wanted, samples, ok := c.choose(x.movie.size, maxChapters-chapters, maxTitles-at)
		if !ok {
			continue
		}
		chapters += samples
		var err error
		if c.data, err = gather(ctx, x.movie.r, groups(wanted), x.movie.opts.Costs.Parallel); err != nil {
			return err
		}
		at += int64(len(c.data))
		x.chapters = append(x.chapters, c)
	}
	return nil
}

// choose takes all samples of a text track and the first of a picture track, if there are no more than most and they are
// no longer than that many bytes.
func (c *chapterTrack) choose(fileSize, most, longest int64) (wanted []source.Extent, samples int64, ok bool) {
	t := c.trak
	fragments := t.fragments // a copy, as c.table is: the track is shared by all extracts
	c.table = t.table
	if t.err != nil || !selfContained(t.dref, dataReference(t.stsd)) || c.table.check(fileSize) != nil || fragments.check(fileSize) != nil {
		return nil, 0, false
	}
	if t.handler == "vide" && !c.firstOnly() {
		return nil, 0, false
	}
	var bytes int64
	for _, tb := range []*table{&c.table, &fragments} {
		if len(tb.times) == 0 && tb.chunks() > 0 || tb.eachChunk(func(k chunk) bool {
			wanted = append(wanted, source.Extent{Offset: k.offset, Length: k.length})
			samples += k.samples
			bytes += k.length
			return samples <= most
		}) != nil {
			return nil, 0, false
		}
	}
	return wanted, samples, samples > 0 && samples <= most && bytes <= longest
}

// firstOnly reduces the table to its first sample.
func (c *chapterTrack) firstOnly() bool {
	for _, e := range c.trak.edits {
		if e.time > 0 {
			return false // then it is not the first that is shown
		}
	}
	t := &c.table
	if t.count < 1 || len(t.times) < 8 || t.chunks() < 1 || c.trak.fragments.count > 0 {
		return false
	}
	first := table{sizeBits: 32, uniform: uint32(t.size(0)), count: 1, offsetSize: 8}
	if first.uniform == 0 {
		return false
	}
	first.times = binary.BigEndian.AppendUint32([]byte{0, 0, 0, 1}, binary.BigEndian.Uint32(t.times[4:]))
	first.perChunk = oneChunk(1)
	first.offsets = binary.BigEndian.AppendUint64(nil, uint64(t.offset(0)))
	*t = first
	return true
}

// oneChunk is an stsc entry that puts n samples into each chunk.
func oneChunk(n uint32) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{0, 0, 0, 1}, n), 0, 0, 0, 1)
}

// dataReference is the index of the data reference that the first sample entry names.
func dataReference(stsd box) uint16 {
	f := fields{p: stsd.body}
	f.skip(8 + 8 + 6)
	return f.u16()
}
