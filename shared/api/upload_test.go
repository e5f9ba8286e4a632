package api_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"mp3converter/shared/audio"
	"mp3converter/shared/library"
	"mp3converter/shared/problem"
	"mp3converter/shared/transfer/transfertest"
)

// upload is the answer to an announcement.
type upload struct {
	ID     string     `json:"fid"`
	Upload *presigned `json:"upload"`
	State  string     `json:"state"`
}

type presigned struct {
	Method  string            `json:"method"`
	URL     string            `json:"url"`
	Headers map[string]string `json:"headers"`
	Expires time.Time         `json:"expires_at"`
}

// post sends JSON to POST /upload as anna.
func (w *world) post(body string) answer {
	w.t.Helper()
	return w.do(http.MethodPost, "/upload", w.anna, strings.NewReader(body), "Content-Type: application/json")
}

// announced wants the upload to be accepted and returns the answer and the file.
func (w *world) announced(a answer) (upload, library.File) {
	w.t.Helper()
	wantStatus(w.t, a, http.StatusCreated)
	var u upload
	a.into(w.t, &u)
	f, err := w.store.Get(w.t.Context(), u.ID)
	if err != nil {
		w.t.Fatal(err)
	}
	return u, f
}

// wantPresigned wants a request that may be sent for an hour from now.
func (w *world) wantPresigned(p *presigned, id string, headers map[string]string) {
	w.t.Helper()
	if p == nil {
		w.t.Fatal("there is no request to send the video with")
	}
	u, err := url.Parse(p.URL)
	if err != nil || !strings.HasPrefix(p.URL, transfertest.Origin+"/"+id+"?") || u.Query().Get("X-Amz-Expires") != "3600" {
		w.t.Errorf("the URL is %s (%v)", p.URL, err)
	}
	if p.Method != http.MethodPut || !reflect.DeepEqual(p.Headers, headers) || !p.Expires.Equal(w.clock.now().Add(time.Hour)) {
		w.t.Errorf("the request is %+v, want PUT with %v", p, headers)
	}
}

func TestAnAnnouncementIsAnsweredWithAPresignedPUT(t *testing.T) {
	t.Parallel()
	const sum = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	best, rate, one, start, end := 0, 128, 1, 1.5, 2.5
	for name, c := range map[string]struct {
		body    string
		want    library.File
		headers map[string]string
	}{
		"the least": {`{"filename":"a.mp4","size":1}`, library.File{Filename: "a.mp4", Size: 1}, map[string]string{"Content-Length": "1"}},
		"the most": {
			`{"filename":"ünï 日本.mkv","size":5368709120,"content_type":"video/x-matroska","sha256":"` + sum + `",` +
				`"audio":{"mode":"cbr","bitrate":128,"channels":1,"track":1,"start":1.5,"end":2.5,"normalize":true}}`,
			library.File{
				Filename: "ünï 日本.mkv", Size: maxUpload, ContentType: "video/x-matroska", SHA256: sum,
				Options: audio.Options{Mode: audio.CBR, Bitrate: &rate, Channels: &one, Track: &one, Start: &start, End: &end, Normalize: true},
			},
			map[string]string{
				"Content-Length": "5368709120", "Content-Type": "video/x-matroska",
				"X-Amz-Checksum-Sha256": "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
			},
		},
		"empty and null values": {
			`{"filename":"a","size":2,"content_type":"","sha256":null,"audio":null}`,
			library.File{Filename: "a", Size: 2}, map[string]string{"Content-Length": "2"},
		},
		"members twice: the last is checked and used": {
			`{"filename":"/bad/","filename":"../b.mp4","size":0,"size":3,"audio":{"quality":99},"audio":{"quality":9,"quality":0}}`,
			library.File{Filename: "b.mp4", Size: 3, Options: audio.Options{Quality: &best}}, map[string]string{"Content-Length": "3"},
		},
		"escapes and white space": {
			" \n{ \"filename\" : \"\\ud83c\\udfac \\u00e9.mp4\" ,\t\"size\":4 } \r\n",
			library.File{Filename: "🎬 é.mp4", Size: 4}, map[string]string{"Content-Length": "4"},
		},
		"a path": {
			`{"filename":"..\\..\\/etc/passwd","size":1}`,
			library.File{Filename: "passwd", Size: 1}, map[string]string{"Content-Length": "1"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			a := w.post(c.body)
			u, got := w.announced(a)
			wantHeader(t, a, "Content-Type", "application/json")
			wantHeader(t, a, "Location", "/files/"+u.ID)
			wantHeader(t, a, "Cache-Control", "no-store")
			w.wantPresigned(u.Upload, u.ID, c.headers)
			want := c.want
			want.ID, want.Owner, want.Email, want.State = u.ID, "anna", "anna@example.com", library.AwaitingUpload
			want.Created, want.Expires = noon, noon.Add(retention)
			if !reflect.DeepEqual(got, want) {
				t.Errorf("the file is %+v, want %+v", got, want)
			}
		})
	}
}

