package encode

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"testing"
)

// pattern is n bytes that look alike nowhere.
func pattern(n int) []byte {
	data := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{2}).Read(data)
	return data
}

func TestSpoolHoldsWhatIsWrittenAndRewritten(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	for name, size := range map[string]int{
		"nothing":                    0,
		"less than a block":          1000,
		"blocks to the last byte":    3 * blockSize,
		"as much as memory may hold": Held,
		"more than that":             Held + blockSize + 17,
	} {
		t.Run(name, func(t *testing.T) {
			want := pattern(size)
			var got bytes.Buffer
			err := toStream(t.Context(), &got, func(w destination) error {
				for off := 0; off < size; off += 200_001 {
					if n, err := w.WriteAt(want[off:min(size, off+200_001)], int64(off)); err != nil {
						t.Fatalf("WriteAt %d: %d, %v", off, n, err)
					}
				}
				head := pattern(blockSize + 10)[10:]
				copy(want, head)
				_, err := w.WriteAt(head[:min(size, len(head))], 0)
				return err
			})
			if err != nil || !bytes.Equal(got.Bytes(), want) {
				t.Errorf("%d bytes came out, not the %d that went in; error %v", got.Len(), size, err)
			}
			if left, err := os.ReadDir(os.TempDir()); err != nil || len(left) != 0 {
				t.Errorf("temporary files %v, error %v", left, err)
			}
		})
	}
}

func TestNothingReachesAStreamOfARunThatFailed(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	var got bytes.Buffer
	err := toStream(t.Context(), &got, func(w destination) error {
		if _, err := w.WriteAt([]byte("ID3"), 0); err != nil {
			t.Error(err)
		}
		return broken
	})
	if !errors.Is(err, broken) || got.Len() != 0 {
		t.Errorf("%d bytes, error %v", got.Len(), err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(broken)
	if err := toStream(ctx, &got, func(w destination) error { _, err := w.WriteAt([]byte("ID3"), 0); return err }); !errors.Is(err, broken) || got.Len() != 0 {
		t.Errorf("interrupted: %d bytes, error %v", got.Len(), err)
	}
	var s spool
	if _, err := s.WriteAt([]byte("x"), 1); err == nil {
		t.Error("a gap was left")
	}
}

func TestErrorsAboutAURLHoldNoSecrets(t *testing.T) {
	t.Parallel()
	in, err := ParseInput("https://user:secret@h.example/a/film.mp4?X-Amz-Signature=secret&x=1#secret")
	if err != nil {
		t.Fatal(err)
	}
	cause := errors.New(`Get "https://user:secret@h.example/a/film.mp4?X-Amz-Signature=secret&x=1#secret": EOF; moved to http://e:secret@other/x?token=secret (again)`)
	cleaned := in.clean(cause)
	if want := `Get "https://h.example/a/film.mp4": EOF; moved to http://other/x (again)`; cleaned.Error() != want {
		t.Errorf("error %q, want %q", cleaned, want)
	}
	if !errors.Is(cleaned, cause) {
		t.Error("the cause is lost")
	}
}
