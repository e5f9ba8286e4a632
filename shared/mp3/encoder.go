package mp3

import "encoding/binary"

// Method is how an encoder spent bits, by the numbers of the LAME tag.
type Method uint8

// The methods of the LAME tag that have a name here; MethodUnknown is taken for constant bitrate if all frames have
// the same, else for VBR.
const (
	MethodUnknown Method = 0
	MethodCBR     Method = 1
	MethodABR     Method = 2
	MethodMTRH    Method = 4 // LAME's VBR from 3.98 on
)

// constant says whether all frames have one bitrate; 8 is CBR in two passes.
func (m Method) constant() bool { return m == MethodCBR || m == 8 }

// EncoderInfo is what the LAME tag says of an encode (gabriel.mp3-tech.org/mp3infotag.html), but for delay, padding,
// lengths and checksums. The zero value writes no LAME tag, only the Xing header before it.
type EncoderInfo struct {
	// Name is at most nine bytes, like "LAME3.100". Many players only look at tags whose name starts with LAME.
	Name   string
	Method Method
	// Quality is the Xing header's indicator, 100 best; LAME writes 100 - 10 V - q.
	Quality int
	// Lowpass is in Hz, a multiple of 100 up to 25,500; 0: unknown.
	Lowpass int
	// Peak, TrackGain and AlbumGain are ReplayGain's as the tag has them; 0: left out.
	Peak                 uint32
	TrackGain, AlbumGain uint16
	// ATHType to NoGapPrevious are the tag's flags.
	ATHType         int
	NSPsyTune       bool
	SafeJointStereo bool
	NoGapNext       bool
	NoGapPrevious   bool
	// Bitrate is CBR's, ABR's or VBR's lowest, in kbit/s, written as at most 255.
	Bitrate      int
	NoiseShaping int
	// StereoMode is the tag's: 0 mono, 1 stereo, 2 dual channel, 3 joint stereo, 7 undefined.
	StereoMode int
	Unwise     bool
	// SourceRate is 0 for up to 32 kHz, 1 for 44.1, 2 for 48, 3 for above.
	SourceRate int
	// Gain is MP3Gain's change, in steps of 1.5 dB.
	Gain int8
	// Preset is LAME's, with the surround bits above it.
	Preset uint16
}

const (
	// xingSize is a Xing header with all its parts, extensionSize the LAME tag behind it.
	xingSize      = 4 + 4 + 4 + 4 + tocSize + 4
	extensionSize = 36
	tocSize       = 100
)

// LAMEVBR is what LAME 3.100 says of its VBR at -V v, for frames of this mode and sample rate in Hz.
func LAMEVBR(v int, mode Mode, sampleRate int) EncoderInfo {
	e := lame(mode, sampleRate)
	e.Method, e.Quality, e.Preset, e.ATHType = MethodMTRH, 100-10*v, uint16(500-10*v), 5
	e.NoiseShaping, e.SafeJointStereo = 1, v < 8
	e.Bitrate = 8
	if sampleRate >= 32000 {
		e.Bitrate = 32
	}
	return e
}

// LAMECBR is what LAME 3.100 says of CBR at this bitrate in kbit/s, for frames of this mode and sample rate in Hz.
func LAMECBR(kbps int, mode Mode, sampleRate int) EncoderInfo {
	e := lame(mode, sampleRate)
	e.Method, e.Quality, e.Preset, e.ATHType = MethodCBR, 57, uint16(kbps), 4
	e.NoiseShaping, e.SafeJointStereo = 2, kbps >= 160
	if kbps > 160 {
		e.NoiseShaping = 1
	}
	e.Bitrate = kbps
	return e
}

// lame is what does not depend on the bitrate; the sound is taken to have had the frames' sample rate.
func lame(mode Mode, sampleRate int) EncoderInfo {
	e := EncoderInfo{Name: "LAME3.100", NSPsyTune: true, Unwise: sampleRate <= 32000}
	e.StereoMode = map[Mode]int{Mono: 0, Stereo: 1, DualChannel: 2, JointStereo: 3}[mode]
	switch sampleRate {
	case 44100:
		e.SourceRate = 1
	case 48000:
		e.SourceRate = 2
	}
	return e
}

// put writes the LAME tag but for the music's length and CRC and the tag's own.
func (e *EncoderInfo) put(b []byte, g Gapless) {
	copy(b[:9], e.Name)
	b[9] = byte(e.Method) & 0xf
	b[10] = byte(min(max(e.Lowpass, 0)+50, 25500) / 100)
	binary.BigEndian.PutUint32(b[11:], e.Peak)
	binary.BigEndian.PutUint16(b[15:], e.TrackGain)
	binary.BigEndian.PutUint16(b[17:], e.AlbumGain)
	b[19] = byte(e.ATHType)&0xf | bit(e.NSPsyTune)<<4 | bit(e.SafeJointStereo)<<5 | bit(e.NoGapNext)<<6 | bit(e.NoGapPrevious)<<7
	b[20] = byte(min(max(e.Bitrate, 0), 255))
	b[21], b[22], b[23] = byte(g.Delay>>4), byte(g.Delay<<4|g.Padding>>8), byte(g.Padding)
	b[24] = byte(e.NoiseShaping)&3 | byte(e.StereoMode)&7<<2 | bit(e.Unwise)<<5 | byte(e.SourceRate)<<6
	b[25] = byte(e.Gain)
	binary.BigEndian.PutUint16(b[26:], e.Preset)
}

// parseExtension reads a LAME tag; false if there is none.
func parseExtension(b []byte) (e EncoderInfo, g Gapless, ok bool) {
	if len(b) < extensionSize || b[0] == 0 {
		return e, g, false
	}
	for _, c := range b[:4] {
		if c < ' ' || c > '~' {
			return e, g, false
		}
	}
	name := b[:9]
	for i, c := range name {
		if c < ' ' || c > '~' {
			name = name[:i]
			break
		}
	}
	return EncoderInfo{
		Name:            string(name),
		Method:          Method(b[9] & 0xf),
		Lowpass:         int(b[10]) * 100,
		Peak:            binary.BigEndian.Uint32(b[11:]),
		TrackGain:       binary.BigEndian.Uint16(b[15:]),
		AlbumGain:       binary.BigEndian.Uint16(b[17:]),
		ATHType:         int(b[19] & 0xf),
		NSPsyTune:       b[19]&0x10 != 0,
		SafeJointStereo: b[19]&0x20 != 0,
		NoGapNext:       b[19]&0x40 != 0,
		NoGapPrevious:   b[19]&0x80 != 0,
		Bitrate:         int(b[20]),
		NoiseShaping:    int(b[24] & 3),
		StereoMode:      int(b[24] >> 2 & 7),
		Unwise:          b[24]&0x20 != 0,
		SourceRate:      int(b[24] >> 6),
		Gain:            int8(b[25]),
		Preset:          binary.BigEndian.Uint16(b[26:]),
	}, Gapless{Known: true, Delay: int(b[21])<<4 | int(b[22])>>4, Padding: int(b[22]&0xf)<<8 | int(b[23])}, true
}
