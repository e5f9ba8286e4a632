package mp3_test

import (
	"bytes"
	"testing"

	"mp3converter/shared/mp3"
)

func TestReadInfo(t *testing.T) {
	t.Parallel()
	data := testdata(t, "lame-v5.mp3")
	info, ok := mp3.ReadInfo(data)
	if !ok || info.Kind != mp3.KindXing || info.Frames != 47 || info.Bytes != int64(len(data)) || info.Samples() != 52920 ||
		info.Encoder.Name != "LAME3.100" || info.Encoder.Method != mp3.MethodMTRH || info.Encoder.Quality != 50 || info.Encoder.Lowpass != 17000 {
		t.Errorf("%+v, %v", info, ok)
	}
	cbr, ok := mp3.ReadInfo(testdata(t, "lame-b64.mp3"))
	if !ok || cbr.Kind != mp3.KindInfo || cbr.Encoder.Method != mp3.MethodCBR || cbr.Encoder.Bitrate != 64 {
		t.Errorf("%+v, %v", cbr, ok)
	}
	tag := []byte("ID3\x04\x00\x00\x00\x00\x00\x03abc")
	if again, ok := mp3.ReadInfo(slicesJoin([][]byte{tag, tag, data})); !ok || again != info {
		t.Errorf("behind tags: %+v, %v", again, ok)
	}
	if again, ok := mp3.ReadInfo(data[:200]); !ok || again != info {
		t.Errorf("of the first 200 bytes: %+v, %v", again, ok)
	}
}

func TestReadInfoOfOtherWriters(t *testing.T) {
	t.Parallel()
	lavf, ok := mp3.ReadInfo(recording(t, recordings["CBR"]))
	if !ok || lavf.Encoder.Name != "Lavc59.37" && len(lavf.Encoder.Name) < 4 || lavf.Samples() != 3*44100 {
		t.Errorf("ffmpeg's: %+v, %v", lavf, ok)
	}
	vbri := make([]byte, 100)
	copy(vbri, "\xff\xfb\x90\x64")
	copy(vbri[36:], "VBRI\x00\x01\x0d\xb1\x00\x64\x00\x01\x00\x00\x00\x00\x01\x00")
	info, ok := mp3.ReadInfo(vbri)
	if !ok || info.Kind != mp3.KindVBRI || info.Bytes != 65536 || info.Frames != 256 || info.Samples() != 256*1152 {
		t.Errorf("VBRI: %+v, %v", info, ok)
	}
	// Some put it behind the CRC, where main data starts.
	behind := make([]byte, 200)
	copy(behind, "\xff\xfa\x90\x64")
	copy(behind[38:], "Info\x00\x00\x00\x01\x00\x00\x00\x07")
	if info, ok := mp3.ReadInfo(behind); !ok || info.Frames != 7 || info.Gapless.Known {
		t.Errorf("behind a CRC: %+v, %v", info, ok)
	}
}

func TestReadInfoOfWhatHasNone(t *testing.T) {
	t.Parallel()
	frames := split(t, testdata(t, "lame-v5.mp3"))
	for name, head := range map[string][]byte{
		"nothing":            nil,
		"no header frame":    bytes.Join(frames[1:], nil),
		"text":               []byte("some text, long enough to hold a header"),
		"a tag that goes on": []byte("ID3\x04\x00\x00\x00\x10\x00\x00and so on"),
		"Layer II":           append([]byte("\xff\xfd\x90\x64"), frames[0][4:]...),
		"too short":          frames[0][:40],
	} {
		if info, ok := mp3.ReadInfo(head); ok {
			t.Errorf("%s: %+v", name, info)
		}
	}
	// Cut anywhere, it reads what is there.
	for n := range frames[0] {
		mp3.ReadInfo(frames[0][:n])
	}
}
