package encode

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"

	"mp3converter/shared/source"
)

type httpR struct {
	c    *http.Client
	u    string
	size int64
}

func newHTTP(ctx context.Context, client *http.Client, url string) (source.Ranges, error) {
	req, err := http.NewRequestWithContext(ctx, "GET", url, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Range", "bytes=0-0")
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	resp.Body.Close()
	if resp.StatusCode == 404 {
		return nil, fmt.Errorf("open: %w", source.ErrGone)
	}
	if resp.StatusCode != 206 {
		return nil, fmt.Errorf("status %d", resp.StatusCode)
	}
	_, after, _ := strings.Cut(resp.Header.Get("Content-Range"), "/")
	n, err := strconv.ParseInt(after, 10, 64)
	return &httpR{client, url, n}, err
}
func (h *httpR) Size() int64 { return h.size }
func (h *httpR) OpenRange(ctx context.Context, o, l int64) (io.ReadCloser, error) {
	req, _ := http.NewRequestWithContext(ctx, "GET", h.u, nil)
	req.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", o, o+l-1))
	resp, err := h.c.Do(req)
	if err != nil {
		return nil, err
	}
	return resp.Body, nil
}

type fileR struct {
	f *os.File
	n int64
}

func newFile(f *os.File) (source.Ranges, error) { i, err := f.Stat(); return &fileR{f, i.Size()}, err }
func (f *fileR) Size() int64                    { return f.n }
func (f *fileR) OpenRange(_ context.Context, o, l int64) (io.ReadCloser, error) {
	return io.NopCloser(io.NewSectionReader(f.f, o, l)), nil
}