func TestAnAnnouncementThatIsNotAcceptableNamesEveryField(t *testing.T) {
	t.Parallel()
	with := func(member string) string { return `{"filename":"a.mp4","size":1,` + member + `}` }
	name := func(s string) string {
		b, err := json.Marshal(map[string]any{"filename": s, "size": 1})
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	w := newWorld(t)
	for body, fields := range map[string]string{
		`{}`:                                                            "filename size",
		`null`:                                                          "filename size",
		`{"filename":"a.mp4"}`:                                          "size",
		`{"size":1}`:                                                    "filename",
		`{"filename":1,"size":1}`:                                       "filename",
		`{"filename":["a.mp4"],"size":1}`:                               "filename",
		`{"filename":null,"size":1}`:                                    "filename",
		`{"filename":"a.mp4","size":null}`:                              "size",
		`{"filename":"a.mp4","size":"1"}`:                               "size",
		`{"filename":"a.mp4","size":true}`:                              "size",
		`{"filename":"a.mp4","size":{}}`:                                "size",
		`{"filename":"a.mp4","size":0}`:                                 "size",
		`{"filename":"a.mp4","size":-1}`:                                "size",
		`{"filename":"a.mp4","size":-9223372036854775808}`:              "size",
		`{"filename":"a.mp4","size":1.5}`:                               "size",
		`{"filename":"a.mp4","size":1e3}`:                               "size",
		`{"filename":"a.mp4","size":99999999999999999999}`:              "size",
		`{"filename":"a.mp4","size":1e999}`:                             "size",
		with(`"content_type":"text/html"`):                              "content_type",
		with(`"content_type":"video/mp4\r\nX-Evil: 1"`):                 "content_type",
		with(`"content_type":"nonsense"`):                               "content_type",
		with(`"content_type":1`):                                        "content_type",
		with(`"content_type":"video/` + strings.Repeat("x", 122) + `"`): "content_type",
		with(`"sha256":"abc"`):                                          "sha256",
		with(`"sha256":"` + strings.Repeat("A", 64) + `"`):              "sha256",
		with(`"sha256":1`):                                              "sha256",
		with(`"owner":"bert"`):                                          "owner",
		with(`"fid":"` + someID + `"`):                                  "fid",
		with(`"audio":"vbr"`):                                           "audio",
		with(`"audio":[]`):                                              "audio",
		with(`"audio":{"speed":2}`):                                     "audio",
		with(`"audio":{"quality":"2"}`):                                 "audio",
		with(`"audio":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000)): "audio",
		with(`"audio":{"mode":"abr"}`):                                           "audio.mode",
		with(`"audio":{"quality":-1}`):                                           "audio.quality",
		with(`"audio":{"quality":10}`):                                           "audio.quality",
		with(`"audio":{"bitrate":128}`):                                          "audio.bitrate",
		with(`"audio":{"mode":"cbr"}`):                                           "audio.bitrate",
		with(`"audio":{"mode":"cbr","bitrate":31}`):                              "audio.bitrate",
		with(`"audio":{"mode":"cbr","bitrate":321}`):                             "audio.bitrate",
		with(`"audio":{"mode":"cbr","bitrate":128,"quality":2}`):                 "audio.quality",
		with(`"audio":{"channels":0}`):                                           "audio.channels",
		with(`"audio":{"channels":3}`):                                           "audio.channels",
		with(`"audio":{"track":-1}`):                                             "audio.track",
		with(`"audio":{"track":64}`):                                             "audio.track",
		with(`"audio":{"start":-1}`):                                             "audio.start",
		with(`"audio":{"start":604801}`):                                         "audio.start",
		with(`"audio":{"end":0}`):                                                "audio.end",
		with(`"audio":{"end":604801}`):                                           "audio.end",
		with(`"audio":{"start":5,"end":5}`):                                      "audio.end",
		`{"filename":"","size":-1,"content_type":"x","sha256":"y","audio":{"quality":99,"channels":7}}`: "filename content_type sha256 size audio.quality audio.channels",
		name("."): "filename", name(".."): "filename", name("/"): "filename", name("a/"): "filename", name(" "): "filename",
		name("a\x00.mp4"): "filename", name("a\nb.mp4"): "filename", name("a\x1b[2J.mp4"): "filename", name("a\u0085.mp4"): "filename",
		name("a\u202egpj.mp4"): "filename", name("\u2066a\u2069.mp4"): "filename", name("a\u200f.mp4"): "filename", name("a\u2028b.mp4"): "filename",
		name(strings.Repeat("x", 256)): "filename", name(strings.Repeat("🎬", 64)): "filename",
		`{"filename":"\ud83c.mp4","size":1}`:     "filename",
		"{\"filename\":\"\xff.mp4\",\"size\":1}": "filename",
	} {
		label := body
		if len(label) > 80 {
			label = label[:80]
		}
		t.Run(label, func(t *testing.T) {
			wantInvalid(t, w.post(body), strings.Fields(fields)...)
		})
	}
	if got := w.files("anna"); len(got) != 0 {
		t.Errorf("%d files were announced", len(got))
	}
}

func TestABodyThatCannotBeReadIsABadRequest(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, body := range []string{
		``, ` `, `{`, `}`, `[]`, `"a"`, `1`, `true`, `nonsense`, `{"filename":"a.mp4","size":1}{}`, `{"filename":"a.mp4","size":1} x`,
		`{"filename":"a.mp4","size":1,}`, `{"filename":"a.mp4" "size":1}`, `{'filename':'a.mp4','size':1}`, `{"filename":"a.mp4","size":01}`,
		`{"filename":"a.mp4","size":NaN}`, "{\"filename\":\"a\nb\",\"size\":1}", "\ufeff{\"filename\":\"a.mp4\",\"size\":1}",
		`{"filename":"\x","size":1}`, "\x00", "\x1f\x8b\x08", `filename=a.mp4&size=1`,
	} {
		wantProblem(t, w.post(body), http.StatusBadRequest, problem.BadRequest)
	}
	a := w.do(http.MethodPost, "/upload", w.anna, iotest.ErrReader(errors.New("connection lost")), "Content-Type: application/json")
	wantProblem(t, a, http.StatusBadRequest, problem.BadRequest)
}

func TestAHugeBodyIsRefusedWithoutReadingItAll(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const limit = 16 << 10
	const head, tail = `{"filename":"a.mp4","size":1,"audio":`, `{}}`
	wantStatus(t, w.post(head+strings.Repeat(" ", limit-len(head+tail))+tail), http.StatusCreated)
	body := &counter{r: io.LimitReader(endless{}, 1<<30)}
	a := w.do(http.MethodPost, "/upload", w.anna, body, "Content-Type: application/json")
	p := wantProblem(t, a, http.StatusRequestEntityTooLarge, problem.PayloadTooLarge)
	if !strings.Contains(p.Detail, "16384") || body.n > 2*limit {
		t.Errorf("%d bytes were read, and the answer is %s", body.n, a.body)
	}
}

// endless is white space without end.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

// counter counts what is read.
type counter struct {
	r io.Reader
	n int
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += n
	return n, err
}

func TestAVideoBeyondTheLimitIsTooLargeAndTheLimitIsNamed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, size := range []string{"5368709121", "9223372036854775807"} {
		p := wantProblem(t, w.post(`{"filename":"a.mp4","size":`+size+`}`), http.StatusRequestEntityTooLarge, problem.PayloadTooLarge)
		if !strings.Contains(p.Detail, "5368709120") || !strings.Contains(p.Detail, size) {
			t.Errorf("the detail is %q", p.Detail)
		}
	}
}

func TestOnlyJSONAndFormsAreSupported(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, contentType := range []string{
		"", "text/plain", "text/json", "application/jsonp", "application/json+x", "application/x-www-form-urlencoded", "multipart/mixed; boundary=x",
		"video/mp4", "application/octet-stream", "json", "/", ";", "application/json, text/plain",
	} {
		a := w.do(http.MethodPost, "/upload", w.anna, strings.NewReader(`{"filename":"a.mp4","size":1}`), "Content-Type: "+contentType)
		wantProblem(t, a, http.StatusUnsupportedMediaType, problem.UnsupportedMediaType)
	}
	for _, contentType := range []string{"application/json", "Application/JSON", "application/json; charset=utf-8", "application/json;charset=\"UTF-8\""} {
		a := w.do(http.MethodPost, "/upload", w.anna, strings.NewReader(`{"filename":"a.mp4","size":1}`), "Content-Type: "+contentType)
		wantStatus(t, a, http.StatusCreated)
	}
}

func TestTheDaysQuotaIsAProblemOfItsOwn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for range 5 {
		w.announced(w.post(`{"filename":"a.mp4","size":1}`))
	}
	for _, a := range []answer{w.post(`{"filename":"a.mp4","size":1}`), w.form(part{"file", "a.mp4", "video"})} {
		wantProblem(t, a, http.StatusTooManyRequests, problem.QuotaExceeded)
		midnight := w.clock.now().UTC().Truncate(24 * time.Hour).Add(24 * time.Hour)
		wantHeader(t, a, "Retry-After", strconv.Itoa(int(midnight.Sub(w.clock.now()).Seconds())))
	}
	if w.uploads.Len() != 0 {
		t.Error("a video beyond the quota was stored")
	}
	a := w.do(http.MethodPost, "/upload", w.bert, strings.NewReader(`{"filename":"a.mp4","size":1}`), "Content-Type: application/json")
	wantStatus(t, a, http.StatusCreated)
	w.clock.pass(24*time.Hour + time.Millisecond)
	w.anna = w.token("anna")
	w.announced(w.post(`{"filename":"a.mp4","size":1}`))
}

func TestAnUploadsStatusHasAFreshRequestWhileItIsAwaited(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first, _ := w.announced(w.post(`{"filename":"a.mp4","size":7,"content_type":"video/mp4"}`))
	w.clock.pass(50 * time.Minute)
	a := w.do("GET", "/upload/"+first.ID, w.anna, nil)
	wantStatus(t, a, http.StatusOK)
	var u upload
	a.into(t, &u)
	if u.ID != first.ID || u.State != "awaiting_upload" || u.Upload == nil || u.Upload.URL == first.Upload.URL {
		t.Errorf("the status is %s", a.body)
	}
	w.wantPresigned(u.Upload, u.ID, map[string]string{"Content-Length": "7", "Content-Type": "video/mp4"})

	for state, f := range map[string]library.File{
		"queued": w.file("anna", library.Queued), "converting": w.file("anna", library.Converting), "ready": w.file("anna", library.Ready),
		"failed": w.file("anna", library.Failed), "expired": w.file("anna", library.Ready, expired),
	} {
		a := w.do("GET", "/upload/"+f.ID, w.anna, nil)
		wantStatus(t, a, http.StatusOK)
		if want := fmt.Sprintf(`{"fid":%q,"state":%q}`+"\n", f.ID, state); a.body != want {
			t.Errorf("the status is %s, want %s", a.body, want)
		}
	}
}

func TestAnUploadIsAbortedOnlyWhileItIsAwaited(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f := w.file("anna", library.AwaitingUpload)
	a := w.do("DELETE", "/upload/"+f.ID, w.anna, nil)
	wantStatus(t, a, http.StatusNoContent)
	if a.body != "" {
		t.Errorf("the body is %q", a.body)
	}
	wantProblem(t, w.do("DELETE", "/upload/"+f.ID, w.anna, nil), http.StatusNotFound, problem.NotFound)
	wantProblem(t, w.do("GET", "/upload/"+f.ID, w.anna, nil), http.StatusNotFound, problem.NotFound)
	for _, state := range []library.State{library.Queued, library.Converting, library.Ready, library.Failed} {
		f := w.file("anna", state)
		wantProblem(t, w.do("DELETE", "/upload/"+f.ID, w.anna, nil), http.StatusConflict, problem.UploadFinished)
		if _, err := w.store.Get(t.Context(), f.ID); err != nil {
			t.Errorf("the file that was %s: %v", state, err)
		}
	}
}

func TestStorageThatIsBrokenIsOurFault(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f := w.file("anna", library.AwaitingUpload)
	w.uploads.Break(errors.New("storage is on fire"))
	for name, a := range map[string]answer{
		"an announcement": w.post(`{"filename":"a.mp4","size":1}`), "a status": w.do("GET", "/upload/"+f.ID, w.anna, nil),
	} {
		p := wantProblem(t, a, http.StatusInternalServerError, problem.Internal)
		if strings.Contains(p.Detail, "fire") {
			t.Errorf("%s tells too much: %s", name, a.body)
		}
	}
}
