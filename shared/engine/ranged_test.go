package engine

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"

	"mp3converter/shared/source"
	"mp3converter/shared/source/sourcetest"
)

func request(op, length uint32, offset uint64) []byte {
	b := binary.LittleEndian.AppendUint32(nil, op)
	b = binary.LittleEndian.AppendUint32(b, length)
	return binary.LittleEndian.AppendUint64(b, offset)
}

func serveReads(t testing.TB, data, requests []byte) ([]byte, error) {
	t.Helper()
	reader := source.NewReader(t.Context(), &sourcetest.Object{Data: data}, source.Config{})
	defer reader.Close()
	var answers bytes.Buffer
	err := (&readServer{input: reader}).serve(t.Context(), bytes.NewReader(requests), &answers)
	return answers.Bytes(), err
}

func TestReadServer(t *testing.T) {
	t.Parallel()
	data := []byte("0123456789")
	answer := func(length uint32, value uint64, payload string) string {
		return string(request(0, length, value)) + payload
	}
	for _, tc := range []struct {
		name     string
		requests []byte
		want     string
		err      error
	}{
		{"nothing", nil, "", nil},
		{"the size", request(opSize, 0, 0), answer(0, 10, ""), nil},
		{"bytes", request(opRead, 4, 3), answer(4, 0, "3456"), nil},
		{"fewer bytes at the end", request(opRead, 400, 8), answer(2, 0, "89"), nil},
		{"no bytes after the end", request(opRead, 4, 10), answer(0, 0, ""), nil},
		{"no bytes far after the end", request(opRead, 1<<32-1, 1<<62), answer(0, 0, ""), nil},
		{"an offset that is no offset", request(opRead, 4, 1<<63), "", errProtocol},
		{"a write", append(request(2, 1, 0), 'x'), "", errProtocol},
		{"an unknown request", request(9, 0, 0), "", errProtocol},
		{"half a request", request(opRead, 4, 3)[:9], "", nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, err := serveReads(t, data, tc.requests)
			if string(got) != tc.want || !errors.Is(err, tc.err) {
				t.Errorf("answers %q and error %v, want %q and %v", got, err, tc.want, tc.err)
			}
		})
	}
}

// record is a destination that remembers its calls.
type record struct {
	data  []byte
	calls []int64
}

func (r *record) WriteAt(p []byte, offset int64) (int, error) {
	r.calls = append(r.calls, offset)
	if grown := int(offset) + len(p) - len(r.data); grown > 0 {
		r.data = append(r.data, make([]byte, grown)...)
	}
	return copy(r.data[offset:], p), nil
}

func TestOutput(t *testing.T) {
	t.Parallel()
	long := append([]byte{0xff, 0xfb, 0x90, 0x00}, make([]byte, 2*Rewritable)...)
	type write struct {
		offset int64
		data   []byte
	}
	for _, tc := range []struct {
		name   string
		limit  int64
		writes []write
		calls  int
		err    error
	}{
		{"a short MP3 is written at once, at the end", 1 << 30, []write{{0, []byte("abc")}, {3, []byte("def")}, {1, []byte("X")}}, 1, nil},
		{"a long one as it comes, and its changed head again", 1 << 30, []write{{0, long}, {5, []byte("X")}}, 2, nil},
		{"a long one in parts", 1 << 30, []write{{0, long[:10]}, {10, long[10:]}, {int64(len(long)), []byte("end")}}, 2, nil},
		{"too much", 5, []write{{0, []byte("abc")}, {3, []byte("def")}}, 0, errOutputLimit},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var dst record
			out := &output{dst: &dst, limit: tc.limit}
			var want []byte
			var err error
			for _, w := range tc.writes {
				if grown := int(w.offset) + len(w.data) - len(want); grown > 0 {
					want = append(want, make([]byte, grown)...)
				}
				copy(want[w.offset:], w.data)
				if _, err = out.WriteAt(w.data, w.offset); err != nil {
					break
				}
			}
			if err == nil {
				err = out.finish()
			}
			if !errors.Is(err, tc.err) {
				t.Fatalf("error %v, want %v", err, tc.err)
			}
			if err == nil && !bytes.Equal(dst.data, want) {
				t.Errorf("%d bytes, not the %d expected", len(dst.data), len(want))
			}
			if len(dst.calls) != tc.calls {
				t.Errorf("writes at %v, want %d", dst.calls, tc.calls)
			}
		})
	}
}

func FuzzReadServer(f *testing.F) {
	f.Add(request(opSize, 0, 0))
	f.Add(append(request(opRead, 4, 3), request(opRead, 1<<31, 5)...))
	f.Add(append(request(2, 3, 0), "abc"...))
	f.Fuzz(func(t *testing.T, requests []byte) {
		requests = requests[:min(len(requests), 1<<10)]
		answers, err := serveReads(t, make([]byte, 1000), requests)
		if err != nil && !errors.Is(err, errProtocol) {
			t.Fatal(err)
		}
		for len(answers) > 0 { // every answer is whole
			if len(answers) < frameSize || int(binary.LittleEndian.Uint32(answers[4:])) > len(answers)-frameSize {
				t.Fatal("an answer is cut off")
			}
			answers = answers[frameSize+binary.LittleEndian.Uint32(answers[4:]):]
		}
	})
}

func FuzzEvents(f *testing.F) {
	said := func(kind event, data string) []byte {
		b := binary.LittleEndian.AppendUint32(nil, uint32(kind))
		return append(binary.LittleEndian.AppendUint32(b, uint32(len(data))), data...)
	}
	f.Add(bytes.Join([][]byte{
		said(eventInfo, `{"streams":[{"codec_type":"audio","codec_name":"aac","sample_rate":44100}]}`),
		said(eventPicture, "\x89PNG"), said(eventMP3, "\xff\xfb\x90\x00"), said(eventProgress, "12345678"), said(eventEnd, `{"samples":5}`),
	}, nil))
	f.Add(said(eventFailure, `{"code":"io","text":"x"}`))
	f.Add(said(eventPicture, "")[:7])
	f.Fuzz(func(_ *testing.T, events []byte) {
		w := &writing{out: &output{dst: &record{}, limit: 4 << 20}}
		task := &task{
			decide:   func(probed) (string, error) { return "", nil },
			picture:  func([]byte) {},
			mp3:      w.frames,
			packets:  w.packets,
			progress: func(int64) error { return nil },
		}
		_ = task.hear(bytes.NewReader(events), make(chan string, 1))
	})
}
