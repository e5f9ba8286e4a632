package main

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
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

// mailbox keeps what was sent. The emulator forgets it when it ends, so it is copied to a file.
type mailbox struct {
	source string // URL of the emulator's list
	file   string // one mail in JSON per line, in the order they were seen

	mu    sync.Mutex
	mails []mail
	seen  map[string]bool
}

// openMailbox reads the mails of earlier runs.
func openMailbox(source, file string) (*mailbox, error) {
	b := &mailbox{source: source, file: file, seen: map[string]bool{}}
	data, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for line := range bytes.Lines(data) {
		var m mail
		if err := json.Unmarshal(line, &m); err != nil {
			return nil, fmt.Errorf("read %s: %w", file, err)
		}
		b.mails, b.seen[m.ID] = append(b.mails, m), true
	}
	return b, nil
}

// sync copies what is new at the emulator, and returns all mails, newest first.
func (b *mailbox) sync(ctx context.Context) ([]mail, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	sent, err := fetchMail(ctx, b.source)
	if err != nil {
		return nil, err
	}
	var fresh bytes.Buffer
	encoder := json.NewEncoder(&fresh)
	for _, m := range sent {
		if b.seen[m.ID] {
			continue
		}
		if err := encoder.Encode(m); err != nil {
			return nil, err
		}
		b.mails, b.seen[m.ID] = append(b.mails, m), true
	}
	if fresh.Len() > 0 {
		if err := appendFile(b.file, fresh.Bytes()); err != nil {
			return nil, err
		}
	}
	newest := append([]mail{}, b.mails...) // not null in JSON
	slices.Reverse(newest)
	slices.SortStableFunc(newest, func(x, y mail) int { return strings.Compare(y.At, x.At) })
	return newest, nil
}

// keep copies every second until the context ends, and once more then.
func (b *mailbox) keep(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for ctx.Err() == nil {
		if _, err := b.sync(ctx); err != nil && ctx.Err() == nil {
			slog.Warn("copy the mailbox", "error", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
	if _, err := b.sync(context.WithoutCancel(ctx)); err != nil {
		slog.Warn("copy the mailbox", "error", err)
	}
}

func appendFile(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Close())
}

// handler shows the mails, newest first: / for people, /api/messages as JSON, and /messages/{id}.html for the HTML part
// of one.
//
// An e-mail is somebody else's text. Its HTML part is never put into the page: it is shown in a sandboxed frame, and
// served with a policy that lets it run and load nothing.
func (b *mailbox) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", b.show(func(w http.ResponseWriter, _ *http.Request, mails []mail) {
		secure(w, "default-src 'none'; style-src 'unsafe-inline'; frame-src 'self'; base-uri 'none'; form-action 'none'")
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		if err := mailboxTemplate.Execute(w, mails); err != nil {
			slog.Error("show the mailbox", "error", err)
		}
	}))
	mux.HandleFunc("GET /api/messages", b.show(func(w http.ResponseWriter, _ *http.Request, mails []mail) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		if err := json.NewEncoder(w).Encode(mails); err != nil {
			slog.Error("list the mailbox", "error", err)
		}
	}))
	mux.HandleFunc("GET /messages/{file}", b.show(func(w http.ResponseWriter, r *http.Request, mails []mail) {
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
	}))
	return mux
}

// show hands the present mails to a page.
func (b *mailbox) show(page func(http.ResponseWriter, *http.Request, []mail)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		mails, err := b.sync(r.Context())
		if err != nil {
			slog.Error("read the mailbox", "error", err)
			http.Error(w, "the emulator does not say what was sent: "+err.Error(), http.StatusBadGateway)
			return
		}
		page(w, r, mails)
	}
}

func secure(w http.ResponseWriter, policy string) {
	w.Header().Set("Content-Security-Policy", policy)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Referrer-Policy", "no-referrer")
	w.Header().Set("Cache-Control", "no-store")
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
	var mails []mail
	for _, messages := range answer.Messages {
		for _, m := range messages {
			mails = append(mails, mail{
				ID: m.MessageID, From: m.Source, To: strings.Join(m.To, ", "), Subject: m.Subject,
				Text: m.BodyText, HTML: m.BodyHTML, At: mailTime(m.Timestamp),
			})
		}
	}
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
