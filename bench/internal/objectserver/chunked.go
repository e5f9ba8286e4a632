package objectserver

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// errChunk says that a body is not what its aws-chunked encoding promises.
var errChunk = errors.New("malformed aws-chunked body")

// maxLine bounds a chunk's header and a trailer.
const maxLine = 4 << 10

// payload is the body as its sender meant it: SDKs wrap it into aws-chunked when they sign it by the piece, or when a
// checksum follows it in a trailer. Neither signatures nor checksums are looked at; both sides are this program.
func payload(r *http.Request) io.Reader {
	streaming := strings.HasPrefix(r.Header.Get("X-Amz-Content-Sha256"), "STREAMING-")
	if !streaming && !strings.Contains(r.Header.Get("Content-Encoding"), "aws-chunked") {
		return r.Body
	}
	return &chunked{src: bufio.NewReaderSize(r.Body, maxLine)}
}

// chunked reads `size-in-hex[;extension]CRLF data CRLF`, again and again until a chunk of size 0, and then trailers up
// to an empty line or the end.
type chunked struct {
	src  *bufio.Reader
	left int64 // of the chunk
	done bool
}

func (c *chunked) Read(p []byte) (int, error) {
	if c.done {
		return 0, io.EOF
	}
	if c.left == 0 {
		if err := c.next(); err != nil {
			return 0, err
		}
		if c.done {
			return 0, io.EOF
		}
	}
	n, err := c.src.Read(p[:min(int64(len(p)), c.left)])
	c.left -= int64(n)
	if c.left == 0 && err == nil {
		err = c.blank()
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

func (c *chunked) next() error {
	line, err := c.line()
	if err != nil {
		return err
	}
	size, _, _ := strings.Cut(line, ";")
	c.left, err = strconv.ParseInt(strings.TrimSpace(size), 16, 64)
	if err != nil || c.left < 0 {
		return fmt.Errorf("%w: chunk of size %q", errChunk, size)
	}
	if c.left > 0 {
		return nil
	}
	c.done = true
	for {
		trailer, err := c.line()
		if errors.Is(err, io.ErrUnexpectedEOF) && trailer == "" || err == nil && trailer == "" {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (c *chunked) blank() error {
	line, err := c.line()
	if err != nil {
		return err
	}
	if line != "" {
		return fmt.Errorf("%w: a chunk does not end where it should", errChunk)
	}
	return nil
}

// line reads up to CRLF, which it drops.
func (c *chunked) line() (string, error) {
	line, err := c.src.ReadSlice('\n')
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		return "", fmt.Errorf("%w: a line of more than %d bytes", errChunk, maxLine)
	case errors.Is(err, io.EOF):
		return string(line), io.ErrUnexpectedEOF
	case err != nil:
		return "", err
	}
	return strings.TrimRight(string(line), "\r\n"), nil
}
