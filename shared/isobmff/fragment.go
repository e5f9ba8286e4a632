package isobmff

import (
	"encoding/binary"
	"math"
	"slices"
)

// trex are a track's defaults for its fragments (ISO 14496-12 §8.8.3).
type trex struct {
	description, duration, size uint32
}

func (m *Movie) readTrex(mvex []byte, broken *bool) {
	for b := range boxes(mvex, broken) {
		if b.kind != "trex" {
			continue
		}
		f := fields{p: b.body}
		f.full()
		id := f.u32()
		t := trex{description: f.u32(), duration: f.u32(), size: f.u32()}
		if _, known := m.trex[id]; !f.short && !known && len(m.trex) < maxTraks {
			m.trex[id] = t
		}
	}
}

// moof is a movie fragment box that has been read.
type moof struct {
	offset int64
	body   []byte
}

// addFragments appends the fragments' samples to the tables of the tracks that are kept. What is odd in a fragment
// spoils the tracks it may concern, or all when that cannot be told.
func (m *Movie) addFragments(moofs []moof) error {
	builders := make(map[uint32]*builder)
	var spelled int64
	for _, p := range m.parts {
		if p.trak == nil {
			continue
		}
		if _, twice := builders[p.trak.id]; twice {
			return fallback("two tracks have the same ID")
		}
		builders[p.trak.id] = nil
		if p.trak.handler != "" || m.isChapter(p.trak.id) {
			builders[p.trak.id] = &builder{trak: p.trak, table: table{sizeBits: 32, offsetSize: 8}, spelled: &spelled}
		}
	}
	for _, f := range moofs {
		if err := m.addFragment(f, builders); err != nil {
			return err
		}
	}
	for _, b := range builders {
		if b != nil {
			b.finish()
		}
	}
	return nil
}

// addFragment reads one movie fragment (ISO 14496-12 §8.8.4 to §8.8.8, §8.8.12).
func (m *Movie) addFragment(f moof, builders map[uint32]*builder) error {
	implicit := f.offset // where a track fragment's data begins that does not say it
	broken := false
	for b := range boxes(f.body, &broken) {
		if b.kind != "traf" {
			continue
		}
		head, ok := child(b.body, "tfhd")
		if !ok {
			return fallback("a track fragment has no header")
		}
		h, err := m.fragmentHeader(head.body, f.offset, implicit)
		if err != nil {
			return err
		}
		bl := builders[h.track]
		if err := h.runs(b.body, bl); err != nil {
			return err
		}
		implicit = h.end
	}
	if broken {
		return fallback("a fragment holds something that is no box")
	}
	return nil
}

// fragmentHeader is what a track fragment's header says, with the defaults filled in.
type fragmentHeader struct {
	track          uint32
	base, end      int64
	duration, size uint32
	description    uint32
}

func (m *Movie) fragmentHeader(tfhd []byte, offset, implicit int64) (fragmentHeader, error) {
	f := fields{p: tfhd}
	_, flags := f.full()
	h := fragmentHeader{track: f.u32()}
	defaults, ok := m.trex[h.track]
	if !ok {
		return h, fallback("a fragment belongs to a track without defaults")
	}
	h.description, h.duration, h.size = defaults.description, defaults.duration, defaults.size
	switch {
	case flags&1 != 0:
		h.base = int64(min(f.u64(), math.MaxInt64/2))
	case flags&0x20000 != 0:
		h.base = offset
	default:
		h.base = implicit
	}
	if flags&2 != 0 {
		h.description = f.u32()
	}
	if flags&8 != 0 {
		h.duration = f.u32()
	}
	if flags&0x10 != 0 {
		h.size = f.u32()
	}
	if f.short {
		return h, fallback("the header of a fragment is cut off")
	}
	return h, nil
}

// runs reads a track fragment's runs into the track's table; into none, when the track is not kept.
func (h *fragmentHeader) runs(traf []byte, to *builder) error {
	h.end = h.base
	first, broken := true, false
	for b := range boxes(traf, &broken) {
		switch b.kind {
		case "tfdt":
			f := fields{p: b.body}
			version, _ := f.full()
			if at := f.wide(version); to != nil && !f.short {
				to.moveTo(int64(min(at, math.MaxInt64/4)))
			}
		case "trun":
			r, err := h.run(b.body, first)
			if err != nil {
				return err
			}
			first = false
			if h.end, err = r.read(to); err != nil {
				return err
			}
			if to != nil && h.description != 1 {
				to.trak.spoil("it changes its format on the way")
			}
		case "senc", "saio":
			if to != nil {
				to.trak.sound.encrypted, to.trak.info.Encrypted = true, true
			}
		}
	}
	if broken {
		return fallback("a fragment holds something that is no box")
	}
	return nil
}

// run is a track run (ISO 14496-12 §8.8.8).
type run struct {
	offset         int64
	count          uint32
	duration, size uint32
	flags          uint32
	width          int
	entries        []byte
}

func (h *fragmentHeader) run(trun []byte, first bool) (run, error) {
	f := fields{p: trun}
	_, flags := f.full()
	r := run{count: f.u32(), flags: flags, duration: h.duration, size: h.size, offset: h.base}
	switch {
	case flags&1 != 0:
		r.offset += int64(int32(f.u32()))
	case !first:
		return r, fallback("a run does not say where it begins") // about which programs disagree
	}
	if flags&4 != 0 {
		f.u32()
	}
	for _, flag := range []uint32{0x100, 0x200, 0x400, 0x800} {
		if flags&flag != 0 {
			r.width += 4
		}
	}
	length := int64(r.count) * int64(r.width)
	if f.short || length > int64(len(f.p)) || r.offset < 0 {
		return r, fallback("a run is shorter than it says")
	}
	r.entries = f.p[:length]
	return r, nil
}

