package mp3

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"
)

// What a tag may hold: everything but the picture stays below half a MiB.
const (
	maxText     = 16 << 10
	maxChapters = 1000
	// maxChapterTitle keeps a title's frame to 127 bytes, whose size is the same in both ways of writing sizes: FFmpeg
	// reads those within a chapter as ID3v2.3 wrote them, and would lose the whole chapter.
	maxChapterTitle = 126
	// maxTag bounds the tag with its picture, so that the header frame behind it ends before Rewritable.
	maxTag = Rewritable - MaxFrameSize
	// maxContents is the number of entries in a table of contents, whose count is one byte.
	maxContents = 255

	tagHeaderSize   = 10
	pictureHead     = 32 // more than what is before the picture in its frame
	frontCover      = 3
	utf8Text        = 3
	contentsOrdered = 1
	contentsTop     = 2
)

// Tag is what is said of a recording. Its texts come from strangers: they are cleaned and cut to 16 KiB when written,
// chapters to the first 1000 that have a length, with titles of 126 bytes. Empty members are left out.
type Tag struct {
	Title, Artist, Album, AlbumArtist string
	// Date is written as far as it can be read as an ISO 8601 date or has a year in it.
	Date string
	// Track is the number on the album, alone or as "3/12".
	Track, Genre, Comment string
	// Picture is the front cover, as the image file; its kind is read from its first bytes.
	Picture  []byte
	Chapters []Chapter
}

// Chapter is a named part of the sound, timed from its start.
type Chapter struct {
	Start, End time.Duration
	Title      string
}

// appendTag appends the ID3v2.4 tag (id3v2.4.0-structure, id3v2.4.0-frames, id3v2-chapters-1.0) and says whether the
// picture had to be left out, being too large or of no kind that is known. An empty tag is no bytes at all.
func (t *Tag) appendTag(b []byte) (tag []byte, pictureLeftOut bool) {
	start := len(b)
	b = append(b, "ID3\x04\x00\x00\x00\x00\x00\x00"...)
	for _, text := range []struct{ id, value string }{
		{"TIT2", line(t.Title, maxText)},
		{"TPE1", line(t.Artist, maxText)},
		{"TALB", line(t.Album, maxText)},
		{"TPE2", line(t.AlbumArtist, maxText)},
		{"TDRC", timestamp(t.Date)},
		{"TRCK", line(t.Track, maxText)},
		{"TCON", line(t.Genre, maxText)},
	} {
		b = appendText(b, text.id, text.value)
	}
	if comment := clean(t.Comment, maxText); comment != "" {
		b = appendFrame(b, "COMM", func(b []byte) []byte {
			return append(append(b, utf8Text, 'X', 'X', 'X', 0), comment...)
		})
	}
	b = appendChapters(b, t.Chapters)
	if len(t.Picture) > 0 {
		mime := imageType(t.Picture)
		if mime == "" || len(b)-start+len(t.Picture)+pictureHead > maxTag {
			pictureLeftOut = true
		} else {
			b = appendFrame(b, "APIC", func(b []byte) []byte {
				b = append(append(b, utf8Text), mime...)
				return append(append(b, 0, frontCover, 0), t.Picture...)
			})
		}
	}
	if len(b) == start+tagHeaderSize {
		return b[:start], pictureLeftOut
	}
	putSynchsafe(b[start+6:], len(b)-start-tagHeaderSize)
	return b, pictureLeftOut
}

// appendFrame appends a frame with the body that fill appends.
func appendFrame(b []byte, id string, fill func([]byte) []byte) []byte {
	start := len(b)
	b = fill(append(append(b, id...), 0, 0, 0, 0, 0, 0))
	putSynchsafe(b[start+4:], len(b)-start-tagHeaderSize)
	return b
}

func appendText(b []byte, id, value string) []byte {
	if value == "" {
		return b
	}
	return appendFrame(b, id, func(b []byte) []byte { return append(append(b, utf8Text), value...) })
}

// putSynchsafe writes a size in four bytes of seven bits.
func putSynchsafe(b []byte, n int) {
	for i := range 4 {
		b[i] = byte(n>>(7*(3-i))) & 0x7f
	}
}

// appendChapters appends the chapters, and the table of contents without which players do not list them. One table
// has no room for more than 255 entries; beyond that the top one lists tables.
func appendChapters(b []byte, chapters []Chapter) []byte {
	var ids []string
	for _, c := range chapters {
		start, end := milliseconds(c.Start), milliseconds(c.End)
		if end <= start {
			continue
		}
		if len(ids) == maxChapters {
			break
		}
		id := fmt.Sprintf("ch%d", len(ids))
		ids = append(ids, id)
		b = appendFrame(b, "CHAP", func(b []byte) []byte {
			b = append(append(b, id...), 0)
			b = binary.BigEndian.AppendUint32(b, start)
			b = binary.BigEndian.AppendUint32(b, end)
			b = append(b, "\xff\xff\xff\xff\xff\xff\xff\xff"...) // the times count, not offsets in bytes
			return appendText(b, "TIT2", line(c.Title, maxChapterTitle))
		})
	}
	if len(ids) <= maxContents {
		return appendContents(b, "toc", contentsTop, ids)
	}
	var tables []string
	for i := 0; i < len(ids); i += maxContents {
		table := fmt.Sprintf("toc%d", len(tables))
		tables = append(tables, table)
		b = appendContents(b, table, 0, ids[i:min(i+maxContents, len(ids))])
	}
	return appendContents(b, "toc", contentsTop, tables)
}

