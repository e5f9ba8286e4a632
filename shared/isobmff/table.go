package isobmff

import (
	"encoding/binary"
	"math"
)

// table is the sample table of a track (ISO 14496-12 §8.6 and §8.7), walked where it lies in the movie box. One made
// from movie fragments has the same form.
type table struct {
	times      []byte // stts: count and duration, 32 bits each
	perChunk   []byte // stsc: first chunk, samples in each from there on, sample description
	offsets    []byte // stco or co64
	offsetSize int    // 4 or 8
	sizes      []byte // stsz or stz2, unless uniform
	sizeBits   int    // 4, 8, 16 or 32
	uniform    uint32 // stsz's size of every sample; 0: they differ
	count      int64  // of samples, as stsz says

	// chunked is how a demuxer takes samples that play one unit each: it looks at chunks, not at samples, and the
	// sample description says how long those are.
	chunked bool
	// frameSamples samples are frameBytes long together, in a chunked track.
	frameSamples, frameBytes int64

	pieces int64 // in which the samples lie in the file, once it has been checked
}

// tables are the track's samples, in order: those in the movie box, then those in movie fragments.
func (t *trak) tables() []*table { return []*table{&t.table, &t.fragments} }

// readSizes takes note of a sample size box; false when it is shorter than it says.
func (t *table) readSizes(b box) bool {
	f := fields{p: b.body}
	f.full()
	if b.kind == "stsz" {
		t.uniform, t.sizeBits = f.u32(), 32
	} else {
		t.sizeBits = int(f.u32() & 0xff)
		if t.sizeBits != 4 && t.sizeBits != 8 && t.sizeBits != 16 {
			return false
		}
	}
	t.count = int64(f.u32())
	if t.uniform == 0 {
		length := (t.count*int64(t.sizeBits) + 7) / 8
		if length > int64(len(f.p)) {
			return false
		}
		t.sizes = f.p[:length]
	}
	return !f.short
}

// size is the length of sample i, which is below count, in bytes.
func (t *table) size(i int64) int64 {
	if t.uniform != 0 {
		return int64(t.uniform)
	}
	switch t.sizeBits {
	case 32:
		return int64(binary.BigEndian.Uint32(t.sizes[4*i:]))
	case 16:
		return int64(binary.BigEndian.Uint16(t.sizes[2*i:]))
	case 8:
		return int64(t.sizes[i])
	}
	if i%2 == 0 {
		return int64(t.sizes[i/2] >> 4)
	}
	return int64(t.sizes[i/2] & 0xf)
}

func (t *table) chunks() int { return len(t.offsets) / max(1, t.offsetSize) }

func (t *table) offset(chunk int) int64 {
	if t.offsetSize == 8 {
		return int64(min(binary.BigEndian.Uint64(t.offsets[8*chunk:]), math.MaxInt64))
	}
	return int64(binary.BigEndian.Uint32(t.offsets[4*chunk:]))
}

// chunk is a run of samples that lie together.
type chunk struct {
	offset, length int64
	first, samples int64
}

// eachChunk visits the chunks in order, until visit says stop. It is an error when the tables contradict each other.
func (t *table) eachChunk(visit func(c chunk) bool) error {
	var c chunk
	entry := -1
	next := uint32(1) // the chunk at which the next entry takes over
	var samples int64
	for i := range t.chunks() {
		for uint32(i+1) == next && (entry+1)*12 < len(t.perChunk) {
			entry++
			e := t.perChunk[12*entry:]
			first, n, description := binary.BigEndian.Uint32(e), binary.BigEndian.Uint32(e[4:]), binary.BigEndian.Uint32(e[8:])
			if first != next || n == 0 {
				return fallback("its chunks do not follow each other")
			}
			if description != 1 {
				return fallback("it changes its format on the way")
			}
			samples = int64(n)
			next = 0
			if len(e) >= 24 {
				if next = binary.BigEndian.Uint32(e[12:]); next <= first {
					return fallback("its chunks do not follow each other")
				}
			}
		}
		if samples == 0 {
			return fallback("its first chunks are empty")
		}
		c = chunk{offset: t.offset(i), first: c.first + c.samples, samples: samples}
		var err error
		if c.length, err = t.length(c.first, samples); err != nil {
			return err
		}
		if !visit(c) {
			return nil
		}
	}
	if 12*(entry+1) < len(t.perChunk) {
		return fallback("it describes chunks that are not there")
	}
	return nil
}

// length is what n samples from first on add up to.
func (t *table) length(first, n int64) (int64, error) {
	if t.chunked {
		if n%t.frameSamples != 0 {
			return 0, fallback("a chunk ends in the middle of a frame")
		}
		return n / t.frameSamples * t.frameBytes, nil
	}
	if first+n > t.count {
		return 0, fallback("it has fewer samples than its chunks hold")
	}
	if t.uniform != 0 {
		return n * int64(t.uniform), nil
	}
	var sum int64
	if t.sizeBits == 32 {
		for p := t.sizes[4*first : 4*(first+n)]; len(p) >= 4; p = p[4:] {
			sum += int64(binary.BigEndian.Uint32(p))
		}
		return sum, nil
	}
	for i := first; i < first+n; i++ {
		sum += t.size(i)
	}
	return sum, nil
}

// total is how many samples the chunks hold and how many bytes. The tables have been checked.
func (t *table) total() (samples, bytes int64) {
	_ = t.eachChunk(func(c chunk) bool {
		samples += c.samples
		bytes += c.length
		return true
	})
	return samples, bytes
}

// eachTime visits the runs of samples that play equally long.
func (t *table) eachTime(visit func(count, duration uint32) bool) {
	for p := t.times; len(p) >= 8; p = p[8:] {
		if !visit(binary.BigEndian.Uint32(p), binary.BigEndian.Uint32(p[4:])) {
			return
		}
	}
}

// duration is how long all samples play, in the track's clock.
func (t *table) duration() int64 {
	var sum uint64
	t.eachTime(func(count, duration uint32) bool {
		sum = min(sum, math.MaxInt64) + uint64(count)*uint64(duration)
		return true
	})
	return int64(min(sum, math.MaxInt64))
}

// check makes sure that the chunks lie within the file, that no two overlap, and that their number can be dealt with.
func (t *table) check(fileSize int64) error {
	var sum, end int64
	t.pieces = 0
	ascending := true
	var bad error
	var last chunk
	err := t.eachChunk(func(c chunk) bool {
		switch {
		case c.offset > fileSize || c.length > fileSize-c.offset:
			bad = fallback("its samples lie beyond the end of the file")
		case sum+c.length > fileSize:
			bad = fallback("it has more bytes than the file")
		}
		sum += c.length
		if c.length > 0 {
			if c.offset != end || t.pieces == 0 {
				t.pieces++
			}
			ascending = ascending && c.offset >= end
			end = c.offset + c.length
		}
		last = c
		return bad == nil
	})
	switch {
	case err != nil:
		return err
	case bad != nil:
		return bad
	case t.pieces > maxExtents:
		return fallback("it lies in %d pieces", t.pieces)
	case last.first+last.samples > maxSamples && t.uniform == 0 && !t.chunked:
		return fallback("it has %d samples", last.first+last.samples)
	case !ascending:
		return t.checkOverlap()
	}
	return nil
}
