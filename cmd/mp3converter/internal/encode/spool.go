package encode

import (
	"errors"
	"io"
	"os"
)

const (
	// Held is how many bytes of an MP3 on its way to a stream are held in memory; what is beyond lies in a temporary
	// file that has no name.
	Held      = 64 << 20
	blockSize = 1 << 20
)

// spool holds an MP3 that is written at offsets. It may be written to by one goroutine at a time.
type spool struct {
	blocks [][]byte // of blockSize, together up to Held
	file   *os.File // from Held on
	size   int64
}

// WriteAt implements io.WriterAt.
func (s *spool) WriteAt(p []byte, offset int64) (int, error) {
	if offset < 0 || offset > s.size {
		return 0, errors.New("the MP3 is not written in order")
	}
	done := 0
	for done < len(p) && offset < Held {
		i, at := offset/blockSize, offset%blockSize
		if i == int64(len(s.blocks)) {
			s.blocks = append(s.blocks, make([]byte, blockSize))
		}
		n := copy(s.blocks[i][at:], p[done:])
		done += n
		offset += int64(n)
	}
	if done < len(p) {
		if err := s.open(); err != nil {
			return done, err
		}
		n, err := s.file.WriteAt(p[done:], offset-Held)
		done += n
		offset += int64(n)
		if err != nil {
			return done, err
		}
	}
	s.size = max(s.size, offset)
	return done, nil
}

// Truncate makes it shorter, as os.File's does, for an MP3 that is begun anew.
func (s *spool) Truncate(size int64) error {
	s.size = min(s.size, size)
	return nil
}

// open makes the temporary file and takes its name away, so that nothing is left however the program ends.
func (s *spool) open() error {
	if s.file != nil {
		return nil
	}
	f, err := os.CreateTemp("", "mp3converter-*")
	if err != nil {
		return err
	}
	s.file = f
	return os.Remove(f.Name())
}

// reader reads all of it from the start.
func (s *spool) reader() io.Reader {
	return io.NewSectionReader(s, 0, s.size)
}

// ReadAt implements io.ReaderAt.
func (s *spool) ReadAt(p []byte, offset int64) (int, error) {
	if offset >= s.size {
		return 0, io.EOF
	}
	if offset >= Held {
		return s.file.ReadAt(p, offset-Held)
	}
	block := s.blocks[offset/blockSize][offset%blockSize:]
	n := copy(p, block[:min(int64(len(block)), s.size-offset)])
	if n < len(p) {
		more, err := s.ReadAt(p[n:], offset+int64(n))
		return n + more, err
	}
	return n, nil
}

func (s *spool) close() {
	if s.file != nil {
		_ = s.file.Close()
	}
}
