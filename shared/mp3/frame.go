// Package mp3 reads and writes MPEG audio Layer III (ISO 11172-3, ISO 13818-3 and the MPEG-2.5 extension) as a stream
// of frames: headers and side information, the bit reservoir's chain, the Xing/LAME header that makes a file seekable
// and gapless, the ID3v2.4 tag before it, and the copying and re-packing of frames that are encoded already.
//
// It decodes no sound and knows no container. It holds a bounded piece of the stream in memory, however long that is,
// and takes every byte it reads for a stranger's.
package mp3

import (
	"errors"
	"fmt"
)

// Version is the part of the standard a frame follows; it sets the sample rates and the samples in a frame.
type Version uint8

// The versions, by the header's ID bits.
const (
	MPEG25 Version = 0
	MPEG2  Version = 2
	MPEG1  Version = 3
)

func (v Version) String() string {
	switch v {
	case MPEG1:
		return "MPEG-1"
	case MPEG2:
		return "MPEG-2"
	case MPEG25:
		return "MPEG-2.5"
	}
	return "reserved MPEG version"
}

// Mode is how a frame's channels are coded.
type Mode uint8

// The modes of ISO 11172-3 §2.4.2.3.
const (
	Stereo Mode = iota
	JointStereo
	DualChannel
	Mono
)

const (
	// HeaderSize is the length of a frame's header.
	HeaderSize = 4
	// MaxFrameSize is the length of the longest Layer III frame that is not free format: 320 kbit/s at 32 kHz, or
	// 160 kbit/s at 8 kHz, with padding.
	MaxFrameSize = 1441
	crcSize      = 2
)

// Header is a frame's header, ISO 11172-3 §2.4.1.3.
type Header struct {
	Version Version
	// Layer is 1, 2 or 3.
	Layer int
	// Protected says that a CRC follows the header.
	Protected bool
	// BitrateIndex is 1 to 14, or 0: free format.
	BitrateIndex int
	// RateIndex is sampling_frequency, 0 to 2.
	RateIndex int
	Padding   bool
	Private   bool
	Mode      Mode
	// Extension is mode_extension: in joint stereo, bit 0 is intensity stereo and bit 1 mid/side.
	Extension uint8
	Copyright bool
	Original  bool
	Emphasis  uint8
}

// errHeader says that four bytes are no header; sync searches meet it all the time, so it carries nothing.
var errHeader = errors.New("no MPEG audio frame header")

// ParseHeader reads a header of any version and layer. It refuses what the standards reserve, but for emphasis, which
// no decoder looks at.
func ParseHeader(b []byte) (Header, error) {
	if len(b) < HeaderSize || b[0] != 0xff || b[1]&0xe0 != 0xe0 {
		return Header{}, errHeader
	}
	h := Header{
		Version:      Version(b[1] >> 3 & 3),
		Layer:        4 - int(b[1]>>1&3),
		Protected:    b[1]&1 == 0,
		BitrateIndex: int(b[2] >> 4),
		RateIndex:    int(b[2] >> 2 & 3),
		Padding:      b[2]&2 != 0,
		Private:      b[2]&1 != 0,
		Mode:         Mode(b[3] >> 6),
		Extension:    b[3] >> 4 & 3,
		Copyright:    b[3]&8 != 0,
		Original:     b[3]&4 != 0,
		Emphasis:     b[3] & 3,
	}
	if h.Version == 1 || h.Layer == 4 || h.BitrateIndex == 15 || h.RateIndex == 3 {
		return Header{}, errHeader
	}
	return h, nil
}

// Put writes the header's four bytes to b.
func (h Header) Put(b []byte) {
	b[0] = 0xff
	b[1] = 0xe0 | byte(h.Version)<<3 | byte(4-h.Layer)<<1 | bit(!h.Protected)
	b[2] = byte(h.BitrateIndex)<<4 | byte(h.RateIndex)<<2 | bit(h.Padding)<<1 | bit(h.Private)
	b[3] = byte(h.Mode)<<6 | h.Extension<<4 | bit(h.Copyright)<<3 | bit(h.Original)<<2 | h.Emphasis
}

func bit(set bool) byte {
	if set {
		return 1
	}
	return 0
}

// bitrates in kbit/s by bitrate_index (ISO 11172-3 §2.4.2.3, ISO 13818-3 §2.4.2.3).
var bitrates = [...][15]int{
	{0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448}, // MPEG-1, Layer I
	{0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384},    // MPEG-1, Layer II
	{0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320},     // MPEG-1, Layer III
	{0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256},    // MPEG-2 and 2.5, Layer I
	{0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160},         // MPEG-2 and 2.5, Layers II and III
}

