package inputs

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestKeysFollowWhatThingsAreMadeFrom(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for _, in := range All() {
		k := key(in.picture, in.sound, in.mux) + in.ext
		if other, ok := seen[k]; ok {
			t.Errorf("cases %s and %s would be the same file", in.Case, other)
		}
		seen[k] = in.Case
		if k != key(in.picture, in.sound, in.mux)+in.ext {
			t.Errorf("case %s has two keys", in.Case)
		}
	}
	one := All()[0].sound
	other := one
	other.Seed++
	if key(one) == key(other) {
		t.Error("two seeds have one key")
	}
}

func TestWhatWasMadeIsKnownAgain(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.mp4")
	if _, err := readAbout(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("nothing was made: %v", err)
	}
	if err := os.WriteFile(path, make([]byte, 100), 0o600); err != nil {
		t.Fatal(err)
	}
	about := About{Path: path, Bytes: 100, Seconds: 5, AudioRuns: 3}
	if err := writeAbout(about); err != nil {
		t.Fatal(err)
	}
	if got, err := readAbout(path); err != nil || got != about {
		t.Errorf("read %+v and %v, want %+v", got, err, about)
	}
	if err := os.Truncate(path, 50); err != nil {
		t.Fatal(err)
	}
	if got, err := readAbout(path); err == nil {
		t.Errorf("a file cut short was taken for %+v", got)
	}
}
