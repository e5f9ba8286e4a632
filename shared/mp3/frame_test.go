package mp3_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"mp3converter/shared/mp3"
)

func TestHeaders(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		bytes                            string
		text                             string
		bitrate, size, samples, channels int
	}{
		{"\xff\xfb\x90\x64", "MPEG-1 layer 3, 44100 Hz", 128, 417, 1152, 2},
		{"\xff\xfb\x92\x64", "MPEG-1 layer 3, 44100 Hz", 128, 418, 1152, 2},
		{"\xff\xfa\xea\xc4", "MPEG-1 layer 3, 32000 Hz", 320, 1441, 1152, 1},
		{"\xff\xf3\x80\xc4", "MPEG-2 layer 3, 22050 Hz", 64, 208, 576, 1},
		{"\xff\xe3\xea\x04", "MPEG-2.5 layer 3, 8000 Hz", 160, 1441, 576, 2},
		{"\xff\xe3\x14\x04", "MPEG-2.5 layer 3, 12000 Hz", 8, 48, 576, 2},
		{"\xff\xfd\xe0\x04", "MPEG-1 layer 2, 44100 Hz", 384, 1253, 1152, 2},
		{"\xff\xff\x92\x04", "MPEG-1 layer 1, 44100 Hz", 288, 316, 384, 2},
		{"\xff\xf5\xe8\x04", "MPEG-2 layer 2, 16000 Hz", 160, 1440, 1152, 2},
		{"\xff\xfb\x00\x64", "MPEG-1 layer 3, 44100 Hz", 0, 0, 1152, 2},
	} {
		h, err := mp3.ParseHeader([]byte(test.bytes))
		if err != nil {
			t.Errorf("%x: %v", test.bytes, err)
			continue
		}
		if h.String() != test.text || h.Bitrate() != test.bitrate || h.Size() != test.size || h.Samples() != test.samples ||
			h.Channels() != test.channels || h.FreeFormat() != (test.bitrate == 0) {
			t.Errorf("%x is %v, %d kbit/s, %d bytes, %d samples, %d channels; want %+v",
				test.bytes, h, h.Bitrate(), h.Size(), h.Samples(), h.Channels(), test)
		}
	}
}

func TestEveryHeaderIsWrittenAsItWasRead(t *testing.T) {
	t.Parallel()
	valid := 0
	for i := range 1 << 21 {
		b := []byte{0xff, 0xe0 | byte(i>>16), byte(i >> 8), byte(i)}
		h, err := mp3.ParseHeader(b)
		if err != nil {
			continue
		}
		valid++
		var got [4]byte
		if h.Put(got[:]); !bytes.Equal(got[:], b) {
			t.Fatalf("%x became %x", b, got)
		}
		if size := h.Size(); h.Layer == 3 && size != 0 && (size < h.MainDataAt() || size > mp3.MaxFrameSize) {
			t.Fatalf("%x is a frame of %d bytes", b, size)
		}
	}
	if want := 3 * 3 * 2 * 15 * 3 * 4 * 256; valid != want {
		t.Errorf("%d valid headers, want %d", valid, want)
	}
}

func TestSideInfoIsWrittenAsItWasRead(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"lame-v5.mp3", "lame-b64.mp3", "lame-v9.mp3"} {
		for i, frame := range split(t, testdata(t, name)) {
			h, err := mp3.ParseHeader(frame)
			if err != nil {
				t.Fatal(err)
			}
			side, err := mp3.ParseSideInfo(h, frame)
			if err != nil {
				t.Fatal(err)
			}
			got := bytes.Repeat([]byte{0xa5}, len(frame))
			side.Put(h, got)
			if at := h.MainDataAt(); !bytes.Equal(got[4:at], frame[4:at]) {
				t.Fatalf("%s, frame %d: %x became %x", name, i, frame[4:at], got[4:at])
			}
		}
	}
}

// protected is a frame with a CRC.
func protected(t testing.TB) []byte {
	t.Helper()
	h := mp3.Header{Version: mp3.MPEG1, Layer: 3, Protected: true, BitrateIndex: 1, RateIndex: 1, Mode: mp3.Mono}
	frame := make([]byte, h.Size())
	h.Put(frame)
	side := mp3.SideInfo{Private: 21}
	side.Put(h, frame)
	return frame
}

