package engine_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"path/filepath"
	"testing"
	"time"

	"mp3converter/shared/audio"
	"mp3converter/shared/engine"
	"mp3converter/shared/mediatest"
	"mp3converter/shared/source"
	"mp3converter/shared/source/sourcetest"
)

// waysOfReading are two files of the same sound: one of which an excerpt is made, and one that is read as a whole.
func waysOfReading(t testing.TB) map[string][]byte {
	t.Helper()
	m := takeApart(t, mediatest.Clip(t, "faults.m4a", speechOf(12, 44100)+"-c:a aac -b:a 192k"))
	lay := layout{perChunk: 40, gap: 1_200_000, moovFirst: true}
	excerpt := m.assemble(t, lay)
	lay.moov = odd
	return map[string][]byte{"an excerpt": excerpt, "the whole file": m.assemble(t, lay)}
}

// silentAfter gives some bytes and then nothing, until nobody waits any more.
type silentAfter struct {
	ctx  context.Context
	rest io.Reader
}

func (s *silentAfter) Read(p []byte) (int, error) {
	if n, err := s.rest.Read(p); n > 0 || err == nil {
		return n, err
	}
	<-s.ctx.Done()
	return 0, s.ctx.Err()
}

var errDown = errors.New("503 slow down")

func TestFaultsOfTheStorage(t *testing.T) {
	t.Parallel()
	files := waysOfReading(t)
	stalls := func(every int) func(context.Context, int, io.Reader) io.Reader {
		return func(ctx context.Context, n int, r io.Reader) io.Reader {
			if n%every != 0 {
				return r
			}
			return &silentAfter{ctx, io.LimitReader(r, 2000)}
		}
	}
	// late fails what lies in the second half of the file, the movie box and the first sound being there by then.
	late := func(err error) func(int64) func(context.Context, int, int64, int64) error {
		return func(size int64) func(context.Context, int, int64, int64) error {
			return func(_ context.Context, _ int, offset, length int64) error {
				if offset+length > size/2 {
					return err
				}
				return nil
			}
		}
	}
	for _, tc := range []struct {
		name string
		open func(size int64) func(ctx context.Context, n int, offset, length int64) error
		body func(ctx context.Context, n int, r io.Reader) io.Reader
		want error // nil: the MP3 is made as if nothing had been
	}{
		{"stalls", nil, stalls(3), nil},
		{"bodies that are cut", nil, func(_ context.Context, n int, r io.Reader) io.Reader {
			return io.LimitReader(r, 20_000+int64(n%3)*100_000)
		}, nil},
		{"errors, and then recovery", func(int64) func(context.Context, int, int64, int64) error {
			return func(_ context.Context, n int, _, _ int64) error {
				if n >= 3 && n <= 6 || n%4 == 0 {
					return errDown
				}
				return nil
			}
		}, nil, nil},
		{"errors for good", late(errDown), nil, errDown},
		{"an object replaced", late(source.ErrChanged), nil, source.ErrChanged},
		{"an object removed", late(source.ErrGone), nil, source.ErrGone},
	} {
		for way, data := range files {
			t.Run(tc.name+", "+way, func(t *testing.T) {
				t.Parallel()
				bin := ownLayer(t)
				src := &sourcetest.Object{Data: data, Body: tc.body}
				if tc.open != nil {
					src.Open = tc.open(src.Size())
				}
				e := newEngine(t, engine.Config{
					FFmpeg: filepath.Join(bin, "ffmpeg"),
					Source: source.Config{Stall: 100 * time.Millisecond, Backoff: time.Millisecond, Block: 1 << 20, Hedge: -1},
				})
				began := time.Now()
				res, err := convert(t, e, src, audio.Options{})
				if took := time.Since(began); took > 30*time.Second {
					t.Errorf("it took %v", took)
				}
				var f *engine.Failure
				switch {
				case tc.want == nil && err != nil:
					t.Error(err)
				case tc.want == nil && !bytes.Equal(res.mp3, converted(t, data, audio.Options{}).mp3):
					t.Error("the MP3 is not the same as from a storage without faults")
				case tc.want != nil && (!errors.Is(err, tc.want) || errors.As(err, &f)):
					t.Errorf("error %v, want %v and no permanent failure", err, tc.want)
				}
				if left := offspring(t, bin); len(left) > 0 {
					t.Errorf("children %v are left", left)
				}
				if n := src.Unclosed(); n > 0 {
					t.Errorf("%d ranges are still open", n)
				}
			})
		}
	}
}

func TestAStorageThatFallsSilentForGood(t *testing.T) {
	t.Parallel()
	for way, data := range waysOfReading(t) {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			src := &sourcetest.Object{Data: data, Body: func(ctx context.Context, n int, r io.Reader) io.Reader {
				if n < 4 {
					return r
				}
				return &silentAfter{ctx, bytes.NewReader(nil)}
			}}
			e := newEngine(t, engine.Config{Source: source.Config{Stall: 50 * time.Millisecond, Backoff: time.Millisecond, Attempts: 3, Block: 1 << 20}})
			res, err := convert(t, e, src, audio.Options{})
			var f *engine.Failure
			if err == nil || errors.As(err, &f) {
				t.Errorf("%d bytes and error %v, want one that is worth a retry", len(res.mp3), err)
			}
			if n := src.Unclosed(); n > 0 {
				t.Errorf("%d ranges are still open", n)
			}
		})
	}
}
