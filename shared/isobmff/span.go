package isobmff

import (
	"encoding/binary"
	"math"
	"time"
)

const (
	// preroll is how much of the sound before a span is decoded too, at least, for the decoder to get going.
	preroll = 200 * time.Millisecond
	// prerollPackets is the same in packets: enough for MP3's bit reservoir and for overlapping transforms.
	prerollPackets = 12
)

// cut narrows what is taken to what the span needs, if that can be told exactly.
func (x *extraction) cut(span Span, e *Extract) {
	frame, ok := x.sound.frame()
	if !ok || span.Start <= 0 && span.End <= 0 {
		return
	}
	priming, end, ok := x.priming()
	if !ok {
		return
	}
	rate := int64(x.sound.timescale)
	samples, _ := x.samples().total()
	whole := samples * frame
	stop := whole
	if span.End > 0 {
		stop = min(stop, inSamples(span.End, rate)+1+priming)
	}
	if stop > end {
		return // it ends at a packet which only the whole index shows
	}
	before := prerollPackets * frame
	if frame == 1 || x.sound.format == "alac" || x.sound.format == "fLaC" {
		before = 0 // every packet stands for itself
	} else {
		before = max(before, inSamples(preroll, rate))
	}
	first := max(0, (inSamples(span.Start, rate)+priming-before)/frame)
	last := min(samples, (stop+frame-1)/frame+1)
	if first*frame < priming {
		first = 0
	}
	if first >= last || first == 0 && last == samples || last == samples && x.endIsUnsure(frame) {
		return
	}
	x.first, x.last = first, last
	part := x.samples().part(first, last)
	x.part = &part
	e.Partial = true
	if first > 0 { // then nothing of the priming is left to cut off
		x.noEdits = true
		e.Skip = first*frame + x.sound.preSkip() - priming
	}
}

// endIsUnsure is true when newer versions of ffmpeg would cut a short last packet to the length it plays in the extract,
// but not in the original: they do not after a delay, nor in fragments.
func (x *extraction) endIsUnsure(frame int64) bool {
	edits := x.sound.edits
	delayed := len(edits) > 0 && edits[0].time == -1
	if !delayed && x.sound.fragments.count == 0 {
		return false
	}
	last := frame
	x.samples().eachTime(func(_, duration uint32) bool {
		last = int64(duration)
		return true
	})
	return last != frame
}

// preSkip is how many samples at its start an Opus decoder leaves out by itself, when no edit list says how many.
func (t *trak) preSkip() int64 {
	dops, ok := child(t.sound.children, "dOps")
	if t.format != "Opus" || !ok || len(dops.body) < 4 {
		return 0
	}
	return int64(binary.BigEndian.Uint16(dops.body[2:]))
}

// inSamples rounds a time down to samples, without overflow.
func inSamples(d time.Duration, rate int64) int64 {
	if d <= 0 {
		return 0
	}
	seconds := int64(d / time.Second)
	if seconds > math.MaxInt64/4/rate {
		return math.MaxInt64 / 4
	}
	return seconds*rate + int64(d%time.Second)*rate/int64(time.Second)
}

// priming is how many samples at the start of the media ffmpeg cuts off, and where the edit list ends the sound.
func (x *extraction) priming() (samples, end int64, ok bool) {
	if len(x.sound.edits) == 0 {
		return x.sound.preSkip(), math.MaxInt64, true
	}
	start, end, ok := x.singleEdit()
	if !ok {
		return 0, 0, false
	}
	if start == 0 {
		start = x.sound.preSkip()
	}
	if x.simpleEdits() {
		return start, math.MaxInt64, start == 0 // else it depends on the version whether anything is cut off
	}
	whole := x.samples().duration()
	if end >= whole {
		end = math.MaxInt64
	}
	return start, end, start < whole
}

// samples is the one table that has all samples, when there is one.
func (x *extraction) samples() *table {
	if x.sound.fragments.count > 0 {
		return &x.sound.fragments
	}
	return &x.sound.table
}

