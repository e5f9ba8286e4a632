package isobmff

import (
	"bytes"
	"compress/zlib"
	"io"
)

// maxInflated bounds a compressed movie box, in bytes; they were made when films were short.
const maxInflated = 16 << 20

// inflate decompresses at most limit bytes. Memory grows with what really comes out.
func inflate(p []byte, limit int64) ([]byte, error) {
	z, err := zlib.NewReader(bytes.NewReader(p))
	if err != nil {
		return nil, fallback("%v", err)
	}
	defer z.Close()
	out, err := io.ReadAll(io.LimitReader(z, limit))
	if err != nil {
		return nil, fallback("%v", err)
	}
	return out, nil
}
