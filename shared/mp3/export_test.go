package mp3

// HeaderFrame is the header frame that w would write now.
func HeaderFrame(w *Writer, end EndInfo) []byte { return w.headerFrame(end) }

// Kept is how many bytes c keeps.
func Kept(c *Copier) int { return cap(c.framer.buf) + cap(c.scratch) }
