package mediatest

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"slices"
)

// Box is a box of ISO 14496-12 §4.2, or of QuickTime, with a size of 32 bits.
func Box(kind string, body ...[]byte) []byte {
	b := bytes.Join(body, nil)
	return slices.Concat(U32(uint32(8+len(b))), []byte(kind), b)
}

// U32 is numbers as boxes have them: 32 bits each, big-endian.
func U32(values ...uint32) []byte {
	var p []byte
	for _, v := range values {
		p = binary.BigEndian.AppendUint32(p, v)
	}
	return p
}

// U64 is the same in 64 bits.
func U64(values ...uint64) []byte {
	var p []byte
	for _, v := range values {
		p = binary.BigEndian.AppendUint64(p, v)
	}
	return p
}

// Compressed is a movie box in QuickTime's compressed form.
func Compressed(moov []byte) []byte {
	var z bytes.Buffer
	w := zlib.NewWriter(&z)
	if _, err := w.Write(moov); err != nil || w.Close() != nil {
		panic("a buffer refuses to be written")
	}
	return Box("moov", Box("cmov", Box("dcom", []byte("zlib")), Box("cmvd", U32(uint32(len(moov))), z.Bytes())))
}