func TestCheckerFindsFaults(t *testing.T) {
	t.Parallel()
	frames := split(t, testdata(t, "lame-v5.mp3"))
	with := func(change func(h *mp3.Header, s *mp3.SideInfo)) []byte {
		frame := bytes.Clone(frames[1])
		h, _ := mp3.ParseHeader(frame)
		side, _ := mp3.ParseSideInfo(h, frame)
		change(&h, &side)
		h.Put(frame)
		side.Put(h, frame)
		return frame
	}
	wrongCRC := protected(t)
	wrongCRC[4] ^= 1
	for name, test := range map[string]struct {
		frames [][]byte
		why    string
	}{
		"nothing":            {[][]byte{{}}, "no MPEG audio frame header"},
		"too short":          {[][]byte{frames[1][:40]}, "40 bytes where the header says"},
		"too long":           {[][]byte{append(bytes.Clone(frames[1]), 0)}, "bytes where the header says"},
		"Layer II":           {[][]byte{with(func(h *mp3.Header, _ *mp3.SideInfo) { h.Layer = 2 })}, "layer 2"},
		"free format":        {[][]byte{with(func(h *mp3.Header, _ *mp3.SideInfo) { h.BitrateIndex = 0 })}, "free format"},
		"sample rate":        {[][]byte{frames[1], split(t, testdata(t, "lame-v9.mp3"))[0]}, "frame 1: invalid MP3 frame: MPEG-2.5 layer 3, 11025 Hz in a stream of"},
		"missing reservoir":  {[][]byte{frames[20]}, "frame 0: invalid MP3 frame: main data starts"},
		"missing frame":      {[][]byte{frames[1], frames[3]}, "frame 1: invalid MP3 frame: main data starts"},
		"too much main data": {[][]byte{with(func(_ *mp3.Header, s *mp3.SideInfo) { s.Granules[0][0].Part23Length = 4095 })}, "end beyond the frame"},
		"big values":         {[][]byte{with(func(_ *mp3.Header, s *mp3.SideInfo) { s.Granules[1][1].BigValues = 300 })}, "300 big values"},
		"CRC":                {[][]byte{wrongCRC}, "wrong CRC"},
	} {
		c := mp3.Checker{CRC: true}
		var err error
		for _, frame := range test.frames {
			if err = c.Check(frame); err != nil {
				break
			}
		}
		if !errors.Is(err, mp3.ErrFrame) || !strings.Contains(err.Error(), test.why) {
			t.Errorf("%s: %v, want %q", name, err, test.why)
		}
		if int(c.Frames()) != len(test.frames)-1 {
			t.Errorf("%s: %d frames passed", name, c.Frames())
		}
	}
}

func TestCheckerTakesOverlapForAFault(t *testing.T) {
	t.Parallel()
	frames := split(t, testdata(t, "lame-v5.mp3"))
	frames = frames[1:]
	n := 0
	for mainDataBegin(t, frames[n+1]) == 0 {
		n++
	}
	// A frame's main data is drawn out to the frame's end, over where the next one's starts.
	frame := bytes.Clone(frames[n])
	h, _ := mp3.ParseHeader(frame)
	side, _ := mp3.ParseSideInfo(h, frame)
	room := 8*(side.MainDataBegin+len(frame)-h.MainDataAt()) - side.Bits()
	for i := range 4 {
		g := &side.Granules[i/2][i%2]
		more := min(room, 4095-g.Part23Length)
		g.Part23Length += more
		room -= more
	}
	side.Put(h, frame)
	var c mp3.Checker
	for _, frame := range append(frames[:n:n], frame) {
		if err := c.Check(frame); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Check(frames[n+1]); !errors.Is(err, mp3.ErrFrame) {
		t.Error(err)
	}
}

func TestCheckerTakesProtectedFrames(t *testing.T) {
	t.Parallel()
	c := mp3.Checker{CRC: true}
	if err := c.Check(protected(t)); err != nil {
		t.Error(err)
	}
	// ISO 11172-3's CRC over these 19 bytes, worked out bit by bit.
	crc := uint32(0xffff)
	frame := protected(t)
	for _, b := range append(bytes.Clone(frame[2:4]), frame[6:23]...) {
		for i := 7; i >= 0; i-- {
			top := crc>>15 ^ uint32(b>>i&1)
			crc = crc << 1 & 0xffff
			if top == 1 {
				crc ^= 0x8005
			}
		}
	}
	if got := uint32(frame[4])<<8 | uint32(frame[5]); got != crc {
		t.Errorf("CRC %04x, want %04x", got, crc)
	}
}
