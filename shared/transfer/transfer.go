// Package transfer is how a video comes in and an MP3 goes out: what may be announced, the presigned requests with which
// people reach the storage themselves, and the name a download gets.
package transfer

import (
	"context"
	"fmt"
	"mime"
	"net/url"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// DownloadTTL is how long a download link works.
const DownloadTTL = 15 * time.Minute

// Put is a video about to be stored.
type Put struct {
	Key string
	// Size in bytes; storage refuses a body of another size.
	Size int64
	// ContentType and SHA256 (hex) are empty or enforced.
	ContentType, SHA256 string
}

// Presigned is a request that anybody may send once, as it is, until it expires.
type Presigned struct {
	Method, URL string
	// Headers must be sent exactly.
	Headers map[string]string
}

// Uploads is where videos go.
type Uploads interface {
	// PresignPut returns a request that stores exactly p and nothing else.
	PresignPut(ctx context.Context, p Put, ttl time.Duration) (Presigned, error)
	// Put stores body durably.
	Put(ctx context.Context, p Put, body []byte) error
}

// Downloads is where MP3s are.
type Downloads interface {
	// PresignGet returns a link that downloads the object under the given file name.
	PresignGet(ctx context.Context, key, filename string, ttl time.Duration) (string, error)
	// Get returns the object; one that is larger than maxBytes is an error.
	Get(ctx context.Context, key string, maxBytes int64) ([]byte, error)
}

// VideoKey and MP3Key are the object keys of a file. They hold the ID alone, so nothing a person typed is ever part of a key.
func VideoKey(id string) string { return id }

// MP3Key is the key of the MP3; see VideoKey.
func MP3Key(id string) string { return id + ".mp3" }

const maxFilenameBytes = 255

// CleanFilename takes what a person or a browser calls a file and returns its last path element. It refuses what could
// not be a file name or could deceive whoever reads it; the error is a sentence for the person.
func CleanFilename(s string) (string, error) {
	if !utf8.ValidString(s) {
		return "", fmt.Errorf("must be UTF-8 text")
	}
	if i := strings.LastIndexAny(s, `/\`); i >= 0 {
		s = s[i+1:]
	}
	s = strings.TrimSpace(s)
	switch {
	case s == "", s == ".", s == "..":
		return "", fmt.Errorf("must be a file name")
	case len(s) > maxFilenameBytes:
		return "", fmt.Errorf("must be at most %d bytes long", maxFilenameBytes)
	}
	for _, r := range s {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029' || r == utf8.RuneError {
			return "", fmt.Errorf("must not contain control or text-direction characters (%U)", r)
		}
	}
	return s, nil
}

// CheckContentType refuses what is not the media type of a video or of sound; empty is allowed.
// application/octet-stream and the containers registered under application are allowed too.
func CheckContentType(s string) error {
	if s == "" {
		return nil
	}
	t, _, err := mime.ParseMediaType(s)
	if err != nil || len(s) > 127 || strings.ContainsAny(s, "\r\n") {
		return fmt.Errorf("must be a media type such as video/mp4")
	}
	switch {
	case strings.HasPrefix(t, "video/"), strings.HasPrefix(t, "audio/"):
		return nil
	case t == "application/octet-stream", t == "application/mp4", t == "application/mxf", t == "application/ogg",
		t == "application/vnd.rn-realmedia", t == "application/x-matroska":
		return nil
	}
	return fmt.Errorf("must be a video or audio type, or application/octet-stream")
}

var sha256Pattern = regexp.MustCompile(`^[0-9a-f]{64}$`)

// CheckSHA256 wants 64 lower-case hexadecimal digits, or nothing.
func CheckSHA256(s string) error {
	if s != "" && !sha256Pattern.MatchString(s) {
		return fmt.Errorf("must be 64 lower-case hexadecimal digits")
	}
	return nil
}

// Disposition is the Content-Disposition of a download: an ASCII name for old clients (RFC 6266 §4.1) and, when it
// differs, the true one (RFC 8187).
func Disposition(filename string) string {
	var ascii strings.Builder
	for _, r := range filename {
		switch {
		case r == '"', r == '\\', r == '%', r > unicode.MaxASCII, unicode.IsControl(r):
			ascii.WriteByte('_')
		default:
			ascii.WriteRune(r)
		}
	}
	d := `attachment; filename="` + ascii.String() + `"`
	if ascii.String() != filename {
		d += `; filename*=UTF-8''` + strings.ReplaceAll(url.QueryEscape(filename), "+", "%20")
	}
	return d
}
