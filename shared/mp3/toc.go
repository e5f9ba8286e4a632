package mp3

// tocPoints is how many places of a stream are remembered: enough that a table of 100 entries of one byte is exact.
const tocPoints = 4096

// index remembers where frames start, for every stride-th one; when it is full, it forgets every second one.
type index struct {
	points []int64
	stride int64
	frames int64
}

// add notes the next frame's offset in the stream.
func (x *index) add(offset int64) {
	if x.stride == 0 {
		x.stride = 1
	}
	if x.frames%x.stride == 0 {
		if len(x.points) == tocPoints {
			for i := range tocPoints / 2 {
				x.points[i] = x.points[2*i]
			}
			x.points = x.points[:tocPoints/2]
			x.stride *= 2
		}
		if x.frames%x.stride == 0 {
			x.points = append(x.points, offset)
		}
	}
	x.frames++
}

// toc fills a Xing header's table of contents: where, in 256ths of all its bytes, the file's hundredths of playing
// time start. Offsets count from the header frame on, which is header bytes long; total includes it.
func (x *index) toc(t []byte, header, total int64) {
	for i := range t {
		if i == 0 || total == 0 {
			continue // the table starts at the header frame itself
		}
		frame := x.frames * int64(i) / int64(len(t))
		at := frame / x.stride
		offset, next, span := x.points[at], total-header, x.frames-at*x.stride
		if at+1 < int64(len(x.points)) {
			next, span = x.points[at+1], x.stride
		}
		offset += (next - offset) * (frame - at*x.stride) / span
		t[i] = byte(min(255, 256*(header+offset)/total))
	}
}
