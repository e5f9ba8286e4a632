package message_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"mp3converter/shared/library"
	"mp3converter/shared/library/librarytest"
	"mp3converter/shared/message"
)

var update = flag.Bool("update", false, "write the golden files instead of comparing with them")

// mailer keeps what it is given, unless fail says otherwise.
type mailer struct {
	mu   sync.Mutex
	sent []message.Mail
	fail error
	// during, if set, runs while the e-mail is being sent.
	during func()
}

func (m *mailer) Send(_ context.Context, mail message.Mail) error {
	if m.during != nil {
		m.during()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return m.fail
	}
	m.sent = append(m.sent, mail)
	return nil
}

type world struct {
	*message.Notifier
	mailer *mailer
	store  *librarytest.Memory
	log    *bytes.Buffer
}

func newWorld() world {
	w := world{mailer: &mailer{}, store: &librarytest.Memory{}, log: &bytes.Buffer{}}
	w.Notifier = &message.Notifier{
		Library: &library.Library{Store: w.store, Retention: time.Hour}, Mailer: w.mailer, PageURL: "https://mp3.example.com/",
		Log: slog.New(slog.NewJSONHandler(w.log, nil)),
	}
	return w
}

func ready() library.File {
	return library.File{
		ID: "abcdefghijklmnopqrstuvwxyz", Owner: "anna", Email: "anna@example.com", Filename: "holiday.mp4", State: library.Ready,
		Progress: 100, MP3Bytes: 14_400_000, Duration: 10*time.Minute + 400*time.Millisecond,
		Finished: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), Expires: time.Date(2026, 3, 8, 12, 0, 0, 0, time.UTC),
	}
}

func failed() library.File {
	f := ready()
	f.State, f.MP3Bytes, f.Duration = library.Failed, 0, 0
	f.Failure = library.Failure{Code: "no_audio", Detail: "The video has no sound."}
	return f
}

func outcome(f library.File) message.Outcome {
	return message.Outcome{Version: message.OutcomeVersion, ID: f.ID, State: f.State}
}

// mail returns the e-mail about that file.
func mail(t *testing.T, f library.File) message.Mail {
	t.Helper()
	w := newWorld()
	w.store.Put(f)
	if err := w.Notify(t.Context(), outcome(f)); err != nil {
		t.Fatal(err)
	}
	if len(w.mailer.sent) != 1 {
		t.Fatalf("%d e-mails were sent", len(w.mailer.sent))
	}
	return w.mailer.sent[0]
}

func TestMailsReadAsInTheGoldenFiles(t *testing.T) {
	t.Parallel()
	long, small, odd := ready(), ready(), failed()
	long.Filename, long.Duration, long.MP3Bytes = "A day at the sea – ünï 日本 🎬.final.cut.mov", 3*time.Hour+4*time.Minute+5*time.Second, 250_000_000
	small.Duration, small.MP3Bytes = 900*time.Millisecond, 400
	odd.Filename = `<b>"Tom" & 'Jerry'</b> {{.ID}}.mkv`
	odd.Failure.Detail = "The file is <damaged> & cannot be read."
	for name, f := range map[string]library.File{"ready": ready(), "ready_long": long, "ready_small": small, "failed": failed(), "failed_odd": odd} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := mail(t, f)
			got := fmt.Sprintf("To: %s\nSubject: %s\n\n%s\n---- HTML ----\n%s", m.To, m.Subject, m.Text, m.HTML)
			golden := filepath.Join("testdata", name+".golden")
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("the e-mail is\n%s\nwant\n%s\nRun the test with -update if it should be so.", got, want)
			}
		})
	}
}

