package engine

import (
	"slices"
	"strings"
	"time"

	"mp3converter/shared/mp3"
)

// maxChapters bounds what is carried over.
const maxChapters = 1000

// tag finds a tag whatever the case of its name.
func tag(tags map[string]string, name string) string {
	for key, value := range tags {
		if strings.EqualFold(key, name) {
			return value
		}
	}
	return ""
}

// makeTag is what carries over of what the file says of itself. Chapters are those of the part asked for.
func makeTag(p probed, track stream, start, end time.Duration) mp3.Tag {
	text := func(name string) string {
		value := tag(p.Format.Tags, name)
		if value == "" && slices.Contains([]string{"ogg", "opus"}, p.Format.Name) {
			value = tag(track.Tags, name) // Ogg has its tags on the track
		}
		return value
	}
	t := mp3.Tag{
		Title: text("title"), Artist: text("artist"), Album: text("album"), AlbumArtist: text("album_artist"),
		Date: text("date"), Track: text("track"), Genre: text("genre"), Comment: text("comment"),
	}
	for _, c := range p.Chapters[:min(len(p.Chapters), maxChapters)] {
		from, to := time.Duration(c.Start)-start, time.Duration(c.End)-start
		if end > 0 {
			to = min(to, end-start)
		}
		if from = max(0, from); to > from {
			t.Chapters = append(t.Chapters, mp3.Chapter{Start: from, End: to, Title: tag(c.Tags, "title")})
		}
	}
	return t
}
