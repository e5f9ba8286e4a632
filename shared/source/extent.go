package source

// Extent is a run of bytes of an object.
type Extent struct {
	Offset, Length int64
}

// End is the offset of the first byte after the extent.
func (e Extent) End() int64 { return e.Offset + e.Length }
