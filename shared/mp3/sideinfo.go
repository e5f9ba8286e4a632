package mp3

import "fmt"

// Granule is what the side information says of one granule of one channel, ISO 11172-3 §2.4.1.7.
type Granule struct {
	// Part23Length is the length in bits of scale factors and Huffman code.
	Part23Length     int
	BigValues        int
	GlobalGain       int
	ScalefacCompress int
	WindowSwitching  bool
	// BlockType and those to SubblockGain are there when WindowSwitching is set: 1 start, 2 short, 3 stop.
	BlockType    int
	Mixed        bool
	SubblockGain [3]int
	// TableSelect has two entries when WindowSwitching is set, else three.
	TableSelect       [3]int
	Region0, Region1  int // without WindowSwitching
	Preflag           bool
	ScalefacScale     bool
	Count1TableSelect bool
}

// SideInfo is a Layer III frame's side information.
type SideInfo struct {
	// MainDataBegin is how many bytes before the frame's own slot its main data starts, headers not counted.
	MainDataBegin int
	Private       int
	// SCFSI has a channel's four scfsi bits; MPEG-1 only.
	SCFSI [2]uint8
	// Granules are by granule and channel; MPEG-2 has one granule a frame.
	Granules [2][2]Granule
}

// Bits is the length of the frame's main data.
func (s *SideInfo) Bits() int {
	bits := 0
	for gr := range s.Granules {
		for ch := range s.Granules[gr] {
			bits += s.Granules[gr][ch].Part23Length
		}
	}
	return bits
}

// fields walks the side information in the order of the bit stream. One walk both reads and writes, so the two cannot
// differ.
func (s *SideInfo) fields(h Header, c *cursor) {
	begin, private, compress := 8, h.Channels(), 9
	if h.Version == MPEG1 {
		begin, private, compress = 9, 7-2*h.Channels(), 4
	}
	c.int(&s.MainDataBegin, begin)
	c.int(&s.Private, private)
	if h.Version == MPEG1 {
		for ch := range h.Channels() {
			scfsi := int(s.SCFSI[ch])
			c.int(&scfsi, 4)
			s.SCFSI[ch] = uint8(scfsi)
		}
	}
	for gr := range h.Granules() {
		for ch := range h.Channels() {
			s.Granules[gr][ch].fields(h, c, compress)
		}
	}
}

func (g *Granule) fields(h Header, c *cursor, compress int) {
	c.int(&g.Part23Length, 12)
	c.int(&g.BigValues, 9)
	c.int(&g.GlobalGain, 8)
	c.int(&g.ScalefacCompress, compress)
	c.bool(&g.WindowSwitching)
	if g.WindowSwitching {
		c.int(&g.BlockType, 2)
		c.bool(&g.Mixed)
		for i := range 2 {
			c.int(&g.TableSelect[i], 5)
		}
		for i := range g.SubblockGain {
			c.int(&g.SubblockGain[i], 3)
		}
	} else {
		for i := range g.TableSelect {
			c.int(&g.TableSelect[i], 5)
		}
		c.int(&g.Region0, 4)
		c.int(&g.Region1, 3)
	}
	if h.Version == MPEG1 {
		c.bool(&g.Preflag)
	}
	c.bool(&g.ScalefacScale)
	c.bool(&g.Count1TableSelect)
}

// cursor reads fields from bits, or writes them.
type cursor struct {
	data  []byte
	at    int // in bits
	write bool
}

// int is one field of at most 16 bits, most significant first.
func (c *cursor) int(v *int, bits int) {
	first, window := c.data[c.at>>3:], uint32(0)
	for i := range 3 {
		window <<= 8
		if i < len(first) {
			window |= uint32(first[i])
		}
	}
	shift := 24 - c.at&7 - bits
	mask := uint32(1)<<bits - 1
	c.at += bits
	if !c.write {
		*v = int(window >> shift & mask)
		return
	}
	window = window&^(mask<<shift) | uint32(*v)&mask<<shift
	for i := range min(3, len(first)) {
		first[i] = byte(window >> (16 - 8*i))
	}
}

func (c *cursor) bool(v *bool) {
	i := int(bit(*v))
	c.int(&i, 1)
	*v = i == 1
}

// ParseSideInfo reads the side information of a whole frame with this header. It refuses what no decoder can follow:
// more big values than a granule has lines, or a window switch to the normal window.
func ParseSideInfo(h Header, frame []byte) (SideInfo, error) {
	var s SideInfo
	if h.Layer != 3 {
		return s, fmt.Errorf("%w: layer %d has no side information", ErrFrame, h.Layer)
	}
	if len(frame) < h.MainDataAt() {
		return s, fmt.Errorf("%w: %d bytes cannot hold the side information", ErrFrame, len(frame))
	}
	s.fields(h, &cursor{data: frame[h.sideInfoAt():]})
	for gr := range s.Granules {
		for ch := range s.Granules[gr] {
			switch g := &s.Granules[gr][ch]; {
			case g.BigValues > 288:
				return s, fmt.Errorf("%w: %d big values in a granule", ErrFrame, g.BigValues)
			case g.WindowSwitching && g.BlockType == 0:
				return s, fmt.Errorf("%w: window switched to block type 0", ErrFrame)
			}
		}
	}
	return s, nil
}

// Put writes the side information into a whole frame with this header, and makes the frame's CRC right.
func (s *SideInfo) Put(h Header, frame []byte) {
	s.fields(h, &cursor{data: frame[h.sideInfoAt():h.MainDataAt()], write: true})
	putCRC(h, frame)
}
