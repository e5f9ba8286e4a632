package mp3

// HeaderFrame is the header frame that w would write now.
func HeaderFrame(w *Writer, end EndInfo) []byte { return w.headerFrame(end) }

// Pretend makes w take itself for one that has written so many bytes of frames.
func Pretend(w *Writer, streamBytes int64) { w.streamBytes = streamBytes }

// Kept is how many bytes c keeps.
func Kept(c *Copier) int { return cap(c.framer.buf) + cap(c.scratch) }
