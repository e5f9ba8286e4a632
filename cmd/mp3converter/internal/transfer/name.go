package transfer

import (
	"path/filepath"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxName leaves room for the part file's ending within the 255 bytes that file systems allow.
const maxName = 200

// reserved are device names on Windows, with any extension.
var reserved = map[string]bool{"con": true, "prn": true, "aux": true, "nul": true}

// MP3Name is what the MP3 of a video is called that is called base: .mp3 in place of its extension. A name that begins
// with its only dot has none.
func MP3Name(base string) string {
	if stem := strings.TrimSuffix(base, filepath.Ext(base)); stem != "" {
		base = stem
	}
	return base + ".mp3"
}

// SafeName turns a name the service suggests into one that is safe in any directory on any system: one path element,
// no control or invisible characters, not hidden, no device, not too long, ending in .mp3. Where nothing is left of
// it, it is fallback.
func SafeName(name, fallback string) string {
	name = strings.ToValidUTF8(name, "_")
	if i := strings.LastIndexAny(name, `/\`); i >= 0 {
		name = name[i+1:]
	}
	name = strings.Map(func(r rune) rune {
		switch {
		case strings.ContainsRune(`<>:"|?*`, r):
			return '_'
		case !unicode.IsPrint(r):
			return -1
		}
		return r
	}, name)
	name = strings.TrimLeft(strings.TrimSpace(name), ".-")
	if !strings.EqualFold(filepath.Ext(name), ".mp3") {
		name += ".mp3"
	}
	stem := strings.TrimRight(name[:len(name)-len(".mp3")], ". ")
	for len(stem) > maxName-len(".mp3") {
		_, n := utf8.DecodeLastRuneInString(stem)
		stem = stem[:len(stem)-n]
	}
	if stem == "" {
		return fallback
	}
	base, _, _ := strings.Cut(strings.ToLower(stem), ".")
	if reserved[base] || len(base) == 4 && (base[:3] == "com" || base[:3] == "lpt") && base[3] >= '0' && base[3] <= '9' {
		stem = "_" + stem
	}
	return stem + ".mp3"
}
