package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mp3converter/shared/account"
	"mp3converter/shared/api"
	"mp3converter/shared/library"
	"mp3converter/shared/library/librarytest"
	"mp3converter/shared/problem"
	"mp3converter/shared/transfer/transfertest"
)

const (
	maxUpload = 5 << 30
	retention = 7 * 24 * time.Hour
	requestID = "request-1"
)

// noon is when every test begins.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// clock is a time that only moves when it is told to.
type clock struct{ passed atomic.Int64 }

func (c *clock) now() time.Time       { return noon.Add(time.Duration(c.passed.Load())) }
func (c *clock) pass(d time.Duration) { c.passed.Add(int64(d)) }

// logBuffer is what a function has logged.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// keys is a KeySource with one key.
type keys struct{ key account.Key }

func (k keys) Current(context.Context) (account.Key, error) { return k.key, nil }
func (k keys) Find(_ context.Context, id string) (account.Key, bool, error) {
	return k.key, id == k.key.ID, nil
}

// world is the whole API in memory, with a few people.
type world struct {
	http.Handler
	t                *testing.T
	clock            *clock
	log              *logBuffer
	store            *librarytest.Memory
	library          *library.Library
	uploads, results *transfertest.Bucket
	tokens           *account.Tokens
	anna, bert       string // their tokens
	secrets          []string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{
		t: t, clock: &clock{}, log: &logBuffer{}, store: &librarytest.Memory{},
		uploads: &transfertest.Bucket{}, results: &transfertest.Bucket{},
	}
	log := slog.New(slog.NewJSONHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	w.library = &library.Library{Store: w.store, Retention: retention, UploadsPerDay: 5, Now: w.clock.now}
	w.tokens = &account.Tokens{
		Keys: keys{account.Key{ID: "k", Secret: []byte(strings.Repeat("s", 64))}}, Issuer: "mp3converter", TTL: time.Hour, Now: w.clock.now,
	}
	w.anna, w.bert = w.token("anna"), w.token("bert")
	upload := api.Upload(api.UploadConfig{
		Log: log, Tokens: w.tokens, Library: w.library, Uploads: w.uploads, MaxBytes: maxUpload, Now: w.clock.now,
	})
	files := api.Files(api.FilesConfig{
		Log: log, Tokens: w.tokens, Library: w.library, Uploads: w.uploads, Results: w.results, Now: w.clock.now,
	})
	download := api.Download(api.DownloadConfig{
		Log: log, Tokens: w.tokens, Library: w.library, Results: w.results, Now: w.clock.now,
	})
	page := sync.OnceValue(func() http.Handler { // compresses its assets, which few tests need
		return api.Web(api.WebConfig{Log: log, StorageOrigins: []string{transfertest.Origin}, Version: "1.2.3", Commit: "abc"})
	})
	w.Handler = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		// As the gateway does: each function gets what begins like its routes.
		for prefix, h := range map[string]http.Handler{"/upload": upload, "/files": files, "/download": download} {
			if r.URL.Path == prefix || strings.HasPrefix(r.URL.Path, prefix+"/") {
				h.ServeHTTP(rw, r)
				return
			}
		}
		page().ServeHTTP(rw, r)
	})
	t.Cleanup(w.wantNoSecretsInLog)
	return w
}

// token returns a token of that person, whose user ID is the name.
func (w *world) token(name string) string {
	w.t.Helper()
	token, err := w.tokens.Issue(w.t.Context(), account.User{ID: name, Email: name + "@example.com"})
	if err != nil {
		w.t.Fatal(err)
	}
	w.secrets = append(w.secrets, token)
	return token
}

// wantNoSecretsInLog looks for tokens, other secrets of the test and signatures of presigned URLs.
func (w *world) wantNoSecretsInLog() {
	log := w.log.String()
	for _, secret := range append(w.secrets, "X-Amz-Signature", "Bearer ", "Basic ", transfertest.Origin) {
		if strings.Contains(log, secret) {
			w.t.Errorf("the log has the secret %q:\n%s", secret, log)
		}
	}
	for line := range strings.Lines(log) {
		if !json.Valid([]byte(line)) {
			w.t.Errorf("a line of the log is no JSON: %s", line)
		}
	}
}

// answer is a response with its body read.
type answer struct {
	*http.Response
	body string
}

// do sends a request; an empty token sends none, and header lines are "Name: value".
func (w *world) do(method, target, token string, body io.Reader, header ...string) answer {
	w.t.Helper()
	r := httptest.NewRequestWithContext(w.t.Context(), method, target, body)
	r.Header.Set(api.RequestIDHeader, requestID)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Add(name, value)
	}
	return serve(w.t, w.Handler, r)
}

func serve(t *testing.T, h http.Handler, r *http.Request) answer {
	t.Helper()
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	a := answer{Response: rec.Result(), body: rec.Body.String()}
	if r.Method == http.MethodHead && a.body != "" {
		t.Errorf("HEAD %s has a body: %q", r.URL.Path, a.body)
	}
	if got := a.Header.Get("X-Content-Type-Options"); got != "nosniff" {
		t.Errorf("%s %s has X-Content-Type-Options %q", r.Method, r.URL.Path, got)
	}
	if a.StatusCode >= 400 {
		wantWellFormedProblem(t, a, r)
	}
	return a
}

