package mp3

import (
	"errors"
	"fmt"
)

// Unpacker takes frames out of the bit reservoir, for tests: it finds each one's main data, wherever that starts. The zero
// value is ready for the first frame.
type Unpacker struct {
	back []byte // the slots before, as far as main data can reach
	main []byte
}

// Unpack takes the next frame, whole, and returns its parts; main is valid until the next call, and may have loose bits
// at its end. A frame that reaches back further than what was unpacked is an error that wraps ErrFrame; the frames
// after it can be unpacked all the same.
func (u *Unpacker) Unpack(frame []byte) (h Header, side SideInfo, main []byte, err error) {
	if h, err = parseFrame(frame); err != nil {
		return h, side, nil, err
	}
	side, err = ParseSideInfo(h, frame)
	slot := frame[h.MainDataAt():]
	length := (side.Bits() + 7) / 8
	switch {
	case err != nil:
	case side.MainDataBegin > len(u.back):
		err = fmt.Errorf("%w: main data starts %d bytes back, where only %d are known", ErrFrame, side.MainDataBegin, len(u.back))
	case length > side.MainDataBegin+len(slot):
		err = fmt.Errorf("%w: %d bytes of main data end beyond the frame", ErrFrame, length)
	default:
		u.main = append(append(u.main[:0], u.back[len(u.back)-side.MainDataBegin:]...), slot...)[:length]
		main = u.main
	}
	u.back = append(u.back, slot...)
	if extra := len(u.back) - (1<<9 - 1); extra > 0 {
		u.back = u.back[:copy(u.back, u.back[extra:])]
	}
	return h, side, main, err
}

// ErrTooLarge says that no frame can hold a frame's main data within the limits of the packing.
var ErrTooLarge = errors.New("main data is too large for a frame")

// stuffing is what LAME 3.100 fills unused room with, before it goes on with alternating bits.
const stuffing = "LAME3.100"

// Packer puts frames into the bit reservoir as LAME 3.100 does in its VBR mode (ResvFrameBegin, ResvFrameEnd and the
// choice of bitrate in VBR_new_iteration_loop): it gives each frame the highest bitrate that leaves no more unused than
// the reservoir may hold, and drains what is too much as stuffing. The packing is a function of the sizes of the main
// data alone: frames that LAME encoded come out as LAME packed them.
type Packer struct {
	emit func(frames []byte) error

	reservoir int      // bits between the main data written and the next slot
	pending   [][]byte // frames whose slots are not full
	main      []byte   // main data that is in no slot yet
	loose     int      // bits still free in the last byte of main
	filler    bool     // the next alternating bit
}

// NewPacker returns a Packer that passes whole frames to emit, which must not keep them.
func NewPacker(emit func(frames []byte) error) *Packer { return &Packer{emit: emit} }

// Add takes the next frame: its header, whose bitrate and padding do not count, its side information, whose
// MainDataBegin does not count, and its main data. Silent is LAME's "analog silence": no band is above the threshold of
// hearing; such frames get the lowest bitrate that holds them. An error wraps ErrTooLarge or ErrFrame or is emit's.
func (p *Packer) Add(h Header, side SideInfo, main []byte, silent bool) error {
	used := side.Bits()
	if h.Layer != 3 || 8*len(main) < used {
		return fmt.Errorf("%w: %d bytes of main data where the side information says %d bits", ErrFrame, len(main), used)
	}
	h.Padding = false
	var ok bool
	if h.BitrateIndex, ok = p.bitrate(h, used, silent); !ok {
		return fmt.Errorf("%w: %d bits", ErrTooLarge, used)
	}
	begin := p.reservoir / 8
	after := p.reservoir + slotBits(h) - used
	surplus := after % 8
	surplus += max(0, after-surplus-reservoirMax(h))
	// What is too much goes behind the frame before, as far as it fits there, so that main data never starts further back
	// than the reservoir of this bitrate allows.
	before := min(begin, surplus/8)
	surplus -= 8 * before
	p.drain(8 * before)
	side.MainDataBegin = begin - before
	frame := make([]byte, h.Size())
	h.Put(frame)
	side.Put(h, frame)
	p.pending = append(p.pending, frame)
	p.write(main, used)
	p.drain(surplus)
	p.reservoir = after - 8*before - surplus
	return p.pass()
}

// Flush fills the last frames with stuffing and passes them on. The Packer is then as new.
func (p *Packer) Flush() error {
	p.drain(p.reservoir)
	p.reservoir = 0
	return p.pass()
}

// bitrate chooses the bitrate's index; false if none is enough.
func (p *Packer) bitrate(h Header, used int, silent bool) (int, bool) {
	highest := 14
	if h.Version == MPEG25 {
		highest = 8
	}
	available := func(index int) int {
		h.BitrateIndex = index
		return min(slotBits(h)+min(p.reservoir, reservoirMax(h)), bufferMax(h))
	}
	lowest := 1
	for lowest < highest && used > available(lowest) {
		lowest++
	}
	if used > available(lowest) {
		return 0, false
	}
	h.BitrateIndex = highest
	room := reservoirMax(h)
	if silent || room == 0 {
		return lowest, true
	}
	index := highest
	for index > lowest && available(index)-used > room {
		index--
	}
	return index, true
}

// slotBits is the room for main data in a frame with this header.
func slotBits(h Header) int { return 8 * (h.Size() - h.MainDataAt()) }

// bufferMax is the decoder's input buffer: 7680 bits a granule.
func bufferMax(h Header) int { return 7680 * h.Granules() }

// reservoirMax is how many bits may be left for the frame after one with this header.
func reservoirMax(h Header) int {
	return max(0, min(bufferMax(h)-8*h.Size(), 8*h.maxMainDataBegin()))
}

// write appends bits to the main data.
func (p *Packer) write(data []byte, bits int) {
	for _, b := range data {
		if bits <= 0 {
			return
		}
		p.bits(b, min(bits, 8))
		bits -= 8
	}
}

// bits appends the n highest bits of b.
func (p *Packer) bits(b byte, n int) {
	b &= 0xff << (8 - n)
	if p.loose == 0 {
		p.main, p.loose = append(p.main, 0), 8
	}
	p.main[len(p.main)-1] |= b >> (8 - p.loose)
	if n > p.loose {
		p.main = append(p.main, b<<p.loose)
		p.loose += 8
	}
	p.loose -= n
}

// drain appends stuffing, as LAME's drain_into_ancillary does.
func (p *Packer) drain(bits int) {
	whole, name := bits/8, stuffing
	if whole < len("LAME")+4 {
		name = "LAME" // the version only where there is room for more of it
	}
	n := min(whole, len(name))
	p.write([]byte(name), 8*n)
	for range bits - 8*n {
		p.bits(0xff*bit(p.filler), 1)
		p.filler = !p.filler
	}
}

// pass passes on the frames whose slots are full.
func (p *Packer) pass() error {
	for len(p.pending) > 0 {
		frame := p.pending[0]
		h, err := parseFrame(frame)
		if err != nil {
			return err
		}
		slot := frame[h.MainDataAt():]
		if len(p.main) < len(slot) {
			return nil
		}
		p.main = p.main[:copy(p.main, p.main[copy(slot, p.main):])]
		p.pending = p.pending[:copy(p.pending, p.pending[1:])]
		if err := p.emit(frame); err != nil {
			return err
		}
	}
	return nil
}
