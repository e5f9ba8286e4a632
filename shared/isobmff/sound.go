package isobmff

import (
	"encoding/binary"
	"math"
)

// sound is what the first sample entry of an audio track says (ISO 14496-12 §12.2.3; QuickTime File Format, sound
// sample descriptions, versions 0 to 2).
type sound struct {
	entries   int
	channels  int64
	bits      int64
	rate      float64
	encrypted bool
	dref      uint16
	// perPacket samples are bytesPerPacket long, by QuickTime's versions 1 and 2; 0: not said.
	perPacket, bytesPerPacket int64
	// sampleBytes is the length of a PCM sample of all channels; 0: not PCM.
	sampleBytes int64
	children    []byte
	version     uint16
	lpcm        bool
}

// rawPCM is QuickTime's code for unsigned 8-bit samples; the space is part of it.
const rawPCM = "raw "

// soundFormats are sample entries by which ffmpeg knows a track for sound, whatever its handler says.
var soundFormats = map[string]bool{
	"mp4a": true, "alac": true, "Opus": true, "fLaC": true, "ac-3": true, "ec-3": true, ".mp3": true, "samr": true,
	"sawb": true, "sowt": true, "twos": true, rawPCM: true, "NONE": true, "in24": true, "in32": true, "fl32": true,
	"fl64": true, "lpcm": true, "ipcm": true, "fpcm": true, "ulaw": true, "alaw": true, "ima4": true, "enca": true,
	"MAC3": true, "MAC6": true, "QDM2": true, "QDMC": true, "agsm": true, "Qclp": true, "dtsc": true, "mlpa": true,
	"drms": true,
}

// pcmBits are the bits of a sample of one channel as ffmpeg takes them from the format; 0: the entry says it.
var pcmBits = map[string]int64{
	rawPCM: 8, "NONE": 8, "twos": 16, "sowt": 16, "in24": 24, "in32": 32, "fl32": 32, "fl64": 64,
	"lpcm": 16, "ulaw": 8, "alaw": 8,
}

// readSound reads the sample description of an audio track.
func (t *trak) readSound() {
	if t.handler != "soun" {
		return
	}
	f := fields{p: t.stsd.body}
	boxVersion, _ := f.full()
	s := &t.sound
	s.entries = int(f.u32())
	entry, _, ok := nextBox(f.p)
	if !ok || s.entries < 1 {
		t.spoil("it has no sample description")
		return
	}
	f = fields{p: entry.body}
	f.skip(6)
	s.dref = f.u16()
	s.version = f.u16()
	f.skip(6) // revision, vendor
	s.channels, s.bits = int64(f.u16()), int64(f.u16())
	f.skip(4) // compression ID, packet size
	s.rate = float64(f.u32() >> 16)
	switch {
	case f.short:
		t.spoil("its sample description is cut off")
		return
	case s.version == 1 && boxVersion == 0:
		s.perPacket = int64(f.u32())
		f.u32() // bytes per packet, of one channel
		s.bytesPerPacket = int64(f.u32())
		f.u32() // bytes per sample
	case s.version == 2 && boxVersion == 0:
		f.u32() // size of the structure
		s.rate = math.Float64frombits(f.u64())
		s.channels = int64(f.u32())
		f.u32()
		s.bits = int64(f.u32())
		f.u32() // format flags
		s.bytesPerPacket, s.perPacket = int64(f.u32()), int64(f.u32())
		s.lpcm = true
	case s.version != 0 && boxVersion == 0:
		t.spoil("its sample description has the unknown version %d", s.version)
	}
	s.children = f.p
	if _, protected := child(s.children, "sinf"); protected || t.format == "enca" || t.format == "drms" {
		s.encrypted = true
	}
	t.info.Encrypted = s.encrypted
	if !(s.rate >= 1 && s.rate < 1<<31) {
		s.rate = float64(t.timescale)
	}
	s.setFrames(t.format)
	t.info.Channels = int(min(s.channels, 1<<16))
	if t.info.SampleRate = int(s.rate); isAAC(t) {
		if c, ok := aacConfig(t); ok && c.rate > 0 {
			t.info.SampleRate = c.rate
		}
	}
}

// setFrames works out how long samples are where the sample table does not say it, as ffmpeg does.
func (s *sound) setFrames(format string) {
	bits, pcm := pcmBits[format]
	switch {
	case pcm && format == "lpcm" && s.lpcm:
		bits = (s.bits + 7) / 8 * 8
	case pcm && bits == 8 && s.bits == 16 && format != "ulaw" && format != "alaw":
		bits = 16
	case pcm && bits == 16 && (s.bits == 8 || s.bits == 24 || s.bits == 32):
		bits = s.bits
	case format == "ipcm" || format == "fpcm":
		bits = s.bits / 8 * 8
	case format == "MAC3":
		s.perPacket, s.bytesPerPacket = 6, 2*s.channels
	case format == "MAC6":
		s.perPacket, s.bytesPerPacket = 6, s.channels
	case format == "ima4":
		s.perPacket, s.bytesPerPacket = 64, 34*s.channels
	case format == "agsm":
		s.perPacket, s.bytesPerPacket = 160, 33
	}
	if s.channels > 0 && s.channels <= 255 {
		s.sampleBytes = bits / 8 * s.channels
	}
}

// check makes sure that the track is one that can be taken out of the file.
func (t *trak) check(fileSize int64) error {
	s := &t.sound
	switch {
	case s.encrypted:
		return fallback("it is encrypted")
	case t.fragments.count == 0 && t.table.chunks() == 0:
		return fallback("it has no samples")
	case len(t.table.times) == 0 && t.table.chunks() > 0:
		return fallback("its samples have no times")
	case !selfContained(t.dref, s.dref):
		return fallback("its samples lie in another file")
	}
	if err := t.setChunked(); err != nil {
		return err
	}
	if err := t.table.check(fileSize); err != nil {
		return err
	}
	return t.fragments.check(fileSize)
}

// setChunked decides whether a demuxer looks at chunks or at samples.
func (t *trak) setChunked() error {
	s, tb := &t.sound, &t.table
	if len(tb.times) != 8 || binary.BigEndian.Uint32(tb.times[4:]) != 1 {
		if s.sampleBytes > 0 && tb.uniform > 0 && int64(tb.uniform) != s.sampleBytes {
			return fallback("its samples are not as long as its format says")
		}
		return nil
	}
	tb.chunked, tb.frameSamples, tb.frameBytes = true, 1, s.sampleBytes
	switch {
	case s.entries > 1:
		return fallback("it has several formats")
	case s.perPacket > 1:
		tb.frameSamples, tb.frameBytes = s.perPacket, s.bytesPerPacket
	case s.sampleBytes == 0:
		tb.frameBytes = int64(tb.uniform)
	}
	if tb.frameBytes <= 0 || tb.frameBytes > 1<<24 || tb.frameSamples > 1<<24 {
		return fallback("how long its samples are is not said")
	}
	return nil
}

// selfContained says whether a data reference (ISO 14496-12 §8.7.2) is to the file itself.
func selfContained(dref []byte, index uint16) bool {
	if dref == nil {
		return true
	}
	f := fields{p: dref}
	f.full()
	f.u32()
	i := uint16(1)
	for b, rest, ok := nextBox(f.p); ok; b, rest, ok = nextBox(rest) {
		if i == index {
			alias := b.kind == "alis" && len(b.raw) > 150 // ffmpeg takes that for another file
			return len(b.body) >= 4 && b.body[3]&1 != 0 && !alias
		}
		i++
	}
	return false
}
