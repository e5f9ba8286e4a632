// Package e2e tests the whole service from outside, against a running local stack: the public API, the storage, the
// queues and the mailbox, with real videos. `make test` starts a stack of its own for it.
package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"

	"mp3converter/shared/account"
	"mp3converter/shared/aws"
)

// patience is how long anything may take; the machine may be small and busy.
const patience = 3 * time.Minute

var suite struct {
	cloud awssdk.Config
	users *account.Service
	media string // folder of generated videos
}

func TestMain(m *testing.M) {
	for _, name := range []string{"API_URL", "AWS_ENDPOINT_URL", "USERS_TABLE", "FILES_TABLE", "MAILBOX_URL", "MEDIA_FFMPEG"} {
		if os.Getenv(name) == "" {
			fmt.Fprintf(os.Stderr, "FAIL: %s is not set; these tests need a running stack: use `make test`\n", name)
			os.Exit(1)
		}
	}
	code, err := prepare(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "FAIL:", err)
		os.Exit(1)
	}
	os.Exit(code)
}

func prepare(m *testing.M) (code int, err error) {
	if suite.cloud, err = aws.Connect(context.Background()); err != nil {
		return 0, err
	}
	suite.users = account.NewService(account.Config{Users: aws.NewUsers(suite.cloud, os.Getenv("USERS_TABLE"))})
	if suite.media, err = os.MkdirTemp("", "mp3converter-e2e-"); err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(suite.media)) }()
	return m.Run(), nil
}

// person is somebody with an account of their own, so that tests do not see each other's files.
type person struct {
	t               *testing.T
	email, password string
	token           string
}

// newPerson adds an account and signs in.
func newPerson(t *testing.T) *person {
	t.Helper()
	p := &person{t: t, password: "correct horse battery staple"}
	p.email = fmt.Sprintf("%s-%d@example.com", strings.ToLower(strings.Map(alphanumeric, t.Name())), time.Now().UnixNano())
	if i := len(p.email) - 60; i > 0 {
		p.email = "x" + p.email[i:]
	}
	if _, err := suite.users.Add(t.Context(), p.email, p.password); err != nil {
		t.Fatal(err)
	}
	r := p.do(t, "POST", "/login", nil, func(r *http.Request) { r.SetBasicAuth(p.email, p.password) })
	if r.status != http.StatusOK {
		t.Fatalf("sign in: %s", r)
	}
	p.token = string(r.body)
	return p
}

func alphanumeric(r rune) rune {
	if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
		return r
	}
	return -1
}

// reply is a response that has been read.
type reply struct {
	status int
	header http.Header
	body   []byte
	// request and raw are for checking against the contract.
	request *http.Request
	raw     *http.Response
}

func (r reply) String() string { return fmt.Sprintf("%d %.500s", r.status, r.body) }

// into reads a JSON body.
func (r reply) into(t *testing.T, v any) {
	t.Helper()
	if err := json.Unmarshal(r.body, v); err != nil {
		t.Fatalf("read %s: %v", r, err)
	}
}

var noRedirects = &http.Client{
	Timeout:       patience,
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// do sends a request to the API, signed in if the person is. A body that is not bytes is sent as JSON.
func (p *person) do(t *testing.T, method, path string, body any, edit ...func(*http.Request)) reply {
	t.Helper()
	var data []byte
	contentType := ""
	switch b := body.(type) {
	case nil:
	case []byte:
		data = b
	default:
		var err error
		if data, err = json.Marshal(b); err != nil {
			t.Fatal(err)
		}
		contentType = "application/json"
	}
	r, err := http.NewRequestWithContext(t.Context(), method, os.Getenv("API_URL")+path, bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	if p.token != "" {
		r.Header.Set("Authorization", "Bearer "+p.token)
	}
	for _, e := range edit {
		e(r)
	}
	resp, err := noRedirects.Do(r)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	r.Body = io.NopCloser(bytes.NewReader(data))
	resp.Body = io.NopCloser(bytes.NewReader(got))
	return reply{status: resp.StatusCode, header: resp.Header, body: got, request: r, raw: resp}
}

// fetch gets any URL, such as a presigned one.
func fetch(t *testing.T, url string) reply {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := noRedirects.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{status: resp.StatusCode, header: resp.Header, body: body, request: r, raw: resp}
}

func header(key, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set(key, value) }
}

// file is a file as GET /files/{fid} shows it.
type file struct {
	ID       string  `json:"fid"`
	State    string  `json:"state"`
	Progress int     `json:"progress"`
	MP3Size  int64   `json:"mp3_size"`
	Duration float64 `json:"duration_seconds"`
	Error    struct {
		Code, Detail string
	} `json:"error"`
}

type created struct {
	ID     string `json:"fid"`
	Upload struct {
		Method, URL string
		Headers     map[string]string
	} `json:"upload"`
}

// announce asks for an upload.
func (p *person) announce(t *testing.T, name string, size int64, options map[string]any) created {
	t.Helper()
	body := map[string]any{"filename": name, "size": size}
	if options != nil {
		body["audio"] = options
	}
	r := p.do(t, "POST", "/upload", body)
	if r.status != http.StatusCreated {
		t.Fatalf("announce: %s", r)
	}
	var c created
	r.into(t, &c)
	return c
}

// put sends the bytes to a presigned URL and returns the status.
func put(t *testing.T, c created, body io.Reader, size int64) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), c.Upload.Method, c.Upload.URL, body)
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range c.Upload.Headers {
		r.Header.Set(k, v)
	}
	r.ContentLength = size
	resp, err := noRedirects.Do(r)
	if err != nil {
		t.Fatalf("PUT: %v", err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}

// upload announces and sends a video, and returns the file's ID.
func (p *person) upload(t *testing.T, path string, options map[string]any) string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	c := p.announce(t, filepath.Base(path), info.Size(), options)
	if status := put(t, c, f, info.Size()); status != http.StatusOK {
		t.Fatalf("PUT answered %d", status)
	}
	return c.ID
}

