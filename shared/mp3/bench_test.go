package mp3_test

import (
	"bytes"
	"testing"

	"mp3converter/shared/mp3"
)

// BenchmarkCopy copies and writes ten minutes of sound at a time.
func BenchmarkCopy(b *testing.B) {
	music := bytes.Join(split(b, testdata(b, "lame-v5.mp3"))[1:], nil)
	source := bytes.Repeat(music, 500)
	b.SetBytes(int64(len(source)))
	b.ReportAllocs()
	for b.Loop() {
		w := mp3.NewWriter(&tail{}, mp3.Options{})
		c := mp3.NewCopier(w.WriteFrames, mp3.CopyOptions{})
		for rest := source; len(rest) > 0; {
			n, err := c.Write(rest[:min(len(rest), 1<<20)])
			if err != nil {
				b.Fatal(err)
			}
			rest = rest[n:]
		}
		done, err := c.Close()
		if err != nil {
			b.Fatal(err)
		}
		if _, err := w.Finish(done.End); err != nil {
			b.Fatal(err)
		}
	}
}