func appendContents(b []byte, id string, flags byte, children []string) []byte {
	if len(children) == 0 {
		return b
	}
	return appendFrame(b, "CTOC", func(b []byte) []byte {
		b = append(append(b, id...), 0, flags|contentsOrdered, byte(len(children)))
		for _, child := range children {
			b = append(append(b, child...), 0)
		}
		return b
	})
}

// milliseconds brings a time into the four bytes of a chapter's; the highest value means "none".
func milliseconds(d time.Duration) uint32 {
	return uint32(min(max(d.Milliseconds(), 0), math.MaxUint32-1))
}

// clean makes a stranger's text fit for a tag: valid UTF-8 without NULs, which would separate values, cut to limit
// bytes between characters.
func clean(text string, limit int) string {
	if len(text) > 2*limit {
		text = text[:2*limit]
	}
	text = strings.ToValidUTF8(text, string(utf8.RuneError))
	text = strings.TrimSpace(strings.ReplaceAll(text, "\x00", ""))
	if len(text) > limit {
		cut := limit
		for !utf8.RuneStart(text[cut]) {
			cut--
		}
		text = strings.TrimSpace(text[:cut])
	}
	return text
}

// line is clean for the frames that may not hold line breaks.
func line(text string, limit int) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, clean(text, limit))
}

var (
	isoDate     = regexp.MustCompile(`^(\d{4})-?(?:(\d\d)-?(?:(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d))?(?:\.\d+)?(.*))?)?)?`)
	yearSomehow = regexp.MustCompile(`(?:^|\D)([12]\d{3})(?:\D|$)`)
)

// timestamp writes a date in the subset of ISO 8601 that ID3v2.4 has: as precise as it is valid from the left, without
// the time of day if that is not UTC. Of any other writing only a year is kept; "" if there is none.
func timestamp(date string) string {
	date = clean(date, maxText)
	m := isoDate.FindStringSubmatch(date)
	if m == nil || len(date) > len(m[0]) && date[len(m[0])] >= '0' && date[len(m[0])] <= '9' || m[1] == "0000" {
		if m = yearSomehow.FindStringSubmatch(date); m == nil {
			return ""
		}
		return m[1]
	}
	out := m[1]
	for _, part := range []struct{ layout, value string }{{"2006-01", m[2]}, {"2006-01-02", m[3]}} {
		next := out + "-" + part.value
		if _, err := time.Parse(part.layout, next); err != nil {
			return out
		}
		out = next
	}
	if zone := m[7]; zone != "" && zone != "Z" {
		return out
	}
	full := out + "T" + m[4] + ":" + m[5]
	layout := "2006-01-02T15:04"
	if m[6] != "" {
		full, layout = full+":"+m[6], layout+":05"
	}
	if _, err := time.Parse(layout, full); err != nil {
		return out
	}
	return full
}

// imageType is a picture's MIME type by its first bytes; "" if it is none that ID3 readers show.
func imageType(picture []byte) string {
	for _, kind := range []struct{ magic, mime string }{
		{"\xff\xd8\xff", "image/jpeg"},
		{"\x89PNG\r\n\x1a\n", "image/png"},
		{"GIF8", "image/gif"},
		{"BM", "image/bmp"},
	} {
		if bytes.HasPrefix(picture, []byte(kind.magic)) {
			return kind.mime
		}
	}
	if len(picture) >= 12 && string(picture[:4]) == "RIFF" && string(picture[8:12]) == "WEBP" {
		return "image/webp"
	}
	return ""
}

// TagSize is the length of the ID3v2 tag that head starts with, its header and footer included (id3v2.4.0-structure
// §3.1); 0 if there is none. Ten bytes are enough to tell; the tag itself may be longer than head.
func TagSize(head []byte) int {
	if len(head) < tagHeaderSize || string(head[:3]) != "ID3" || head[3] == 0xff || head[4] == 0xff {
		return 0
	}
	size := tagHeaderSize
	if head[5]&0x10 != 0 {
		size += tagHeaderSize // the footer repeats the header
	}
	n := 0
	for _, b := range head[6:tagHeaderSize] {
		if b&0x80 != 0 {
			return 0
		}
		n = n<<7 | int(b)
	}
	return size + n
}
