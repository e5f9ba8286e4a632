package mp3_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
	"unicode/utf8"

	"mp3converter/shared/mp3"
)

// FuzzFrames holds parsing to what it promises of any bytes: what was read is written back as it was, sizes are within
// bounds, and what Checker lets pass can be unpacked.
func FuzzFrames(f *testing.F) {
	for _, name := range []string{"lame-v5.mp3", "lame-b64.mp3", "lame-v9.mp3"} {
		frames := split(f, testdata(f, name))
		f.Add(bytes.Join(frames[:4], nil))
		f.Add(bytes.Join(frames[10:13], nil))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c := mp3.Checker{}
		var u mp3.Unpacker
		for len(data) >= mp3.HeaderSize {
			h, err := mp3.ParseHeader(data)
			if err != nil {
				return
			}
			var header [mp3.HeaderSize]byte
			if h.Put(header[:]); !bytes.Equal(header[:], data[:mp3.HeaderSize]) {
				t.Fatalf("%x became %x", data[:mp3.HeaderSize], header)
			}
			size := min(h.Size(), len(data))
			if size == 0 {
				return
			}
			frame := data[:size]
			data = data[size:]
			if side, err := mp3.ParseSideInfo(h, frame); err == nil && h.Layer == 3 {
				again := bytes.Clone(frame)
				side.Put(h, again)
				from := h.MainDataAt() - h.SideInfoSize() // Put makes the CRC right
				if !bytes.Equal(again[from:], frame[from:]) {
					t.Fatalf("%x became %x", frame, again)
				}
			}
			_, side, main, unpackErr := u.Unpack(frame)
			if err := c.Check(frame); err != nil {
				if !errors.Is(err, mp3.ErrFrame) {
					t.Fatal(err)
				}
				return
			}
			if unpackErr != nil || len(main) != (side.Bits()+7)/8 {
				t.Fatalf("%d bytes unpacked of %d bits: %v", len(main), side.Bits(), unpackErr)
			}
		}
	})
}

// FuzzCopier copies any bytes, cut anywhere: the outcome does not depend on the cuts, is a valid stream, and is what a
// copy of the copy gives.
func FuzzCopier(f *testing.F) {
	v5, b64, v9 := testdata(f, "lame-v5.mp3")[:5000], testdata(f, "lame-b64.mp3")[:3000], testdata(f, "lame-v9.mp3")
	for i, data := range [][]byte{
		v5, b64, v9, v9[700:], slicesJoin([][]byte{v9[:900], []byte("junk"), v9[900:]}), slicesJoin([][]byte{v9, b64}),
		slicesJoin([][]byte{[]byte("ID3\x04\x00\x00\x00\x00\x00\x03abc"), v9, ape(true), []byte("TAG")}), freeFormat()[:3000], layerI(),
	} {
		f.Add(data, uint64(i))
	}
	f.Fuzz(func(t *testing.T, data []byte, seed uint64) {
		frames, done, err := tryCopy(data, max(1, len(data)), mp3.CopyOptions{})
		random := rand.New(rand.NewPCG(seed, 0))
		var cut [][]byte
		c := mp3.NewCopier(func(b []byte) error {
			cut = append(cut, bytes.Clone(b))
			return nil
		}, mp3.CopyOptions{})
		var cutErr error
		for rest := data; len(rest) > 0 && cutErr == nil; {
			n := min(len(rest), 1+random.IntN(1<<(1+seed%12)))
			_, cutErr = c.Write(rest[:n])
			rest = rest[n:]
		}
		if n := mp3.Kept(c); n > 96<<10 {
			t.Fatalf("%d bytes kept", n)
		}
		cutDone, closeErr := c.Close()
		if cutErr == nil {
			cutErr = closeErr
		}
		if err != nil {
			if !errors.Is(err, mp3.ErrNotCopyable) || cutErr == nil || err.Error() != cutErr.Error() {
				t.Fatalf("%v, and cut up: %v", err, cutErr)
			}
			return
		}
		if cutErr != nil || cutDone != done || !slices.EqualFunc(cut, frames, bytes.Equal) {
			t.Fatalf("%+v (%v), cut up: %+v (%v)", done, err, cutDone, cutErr)
		}
		var check mp3.Checker
		for _, frame := range frames {
			if err := check.Check(frame); err != nil {
				t.Fatal(err)
			}
		}
		file, result := written(t, frames, mp3.Options{Method: mp3.Method(seed % 8)}, done.End)
		info, ok := mp3.ReadInfo(file)
		if !ok || info.Frames != done.Frames || info.Bytes != result.Bytes || result.Samples != info.Samples() {
			t.Fatalf("info %+v of %+v", info, result)
		}
		if len(file) >= 128 && string(file[len(file)-128:][:3]) == "TAG" {
			return // the last frame looks as if an ID3v1 tag had cut it off
		}
		again, twice := copied2(t, file)
		if !slices.EqualFunc(again, frames, bytes.Equal) || twice.Silenced != 0 {
			t.Fatalf("%+v, and the copy's copy: %+v", done, twice)
		}
	})
}