// Bitrate is in kbit/s; 0 in free format.
func (h Header) Bitrate() int {
	table := h.Layer - 1
	if h.Version != MPEG1 {
		table = 3 + min(h.Layer-1, 1)
	}
	return bitrates[table][h.BitrateIndex]
}

// bitrateIndex finds the Layer III index of the smallest bitrate of at least kbps; 14 if there is none.
func bitrateIndex(v Version, kbps int) int {
	h := Header{Version: v, Layer: 3, BitrateIndex: 1}
	for h.BitrateIndex < 14 && h.Bitrate() < kbps {
		h.BitrateIndex++
	}
	return h.BitrateIndex
}

// sampleRates of MPEG-1 by sampling_frequency; MPEG-2 has a half and MPEG-2.5 a quarter.
var sampleRates = [3]int{44100, 48000, 32000}

// SampleRate is in Hz.
func (h Header) SampleRate() int {
	switch h.Version {
	case MPEG1:
		return sampleRates[h.RateIndex]
	case MPEG2:
		return sampleRates[h.RateIndex] / 2
	default:
		return sampleRates[h.RateIndex] / 4
	}
}

// Samples is the number of samples of each channel in a frame.
func (h Header) Samples() int {
	switch {
	case h.Layer == 1:
		return 384
	case h.Layer == 3 && h.Version != MPEG1:
		return 576
	}
	return 1152
}

// Granules is the number of granules in a Layer III frame.
func (h Header) Granules() int { return h.Samples() / 576 }

// Channels is 1 or 2.
func (h Header) Channels() int {
	if h.Mode == Mono {
		return 1
	}
	return 2
}

// FreeFormat says that the header leaves the bitrate open: only the next header tells where the frame ends.
func (h Header) FreeFormat() bool { return h.BitrateIndex == 0 }

// Size is the frame's length in bytes, header and padding included; 0 in free format.
func (h Header) Size() int {
	if h.FreeFormat() {
		return 0
	}
	slot := 1
	if h.Layer == 1 {
		slot = 4
	}
	return h.Samples()/8*1000*h.Bitrate()/h.SampleRate()/slot*slot + slot*int(bit(h.Padding))
}

// SideInfoSize is the length of a Layer III frame's side information.
func (h Header) SideInfoSize() int {
	switch {
	case h.Version == MPEG1 && h.Mode != Mono:
		return 32
	case h.Version != MPEG1 && h.Mode == Mono:
		return 9
	}
	return 17
}

// sideInfoAt is where the side information starts in a frame.
func (h Header) sideInfoAt() int {
	if h.Protected {
		return HeaderSize + crcSize
	}
	return HeaderSize
}

// MainDataAt is where a Layer III frame's slot for main data starts.
func (h Header) MainDataAt() int { return h.sideInfoAt() + h.SideInfoSize() }

// maxMainDataBegin is how far main data can reach back: main_data_begin has 9 bits in MPEG-1 and 8 in the others.
func (h Header) maxMainDataBegin() int {
	if h.Version == MPEG1 {
		return 1<<9 - 1
	}
	return 1<<8 - 1
}

// SameStream says whether both headers can belong to one stream: version, layer and sample rate may not change
// (ISO 11172-3 §2.4.2.3), all else may.
func (h Header) SameStream(o Header) bool {
	return h.Version == o.Version && h.Layer == o.Layer && h.RateIndex == o.RateIndex
}

func (h Header) String() string {
	return fmt.Sprintf("%v layer %d, %d Hz", h.Version, h.Layer, h.SampleRate())
}

// ErrFrame is what all errors of Layer III frames wrap that are not as the standard asks.
var ErrFrame = errors.New("invalid MP3 frame")

// parseFrame reads the header of one whole Layer III frame.
func parseFrame(frame []byte) (Header, error) {
	h, err := ParseHeader(frame)
	switch {
	case err != nil:
		return Header{}, fmt.Errorf("%w: %w", ErrFrame, err)
	case h.Layer != 3:
		return Header{}, fmt.Errorf("%w: layer %d", ErrFrame, h.Layer)
	case h.FreeFormat():
		return Header{}, fmt.Errorf("%w: free format", ErrFrame)
	case h.Size() != len(frame):
		return Header{}, fmt.Errorf("%w: %d bytes where the header says %d", ErrFrame, len(frame), h.Size())
	case h.MainDataAt() > len(frame):
		return Header{}, fmt.Errorf("%w: %d bytes cannot hold the side information", ErrFrame, len(frame))
	}
	return h, nil
}
