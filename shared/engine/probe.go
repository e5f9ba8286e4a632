package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"mp3converter/shared/source"
)

// probed is what the child says of a file; names and forms are those of ffprobe's JSON.
type probed struct {
	Streams  []stream  `json:"streams"`
	Chapters []chapter `json:"chapters"`
	Format   struct {
		Name     string            `json:"format_name"`
		Duration seconds           `json:"duration"`
		Tags     map[string]string `json:"tags"`
	} `json:"format"`
}

type stream struct {
	Index       int     `json:"index"`
	Type        string  `json:"codec_type"`
	Codec       string  `json:"codec_name"`
	Tag         string  `json:"codec_tag_string"`
	Channels    int     `json:"channels"`
	SampleRate  number  `json:"sample_rate"`
	Duration    seconds `json:"duration"`
	Start       seconds `json:"start_time"`
	Disposition struct {
		Default     int `json:"default"`
		AttachedPic int `json:"attached_pic"`
	} `json:"disposition"`
	Tags map[string]string `json:"tags"`
}

type chapter struct {
	Start seconds           `json:"start_time"`
	End   seconds           `json:"end_time"`
	Tags  map[string]string `json:"tags"`
}

// seconds is a time as it is printed, "3.023000"; 0 when it is not known or makes no sense.
type seconds time.Duration

// UnmarshalJSON implements json.Unmarshaler.
func (s *seconds) UnmarshalJSON(data []byte) error {
	f, err := strconv.ParseFloat(strings.Trim(string(data), `"`), 64)
	if err != nil || !(f > 0 && f < math.MaxInt64/float64(time.Second)/2) {
		f = 0
	}
	*s = seconds(math.Round(f * float64(time.Second)))
	return nil
}

// number is a whole number, perhaps in quotes; 0 when it is none.
type number int

// UnmarshalJSON implements json.Unmarshaler.
func (n *number) UnmarshalJSON(data []byte) error {
	i, err := strconv.ParseInt(strings.Trim(string(data), `"`), 10, 32)
	if err != nil || i < 0 {
		i = 0
	}
	*n = number(i)
	return nil
}

func parseProbe(data []byte) (probed, error) {
	var p probed
	if err := json.Unmarshal(data, &p); err != nil {
		return probed{}, fmt.Errorf("read what the file is: %w", err)
	}
	return p, nil
}

// unreadable tells a damaged video from something that is no video at all.
func (c *conversion) unreadable(ctx context.Context, err error) error {
	var head [512]byte
	if c.reader == nil {
		c.reader = source.NewReader(ctx, c.src, c.engine.source)
		defer c.closeReader()
	}
	n, readErr := c.reader.ReadAtContext(ctx, head[:min(int64(len(head)), c.src.Size())], 0)
	if readErr != nil {
		return &sourceError{readErr}
	}
	name := recognize(head[:n])
	if name == "" {
		return fail(CodeNotMedia, err, "The file is neither a video nor a sound file that can be read.")
	}
	return fail(CodeCorrupt, err, "The file looks like %s but cannot be read: it is damaged or incomplete.", name)
}

// recognize names the container by its first bytes, as in "an MP4 file"; empty if they are none that is known.
func recognize(head []byte) string {
	at := func(offset int, magic string) bool {
		return len(head) >= offset+len(magic) && string(head[offset:offset+len(magic)]) == magic
	}
	switch {
	case at(4, "ftypqt"), at(4, "moov"), at(4, "mdat"), at(4, "wide"), at(4, "skip"), at(4, "pnot"):
		return "a QuickTime file"
	case at(4, "ftyp"), at(4, "styp"):
		return "an MP4 file"
	case at(0, "\x1a\x45\xdf\xa3"):
		return "a Matroska or WebM file"
	case at(0, "RIFF") && at(8, "AVI "):
		return "an AVI file"
	case at(0, "RIFF") && at(8, "WAVE"):
		return "a WAV file"
	case at(0, "FLV"):
		return "an FLV file"
	case at(0, "\x30\x26\xb2\x75\x8e\x66\xcf\x11"):
		return "a Windows Media file"
	case at(0, "OggS"):
		return "an Ogg file"
	case at(0, "fLaC"):
		return "a FLAC file"
	case at(0, ".RMF"):
		return "a RealMedia file"
	case at(0, "\x00\x00\x01\xba"):
		return "an MPEG file"
	case at(0, "G") && at(188, "G"), at(4, "G") && at(196, "G"):
		return "an MPEG transport stream"
	default:
		return ""
	}
}
