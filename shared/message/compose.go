package message

import (
	"embed"
	"fmt"
	htmltemplate "html/template"
	"io"
	"strings"
	texttemplate "text/template"
	"time"
	"unicode"

	"mp3converter/shared/library"
)

//go:embed templates
var templates embed.FS

var (
	textMail = texttemplate.Must(texttemplate.ParseFS(templates, "templates/*.txt"))
	htmlMail = htmltemplate.Must(htmltemplate.ParseFS(templates, "templates/*.html"))
)

// view is what the templates see.
type view struct {
	Filename, MP3Name, ID, Link, Reason, Length, Size, Expires string
}

func compose(f library.File, pageURL string) Mail {
	v := view{
		Filename: oneLine(f.Filename), MP3Name: oneLine(f.MP3Name()), ID: f.ID,
		Link:   strings.TrimSuffix(pageURL, "/") + "/#fid=" + f.ID,
		Reason: oneLine(f.Failure.Detail), Length: clock(f.Duration), Size: megabytes(f.MP3Bytes),
		Expires: f.Expires.UTC().Format("2 January 2006, 15:04 UTC"),
	}
	name, subject := "ready", "Your MP3 is ready: "+v.MP3Name
	if f.State == library.Failed {
		name, subject = "failed", "Could not convert "+v.Filename
	}
	return Mail{To: f.Email, Subject: subject, Text: render(textMail, name+".txt", v), HTML: render(htmlMail, name+".html", v)}
}

// executor is what text and HTML templates have in common.
type executor interface {
	ExecuteTemplate(w io.Writer, name string, data any) error
}

func render(t executor, name string, v view) string {
	var b strings.Builder
	if err := t.ExecuteTemplate(&b, name, v); err != nil { // the templates are part of the program, the view is all strings
		panic(err)
	}
	return b.String()
}

// oneLine makes text safe for a subject: no line breaks or other control characters, and not endless.
func oneLine(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || unicode.Is(unicode.Bidi_Control, r) {
			return ' '
		}
		return r
	}, s)
	const maxRunes = 150
	if r := []rune(s); len(r) > maxRunes {
		s = string(r[:maxRunes-1]) + "…"
	}
	return s
}

func clock(d time.Duration) string {
	s := int(d.Round(time.Second).Seconds())
	if s >= 3600 {
		return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
	}
	return fmt.Sprintf("%d:%02d", s/60, s%60)
}

func megabytes(n int64) string {
	if n < 1e6 {
		return fmt.Sprintf("%d kB", max(1, n/1000))
	}
	return fmt.Sprintf("%.1f MB", float64(n)/1e6)
}
