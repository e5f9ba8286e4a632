package isobmff

import (
	"encoding/binary"
	"math"
	"slices"
)

// header writes the virtual file up to the first sample.
//
// A demuxer must decide about it what it decides about the original. So samples that come in movie fragments stay in a
// fragment, one for all of them: edit lists are read in another way for such a track, and each version of ffmpeg has its
// own.
func (x *extraction) header(audioBytes int64) []byte {
	h := headerWriter{x: x, large: audioBytes > math.MaxUint32-1<<28} // the header itself is never that long
	w := &h.w
	length := 64<<10 + 8*int(x.sound.fragments.count) + len(x.sound.table.sizes) + len(x.sound.table.times) + 8*x.sound.table.chunks()
	w.p = make([]byte, 0, length) // about; the rest is a matter of growing
	w.raw(x.movie.ftyp)
	w.box("moov", h.movie)
	h.fragment()
	var titles []byte
	for _, c := range x.chapters {
		titles = append(titles, c.data...)
	}
	if size := audioBytes + int64(len(titles)); h.large {
		w.u32(1)
		w.p = append(w.p, "mdat"...)
		w.u64(uint64(size + 16))
	} else {
		w.u32(uint32(size + 8))
		w.p = append(w.p, "mdat"...)
	}
	start := int64(len(w.p))
	w.raw(titles)
	for _, set := range h.offsets {
		set(start, int64(len(w.p)))
	}
	return w.p
}

// headerWriter writes the boxes of a header.
type headerWriter struct {
	x     *extraction
	w     writer
	large bool
	// offsets are set at last, from where chapter titles and samples begin.
	offsets []func(titles, samples int64)
}

// movie writes the body of the movie box.
func (h *headerWriter) movie() {
	x, w := h.x, &h.w
	// The sound's own track has the effect too when it is empty.
	disabled := !x.hasEdits() || x.part == nil && x.sound.emptyTimes && len(x.chapters) == 0
	for _, p := range x.movie.parts {
		switch {
		case p.trak == nil && string(p.raw[4:8]) == "mvhd" && x.part != nil:
			w.raw(withDuration(p.raw, "mvhd", x.inMovieClock(x.part.duration())))
		case p.trak == nil:
			w.raw(p.raw)
		case p.trak == x.sound:
			h.soundTrak()
		default:
			if i := slices.IndexFunc(x.chapters, func(c chapterTrack) bool { return c.trak == p.trak }); i >= 0 {
				h.chapterTrak(&x.chapters[i])
			} else if p.trak.emptyTimes && !disabled {
				w.raw(emptyTrak())
			} else {
				continue
			}
		}
		disabled = disabled || p.trak != nil && p.trak.emptyTimes
	}
	if trafs := h.trafs(); len(trafs) > 0 {
		w.box("mvex", func() {
			for _, t := range trafs {
				w.box("trex", func() {
					for _, v := range []uint32{0, t.id, 1, 0, 0, 0} {
						w.u32(v)
					}
				})
			}
		})
	}
}

// hasEdits says whether any track carried along has an edit list.
func (x *extraction) hasEdits() bool {
	return len(x.sound.edits) > 0 && !x.noEdits ||
		slices.ContainsFunc(x.chapters, func(c chapterTrack) bool { return len(c.trak.edits) > 0 })
}

// inMovieClock converts from the audio track's clock, rounding up.
func (x *extraction) inMovieClock(n int64) int64 {
	return int64(math.Ceil(float64(n) / float64(x.sound.timescale) * float64(x.movie.timescale)))
}

func (h *headerWriter) soundTrak() {
	t, tb := h.x.sound, h.x.part
	if tb == nil {
		tb = &t.table
	}
	set := h.trak(t, tb)
	h.offsets = append(h.offsets, func(_, samples int64) { set(samples) })
}

func (h *headerWriter) chapterTrak(c *chapterTrack) {
	set := h.trak(c.trak, &c.table)
	h.offsets = append(h.offsets, func(titles, _ int64) { set(titles + c.at) })
}

// trak writes a track with that sample table. What it returns sets the chunk offsets.
func (h *headerWriter) trak(t *trak, tb *table) (set func(int64)) {
	w := &h.w
	part := tb == h.x.part
	duration := int64(0)
	if part {
		duration = tb.duration()
	}
	w.box("trak", func() {
		for _, raw := range t.children {
			switch kind := string(raw[4:8]); {
			case kind == "edts" && t == h.x.sound && h.x.noEdits:
			case kind == "tkhd" && part:
				w.raw(withDuration(raw, kind, h.x.inMovieClock(duration)))
			default:
				w.raw(raw)
			}
		}
		if t == h.x.sound && len(h.x.chapters) > 0 {
			w.box("tref", func() {
				w.box("chap", func() {
					for _, c := range h.x.chapters {
						w.u32(c.trak.id)
					}
				})
			})
		}
		w.box("mdia", func() {
			for _, raw := range t.media {
				if kind := string(raw[4:8]); kind == "mdhd" && part {
					raw = withDuration(raw, kind, duration)
				}
				w.raw(raw)
			}
			w.box("minf", func() {
				for _, raw := range t.minf {
					w.raw(raw)
				}
				w.box("stbl", func() {
					w.raw(t.stsd.raw)
					set = tb.write(w, h.large)
					for _, raw := range t.extras {
						if tb == &t.table {
							w.raw(raw)
						}
					}
				})
			})
		})
	})
	return set
}

