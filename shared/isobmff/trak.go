package isobmff

import (
	"encoding/binary"
	"slices"
)

// trak is a track: its boxes as they are, and what of them matters here.
type trak struct {
	info     Track
	id       uint32
	handler  string
	format   string // of the first sample entry
	chapters []uint32
	// emptyTimes is true for a track without samples in the movie box. From the first such track on, ffmpeg reads
	// edit lists in another way, all through the file.
	emptyTimes bool

	children [][]byte // of the trak box, except mdia
	media    [][]byte // of the mdia box, except minf
	minf     [][]byte // of the minf box, except stbl
	extras   [][]byte // of the stbl box, those that are copied when all samples are taken

	timescale uint32
	edits     []edit
	dref      []byte
	stsd      box
	sound     sound
	table     table
	// fragments are the samples that follow in movie fragments; base is the decode time of the first, if dated.
	fragments table
	base      int64
	dated     bool
	err       error
	// broken is true when something in it is no box, or a box without a length.
	broken bool
	stbls  int // sample table boxes
}

// edit is an entry of the edit list (ISO 14496-12 §8.6.6): duration in the movie's clock, time in the track's.
type edit struct {
	duration uint64
	time     int64
}

// parseTrak reads a track; what it keeps shares memory with body. What is wrong with the track is kept in it.
func parseTrak(body []byte) *trak {
	t := &trak{}
	media := 0
	for b := range boxes(body, &t.broken) {
		switch b.kind {
		case "tkhd":
			t.readTkhd(b.body)
			t.keep(&t.children, b)
		case "edts":
			t.readEdits(b.body)
			t.keep(&t.children, b)
		case "udta", "meta":
			t.keep(&t.children, b)
		case "tref":
			if chap, ok := child(b.body, "chap"); ok {
				t.chapters = ids(chap.body)
			}
		case "mdia":
			t.readMedia(b.body)
			media++
		}
	}
	t.info.ID, t.info.Codec, t.info.Timescale = t.id, t.format, t.timescale
	if t.broken {
		t.spoil("it holds something that is no box")
	}
	if media != 1 || t.id == 0 || t.timescale == 0 {
		t.spoil("the track lacks its headers")
	}
	return t
}

func (t *trak) spoil(format string, args ...any) {
	if t.err == nil {
		t.err = fallback(format, args...)
	}
}

// keep notes a box that is copied as it is.
func (t *trak) keep(to *[][]byte, b box) {
	if len(b.raw) > maxSmall {
		t.spoil("its %q box has %d bytes", b.kind, len(b.raw))
	}
	if len(*to) >= maxKept {
		t.spoil("it has more than %d boxes of a kind that matters", maxKept)
		return
	}
	for _, raw := range *to {
		if string(raw[4:8]) == b.kind && b.kind != "udta" {
			t.spoil("it has two %q boxes", b.kind)
		}
	}
	*to = append(*to, b.raw)
}

// maxKept is how many boxes of a track are copied, of each place that they lie in.
const maxKept = 32

func ids(p []byte) []uint32 {
	list := make([]uint32, 0, min(len(p)/4, maxTraks))
	for ; len(p) >= 4 && len(list) < maxTraks; p = p[4:] {
		list = append(list, binary.BigEndian.Uint32(p))
	}
	return list
}

func (t *trak) readTkhd(body []byte) {
	f := fields{p: body}
	version, flags := f.full()
	f.wide(version)
	f.wide(version)
	t.id = f.u32()
	t.info.Default = flags&1 != 0
}

func (t *trak) readEdits(body []byte) {
	var elst []byte
	for b := range boxes(body, &t.broken) {
		if b.kind == "elst" && elst != nil {
			t.spoil("it has two edit lists")
		} else if b.kind == "elst" {
			elst = b.body
		}
	}
	if elst == nil {
		return
	}
	f := fields{p: elst}
	version, _ := f.full()
	f.u32()
	entry := 12 // ffmpeg believes the size of the box, not the count
	if version == 1 {
		entry = 20
	}
	if len(f.p) > 64*entry {
		t.spoil("its edit list has %d bytes", len(f.p))
		return
	}
	for len(f.p) >= entry {
		e := edit{duration: f.wide(version)}
		if version == 1 {
			e.time = int64(f.u64())
		} else {
			e.time = int64(int32(f.u32()))
		}
		f.u32() // rate
		t.edits = append(t.edits, e)
	}
}

func (t *trak) readMedia(body []byte) {
	for b := range boxes(body, &t.broken) {
		switch b.kind {
		case "mdhd":
			f := fields{p: b.body}
			version, _ := f.full()
			f.wide(version)
			f.wide(version)
			t.timescale = f.u32()
			t.keep(&t.media, b)
		case "hdlr":
			if len(b.body) >= 12 {
				t.handler = string(b.body[8:12])
			}
			t.keep(&t.media, b)
		case "elng":
			t.keep(&t.media, b)
		case "minf":
			t.readInformation(b.body)
		}
	}
}

func (t *trak) readInformation(body []byte) {
	for b := range boxes(body, &t.broken) {
		switch b.kind {
		case "stbl":
			t.readTables(b.body)
		case "dinf":
			dref, _ := child(b.body, "dref")
			t.dref = dref.body
			t.keep(&t.minf, b)
		case "smhd", "gmhd", "nmhd", "sthd", "vmhd", "hdlr":
			t.keep(&t.minf, b)
		}
	}
}

// readTables takes note of the sample tables, where they are.
func (t *trak) readTables(body []byte) {
	tb := &t.table
	if t.stbls++; t.stbls > 1 {
		t.spoil("it has two sample tables")
		return
	}
	var seen []string
	once := func(kind string) {
		if slices.Contains(seen, kind) {
			t.spoil("it has two %q boxes", kind)
			return
		}
		seen = append(seen, kind)
	}
	entries := func(b box, width int) []byte {
		once(b.kind)
		f := fields{p: b.body}
		f.full()
		n := int64(f.u32())
		if f.short || n*int64(width) > int64(len(f.p)) {
			t.spoil("its %q box is shorter than it says", b.kind)
			return nil
		}
		return f.p[:n*int64(width)]
	}
	for b := range boxes(body, &t.broken) {
		switch b.kind {
		case "stsd":
			once("stsd")
			if len(b.raw) > maxSmall {
				t.spoil("its sample description has %d bytes", len(b.raw))
				continue
			}
			if t.stsd = b; len(b.body) >= 16 {
				t.format = string(b.body[12:16])
			}
		case "stts":
			tb.times = entries(b, 8)
		case "stsc":
			tb.perChunk = entries(b, 12)
		case "stco":
			once("co64")
			tb.offsets, tb.offsetSize = entries(b, 4), 4
		case "co64":
			once("stco")
			tb.offsets, tb.offsetSize = entries(b, 8), 8
		case "stsz", "stz2":
			once("sizes")
			if !tb.readSizes(b) {
				t.spoil("its %q box is shorter than it says", b.kind)
			}
		case "ctts", "stss", "stps", "sdtp", "sgpd", "sbgp":
			if t.extras = append(t.extras, b.raw); len(t.extras) > maxKept {
				t.spoil("it has more than %d boxes of a kind that matters", maxKept)
				return
			}
		}
	}
	t.emptyTimes = len(tb.times) == 0 && len(tb.offsets) == 0 && tb.count == 0
}
