package mp3

// HeaderFrame is the header frame that w would write now.
func HeaderFrame(w *Writer, end EndInfo) []byte { return w.headerFrame(end) }