// write writes the table's boxes, for chunks that follow each other without a gap from an offset set later.
func (t *table) write(w *writer, large bool) (set func(base int64)) {
	counted := func(kind string, entries []byte, width int) {
		w.box(kind, func() {
			w.u32(0)
			w.u32(uint32(len(entries) / width))
			w.raw(entries)
		})
	}
	counted("stts", t.times, 8)
	counted("stsc", t.perChunk, 12)
	if t.sizeBits == 4 || t.sizeBits == 8 || t.sizeBits == 16 {
		w.box("stz2", func() {
			w.u32(0)
			w.u32(uint32(t.sizeBits))
			w.u32(uint32(t.count))
			w.raw(t.sizes)
		})
	} else {
		w.box("stsz", func() {
			w.u32(0)
			w.u32(t.uniform)
			w.u32(uint32(t.count))
			w.raw(t.sizes)
		})
	}
	kind, width := "stco", 4
	if large {
		kind, width = "co64", 8
	}
	var at int
	w.box(kind, func() {
		w.u32(0)
		w.u32(uint32(t.chunks()))
		at = len(w.p)
		w.p = append(w.p, make([]byte, width*t.chunks())...)
	})
	return func(base int64) {
		p := w.p[at:]
		_ = t.eachChunk(func(c chunk) bool { // it has been checked
			if large {
				binary.BigEndian.PutUint64(p, uint64(base))
			} else {
				binary.BigEndian.PutUint32(p, uint32(base))
			}
			p = p[width:]
			base += c.length
			return true
		})
	}
}

// trafs are the tracks that have samples in the fragment.
func (h *headerWriter) trafs() []*trak {
	var list []*trak
	for _, c := range h.x.chapters {
		if c.trak.fragments.count > 0 {
			list = append(list, c.trak)
		}
	}
	if h.x.part == nil && h.x.sound.fragments.count > 0 {
		list = append(list, h.x.sound)
	}
	return list
}

// fragment writes the one movie fragment, if there is to be any.
func (h *headerWriter) fragment() {
	trafs := h.trafs()
	if len(trafs) == 0 {
		return
	}
	w := &h.w
	start := int64(len(w.p))
	w.box("moof", func() {
		w.box("mfhd", func() {
			w.u32(0)
			w.u32(1)
		})
		for _, t := range trafs {
			w.box("traf", func() { h.traf(t, start) })
		}
	})
}

// traf writes a track's part of the fragment that begins at start.
func (h *headerWriter) traf(t *trak, start int64) {
	w, tb := &h.w, &t.fragments
	w.box("tfhd", func() {
		w.u32(0x20000) // offsets are counted from the fragment
		w.u32(t.id)
	})
	if t.dated {
		w.box("tfdt", func() {
			w.u32(1 << 24)
			w.u64(uint64(t.base))
		})
	}
	w.box("trun", func() {
		w.u32(0x301) // with an offset, durations and sizes
		w.u32(uint32(tb.count))
		at := len(w.p)
		w.u32(0)
		i := int64(0)
		tb.eachTime(func(count, duration uint32) bool {
			for range count {
				w.u32(duration)
				w.u32(uint32(tb.size(i)))
				i++
			}
			return true
		})
		_, first := t.table.total()
		h.offsets = append(h.offsets, func(titles, samples int64) {
			if t != h.x.sound {
				j := slices.IndexFunc(h.x.chapters, func(c chapterTrack) bool { return c.trak == t })
				samples = titles + h.x.chapters[j].at
			}
			binary.BigEndian.PutUint32(w.p[at:], uint32(samples+first-start))
		})
	})
}

// emptyTrak is a track without samples, of no kind that matters. From such a track on, newer versions of ffmpeg read
// edit lists in another way, and so they did in the original.
func emptyTrak() []byte {
	var w writer
	w.box("trak", func() {
		w.box("tkhd", func() {
			w.u32(0)
			w.u64(0)
			w.u32(math.MaxInt32) // the ID
			w.raw(make([]byte, 68))
		})
		w.box("mdia", func() {
			w.box("mdhd", func() {
				w.u32(0)
				w.u64(0)
				w.u32(1000)
				w.raw(make([]byte, 8))
			})
			w.box("hdlr", func() {
				w.u64(0)
				w.p = append(w.p, "data"...)
				w.raw(make([]byte, 13))
			})
			w.box("minf", func() {
				w.box("stbl", func() {
					w.box("stts", func() { w.u64(0) })
				})
			})
		})
	})
	return w.p
}
