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
func (s *SideInfo) fields(h Header, io bitIO) {
	begin, private, compress := 8, h.Channels(), 9
	if h.Version == MPEG1 {
		begin, private, compress = 9, 7-2*h.Channels(), 4
	}
	io.int(&s.MainDataBegin, begin)
	io.int(&s.Private, private)
	if h.Version == MPEG1 {
		for ch := range h.Channels() {
			scfsi := int(s.SCFSI[ch])
			io.int(&scfsi, 4)
			s.SCFSI[ch] = uint8(scfsi)
		}
	}
	for gr := range h.Granules() {
		for ch := range h.Channels() {
			s.Granules[gr][ch].fields(h, io, compress)
		}
	}
}

func (g *Granule) fields(h Header, io bitIO, compress int) {
	io.int(&g.Part23Length, 12)
	io.int(&g.BigValues, 9)
	io.int(&g.GlobalGain, 8)
	io.int(&g.ScalefacCompress, compress)
	io.bool(&g.WindowSwitching)
	if g.WindowSwitching {
		io.int(&g.BlockType, 2)
		io.bool(&g.Mixed)
		for i := range 2 {
			io.int(&g.TableSelect[i], 5)
		}
		for i := range g.SubblockGain {
			io.int(&g.SubblockGain[i], 3)
		}
	} else {
		for i := range g.TableSelect {
			io.int(&g.TableSelect[i], 5)
		}
		io.int(&g.Region0, 4)
		io.int(&g.Region1, 3)
	}
	if h.Version == MPEG1 {
		io.bool(&g.Preflag)
	}
	io.bool(&g.ScalefacScale)
	io.bool(&g.Count1TableSelect)
}

// bitIO reads fields from bits, or writes them.
type bitIO interface {
	int(v *int, bits int)
	bool(v *bool)
}

type bitReader struct {
	data []byte
	at   int // in bits
}

func (r *bitReader) int(v *int, bits int) {
	*v = 0
	for range bits {
		*v = *v<<1 | int(r.data[r.at>>3]>>(7-r.at&7)&1)
		r.at++
	}
}

func (r *bitReader) bool(v *bool) {
	var i int
	r.int(&i, 1)
	*v = i == 1
}

type bitWriter struct {
	data []byte
	at   int // in bits
}

func (w *bitWriter) int(v *int, bits int) {
	for i := bits - 1; i >= 0; i-- {
		mask := byte(1) << (7 - w.at&7)
		if *v>>i&1 == 1 {
			w.data[w.at>>3] |= mask
		} else {
			w.data[w.at>>3] &^= mask
		}
		w.at++
	}
}

func (w *bitWriter) bool(v *bool) {
	i := int(bit(*v))
	w.int(&i, 1)
}

// ParseSideInfo reads the side information of a whole frame with this header. It refuses what no decoder can follow:
// more big values than a granule has lines, or a window switch to the normal window.
func ParseSideInfo(h Header, frame []byte) (SideInfo, error) {
	var s SideInfo
	if len(frame) < h.MainDataAt() {
		return s, fmt.Errorf("%w: %d bytes cannot hold the side information", ErrFrame, len(frame))
	}
	s.fields(h, &bitReader{data: frame[h.sideInfoAt():]})
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
	s.fields(h, &bitWriter{data: frame[h.sideInfoAt():]})
	putCRC(h, frame)
}
