package conversiontest

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"strings"
	"testing"

	"mp3converter/shared/conversion"
	"mp3converter/shared/engine"
	"mp3converter/shared/source"
)

const mib = 1 << 20

// Contract holds a Store to what conversion.Videos, conversion.Results, conversion.Result and source.Ranges promise. The
// store may be shared with others: only keys made up here are touched. open is called once for each part.
func Contract(t *testing.T, open func(t *testing.T) Store) {
	for name, part := range map[string]func(*testing.T, Store){
		"a result becomes visible whole with its commit": commits,
		"an aborted result never was":                    aborts,
		"a result whose context ends never was":          contextEnds,
		"a write with a gap is refused":                  gaps,
		"what is not there is gone":                      absent,
		"ranges are exact":                               ranges,
		"a reader is pinned to one version":              pinned,
		"a replaced result is the new one":               replaced,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			part(t, open(t))
		})
	}
}

// sizes are around those at which a multipart upload begins and gets one part more.
var sizes = []int{
	0, 1, 5*mib - 1, 5 * mib, 5*mib + 1, 10*mib - 1, 10 * mib, 10*mib + 1, 15*mib - 1, 15 * mib, 15*mib + 1, 20 * mib,
}

// random returns bytes of which no two stretches are alike.
func random(n int) []byte {
	b := make([]byte, n)
	_, _ = mathrand.NewChaCha8([32]byte{}).Read(b) // never fails
	return b
}

func newKey() string { return strings.ToLower(rand.Text()) + ".mp3" }

// write appends body in pieces of the size that an encoder makes.
func write(t *testing.T, w io.WriterAt, body []byte, off int64) {
	t.Helper()
	const piece = 300_007
	for len(body) > 0 {
		n, err := w.WriteAt(body[:min(piece, len(body))], off)
		if err != nil || n != min(piece, len(body)) {
			t.Fatalf("WriteAt %d gives %d, %v", off, n, err)
		}
		body, off = body[n:], off+int64(n)
	}
}

func commit(t *testing.T, r conversion.Result) {
	t.Helper()
	requests, err := r.Commit()
	if err != nil || requests < 1 {
		t.Fatalf("Commit gives %d requests, %v", requests, err)
	}
}

func read(t *testing.T, s Store, key string) []byte {
	t.Helper()
	object, err := s.Open(t.Context(), key)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	if object.Size() == 0 {
		return nil
	}
	return readRange(t, object, 0, object.Size())
}

func readRange(t *testing.T, object source.Ranges, offset, length int64) []byte {
	t.Helper()
	body, err := object.OpenRange(t.Context(), offset, length)
	if err != nil {
		t.Fatalf("OpenRange %d+%d: %v", offset, length, err)
	}
	defer body.Close()
	got, err := io.ReadAll(body)
	if err != nil {
		t.Fatalf("read %d+%d: %v", offset, length, err)
	}
	return got
}

func wantGone(t *testing.T, s Store, key string) {
	t.Helper()
	if _, err := s.Open(t.Context(), key); !errors.Is(err, source.ErrGone) {
		t.Errorf("Open gives %v, want %v", err, source.ErrGone)
	}
}

func remove(t *testing.T, s Store, key string) {
	t.Helper()
	if err := s.Delete(t.Context(), key); err != nil {
		t.Errorf("Delete: %v", err)
	}
}

func commits(t *testing.T, s Store) {
	for _, n := range sizes {
		t.Run(fmt.Sprintf("%d bytes", n), func(t *testing.T) {
			t.Parallel()
			key, body := newKey(), random(n)
			r := s.Create(t.Context(), key)
			write(t, r, body, 0)
			wantGone(t, s, key)
			// The header is known last: first its end is written again, then its beginning, then all that may be.
			head := min(n, engine.Rewritable)
			for _, from := range []int{head / 2, 0} {
				for i := range body[from:head] {
					body[from+i]++
				}
				write(t, r, body[from:head], int64(from))
			}
			commit(t, r)
			if got := read(t, s, key); !bytes.Equal(got, body) {
				t.Errorf("what is there has %d bytes and is not what was written", len(got))
			}
			if err := r.Abort(t.Context()); err != nil {
				t.Errorf("Abort after Commit: %v", err)
			}
			if got := read(t, s, key); !bytes.Equal(got, body) {
				t.Error("Abort after Commit changed the object")
			}
			remove(t, s, key)
			wantGone(t, s, key)
		})
	}
}