func (p *person) get(t *testing.T, id string) file {
	t.Helper()
	r := p.do(t, "GET", "/files/"+id, nil)
	if r.status != http.StatusOK {
		t.Fatalf("get file: %s", r)
	}
	var f file
	r.into(t, &f)
	return f
}

// finished waits until the file has ended.
func (p *person) finished(t *testing.T, id string) file {
	t.Helper()
	var f file
	eventually(t, "the conversion to end", func() bool {
		f = p.get(t, id)
		return f.State == "ready" || f.State == "failed"
	})
	return f
}

// eventually waits for a condition, asking often at first.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	deadline, pause := time.Now().Add(patience), 50*time.Millisecond
	for !condition() {
		if time.Now().After(deadline) {
			t.Fatalf("waited %s for %s", patience, what)
		}
		select {
		case <-t.Context().Done():
			t.Fatal(context.Cause(t.Context()))
		case <-time.After(pause):
		}
		pause = min(pause*3/2, time.Second)
	}
}

// mail is an e-mail as the mailbox shows it.
type mail struct {
	To, Subject, Text, HTML string
}

func (m *mail) UnmarshalJSON(data []byte) error {
	var raw struct {
		To                  json.RawMessage
		Subject, Text, HTML string
	}
	if err := json.Unmarshal(data, &raw); err != nil {
		return err
	}
	*m = mail{To: string(raw.To), Subject: raw.Subject, Text: raw.Text, HTML: raw.HTML}
	return nil
}

// mails returns what this person has been sent about the file.
func (p *person) mails(t *testing.T, id string) []mail {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, os.Getenv("MAILBOX_URL")+"/api/messages", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := noRedirects.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var all, mine []mail
	if err := json.NewDecoder(resp.Body).Decode(&all); err != nil {
		t.Fatal(err)
	}
	for _, m := range all {
		if strings.Contains(m.To, p.email) && strings.Contains(m.Text, id) {
			mine = append(mine, m)
		}
	}
	return mine
}

// form is a multipart body with one file, as curl -F sends it.
func form(t *testing.T, field, filename string, data []byte) ([]byte, func(*http.Request)) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	part, err := w.CreateFormFile(field, filename)
	if err == nil {
		_, err = part.Write(data)
	}
	if err = errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes(), header("Content-Type", w.FormDataContentType())
}

var videos sync.Map // of name to *sync.Once-guarded results

// video makes a test video once and returns its path. The arguments are ffmpeg's, without the output.
func video(t *testing.T, name string, args ...string) string {
	t.Helper()
	type made struct {
		once sync.Once
		err  error
	}
	entry, _ := videos.LoadOrStore(name, &made{})
	m, _ := entry.(*made)
	path := filepath.Join(suite.media, name)
	m.once.Do(func() {
		all := append([]string{"-nostdin", "-v", "error", "-y"}, append(args, path)...)
		if out, err := exec.Command(os.Getenv("MEDIA_FFMPEG"), all...).CombinedOutput(); err != nil {
			m.err = fmt.Errorf("make %s: %w: %s", name, err, out)
		}
	})
	if m.err != nil {
		t.Fatal(m.err)
	}
	return path
}

// Sources for video: a small moving picture and a tone.
func picture(seconds float64) []string {
	return []string{"-f", "lavfi", "-i", fmt.Sprintf("testsrc2=size=320x180:rate=25:duration=%g", seconds)}
}

func tone(hz int, seconds float64) []string {
	return []string{"-f", "lavfi", "-i", fmt.Sprintf("sine=frequency=%d:sample_rate=44100:duration=%g", hz, seconds)}
}

func join(parts ...[]string) []string {
	var all []string
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

// clip is the usual short video.
func clip(t *testing.T) string {
	t.Helper()
	return video(t, "clip.mp4", join(picture(3), tone(440, 3), []string{"-shortest", "-c:v", "libx264", "-preset", "ultrafast",
		"-c:a", "aac", "-metadata", "title=A test", "-movflags", "+faststart"})...)
}
