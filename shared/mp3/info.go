package mp3

import (
	"bytes"
	"encoding/binary"
)

// Gapless says how many samples at the start and the end of the frames are the encoder's, not the sound's.
type Gapless struct {
	// Known is false when nothing says so; then nothing is to be dropped.
	Known bool
	// Delay and Padding are in samples, up to 4095, as the LAME tag has them: a decoder's own delay of 529 samples is
	// counted in Padding.
	Delay, Padding int
}

// MaxGap is the highest delay or padding that a LAME tag can hold.
const MaxGap = 1<<12 - 1

// DecoderDelay is the number of samples by which every decoder lags behind the encoder.
const DecoderDelay = 529

// Kind is the kind of header frame in front of a stream.
type Kind uint8

// The kinds of header frame. KindInfo is Xing's header over frames of constant bitrate.
const (
	KindXing Kind = iota + 1
	KindInfo
	KindVBRI
)

// Info is what an MP3's header frame says of all of it.
type Info struct {
	// Header is that of the frame it stands in.
	Header Header
	Kind   Kind
	// Frames does not count the header frame; 0: not said.
	Frames int64
	// Bytes counts from the header frame on; 0: not said.
	Bytes   int64
	Gapless Gapless
	// Encoder has only Quality set when there is no LAME tag.
	Encoder EncoderInfo
}

// Samples is how long the sound is, per channel, without the encoder's delay and padding; 0: not said.
func (i *Info) Samples() int64 {
	return i.Gapless.samples(i.Frames * int64(i.Header.Samples()))
}

// samples is what is left of all samples.
func (g Gapless) samples(all int64) int64 {
	if !g.Known {
		return all
	}
	return max(0, all-int64(g.Delay)-int64(g.Padding))
}

// ReadInfo reads the header frame from an MP3's first bytes, behind its ID3v2 tags. It is false if the first frame is
// none, or lies beyond head.
func ReadInfo(head []byte) (Info, bool) {
	for n := TagSize(head); n > 0; n = TagSize(head) {
		head = bytes.TrimLeft(head[min(n, len(head)):], "\x00") // some tags' padding is not counted
	}
	h, err := ParseHeader(head)
	if err != nil || h.Layer != 3 {
		return Info{}, false
	}
	if size := h.Size(); size > 0 && len(head) > size {
		head = head[:size]
	}
	return parseInfo(h, head[:min(len(head), MaxFrameSize)])
}

// parseInfo reads a Xing or VBRI header in a frame, which may be cut off behind it.
func parseInfo(h Header, frame []byte) (Info, bool) {
	// The Xing header's place does not depend on a CRC; some writers think so.
	for _, at := range [2]int{HeaderSize + h.SideInfoSize(), h.MainDataAt()} {
		if len(frame) < at+8 {
			continue
		}
		switch string(frame[at : at+4]) {
		case "Xing":
			return parseXing(Info{Header: h, Kind: KindXing}, frame[at+4:]), true
		case "Info":
			return parseXing(Info{Header: h, Kind: KindInfo}, frame[at+4:]), true
		}
	}
	const at = HeaderSize + 32 // whatever the side information's size
	if len(frame) >= at+18 && string(frame[at:at+4]) == "VBRI" {
		return Info{
			Header: h,
			Kind:   KindVBRI,
			Bytes:  int64(binary.BigEndian.Uint32(frame[at+10:])),
			Frames: int64(binary.BigEndian.Uint32(frame[at+14:])),
		}, true
	}
	return Info{}, false
}

// The Xing header's flags say which of its parts are there.
const (
	hasFrames = 1 << iota
	hasBytes
	hasTOC
	hasQuality
)

func parseXing(info Info, b []byte) Info {
	flags := binary.BigEndian.Uint32(b)
	b = b[4:]
	number := func(flag uint32) (n uint32) {
		if flags&flag != 0 && len(b) >= 4 {
			n = binary.BigEndian.Uint32(b)
			b = b[4:]
		}
		return n
	}
	info.Frames = int64(number(hasFrames))
	info.Bytes = int64(number(hasBytes))
	if flags&hasTOC != 0 {
		b = b[min(tocSize, len(b)):]
	}
	quality := int(number(hasQuality))
	if e, g, ok := parseExtension(b); ok {
		info.Encoder, info.Gapless = e, g
	}
	info.Encoder.Quality = quality
	return info
}
