package mp3_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"mp3converter/shared/mediatest"
	"mp3converter/shared/mp3"
)

// tagged is a short MP3 behind this tag.
func tagged(t testing.TB, tag mp3.Tag) ([]byte, mp3.Result) {
	t.Helper()
	return written(t, slices.Repeat([][]byte{silentFrame()}, 10), mp3.Options{Tag: tag}, mp3.EndInfo{})
}

// ffmetadata is what ffmpeg reads of tags and chapters, comments left out.
func ffmetadata(t testing.TB, data []byte) string {
	t.Helper()
	return string(ffmpeg(t, data, "-f", "mp3", "-i", "pipe:", "-f", "ffmetadata", "-"))
}

func TestTagIsReadByFFmpeg(t *testing.T) {
	t.Parallel()
	cover := mediatest.Clip(t, "a.jpg", "-f lavfi -i testsrc2=s=64x64:d=1 -frames:v 1")
	data, result := tagged(t, mp3.Tag{
		Title: "Tïtle", Artist: "Ärtist 歌手", Album: "Albüm", AlbumArtist: "Various", Date: "2024-02-29", Track: "3/12",
		Genre: "Spoken & Audio", Comment: "first\nsecond = line;", Picture: cover,
		Chapters: []mp3.Chapter{
			{End: 1500 * time.Millisecond, Title: "Eins"},
			{Start: 1500 * time.Millisecond, End: 3 * time.Second, Title: "Zwei 2"},
			{Start: 3 * time.Second, End: 4 * time.Second},
		},
	})
	if result.PictureLeftOut {
		t.Error("picture left out")
	}
	got := ffmetadata(t, data)
	for _, want := range []string{
		"title=Tïtle\n", "artist=Ärtist 歌手\n", "album=Albüm\n", "album_artist=Various\n", "date=2024-02-29\n", "track=3/12\n",
		"genre=Spoken & Audio\n", "comment=first\\\nsecond \\= line\\;\n",
		"START=0\nEND=1500\ntitle=Eins\n", "START=1500\nEND=3000\ntitle=Zwei 2\n", "START=3000\nEND=4000\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
	file := filepath.Join(t.TempDir(), "a.mp3")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if picture := ffmpeg(t, nil, "-i", file, "-map", "0:v", "-c", "copy", "-f", "image2pipe", "-"); !bytes.Equal(picture, cover) {
		t.Errorf("%d bytes of picture, want %d", len(picture), len(cover))
	}
}

// frame is one ID3v2.4 frame.
type frame struct {
	id   string
	body []byte
}

// parseFrames reads frames to the end, with no tolerance.
func parseFrames(t testing.TB, b []byte) []frame {
	t.Helper()
	var frames []frame
	for len(b) > 0 {
		if len(b) < 10 || b[8] != 0 || b[9] != 0 {
			t.Fatalf("no frame at %q", b[:min(len(b), 20)])
		}
		n := 0
		for _, c := range b[4:8] {
			if c > 0x7f {
				t.Fatalf("size of %q is not synchsafe", b[:4])
			}
			n = n<<7 | int(c)
		}
		frames = append(frames, frame{string(b[:4]), b[10 : 10+n]})
		b = b[10+n:]
	}
	return frames
}

func tagFrames(t testing.TB, data []byte) []frame {
	t.Helper()
	size := mp3.TagSize(data)
	if size == 0 {
		return nil
	}
	return parseFrames(t, data[10:size])
}

func texts(t testing.TB, data []byte, id string) (values []string) {
	t.Helper()
	for _, f := range tagFrames(t, data) {
		if f.id == id {
			values = append(values, string(f.body[1:]))
		}
	}
	return values
}

func TestEmptyTagIsNoTag(t *testing.T) {
	t.Parallel()
	data, _ := tagged(t, mp3.Tag{Title: " \x00 ", Chapters: []mp3.Chapter{{Start: time.Second, End: time.Second}}})
	if data[0] != 0xff {
		t.Errorf("file starts with %q", data[:20])
	}
}

func TestTextsAreCleaned(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"a\x00b\xff\xfec":           "ab\ufffdc",
		"two\r\nlines\t":            "two  lines",
		strings.Repeat("ä", 20_000): strings.Repeat("ä", 8192),
		strings.Repeat("x", 1<<20):  strings.Repeat("x", 16<<10),
	} {
		data, _ := tagged(t, mp3.Tag{Title: text})
		if got := texts(t, data, "TIT2"); len(got) != 1 || got[0] != want {
			t.Errorf("%.40q became %.40q, want %.40q", text, got, want)
		}
	}
}

func TestDates(t *testing.T) {
	t.Parallel()
	for date, want := range map[string]string{
		"2024":                          "2024",
		"2024-03":                       "2024-03",
		"2024-13":                       "2024",
		"2024-02-30":                    "2024-02",
		"20240229":                      "2024-02-29",
		"2024-02-29T10:20:30.000000Z":   "2024-02-29T10:20:30",
		"2024-02-29 10:20":              "2024-02-29T10:20",
		"2024-02-29T10:20:30+02:00":     "2024-02-29",
		"2024-02-29T25:00:00":           "2024-02-29",
		"29.02.2024":                    "2024",
		"Thu, 01 Jan 1970 00:00:00 GMT": "1970",
		"recorded in 1999!":             "1999",
		"12345678901":                   "",
		"0000-00-00":                    "",
		"\u0662\u0660\u0662\u0664":      "",
		"last summer":                   "",
	} {
		data, _ := tagged(t, mp3.Tag{Date: date})
		if got := strings.Join(texts(t, data, "TDRC"), "|"); got != want {
			t.Errorf("%q became %q, want %q", date, got, want)
		}
	}
}