// simpleEdits is true when newer versions of ffmpeg read the track's edit list in a simpler way: from a track on that
// has no samples in the movie box.
func (x *extraction) simpleEdits() bool {
	for _, p := range x.movie.parts {
		if p.trak != nil && (p.trak.emptyTimes || p.trak.err != nil) {
			return true
		}
		if p.trak == x.sound {
			break
		}
	}
	return false
}

// singleEdit says which part of the media the edit list takes, in the track's clock, when it takes one part; a delay
// before it changes nothing for what is decoded.
func (x *extraction) singleEdit() (start, end int64, ok bool) {
	edits := x.sound.edits
	if len(edits) > 0 && edits[0].time == -1 {
		edits = edits[1:]
	}
	if len(edits) != 1 || edits[0].time < 0 || edits[0].time > math.MaxInt32 {
		return 0, 0, false
	}
	d := float64(edits[0].duration) * float64(x.sound.timescale) / float64(x.movie.timescale)
	if d > math.MaxInt64/4 {
		return 0, 0, false
	}
	return edits[0].time, edits[0].time + int64(d), true
}

// frame is how many samples a packet of this track decodes to, when all packets decode to as many as they play, the
// last one apart.
func (t *trak) frame() (int64, bool) {
	rate := t.info.SampleRate
	if int64(rate) != int64(t.timescale) || t.fragments.count > 0 && t.table.chunks() > 0 {
		return 0, false
	}
	tb := &t.table
	if t.fragments.count > 0 {
		tb = &t.fragments
	}
	var frame int64
	switch object, _ := esds(t); {
	case t.table.chunked:
		return 1, t.table.frameSamples == 1 && t.sound.sampleBytes > 0
	case isAAC(t):
		c, ok := aacConfig(t)
		// At low rates there may be spectral band replication that only the packets show.
		if !ok || c.object != 2 || c.sbr || c.rate <= 24000 {
			return 0, false
		}
		frame = c.frame
	case t.format == ".mp3", t.format == "mp4a" && (object == 0x6b || object == 0x69):
		if frame = 576; rate >= 32000 {
			frame = 1152
		}
	case t.format == "ac-3", t.format == "ec-3":
		frame = 1536
	case t.format == "samr" && rate == 8000:
		frame = 160
	case t.format == "sawb" && rate == 16000:
		frame = 320
	case t.format == "alac", t.format == "fLaC", t.format == "Opus":
		if len(tb.times) >= 8 {
			frame = int64(binary.BigEndian.Uint32(tb.times[4:]))
		}
	}
	return frame, frame > 0 && tb.steady(frame)
}

// steady says whether every sample plays that long, but for the last one.
func (t *table) steady(frame int64) bool {
	var seen, odd int64
	t.eachTime(func(count, duration uint32) bool {
		if int64(duration) == frame {
			seen += int64(count)
			return odd == 0
		}
		odd += int64(count)
		return odd <= 1
	})
	return odd <= 1 && seen+odd == t.count
}

// part is the table of samples first to last-1, in one chunk.
func (t *table) part(first, last int64) table {
	n := last - first
	p := table{
		perChunk: oneChunk(uint32(n)), offsets: make([]byte, 8), offsetSize: 8, uniform: t.uniform, sizeBits: 32, count: n,
		chunked: t.chunked, frameSamples: t.frameSamples, frameBytes: t.frameBytes,
	}
	if t.uniform == 0 && !t.chunked {
		p.sizes = make([]byte, 0, 4*n)
		for i := first; i < last; i++ {
			p.sizes = binary.BigEndian.AppendUint32(p.sizes, uint32(t.size(i)))
		}
	} else if t.uniform == 0 {
		p.uniform = uint32(t.frameBytes)
	}
	var times writer
	if t.chunked {
		times.u32(uint32(n))
		times.u32(1)
		p.times = times.p
		return p
	}
	at := int64(0)
	t.eachTime(func(count, duration uint32) bool {
		from, to := max(first, at), min(last, at+int64(count))
		if from < to {
			times.u32(uint32(to - from))
			times.u32(duration)
		}
		at += int64(count)
		return at < last
	})
	p.times = times.p
	return p
}
