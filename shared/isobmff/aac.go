package isobmff

// aac is the part of an AudioSpecificConfig (ISO 14496-3 §1.6.2.1) that says how many samples a packet decodes to.
type aac struct {
	object int
	rate   int
	frame  int64
	sbr    bool
}

var aacRates = [...]int{96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350}

// descriptor finds the first descriptor with that tag (ISO 14496-1 §7.2.2).
func descriptor(p []byte, tag byte) ([]byte, bool) {
	for len(p) >= 2 {
		kind, size, n := p[0], 0, 1
		for ; n < len(p) && n < 5; n++ {
			size = size<<7 | int(p[n]&0x7f)
			if p[n]&0x80 == 0 {
				n++
				break
			}
		}
		if size > len(p)-n {
			return nil, false
		}
		if kind == tag {
			return p[n : n+size], true
		}
		p = p[n+size:]
	}
	return nil, false
}

// esds finds the object type and the decoder's configuration in an MP4 audio sample entry; QuickTime hides it in "wave".
func esds(t *trak) (objectType byte, config []byte) {
	children := t.sound.children
	if wave, ok := child(children, "wave"); ok {
		children = wave.body
	}
	b, ok := child(children, "esds")
	if !ok || len(b.body) < 4 {
		return 0, nil
	}
	es, ok := descriptor(b.body[4:], 3)
	if !ok || len(es) < 3 {
		return 0, nil
	}
	skip, flags := 3, es[2]
	if flags&0x80 != 0 {
		skip += 2
	}
	if flags&0x40 != 0 && skip < len(es) {
		skip += 1 + int(es[skip])
	}
	if flags&0x20 != 0 {
		skip += 2
	}
	if skip > len(es) {
		return 0, nil
	}
	decoder, ok := descriptor(es[skip:], 4)
	if !ok || len(decoder) < 13 {
		return 0, nil
	}
	config, _ = descriptor(decoder[13:], 5)
	return decoder[0], config
}

// isAAC says whether ffmpeg takes the track for AAC.
func isAAC(t *trak) bool {
	if t.format != "mp4a" {
		return false
	}
	object, _ := esds(t)
	return object == 0x40 || object >= 0x66 && object <= 0x68
}

// aacConfig reads the decoder's configuration of an AAC track.
func aacConfig(t *trak) (aac, bool) {
	_, config := esds(t)
	b := bits{p: config}
	var c aac
	c.object = b.object()
	c.rate = b.rate()
	b.read(4) // channel configuration
	if c.object == 5 || c.object == 29 {
		c.sbr = true
		c.rate = b.rate()
		return c, !b.short
	}
	c.frame = 1024
	if b.read(1) != 0 {
		c.frame = 960
	}
	if b.read(1) != 0 { // depends on core coder
		b.read(14)
	}
	b.read(1) // extension
	if b.short {
		return c, false
	}
	if b.read(11) == 0x2b7 && b.object() == 5 && b.read(1) == 1 { // backward-compatible signalling
		c.sbr = true
	}
	return c, true
}

// bits reads numbers of any width.
type bits struct {
	p     []byte
	at    int
	short bool
}

func (b *bits) read(n int) int {
	v := 0
	for range n {
		v <<= 1
		if b.at/8 >= len(b.p) {
			b.short = true
			continue
		}
		v |= int(b.p[b.at/8]>>(7-b.at%8)) & 1
		b.at++
	}
	return v
}

func (b *bits) object() int {
	if v := b.read(5); v != 31 {
		return v
	}
	return 32 + b.read(6)
}

func (b *bits) rate() int {
	i := b.read(4)
	if i == 15 {
		return b.read(24)
	}
	if i < len(aacRates) {
		return aacRates[i]
	}
	return 0
}