func aborts(t *testing.T, s Store) {
	for _, n := range sizes {
		key := newKey()
		r := s.Create(t.Context(), key)
		write(t, r, random(n), 0)
		for range 2 {
			if err := r.Abort(t.Context()); err != nil {
				t.Errorf("Abort of %d bytes: %v", n, err)
			}
		}
		wantGone(t, s, key)
	}
}

func contextEnds(t *testing.T, s Store) {
	for _, n := range []int{1, 20 * mib} {
		key := newKey()
		ctx, cancel := context.WithCancel(t.Context())
		r := s.Create(ctx, key)
		write(t, r, random(n), 0)
		cancel()
		if _, err := r.WriteAt([]byte("x"), int64(n)); !errors.Is(err, context.Canceled) {
			t.Errorf("WriteAt gives %v, want %v", err, context.Canceled)
		}
		if _, err := r.Commit(); !errors.Is(err, context.Canceled) {
			t.Errorf("Commit gives %v, want %v", err, context.Canceled)
		}
		if err := r.Abort(t.Context()); err != nil {
			t.Errorf("Abort: %v", err)
		}
		wantGone(t, s, key)
	}
}

func gaps(t *testing.T, s Store) {
	r := s.Create(t.Context(), newKey())
	write(t, r, random(9*mib), 0)
	for _, off := range []int64{9*mib + 1, 20 * mib, 9*mib - 1, 5*mib - 1, 5 * mib} {
		if n, err := r.WriteAt([]byte("xy"), off); err == nil {
			t.Errorf("2 bytes at %d of %d are taken: %d", off, 9*mib, n)
		}
	}
	if err := r.Abort(t.Context()); err != nil {
		t.Errorf("Abort: %v", err)
	}
}

func absent(t *testing.T, s Store) {
	key := newKey()
	wantGone(t, s, key)
	remove(t, s, key)
}

func put(t *testing.T, s Store, key string, body []byte) {
	t.Helper()
	r := s.Create(t.Context(), key)
	write(t, r, body, 0)
	commit(t, r)
}

func ranges(t *testing.T, s Store) {
	key, body := newKey(), random(100_000)
	put(t, s, key, body)
	object, err := s.Open(t.Context(), key)
	if err != nil || object.Size() != int64(len(body)) {
		t.Fatalf("opened with error %v", err)
	}
	for _, r := range [][2]int64{{0, 1}, {0, 100_000}, {99_999, 1}, {12_345, 54_321}} {
		if got := readRange(t, object, r[0], r[1]); !bytes.Equal(got, body[r[0]:r[0]+r[1]]) {
			t.Errorf("the range %v has %d bytes that are not the object's", r, len(got))
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := object.OpenRange(ctx, 0, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("with a cancelled context the error is %v", err)
	}
	remove(t, s, key)
}

func pinned(t *testing.T, s Store) {
	key := newKey()
	put(t, s, key, []byte("the first version"))
	object, err := s.Open(t.Context(), key)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	if got := string(readRange(t, object, 4, 5)); got != "first" {
		t.Errorf("read %q", got)
	}
	put(t, s, key, []byte("the other version"))
	if _, err := object.OpenRange(t.Context(), 4, 5); !errors.Is(err, source.ErrChanged) || errors.Is(err, source.ErrGone) {
		t.Errorf("of a replaced object the error is %v, want %v", err, source.ErrChanged)
	}
	remove(t, s, key)
	if _, err := object.OpenRange(t.Context(), 4, 5); !errors.Is(err, source.ErrGone) || errors.Is(err, source.ErrChanged) {
		t.Errorf("of a removed object the error is %v, want %v", err, source.ErrGone)
	}
}

func replaced(t *testing.T, s Store) {
	key := newKey()
	for _, n := range []int{9 * mib, 100, 17 * mib, 0} {
		put(t, s, key, random(n))
		if got := read(t, s, key); !bytes.Equal(got, random(n)) {
			t.Errorf("after writing %d bytes there are %d others", n, len(got))
		}
	}
	remove(t, s, key)
}
