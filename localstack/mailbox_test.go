package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
)

// sent is the emulator's list: oldest first, by account.
const sent = `{"messages": {"000000000000": [
  {"MessageId": "one", "Source": "no-reply@example.com", "To": ["a@example.com", "b@example.com"], "Subject": "First",
   "BodyText": "plain", "BodyHtml": null, "Timestamp": 1000},
  {"MessageId": "two", "Source": "no-reply@example.com", "To": ["a@example.com"], "Subject": "<script>alert(1)</script>",
   "BodyText": "</pre><b>text", "BodyHtml": "<p>hello <a href='https://example.com'>link</a></p>", "Timestamp": 2000.5}
]}}`

func fetch(h http.Handler, path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, http.NoBody))
	return w
}

func openTestMailbox(t *testing.T, source, file string) http.Handler {
	t.Helper()
	box, err := openMailbox(source, file)
	if err != nil {
		t.Fatal(err)
	}
	return box.handler()
}

func serveText(t *testing.T, text *string) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, *text) }))
	t.Cleanup(server.Close)
	return server.URL
}

func TestMailsAreListedNewestFirst(t *testing.T) {
	t.Parallel()
	list := sent
	h := openTestMailbox(t, serveText(t, &list), filepath.Join(t.TempDir(), "mails"))
	var mails []mail
	if err := json.NewDecoder(fetch(h, "/api/messages").Body).Decode(&mails); err != nil {
		t.Fatal(err)
	}
	if len(mails) != 2 || mails[0].ID != "two" || mails[1].To != "a@example.com, b@example.com" || mails[0].At != "1970-01-01T00:33:20.500Z" {
		t.Errorf("got %+v", mails)
	}
}

func TestAnEmptyMailboxIsAnEmptyList(t *testing.T) {
	t.Parallel()
	list := `{"messages": {}}`
	h := openTestMailbox(t, serveText(t, &list), filepath.Join(t.TempDir(), "mails"))
	if body := fetch(h, "/api/messages").Body.String(); body != "[]\n" {
		t.Errorf("got %q", body)
	}
	if body := fetch(h, "/").Body.String(); !strings.Contains(body, "No e-mails yet") {
		t.Errorf("the page says:\n%s", body)
	}
}

func TestMailsOutliveTheEmulator(t *testing.T) {
	t.Parallel()
	list, file := sent, filepath.Join(t.TempDir(), "mails")
	source := serveText(t, &list)
	fetch(openTestMailbox(t, source, file), "/")
	list = `{"messages": {"000000000000": [{"MessageId": "three", "To": ["a@example.com"], "Subject": "Third", "Timestamp": 3000}]}}`
	var mails []mail
	if err := json.NewDecoder(fetch(openTestMailbox(t, source, file), "/api/messages").Body).Decode(&mails); err != nil {
		t.Fatal(err)
	}
	if len(mails) != 3 || mails[0].ID != "three" {
		t.Errorf("got %+v", mails)
	}
}

func TestMailsCannotTakeOverThePage(t *testing.T) {
	t.Parallel()
	list := sent
	h := openTestMailbox(t, serveText(t, &list), filepath.Join(t.TempDir(), "mails"))

	page := fetch(h, "/")
	body := page.Body.String()
	if strings.Contains(body, "<script>") || strings.Contains(body, "</pre><b>") || strings.Contains(body, "<p>hello") {
		t.Errorf("text of a mail is markup in the page:\n%s", body)
	}
	if !strings.Contains(page.Header().Get("Content-Security-Policy"), "default-src 'none'") {
		t.Error("the page has no policy")
	}

	part := fetch(h, "/messages/two.html")
	if !strings.Contains(part.Body.String(), "<p>hello") {
		t.Error("the HTML part is not shown")
	}
	if policy := part.Header().Get("Content-Security-Policy"); !strings.HasPrefix(policy, "sandbox ") || strings.Contains(policy, "allow-scripts") {
		t.Errorf("the HTML part's policy is %q", policy)
	}
	if r := fetch(h, "/messages/none.html"); r.Code != http.StatusNotFound {
		t.Errorf("an unknown mail answers %d", r.Code)
	}
}

func TestAnUnreachableEmulatorIsSaid(t *testing.T) {
	t.Parallel()
	list := "not JSON"
	h := openTestMailbox(t, serveText(t, &list), filepath.Join(t.TempDir(), "mails"))
	if r := fetch(h, "/"); r.Code != http.StatusBadGateway {
		t.Errorf("got %d", r.Code)
	}
}
