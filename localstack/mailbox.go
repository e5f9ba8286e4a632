package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"
)

// sentMail is where the emulator lists what SES was asked to send.
const sentMail = "/_ministack/ses/messages"

// mail is one e-mail, as the mailbox's JSON has it.
type mail struct {
	ID      string `json:"id"`
	From    string `json:"from"`
	To      string `json:"to"` // addresses, separated by ", "
	Subject string `json:"subject"`
	Text    string `json:"text"`
	HTML    string `json:"html"`
	At      string `json:"at"` // RFC 3339
}

//go:embed mailbox.html
var mailboxPage string

var mailboxTemplate = template.Must(template.New("mailbox").Parse(mailboxPage))

// mailboxHandler shows the e-mails that source lists, newest first: / for people, /api/messages as JSON, and
// /messages/{id}.html for the HTML part of one.
//
// An e-mail is somebody else's text. Its HTML part is never put into the page: it is shown in a sandboxed frame, and
// served with a policy that lets it run and load nothing.
func mailboxHandler(source string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		mails, err := fetchMail(r.Context(), source)
		if err != nil {
			fail(w, err)
			return
		}
		secure(w, "default-src 'none'; style-src 'unsafe-inline'; frame-src 'self'; base-uri 'none'; form-action 'none'")
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		if err := mailboxTemplate.Execute(w, mails); err != nil {
			slog.Error("show the mailbox", "error", err)
		}
	})
	mux.HandleFunc("GET /api/messages", func(w http.ResponseWriter, r *http.Request) {
		mails, err := fetchMail(r.Context(), source)
		if err != nil {
			fail(w, err)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		if err := json.NewEncoder(w).Encode(mails); err != nil {
			slog.Error("list the mailbox", "error", err)
		}
	})
	mux.HandleFunc("GET /messages/{file}", func(w http.ResponseWriter, r *http.Request) {
		mails, err := fetchMail(r.Context(), source)
		if err != nil {
			fail(w, err)
			return
		}
		id, isHTML := strings.CutSuffix(r.PathValue("file"), ".html")
		i := slices.IndexFunc(mails, func(m mail) bool { return m.ID == id })
		if i < 0 || !isHTML {
			http.NotFound(w, r)
			return
		}
		secure(w, "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:")
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		// Links would otherwise open inside the frame.
		_, _ = io.WriteString(w, `<base target="_blank">`+mails[i].HTML)
	})
	return mux
}

func secure(w http.ResponseWriter, policy string) {
	w.Header().Set("Content-Security-Policy", policy)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Referrer-Policy", "no-referrer")
	w.Header().Set("Cache-Control", "no-store")
}

func fail(w http.ResponseWriter, err error) {
	slog.Error("read the mailbox", "error", err)
	http.Error(w, "the emulator does not say what was sent: "+err.Error(), http.StatusBadGateway)
}

// fetchMail asks the emulator. Its list is grouped by account and oldest first.
func fetchMail(ctx context.Context, source string) ([]mail, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, source, http.NoBody)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers %s", sentMail, resp.Status)
	}
	return parseMail(resp.Body)
}

func parseMail(r io.Reader) ([]mail, error) {
	var answer struct {
		Messages map[string][]struct {
			MessageID string `json:"MessageId"`
			Source    string
			To        []string
			Subject   string
			BodyText  string
			BodyHTML  string          `json:"BodyHtml"`
			Timestamp json.RawMessage // seconds since the epoch, or a text
		}
	}
	if err := json.NewDecoder(r).Decode(&answer); err != nil {
		return nil, fmt.Errorf("parse %s: %w", sentMail, err)
	}
	mails := []mail{} // not null in JSON
	for _, messages := range answer.Messages {
		for _, m := range messages {
			mails = append(mails, mail{
				ID: m.MessageID, From: m.Source, To: strings.Join(m.To, ", "), Subject: m.Subject,
				Text: m.BodyText, HTML: m.BodyHTML, At: mailTime(m.Timestamp),
			})
		}
	}
	slices.Reverse(mails)
	slices.SortStableFunc(mails, func(a, b mail) int { return strings.Compare(b.At, a.At) })
	return mails, nil
}

func mailTime(raw json.RawMessage) string {
	var seconds float64
	if json.Unmarshal(raw, &seconds) == nil {
		return time.UnixMilli(int64(seconds * 1000)).UTC().Format("2006-01-02T15:04:05.000Z")
	}
	var text string
	if json.Unmarshal(raw, &text) == nil {
		if at, err := time.Parse(time.RFC3339Nano, text); err == nil {
			return at.UTC().Format("2006-01-02T15:04:05.000Z")
		}
	}
	return text
}
