package ffmpeg_test

import (
	"bytes"
	"fmt"
)

// firstDifference says in words where two streams of MP3 frames differ first: in which frame, and in which field of it
// (ISO 11172-3 §2.4.1). It is empty if they do not.
func firstDifference(got, want []byte) string {
	if bytes.Equal(got, want) {
		return ""
	}
	at := 0
	for at < len(got) && at < len(want) && got[at] == want[at] {
		at++
	}
	frame, start := 0, 0
	for start < len(want) {
		size, _, _, err := mp3Header(want[start:])
		if err != nil {
			return fmt.Sprintf("byte %d of %d and %d; the serial one has no frames: %v", at, len(got), len(want), err)
		}
		if start+size > at {
			break
		}
		start += size
		frame++
	}
	where := fmt.Sprintf("byte %d of %d and %d, frame %d", at, len(got), len(want), frame)
	if at == len(got) || at == len(want) {
		return where + ": one ends there"
	}
	return where + ", " + field(got[start:], want[start:], at-start)
}

// field names the field in which two frames differ first, at some byte, with what both have there.
func field(got, want []byte, at int) string {
	if at < 4 {
		return fmt.Sprintf("header: %x, want %x", got[:4], want[:4])
	}
	fields := sideInfo(want)
	bits := 0
	for _, f := range fields {
		bits += f.bits
	}
	if at >= 4+(bits+7)/8 || len(got) < 4+(bits+7)/8 {
		return fmt.Sprintf("main data, %d bytes after the side information", at-4-(bits+7)/8)
	}
	from := 32
	for _, f := range fields {
		g, w := take(got, from, f.bits), take(want, from, f.bits)
		if g != w {
			return fmt.Sprintf("side information, %s: %d, want %d", f.name, g, w)
		}
		from += f.bits
	}
	return "side information"
}

func take(b []byte, from, bits int) (v uint64) {
	for i := from; i < from+bits; i++ {
		v = v<<1 | uint64(b[i/8]>>(7-i%8)&1)
	}
	return v
}

type sideField struct {
	name string
	bits int
}

// sideInfo lists the fields of a frame's side information.
func sideInfo(frame []byte) []sideField {
	mpeg1, mono := frame[1]>>3&3 == 3, frame[3]>>6 == 3
	channels, granules, private, compress := 2, 1, 2, 9
	mainDataBegin := 8
	if mono {
		channels, private = 1, 1
	}
	if mpeg1 {
		mainDataBegin, granules, compress, private = 9, 2, 4, 3
		if mono {
			private = 5
		}
	}
	fields := []sideField{{"main_data_begin", mainDataBegin}, {"private_bits", private}}
	if mpeg1 {
		for ch := range channels {
			fields = append(fields, sideField{fmt.Sprintf("channel %d scfsi", ch), 4})
		}
	}
	for gr := range granules {
		for ch := range channels {
			name := func(field string) string { return fmt.Sprintf("granule %d channel %d %s", gr, ch, field) }
			fields = append(fields, sideField{name("part2_3_length"), 12}, sideField{name("big_values"), 9},
				sideField{name("global_gain"), 8}, sideField{name("scalefac_compress"), compress},
				sideField{name("block type, tables and regions"), 23})
			if mpeg1 {
				fields = append(fields, sideField{name("preflag"), 1})
			}
			fields = append(fields, sideField{name("scalefac_scale"), 1}, sideField{name("count1table_select"), 1})
		}
	}
	return fields
}