func TestManyChapters(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 255, 256, 1000, 1200} {
		var chapters []mp3.Chapter
		for i := range n {
			start := time.Duration(i) * time.Second
			chapters = append(chapters, mp3.Chapter{Start: start, End: start + time.Second, Title: fmt.Sprint(i, strings.Repeat("€", 200))})
		}
		data, _ := tagged(t, mp3.Tag{Chapters: chapters})
		tables := map[string][]string{}
		var ids []string
		for _, f := range tagFrames(t, data) {
			id, rest, _ := bytes.Cut(f.body, []byte{0})
			switch f.id {
			case "CHAP":
				if start := binary.BigEndian.Uint32(rest); start != uint32(len(ids)*1000) {
					t.Errorf("chapter %s starts at %d", id, start)
				}
				if title := parseFrames(t, rest[16:])[0].body[1:]; len(title) > 126 || len(title) < 123 || !utf8.Valid(title) {
					t.Errorf("title of chapter %s has %d bytes", id, len(title))
				}
				ids = append(ids, string(id))
			case "CTOC":
				entries := strings.Split(strings.TrimSuffix(string(rest[2:]), "\x00"), "\x00")
				if len(entries) != int(rest[1]) || rest[0]&1 == 0 || (rest[0]&2 != 0) != (string(id) == "toc") {
					t.Errorf("table %s has flags %d, count %d, %d entries", id, rest[0], rest[1], len(entries))
				}
				tables[string(id)] = entries
			}
		}
		var listed []string
		var walk func(id string)
		walk = func(id string) {
			for _, child := range tables[id] {
				if tables[child] != nil {
					walk(child)
				} else {
					listed = append(listed, child)
				}
			}
		}
		walk("toc")
		if len(ids) != min(n, 1000) || fmt.Sprint(listed) != fmt.Sprint(ids) {
			t.Errorf("%d chapters: %d written, %d listed", n, len(ids), len(listed))
		}
		if got := strings.Count(ffmetadata(t, data), "[CHAPTER]"); got != min(n, 1000) {
			t.Errorf("ffmpeg reads %d of %d chapters", got, n)
		}
	}
}

func TestHeaderLiesWithinRewritableWhateverTheTag(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 1<<20)
	tag := mp3.Tag{Title: long, Artist: long, Album: long, AlbumArtist: long, Track: long, Genre: long, Comment: long}
	for range 2000 {
		tag.Chapters = append(tag.Chapters, mp3.Chapter{End: time.Hour, Title: long[:1000]})
	}
	for size, want := range map[int]bool{100: false, 600 << 10: false, 800 << 10: true, 2 << 20: true} {
		tag.Picture = append([]byte("\xff\xd8\xff"), make([]byte, size)...)
		data, result := tagged(t, tag)
		if result.PictureLeftOut != want {
			t.Errorf("picture of %d bytes: left out %v", size, result.PictureLeftOut)
		}
		if n := mp3.TagSize(data); n+mp3.MaxFrameSize > mp3.Rewritable {
			t.Errorf("tag of %d bytes", n)
		}
		if _, ok := mp3.ReadInfo(data); !ok {
			t.Error("no header behind the tag")
		}
	}
}

func TestPictures(t *testing.T) {
	t.Parallel()
	for magic, want := range map[string]string{
		"\xff\xd8\xff\xe0":           "image/jpeg",
		"\x89PNG\r\n\x1a\n":          "image/png",
		"GIF89a":                     "image/gif",
		"BM":                         "image/bmp",
		"RIFF\x00\x00\x00\x00WEBPVP": "image/webp",
		"<svg>":                      "",
		"\x00\x00\x00\x20ftypavif":   "",
	} {
		data, result := tagged(t, mp3.Tag{Picture: []byte(magic)})
		if result.PictureLeftOut != (want == "") {
			t.Errorf("%q: left out %v", magic, result.PictureLeftOut)
		}
		for _, f := range tagFrames(t, data) {
			if got, rest, _ := bytes.Cut(f.body[1:], []byte{0}); string(got) != want || string(rest) != "\x03\x00"+magic {
				t.Errorf("%q is %q of type %q", magic, rest, got)
			}
		}
	}
}

func TestTagSize(t *testing.T) {
	t.Parallel()
	for head, want := range map[string]int{
		"ID3\x04\x00\x00\x00\x00\x02\x01rest": 10 + 257,
		"ID3\x04\x00\x10\x00\x00\x00\x05":     25,
		"ID3\x03\x00\x00\x00\x00\x00\x80":     0,
		"ID3\x04\x00":                         0,
		"TAG":                                 0,
		"":                                    0,
	} {
		if got := mp3.TagSize([]byte(head)); got != want {
			t.Errorf("%q: %d, want %d", head, got, want)
		}
	}
}
