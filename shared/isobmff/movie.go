package isobmff

import (
	"bytes"
	"encoding/binary"
	"slices"
	"time"
)

// Movie is an opened file. It is safe for concurrent use.
type Movie struct {
	r    Source
	size int64
	opts Options
	ftyp []byte

	timescale  uint32
	fragmented bool
	trex       map[uint32]trex
	parts      []part  // of the movie box, in its order
	audio      []*trak // of those, the audio tracks
	chapters   []uint32
}

// part is a box of the movie box that is carried along: a track, or another one as it is.
type part struct {
	raw  []byte
	trak *trak
}

// Track describes an audio track.
type Track struct {
	// ID is the track's own, unique in the file.
	ID uint32
	// Codec is the four-character code of the sample entry (ISO 14496-12 §8.5.2), such as "mp4a".
	Codec string
	// Timescale is the number of units in a second of the track's clock.
	Timescale uint32
	// Duration is how long all samples together play, before the edit list.
	Duration time.Duration
	// SampleRate in Hz and Channels are what the sample entry says; the decoder may know better.
	SampleRate, Channels int
	// Samples is the number of samples, in the sense of the format: packets, or for PCM the moments in time.
	Samples int64
	// Bytes is what they add up to.
	Bytes int64
	// Default is true when the track is enabled, which is what ffmpeg calls the default disposition.
	Default bool
	// Encrypted is true when the samples are; Extract refuses such a track.
	Encrypted bool
}

// AudioTracks lists the audio tracks in the order of the file, which is the order of ffmpeg's audio streams.
func (m *Movie) AudioTracks() []Track {
	tracks := make([]Track, len(m.audio))
	for i, t := range m.audio {
		tracks[i] = t.info
	}
	return tracks
}

// DefaultTrack is the index in AudioTracks of the track to take when none was asked for: the first that is Default, or
// else the first; -1 when there is none.
func (m *Movie) DefaultTrack() int {
	for i, t := range m.audio {
		if t.info.Default {
			return i
		}
	}
	return min(0, len(m.audio)-1)
}

// parseMovie reads the body of a movie box. Nothing of what it returns shares memory with it.
func parseMovie(moov []byte) (*Movie, error) {
	moov, err := inflated(moov)
	if err != nil {
		return nil, err
	}
	m := &Movie{trex: make(map[uint32]trex)}
	var traks []box
	tags, broken := 0, false
	for b := range boxes(moov, &broken) {
		switch b.kind {
		case "mvhd":
			f := fields{p: b.body}
			version, _ := f.full()
			f.wide(version)
			f.wide(version)
			if m.timescale = f.u32(); f.short || m.timescale == 0 {
				return nil, fallback("the movie has no clock")
			}
			m.parts = append(m.parts, part{raw: bytes.Clone(b.raw)})
		case "udta", "meta":
			if tags += len(b.raw); tags > maxTags || len(m.parts) > 2*maxTraks {
				return nil, fallback("the tags have %d bytes", tags)
			}
			m.parts = append(m.parts, part{raw: bytes.Clone(b.raw)})
		case "mvex":
			m.fragmented = true
			m.readTrex(b.body, &broken)
		case "trak":
			if traks = append(traks, b); len(traks) > maxTraks {
				return nil, fallback("the movie has more than %d tracks", maxTraks)
			}
			m.parts = append(m.parts, part{})
		}
	}
	switch {
	case broken:
		return nil, fallback("the movie box holds something that is no box")
	case m.timescale == 0:
		return nil, fallback("the movie has no clock")
	}
	return m, m.addTraks(traks)
}

// addTraks reads the tracks, and keeps what is needed: audio, chapters, and whether edit lists count.
func (m *Movie) addTraks(found []box) error {
	var all []*trak
	for _, b := range found {
		t := parseTrak(b.body)
		if t.chapters != nil { // the last one holds for the whole file
			m.chapters = t.chapters
		}
		all = append(all, t)
	}
	next := 0
	for i := range m.parts {
		if m.parts[i].raw != nil {
			continue
		}
		t, body := all[next], found[next].body
		next++
		if t.handler != "soun" && soundFormats[t.format] {
			return fallback("a track of sound does not say that it is one")
		}
		chapter := m.isChapter(t.id)
		if t.handler == "soun" || chapter {
			if chapter && t.handler == "soun" {
				return fallback("a track of sound is said to hold chapters")
			}
			t = parseTrak(bytes.Clone(body)) // to let go of the rest of the movie box
			t.readSound()
		} else {
			t = &trak{id: t.id, emptyTimes: t.emptyTimes, err: t.err}
		}
		m.parts[i].trak = t
		if t.handler == "soun" {
			m.audio = append(m.audio, t)
		}
	}
	return nil
}

func (m *Movie) isChapter(id uint32) bool { return slices.Contains(m.chapters, id) }

// measure checks the audio tracks' tables and fills in what AudioTracks says. What is wrong with a track is kept for
// when it is asked for.
func (m *Movie) measure() {
	for _, t := range m.audio {
		if t.err == nil {
			t.err = t.check(m.size)
		}
		if t.err != nil {
			continue
		}
		for _, tb := range t.tables() {
			samples, bytes := tb.total()
			t.info.Samples += samples
			t.info.Bytes += bytes
			t.info.Duration += units(tb.duration(), t.timescale)
		}
	}
}

// units converts units of a clock to time, without overflow.
func units(n int64, timescale uint32) time.Duration {
	if timescale == 0 {
		return 0
	}
	ts := int64(timescale)
	if n/ts > int64(maxDuration/time.Second) {
		return maxDuration
	}
	return time.Duration(n/ts)*time.Second + time.Duration(n%ts)*time.Second/time.Duration(ts)
}

const maxDuration = 1 << 61

// withDuration is a copy of a movie, track or media header with another duration.
func withDuration(raw []byte, kind string, duration int64) []byte {
	raw = bytes.Clone(raw)
	b, _, ok := nextBox(raw)
	if !ok || len(b.body) < 4 {
		return raw
	}
	at, large := 16, b.body[0] == 1 // version, flags, two times, then the timescale
	if large {
		at = 24
	}
	if kind == "tkhd" { // or a track ID and four reserved bytes
		at += 4
	}
	switch {
	case large && len(b.body) >= at+8:
		binary.BigEndian.PutUint64(b.body[at:], uint64(duration))
	case !large && len(b.body) >= at+4:
		binary.BigEndian.PutUint32(b.body[at:], uint32(min(duration, 1<<32-2)))
	}
	return raw
}