// problemBody is a problem as a client reads it.
type problemBody struct {
	Type, Title, Code, Detail, State string
	Status                           int
	RequestID                        string `json:"request_id"`
	Progress                         *int
	Errors                           []problem.FieldError
}

func (a answer) problem(t *testing.T) problemBody {
	t.Helper()
	var p problemBody
	a.into(t, &p)
	return p
}

// into reads the JSON body strictly.
func (a answer) into(t *testing.T, v any) {
	t.Helper()
	dec := json.NewDecoder(strings.NewReader(a.body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		t.Fatalf("the body is %q: %v", a.body, err)
	}
}

// wantWellFormedProblem checks what every problem has in common.
func wantWellFormedProblem(t *testing.T, a answer, r *http.Request) {
	t.Helper()
	for name, want := range map[string]string{"Content-Type": "application/problem+json", "Cache-Control": "no-store"} {
		if got := a.Header.Values(name); len(got) != 1 || got[0] != want {
			t.Errorf("the problem's %s is %q, want %q", name, got, want)
		}
	}
	for _, name := range []string{"Location", "Content-Disposition"} {
		if got := a.Header.Get(name); got != "" {
			t.Errorf("the problem has a %s: %s", name, got)
		}
	}
	if got, want := a.Header.Get(api.RequestIDHeader), r.Header.Get(api.RequestIDHeader); got != want {
		t.Errorf("the answer to request %q says it is %q", want, got)
	}
	if r.Method == http.MethodHead {
		return
	}
	p := a.problem(t)
	kind, known := problem.Codes()[problem.Code(p.Code)]
	if !known || kind.Status != a.StatusCode || p.Status != a.StatusCode || p.Title != kind.Title || p.Type != "urn:mp3converter:problem:"+p.Code {
		t.Errorf("status %d has the problem %+v", a.StatusCode, p)
	}
	if p.RequestID != r.Header.Get(api.RequestIDHeader) {
		t.Errorf("the problem is of request %q, want %q", p.RequestID, r.Header.Get(api.RequestIDHeader))
	}
}

func wantStatus(t *testing.T, a answer, status int) {
	t.Helper()
	if a.StatusCode != status {
		t.Fatalf("status %d, want %d: %s", a.StatusCode, status, a.body)
	}
}

// wantProblem wants this problem and returns it.
func wantProblem(t *testing.T, a answer, status int, code problem.Code) problemBody {
	t.Helper()
	wantStatus(t, a, status)
	p := a.problem(t)
	if p.Code != string(code) {
		t.Fatalf("the problem is %s, want %s: %s", p.Code, code, a.body)
	}
	return p
}

// wantInvalid wants a validation problem about exactly these fields.
func wantInvalid(t *testing.T, a answer, fields ...string) problemBody {
	t.Helper()
	p := wantProblem(t, a, http.StatusUnprocessableEntity, problem.ValidationFailed)
	var got []string
	for _, e := range p.Errors {
		got = append(got, e.Field)
		if e.Detail == "" {
			t.Errorf("it does not say what is wrong with %s", e.Field)
		}
	}
	if strings.Join(got, " ") != strings.Join(fields, " ") {
		t.Errorf("it complains about %q, want %q: %s", got, fields, a.body)
	}
	return p
}

func wantHeader(t *testing.T, a answer, name, want string) {
	t.Helper()
	if got := a.Header.Values(name); len(got) != 1 || got[0] != want {
		t.Errorf("%s is %q, want %q", name, got, want)
	}
}

// file puts a file of that owner into the library, changed as the test likes.
func (w *world) file(owner string, state library.State, change ...func(f *library.File)) library.File {
	w.t.Helper()
	f := librarytest.NewFile(owner, noon.Add(-time.Hour))
	f.State = state
	if state == library.Ready || state == library.Failed {
		f.Finished, f.Expires = noon.Add(-time.Minute), noon.Add(retention)
	}
	switch state {
	case library.Converting:
		f.Progress, f.Lease, f.LeaseUntil = 42, "lease", noon.Add(time.Minute)
	case library.Ready:
		f.Progress, f.MP3Bytes, f.Duration = 100, 9, 90*time.Second
		f.Work = library.Work{
			BytesRead: 1000, BytesWritten: 9, ReadRequests: 3, WriteRequests: 1, Wall: 2500 * time.Millisecond, Probe: time.Second / 2,
			Encode: 1500 * time.Millisecond, CPU: 4 * time.Second, DecodeCPU: time.Second, EncodeCPU: 2 * time.Second, JoinCPU: time.Second / 4,
			PeakMemory: 1 << 20, Segments: 6, Requantised: 2, Workers: 2, CostUSD: 0.0012,
		}
	case library.Failed:
		f.Failure = library.Failure{Code: "no_audio", Detail: "The video has no sound."}
	}
	for _, change := range change {
		change(&f)
	}
	if err := w.store.Create(w.t.Context(), f, noon.Add(time.Hour)); err != nil {
		w.t.Fatal(err)
	}
	return f
}

// expired is a change that makes a finished file's time be up.
func expired(f *library.File) { f.Expires = noon }

// files is everything that person has.
func (w *world) files(owner string) []library.File {
	w.t.Helper()
	files, _, err := w.store.List(w.t.Context(), owner, 1000, "")
	if err != nil {
		w.t.Fatal(err)
	}
	return files
}