func TestAFileNameCannotAddLinesOrTurnTheTextAround(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"a\r\nBcc: victim@example.com\r\n\r\nBuy.mp4", "a\nb.mp4", "a\rb.mp4", "a\u0085b.mp4", "a\u2028b\u2029c.mp4", "a\x00\x1b[31mb.mp4",
		"invoice\u202e4pm.exe", "\u2066a\u2069.mp4", "a\x0bb\x0cc.mp4", strings.Repeat("å", 5000) + ".mp4", "\xff\xfe.mp4",
	} {
		for _, f := range []library.File{ready(), failed()} {
			f.Filename = name
			f.Failure.Detail += name
			plain := ready()
			if f.State == library.Failed {
				plain = failed()
			}
			m, want := mail(t, f), mail(t, plain)
			for _, r := range m.Subject {
				if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029' {
					t.Errorf("the subject %q has %q", m.Subject, r)
				}
			}
			if n := utf8.RuneCountInString(m.Subject); n > 200 {
				t.Errorf("the subject has %d characters", n)
			}
			if got, plain := strings.Count(m.Text, "\n"), strings.Count(want.Text, "\n"); got != plain || strings.Contains(m.Text, "\r") {
				t.Errorf("the name %q makes %d lines of text, a plain one %d", name, got, plain)
			}
			if m.To != "anna@example.com" {
				t.Errorf("the e-mail goes to %s", m.To)
			}
		}
	}
}

func TestMarkupInAFileNameStaysText(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"<script>alert(1)</script>.mp4", `"><img src=x onerror=alert(1)>.mp4`, "</strong></p><a href='https://evil.test'>x</a>.mp4",
		"&lt;b&gt;.mp4", "{{.Reason}}.mp4", "<!--.mp4", "]]>.mp4",
	} {
		for _, f := range []library.File{ready(), failed()} {
			f.Filename = name
			f.Failure.Detail = name
			html := mail(t, f).HTML
			for _, bad := range []string{"<script", "<img", "</strong></p><a", "evil.test'>", "<!--.", "]]>.", "<b>"} {
				if strings.Contains(html, bad) {
					t.Errorf("the name %q puts %q into the HTML:\n%s", name, bad, html)
				}
			}
			if strings.HasPrefix(name, "&lt;") && !strings.Contains(html, "&amp;lt;") {
				t.Errorf("the name %q is not shown as it is:\n%s", name, html)
			}
		}
	}
}

func TestAnOutcomeIsToldOnce(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.store.Put(ready())
	for range 3 {
		if err := w.Notify(t.Context(), outcome(ready())); err != nil {
			t.Errorf("Notify: %v", err)
		}
	}
	if got := len(w.mailer.sent); got != 1 {
		t.Errorf("%d e-mails were sent, want 1", got)
	}
}

func TestOfConcurrentMessagesOneIsTold(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.Log = slog.New(slog.DiscardHandler)
	w.store.Put(ready())
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if err := w.Notify(t.Context(), outcome(ready())); err != nil && !errors.Is(err, library.ErrConflict) {
				t.Errorf("Notify: %v", err)
			}
		})
	}
	all.Wait()
	if got := len(w.mailer.sent); got != 1 {
		t.Errorf("%d e-mails were sent, want 1", got)
	}
}

func TestAMessageComesAgainWhileAnotherSenderIsAtIt(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.store.Put(ready())
	w.mailer.during = func() {
		w.mailer.during = nil
		if err := w.Notify(t.Context(), outcome(ready())); !errors.Is(err, library.ErrConflict) {
			t.Errorf("the second sender gets %v, want %v", err, library.ErrConflict)
		}
	}
	if err := w.Notify(t.Context(), outcome(ready())); err != nil {
		t.Errorf("Notify: %v", err)
	}
	if got := len(w.mailer.sent); got != 1 {
		t.Errorf("%d e-mails were sent, want 1", got)
	}
}

func TestASenderWhoseAnswersAreLostTellsOnceAndAtOnce(t *testing.T) {
	t.Parallel()
	for _, times := range []int{1, 2} {
		w := newWorld()
		w.Library.Store = librarytest.LostAnswers{Store: w.store, Times: times}
		w.store.Put(ready())
		for range 2 {
			if err := w.Notify(t.Context(), outcome(ready())); err != nil {
				t.Errorf("Notify, with each answer lost %d times: %v", times, err)
			}
			if got := len(w.mailer.sent); got != 1 {
				t.Errorf("%d e-mails were sent, want 1", got)
			}
		}
	}
}

