package cli_test

import (
	"bytes"
	"crypto/rand"
	"encoding/base32"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	testEmail    = "ada@example.com"
	testPassword = "correct horse battery"
)

// fake is a service that keeps to the HTTP contract, with its storage on a host of its own. Time passes in it only
// when it is asked: each GET of a file that has arrived takes its conversion one step further.
type fake struct {
	t            *testing.T
	api, storage *httptest.Server

	mu     sync.Mutex
	tokens map[string]bool
	files  map[string]*fakeFile
	order  []string
	links  map[string]string // a presigned URL's signature → "PUT fid" or "GET fid"
	calls  []string          // "GET /files/{fid}"
	// onAPI and onStorage may answer a request in place of the fake; they return false to leave it alone.
	onAPI, onStorage func(http.ResponseWriter, *http.Request, int) bool
	seen             map[string]int
}

type fakeFile struct {
	FID, Filename, State string
	Size                 int64
	Audio                map[string]any
	Progress             int
	video, mp3           []byte
	failure              string
	stuck                bool
	created              time.Time
	// suggested is the download's file name, if it is not made from Filename.
	suggested string
	claimed   int64
}

func newFake(t *testing.T) *fake {
	t.Helper()
	f := &fake{t: t, tokens: map[string]bool{}, files: map[string]*fakeFile{}, links: map[string]string{}, seen: map[string]int{}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", f.login)
	mux.HandleFunc("POST /upload", f.authorized(f.createUpload))
	mux.HandleFunc("GET /upload/{fid}", f.authorized(f.getUpload))
	mux.HandleFunc("GET /files", f.authorized(f.listFiles))
	mux.HandleFunc("GET /files/{fid}", f.authorized(f.getFile))
	mux.HandleFunc("DELETE /files/{fid}", f.authorized(f.deleteFile))
	mux.HandleFunc("GET /download", f.authorized(f.download))
	f.api = httptest.NewServer(f.intercept(heldToContract(t, mux), func() func(http.ResponseWriter, *http.Request, int) bool { return f.onAPI }))
	storage := http.NewServeMux()
	storage.HandleFunc("/bucket/{fid}", f.object)
	f.storage = httptest.NewServer(f.intercept(storage, func() func(http.ResponseWriter, *http.Request, int) bool { return f.onStorage }))
	t.Cleanup(func() {
		f.api.Close()
		f.storage.Close()
	})
	return f
}

// intercept counts calls of each kind, from 1, and lets the test answer them.
func (f *fake) intercept(next http.Handler, hook func() func(http.ResponseWriter, *http.Request, int) bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		kind := r.Method + " " + r.URL.Path
		for _, part := range strings.Split(r.URL.Path, "/") {
			if len(part) == 26 {
				kind = strings.Replace(kind, part, "{fid}", 1)
			}
		}
		f.calls = append(f.calls, kind)
		f.seen[kind]++
		n, h := f.seen[kind], hook()
		f.mu.Unlock()
		if h == nil || !h(w, r, n) {
			next.ServeHTTP(w, r)
		}
	})
}

func (f *fake) count(kind string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.seen[kind]
}

func (f *fake) forgetTokens() {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.tokens)
}

// add puts a file into the service as if it had been uploaded before.
func (f *fake) add(file fakeFile) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	file.FID = newFID()
	if file.Filename == "" {
		file.Filename = "video.mp4"
	}
	if file.State == "ready" {
		file.Progress = 100
	}
	file.created = time.Date(2026, 1, 2, 3, 4, len(f.order), 0, time.UTC)
	f.files[file.FID] = &file
	f.order = append(f.order, file.FID)
	return file.FID
}

func (f *fake) only() *fakeFile {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.order) != 1 {
		f.t.Fatalf("the service has %d files, want 1", len(f.order))
	}
	return f.files[f.order[0]]
}

func newFID() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(b[:]))
}

