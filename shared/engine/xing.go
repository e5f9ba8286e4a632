package engine

import (
	"bytes"
	"encoding/binary"
)

const (
	// maxInfoFrame is more than the frame with the Xing header can take: 320 kbit/s at 32 kHz are 1440 bytes.
	maxInfoFrame = 1441
	// tagHeader is the length of an ID3v2 tag's header.
	tagHeader = 10
)

// mp3Info is what an MP3's first frame says about all of it.
type mp3Info struct {
	sampleRate int
	// samples per channel, without the encoder's delay and padding.
	samples int64
}

// tagLength is how long the ID3v2 tag at the start of head is, its own header included (ID3v2.4.0 structure, §3.1);
// 0 when there is none.
func tagLength(head []byte) int {
	if len(head) < tagHeader || string(head[:3]) != "ID3" {
		return 0
	}
	n := 0
	for _, b := range head[6:tagHeader] {
		n = n<<7 | int(b&0x7f)
	}
	return tagHeader + n
}

// sampleRates of MPEG-1 Layer III by the header's sampling_frequency (ISO 11172-3 §2.4.2.3); MPEG-2 and 2.5 have a
// half and a quarter.
var sampleRates = [4]int{44100, 48000, 32000, 0}

// parseInfo reads the first frame of an MP3: its header, the Xing header's frame count, and the delay and padding in
// the LAME extension to it.
func parseInfo(head []byte) (mp3Info, bool) {
	frame := head[min(tagLength(head), len(head)):]
	frame = frame[:min(len(frame), maxInfoFrame)]
	if len(frame) < 4 || frame[0] != 0xff || frame[1]&0xe6 != 0xe2 {
		return mp3Info{}, false
	}
	info := mp3Info{sampleRate: sampleRates[frame[2]>>2&3]}
	perFrame := int64(1152)
	switch frame[1] >> 3 & 3 {
	case 0: // MPEG-2.5
		info.sampleRate /= 4
		perFrame = 576
	case 2: // MPEG-2
		info.sampleRate /= 2
		perFrame = 576
	}
	at := bytes.Index(frame, []byte("Xing"))
	if at < 0 {
		at = bytes.Index(frame, []byte("Info"))
	}
	if at < 0 || len(frame) < at+12 || frame[at+7]&1 == 0 || info.sampleRate == 0 {
		return mp3Info{}, false
	}
	info.samples = int64(binary.BigEndian.Uint32(frame[at+8:])) * perFrame
	extension := at + 8
	for flag, size := range map[byte]int{1: 4, 2: 4, 4: 100, 8: 4} {
		if frame[at+7]&flag != 0 {
			extension += size
		}
	}
	if gap := extension + 21; gap+3 <= len(frame) {
		delay := int64(frame[gap])<<4 | int64(frame[gap+1])>>4
		padding := int64(frame[gap+1]&0xf)<<8 | int64(frame[gap+2])
		info.samples = max(0, info.samples-delay-padding)
	}
	return info, true
}
