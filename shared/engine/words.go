package engine

import (
	"bytes"
	"strings"
)

// maxWords is how much of what a child says is kept.
const maxWords = 8 << 10

// remark is something that ffmpeg says in passing and that matters.
type remark int

const (
	// endedEarly: the demuxer found the file shorter than the file says it is.
	endedEarly remark = iota
	// underDRM: the container says that the sound is encrypted.
	underDRM
	remarks
)

// phrases are how ffmpeg 7.1 words each remark.
var phrases = [remarks][]string{
	endedEarly: {"partial file", "File ended prematurely"},
	underDRM:   {"DRM protected stream detected", "encrypted stream detected"},
}

// words takes what a child says on its standard error: it keeps the last of it and notes the remarks in all of it.
type words struct {
	tail []byte
	line []byte
	said [remarks]bool
}

// Write implements io.Writer; it never fails.
func (w *words) Write(p []byte) (int, error) {
	w.tail = append(w.tail, p...)
	if over := len(w.tail) - maxWords; over > 0 {
		w.tail = append(w.tail[:0], w.tail[over:]...)
	}
	for rest := p; len(rest) > 0; {
		line, after, whole := bytes.Cut(rest, []byte{'\n'})
		w.line = append(w.line, line[:min(len(line), maxWords-len(w.line))]...)
		if whole {
			w.hear()
		}
		rest = after
	}
	return len(p), nil
}

func (w *words) hear() {
	for r, list := range phrases {
		for _, phrase := range list {
			w.said[r] = w.said[r] || bytes.Contains(w.line, []byte(phrase))
		}
	}
	w.line = w.line[:0]
}

func (w *words) String() string {
	return strings.ToValidUTF8(strings.TrimSpace(string(w.tail)), "\uFFFD")
}