func writeProblem(w http.ResponseWriter, status int, code, detail string, more map[string]any) {
	doc := map[string]any{"type": "about:blank", "title": http.StatusText(status), "status": status, "code": code, "detail": detail}
	for k, v := range more {
		doc[k] = v
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(doc)
}

func writeJSON(w http.ResponseWriter, status int, doc any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(doc)
}

func (f *fake) login(w http.ResponseWriter, r *http.Request) {
	email, password, ok := r.BasicAuth()
	if !ok || email != testEmail || password != testPassword {
		w.Header().Set("WWW-Authenticate", `Basic realm="mp3converter"`)
		writeProblem(w, 401, "invalid_credentials", "wrong e-mail address or password", nil)
		return
	}
	token := "secret-token." + newFID() + ".sig"
	f.mu.Lock()
	f.tokens[token] = true
	f.mu.Unlock()
	if r.Header.Get("Accept") != "application/json" {
		w.Header().Set("Cache-Control", "no-store")
		_, _ = io.WriteString(w, token)
		return
	}
	writeJSON(w, 200, map[string]any{"access_token": token, "token_type": "Bearer", "expires_in": 3600})
}

func (f *fake) authorized(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		f.mu.Lock()
		ok := f.tokens[token]
		f.mu.Unlock()
		if !ok {
			w.Header().Set("WWW-Authenticate", "Bearer")
			writeProblem(w, 401, "token_expired", "the token has expired; sign in again", nil)
			return
		}
		next(w, r)
	}
}

// presign makes a link whose signature is a secret, and the headers that belong to it. The caller holds the lock.
func (f *fake) presign(method, fid string) map[string]any {
	signature := "secret-signature-" + newFID()
	f.links[signature] = method + " " + fid
	u := f.storage.URL + "/bucket/" + fid + "?" + url.Values{"X-Amz-Signature": {signature}}.Encode()
	return map[string]any{
		"method": method, "url": u, "expires_at": time.Now().Add(time.Hour).UTC(),
		"headers": map[string]string{
			"Content-Length": strconv.FormatInt(f.files[fid].Size, 10), "Host": strings.TrimPrefix(f.storage.URL, "http://"), "X-Amz-Meta-Fid": fid,
		},
	}
}

func (f *fake) createUpload(w http.ResponseWriter, r *http.Request) {
	var req struct {
		Filename string         `json:"filename"`
		Size     int64          `json:"size"`
		Audio    map[string]any `json:"audio"`
	}
	dec := json.NewDecoder(r.Body)
	dec.DisallowUnknownFields()
	if err := dec.Decode(&req); err != nil || r.Header.Get("Content-Type") != "application/json" {
		writeProblem(w, 400, "bad_request", fmt.Sprint(err), nil)
		return
	}
	if req.Filename == "" || len(req.Filename) > 255 || req.Size < 1 {
		writeProblem(w, 422, "validation_failed", "a value is not acceptable", nil)
		return
	}
	fid := f.add(fakeFile{Filename: req.Filename, State: "awaiting_upload", Size: req.Size, Audio: req.Audio})
	f.mu.Lock()
	defer f.mu.Unlock()
	writeJSON(w, 201, map[string]any{"fid": fid, "upload": f.presign("PUT", fid)})
}

func (f *fake) find(w http.ResponseWriter, fid string) *fakeFile {
	file := f.files[fid]
	if file == nil {
		writeProblem(w, 404, "not_found", "there is no such file", nil)
	}
	return file
}

func (f *fake) getUpload(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	file := f.find(w, r.PathValue("fid"))
	if file == nil {
		return
	}
	doc := map[string]any{"fid": file.FID, "state": file.State}
	if file.State == "awaiting_upload" {
		doc["upload"] = f.presign("PUT", file.FID)
	}
	writeJSON(w, 200, doc)
}

func (file *fakeFile) document() map[string]any {
	doc := map[string]any{
		"fid": file.FID, "filename": file.Filename, "state": file.State, "progress": file.Progress, "size": file.Size,
		"audio": map[string]any{"mode": "vbr", "quality": 2}, "created_at": file.created, "expires_at": file.created.AddDate(0, 0, 7),
	}
	switch file.State {
	case "ready":
		doc["mp3_size"], doc["duration_seconds"] = len(file.mp3), 61.5
	case "failed":
		doc["error"] = map[string]any{"code": "no_audio", "detail": file.failure}
	}
	return doc
}