func TestAMessageThatComesTooEarlyTooLateOrNotAtAllChangesNothing(t *testing.T) {
	t.Parallel()
	state := func(s library.State) library.File {
		f := ready()
		f.State = s
		return f
	}
	for name, c := range map[string]struct {
		file  *library.File
		about library.State
	}{
		"about ready while it is converted":    {new(state(library.Converting)), library.Ready},
		"about failed while it is converted":   {new(state(library.Converting)), library.Failed},
		"about ready while it is queued again": {new(state(library.Queued)), library.Ready},
		"about failed when it is ready":        {new(ready()), library.Failed},
		"about ready when it has failed":       {new(failed()), library.Ready},
		"about a file that is gone":            {nil, library.Ready},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			if c.file != nil {
				w.store.Put(*c.file)
			}
			err := w.Notify(t.Context(), message.Outcome{Version: message.OutcomeVersion, ID: ready().ID, State: c.about})
			if err != nil || len(w.mailer.sent) != 0 {
				t.Errorf("error %v and %d e-mails, want neither", err, len(w.mailer.sent))
			}
			if c.file == nil {
				return
			}
			if f, err := w.store.Get(t.Context(), c.file.ID); err != nil || f != *c.file {
				t.Errorf("the file became %+v (%v)", f, err)
			}
		})
	}
}

func TestAMailThatCouldNotBeSentIsTriedAgainAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.store.Put(ready())
	broken := errors.New("no route to mail")
	w.mailer.fail = broken
	for range 2 {
		if err := w.Notify(t.Context(), outcome(ready())); !errors.Is(err, broken) || errors.Is(err, library.ErrConflict) {
			t.Errorf("error is %v, want %v", err, broken)
		}
	}
	w.mailer.fail = nil
	if err := w.Notify(t.Context(), outcome(ready())); err != nil || len(w.mailer.sent) != 1 {
		t.Errorf("at last: %v and %d e-mails", err, len(w.mailer.sent))
	}
}

func TestAFileDeletedWhileItsMailIsSentIsToldOnce(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.store.Put(ready())
	w.mailer.during = func() {
		if _, err := w.Library.Delete(t.Context(), ready().ID, "anna"); err != nil {
			t.Error(err)
		}
		w.mailer.during = nil
	}
	first := w.Notify(t.Context(), outcome(ready()))
	if first != nil && !errors.Is(first, library.ErrNotFound) {
		t.Errorf("the first time: %v", first)
	}
	if err := w.Notify(t.Context(), outcome(ready())); err != nil || len(w.mailer.sent) != 1 {
		t.Errorf("when it comes again: %v and %d e-mails", err, len(w.mailer.sent))
	}
}

func TestAMessageThatIsNoneOfOursIsAnError(t *testing.T) {
	t.Parallel()
	id := ready().ID
	for name, o := range map[string]message.Outcome{
		"nothing":                  {},
		"no version":               {ID: id, State: library.Ready},
		"a later version":          {Version: 2, ID: id, State: library.Ready},
		"no ID":                    {Version: 1, State: library.Ready},
		"an ID that cannot be one": {Version: 1, ID: "../x", State: library.Ready},
		"no state":                 {Version: 1, ID: id},
		"a state that is no end":   {Version: 1, ID: id, State: library.Queued},
		"a state that is none":     {Version: 1, ID: id, State: "done"},
	} {
		w := newWorld()
		w.store.Put(ready())
		if err := w.Notify(t.Context(), o); err == nil || len(w.mailer.sent) != 0 {
			t.Errorf("%s: error %v and %d e-mails, want an error and none", name, err, len(w.mailer.sent))
		}
	}
}

func TestTheLogHoldsNeitherAddressNorText(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.store.Put(ready())
	if err := w.Notify(t.Context(), outcome(ready())); err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"anna@example.com", "holiday", "Your MP3"} {
		if strings.Contains(w.log.String(), secret) {
			t.Errorf("the log has %q: %s", secret, w.log)
		}
	}
	if !strings.Contains(w.log.String(), ready().ID) {
		t.Errorf("the log does not name the file: %s", w.log)
	}
}
