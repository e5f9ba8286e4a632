package mediatest

import "testing"

// Destination takes an MP3 by WriteAt. It fails its test unless each write goes on where the MP3 ends so far, or changes
// some of the first Rewritable bytes.
type Destination struct {
	T          testing.TB
	Rewritable int64
	Fail       error // what every write returns, if set

	Data    []byte // the MP3 so far
	Longest int    // write, in bytes
}

// WriteAt implements io.WriterAt.
func (d *Destination) WriteAt(p []byte, offset int64) (int, error) {
	if d.Fail != nil {
		return 0, d.Fail
	}
	d.Longest = max(d.Longest, len(p))
	end := offset + int64(len(p))
	switch {
	case offset == int64(len(d.Data)):
		d.Data = append(d.Data, p...)
	case end <= int64(len(d.Data)) && end <= d.Rewritable:
		copy(d.Data[offset:], p)
	default:
		d.T.Errorf("WriteAt(%d bytes, %d) after %d bytes is neither in order nor within the first %d", len(p), offset, len(d.Data), d.Rewritable)
	}
	return len(p), nil
}
