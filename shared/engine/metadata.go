package engine

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

const (
	// tagNames are the tags that carry over, by ffmpeg's names for them.
	tagNames = "title,artist,album,album_artist,date,track,genre,comment"

	// maxTag, maxChapters and maxChapterTitle bound what is carried over, well within Rewritable together.
	maxTag          = 16 << 10
	maxChapters     = 1000
	maxChapterTitle = 256
)

// tag finds a tag whatever the case of its name.
func tag(tags map[string]string, name string) string {
	for key, value := range tags {
		if strings.EqualFold(key, name) {
			return value
		}
	}
	return ""
}

// metadata writes tags and chapters in ffmpeg's own metadata format (ffmpeg-formats, "Metadata"), which the encoding
// run reads through a pipe: so no text from the file is ever an argument. Chapters are those of the part asked for.
func metadata(p probed, track stream, start, end time.Duration) []byte {
	var b strings.Builder
	b.WriteString(";FFMETADATA1\n")
	line := func(key, value string, limit int) {
		value = strings.ReplaceAll(strings.TrimSpace(value), "\x00", "")
		if len(value) > limit {
			value = strings.ToValidUTF8(value[:limit], "")
		}
		if value != "" {
			fmt.Fprintf(&b, "%s=%s\n", key, escape.Replace(value))
		}
	}
	for _, name := range strings.Split(tagNames, ",") {
		value := tag(p.Format.Tags, name)
		if value == "" && slices.Contains([]string{"ogg", "opus"}, p.Format.Name) {
			value = tag(track.Tags, name) // Ogg has its tags on the track
		}
		line(name, value, maxTag)
	}
	for _, c := range p.Chapters[:min(len(p.Chapters), maxChapters)] {
		from, to := time.Duration(c.Start)-start, time.Duration(c.End)-start
		if end > 0 {
			to = min(to, end-start)
		}
		if from = max(0, from); to <= from {
			continue
		}
		fmt.Fprintf(&b, "[CHAPTER]\nTIMEBASE=1/1000\nSTART=%d\nEND=%d\n", from.Milliseconds(), to.Milliseconds())
		line("title", tag(c.Tags, "title"), maxChapterTitle)
	}
	return []byte(b.String())
}

var escape = strings.NewReplacer(`\`, `\\`, `=`, `\=`, `;`, `\;`, `#`, `\#`, "\n", "\\\n")