// step takes a conversion further.
func (file *fakeFile) step() {
	switch {
	case file.stuck:
	case file.State == "queued":
		file.State, file.Progress = "converting", 40
	case file.State == "converting" && file.failure != "":
		file.State = "failed"
	case file.State == "converting":
		file.State, file.Progress = "ready", 100
		file.mp3 = mp3Of(file.video)
	}
}

// mp3Of stands in for the conversion.
func mp3Of(video []byte) []byte { return append([]byte("ID3 of "), video...) }

func (f *fake) getFile(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if file := f.find(w, r.PathValue("fid")); file != nil {
		writeJSON(w, 200, file.document())
		file.step()
	}
}

func (f *fake) deleteFile(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if file := f.find(w, r.PathValue("fid")); file != nil {
		delete(f.files, file.FID)
		f.order = slices.DeleteFunc(f.order, func(fid string) bool { return fid == file.FID })
		w.WriteHeader(http.StatusNoContent)
	}
}

func (f *fake) listFiles(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	limit, err := strconv.Atoi(r.URL.Query().Get("limit"))
	if err != nil || limit < 1 || limit > 100 {
		writeProblem(w, 422, "validation_failed", "limit must be 1 to 100", nil)
		return
	}
	newest := slices.Clone(f.order)
	slices.Reverse(newest)
	after, _ := strconv.Atoi(r.URL.Query().Get("cursor"))
	docs := []any{}
	for _, fid := range newest[after:min(after+limit, len(newest))] {
		docs = append(docs, f.files[fid].document())
	}
	page := map[string]any{"files": docs}
	if after+limit < len(newest) {
		page["next"] = strconv.Itoa(after + limit)
	}
	writeJSON(w, 200, page)
}

func (f *fake) download(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	file := f.find(w, r.URL.Query().Get("fid"))
	if file == nil {
		return
	}
	switch file.State {
	case "ready":
		name := file.suggested
		if name == "" {
			name = strings.TrimSuffix(file.Filename, ".mp4") + ".mp3"
		}
		size := max(file.claimed, int64(len(file.mp3)))
		link := f.presign("GET", file.FID)
		writeJSON(w, 200, map[string]any{"url": link["url"], "filename": name, "size": size, "expires_at": link["expires_at"]})
	case "failed":
		writeProblem(w, 410, "conversion_failed", file.failure, nil)
	case "expired":
		writeProblem(w, 410, "expired", "the MP3 has expired and is removed", nil)
	default:
		w.Header().Set("Retry-After", "3")
		writeProblem(w, 409, "not_ready", "the MP3 is not ready", map[string]any{"state": file.State, "progress": file.Progress})
	}
}

// object is storage: it obeys a link and knows nothing else.
func (f *fake) object(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	fid := r.PathValue("fid")
	granted := f.links[r.URL.Query().Get("X-Amz-Signature")] == r.Method+" "+fid
	file := f.files[fid]
	f.mu.Unlock()
	if r.Header.Get("Authorization") != "" {
		f.t.Error("the token was sent to storage")
	}
	if !granted || file == nil {
		storageError(w, 403, "AccessDenied", "Request has expired")
		return
	}
	if r.Method == http.MethodGet {
		w.Header().Set("ETag", fmt.Sprintf(`"%d"`, len(file.mp3)))
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(file.mp3))
		return
	}
	if r.ContentLength != file.Size || r.Header.Get("X-Amz-Meta-Fid") != fid {
		storageError(w, 403, "SignatureDoesNotMatch", "The request signature we calculated does not match")
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil || int64(len(body)) != file.Size {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if file.State == "awaiting_upload" {
		file.State, file.video = "queued", body
	}
}

func storageError(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, "<Error><Code>%s</Code><Message>%s</Message><StringToSign>secret-signature</StringToSign></Error>", code, message)
}

// hangUp breaks the connection without an answer.
func hangUp(http.ResponseWriter) { panic(http.ErrAbortHandler) }