// copied2 is copied, for streams whose CRCs may be wrong.
func copied2(t testing.TB, data []byte) ([][]byte, mp3.Copied) {
	t.Helper()
	frames, done, err := tryCopy(data, 1<<20, mp3.CopyOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return frames, done
}

// FuzzRepack packs the frames of any stream anew: the packing is valid, and has the same main data.
func FuzzRepack(f *testing.F) {
	f.Add(testdata(f, "lame-v5.mp3")[:5000], uint64(0))
	f.Add(testdata(f, "lame-b64.mp3")[:3000], uint64(1))
	f.Add(testdata(f, "lame-v9.mp3"), uint64(2))
	f.Fuzz(func(t *testing.T, data []byte, silent uint64) {
		frames, _, err := tryCopy(data, max(1, len(data)), mp3.CopyOptions{})
		if err != nil {
			return
		}
		var out [][]byte
		p := mp3.NewPacker(func(b []byte) error {
			out = append(out, bytes.Clone(b))
			return nil
		})
		var u mp3.Unpacker
		var mains [][]byte
		for i, frame := range frames {
			h, side, main, err := u.Unpack(frame)
			if err != nil {
				t.Fatal(err)
			}
			main = bytes.Clone(main)
			if err := p.Add(h, side, main, silent>>(i%64)&1 == 1); err != nil {
				if !errors.Is(err, mp3.ErrTooLarge) {
					t.Fatal(err)
				}
				continue
			}
			if loose := side.Bits() % 8; loose != 0 {
				main[len(main)-1] &= 0xff << (8 - loose)
			}
			mains = append(mains, main)
		}
		if err := p.Flush(); err != nil {
			t.Fatal(err)
		}
		if len(out) != len(mains) {
			t.Fatalf("%d frames, want %d", len(out), len(mains))
		}
		check := mp3.Checker{CRC: true}
		u = mp3.Unpacker{}
		for i, frame := range out {
			if err := check.Check(frame); err != nil {
				t.Fatal(err)
			}
			_, side, main, err := u.Unpack(frame)
			if err != nil {
				t.Fatal(err)
			}
			if loose := side.Bits() % 8; loose != 0 {
				main[len(main)-1] &= 0xff << (8 - loose)
			}
			if !bytes.Equal(main, mains[i]) {
				t.Fatalf("main data of frame %d differs", i)
			}
		}
	})
}

// FuzzReadInfo reads any head.
func FuzzReadInfo(f *testing.F) {
	for _, name := range []string{"lame-v5.mp3", "lame-b64.mp3", "lame-v9.mp3"} {
		f.Add(testdata(f, name)[:300])
	}
	f.Add([]byte("ID3\x04\x00\x00\x00\x00\x00\x03abc\xff\xfb\x90\x64"))
	f.Fuzz(func(t *testing.T, head []byte) {
		info, ok := mp3.ReadInfo(head)
		if !ok {
			return
		}
		g := info.Gapless
		if info.Header.Layer != 3 || info.Frames < 0 || info.Bytes < 0 || info.Samples() < 0 ||
			min(g.Delay, g.Padding) < 0 || max(g.Delay, g.Padding) > mp3.MaxGap || len(info.Encoder.Name) > 9 {
			t.Fatalf("%+v", info)
		}
	})
}

// FuzzTag writes any texts: the tag is well formed and within its bounds.
func FuzzTag(f *testing.F) {
	f.Add("title", "2024-02-29T10:20:30Z", "comment\nline", []byte("\xff\xd8\xff"), int64(time.Second))
	f.Fuzz(func(t *testing.T, text, date, comment string, picture []byte, end int64) {
		data, _ := tagged(t, mp3.Tag{
			Title: text, Artist: date, Date: date, Track: comment, Comment: comment, Picture: picture,
			Chapters: []mp3.Chapter{{End: time.Duration(end), Title: text}, {Start: time.Duration(end), End: -1, Title: comment}},
		})
		for _, frame := range tagFrames(t, data) {
			switch frame.id {
			case "APIC", "CHAP", "CTOC":
			default:
				if !utf8.Valid(frame.body[1:]) || len(frame.body) > 16<<10+10 {
					t.Errorf("%s is %q", frame.id, frame.body)
				}
			}
			if frame.id == "TDRC" {
				layout := "2006-01-02T15:04:05"[:len(frame.body)-1]
				if _, err := time.Parse(layout, string(frame.body[1:])); err != nil {
					t.Error(err)
				}
			}
		}
	})
}