// read adds the run's samples and returns where they end in the file.
func (r run) read(to *builder) (end int64, err error) {
	if r.count == 0 {
		return r.offset, nil
	}
	if r.flags&0x300 == 0 {
		if r.size == 0 {
			return 0, fallback("a fragment has empty samples")
		}
		to.add(r.offset, r.count, r.duration, r.size)
		return r.offset + int64(r.count)*int64(r.size), nil
	}
	end = r.offset
	for p := r.entries; len(p) > 0; p = p[r.width:] {
		duration, size, at := r.duration, r.size, 0
		if r.flags&0x100 != 0 {
			duration, at = binary.BigEndian.Uint32(p), 4
		}
		if r.flags&0x200 != 0 {
			size = binary.BigEndian.Uint32(p[at:])
		}
		if size == 0 {
			return 0, fallback("a fragment has empty samples")
		}
		to.add(end, 1, duration, size)
		end += int64(size)
	}
	return end, nil
}

// builder makes a sample table out of fragments.
type builder struct {
	trak    *trak
	table   table
	end     int64 // in the file, of the last sample
	inChunk uint32
	chunks  uint32 // so far
	// base is when the first fragment begins, if dated; clock is what has been played since.
	base, clock int64
	dated       bool
	// spelled is how many sizes have been written into the tables of all tracks that no entry of a run stands for.
	spelled *int64
}

// moveTo says when the next sample begins. The sample before it is made to play up to there.
func (b *builder) moveTo(at int64) {
	if b.table.count == 0 && !b.dated {
		b.base, b.dated = at, true
	}
	n := len(b.table.times)
	gap := at - b.base - b.clock
	if gap == 0 || n < 8 || !b.dated || b.trak.err != nil {
		return
	}
	count, duration := binary.BigEndian.Uint32(b.table.times[n-8:]), int64(binary.BigEndian.Uint32(b.table.times[n-4:]))
	switch {
	case duration+gap <= 0:
		b.trak.spoil("its fragments overlap in time")
		return
	case duration+gap > math.MaxInt32:
		b.base += gap // a jump in time, not a pause
		return
	}
	if count == 1 {
		b.table.times = b.table.times[:n-8]
	} else {
		binary.BigEndian.PutUint32(b.table.times[n-8:], count-1)
	}
	b.time(1, uint32(duration+gap))
	b.clock += gap
}

// time notes how long count samples play.
func (b *builder) time(count, duration uint32) {
	p := b.table.times
	if n := len(p); n >= 8 && binary.BigEndian.Uint32(p[n-4:]) == duration {
		if before := binary.BigEndian.Uint32(p[n-8:]); before <= math.MaxUint32-count {
			binary.BigEndian.PutUint32(p[n-8:], before+count)
			return
		}
	}
	b.table.times = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(p, count), duration)
}

// add appends count samples of the same duration and size, which lie together.
func (b *builder) add(offset int64, count, duration, size uint32) {
	if b == nil {
		return
	}
	t := &b.table
	switch {
	case b.trak.err != nil:
		return
	case t.count+int64(count) > maxSamples:
		b.trak.spoil("it has more than %d samples", maxSamples)
		return
	}
	if t.count == 0 {
		t.uniform = size
	}
	if t.uniform != size {
		if t.uniform != 0 { // until now they were all alike
			b.spell(t.count, t.uniform)
			t.uniform = 0
		}
		if count > 1 {
			b.spell(int64(count), size)
		} else {
			t.sizes = binary.BigEndian.AppendUint32(t.sizes, size)
		}
		if b.trak.err != nil {
			return
		}
	}
	t.count += int64(count)
	b.clock += int64(count) * int64(duration)
	b.time(count, duration)
	if offset != b.end || b.inChunk == 0 || b.inChunk > math.MaxUint32-count {
		b.flush()
		b.table.offsets = binary.BigEndian.AppendUint64(b.table.offsets, uint64(offset))
	}
	b.inChunk += count
	b.end = offset + int64(count)*int64(size)
}

// spell writes a size down for each of so many samples. A run says that in a few bytes, so that the tracks share a bound
// on it.
func (b *builder) spell(count int64, size uint32) {
	if *b.spelled += count; *b.spelled > maxSamples {
		b.trak.spoil("its fragments say in few words of many samples how long they are")
		return
	}
	sizes := slices.Grow(b.table.sizes, int(4*count))
	for range count {
		sizes = binary.BigEndian.AppendUint32(sizes, size)
	}
	b.table.sizes = sizes
}

// flush notes how many samples the chunk that has just ended holds.
func (b *builder) flush() {
	if b.inChunk == 0 {
		return
	}
	b.chunks++
	p := b.table.perChunk
	if n := len(p); n < 12 || binary.BigEndian.Uint32(p[n-8:]) != b.inChunk {
		for _, v := range []uint32{b.chunks, b.inChunk, 1} {
			p = binary.BigEndian.AppendUint32(p, v)
		}
		b.table.perChunk = p
	}
	b.inChunk = 0
}

// finish hands the table to the track.
func (b *builder) finish() {
	b.flush()
	t := &b.table
	t.sizes, t.times = slices.Clip(t.sizes), slices.Clip(t.times)
	b.trak.fragments, b.trak.dated, b.trak.base = *t, b.dated, b.base
	left := t.count
	t.eachTime(func(count, duration uint32) bool {
		if left -= int64(count); duration == 0 && (left > 0 || count > 1) {
			b.trak.spoil("its fragments have samples that do not play")
		}
		return b.trak.err == nil
	})
}
