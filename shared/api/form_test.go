package api_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"mp3converter/shared/api"
	"mp3converter/shared/audio"
	"mp3converter/shared/library"
	"mp3converter/shared/problem"
)

// part is a field of a form; one with a file name is a file.
type part struct{ name, filename, body string }

// encode writes a form as curl does.
func encode(t *testing.T, parts ...part) (contentType string, body []byte) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for _, p := range parts {
		var err error
		var field io.Writer
		if p.filename == "" {
			field, err = w.CreateFormField(p.name)
		} else {
			field, err = w.CreateFormFile(p.name, p.filename)
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(field, p.body); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return w.FormDataContentType(), b.Bytes()
}

// form sends a form to POST /upload as anna.
func (w *world) form(parts ...part) answer {
	w.t.Helper()
	contentType, body := encode(w.t, parts...)
	return w.do(http.MethodPost, "/upload", w.anna, bytes.NewReader(body), "Content-Type: "+contentType)
}

// received wants the video to be accepted and returns its file.
func (w *world) received(a answer) library.File {
	w.t.Helper()
	wantStatus(w.t, a, http.StatusAccepted)
	var body struct {
		ID string `json:"fid"`
	}
	a.into(w.t, &body)
	wantHeader(w.t, a, "Content-Type", "application/json")
	wantHeader(w.t, a, "Location", "/files/"+body.ID)
	f, err := w.store.Get(w.t.Context(), body.ID)
	if err != nil {
		w.t.Fatal(err)
	}
	return f
}

func TestAFormStoresItsVideo(t *testing.T) {
	t.Parallel()
	rate := 320
	cbr := audio.Options{Mode: audio.CBR, Bitrate: &rate}
	for name, c := range map[string]struct {
		parts    []part
		filename string
		options  audio.Options
	}{
		"as curl sends it":       {[]part{{"file", "holiday.mp4", "video"}}, "holiday.mp4", audio.Options{}},
		"with options before":    {[]part{{"audio", "", `{"mode":"cbr","bitrate":320}`}, {"file", "a.mp4", "video"}}, "a.mp4", cbr},
		"with options after":     {[]part{{"file", "a.mp4", "video"}, {"audio", "", `{"mode":"cbr","bitrate":320}`}}, "a.mp4", cbr},
		"with empty options":     {[]part{{"file", "a.mp4", "video"}, {"audio", "", ``}}, "a.mp4", audio.Options{}},
		"under a path":           {[]part{{"file", "../../etc/passwd", "video"}}, "passwd", audio.Options{}},
		"under a Windows path":   {[]part{{"file", `C:\videos\a.mp4`, "video"}}, "a.mp4", audio.Options{}},
		"under a Unicode name":   {[]part{{"file", "ünï 日本 🎬.mp4", "video"}}, "ünï 日本 🎬.mp4", audio.Options{}},
		"under a name in quotes": {[]part{{"file", `a "b" c.mp4`, "video"}}, `a "b" c.mp4`, audio.Options{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			f := w.received(w.form(c.parts...))
			if f.Filename != c.filename || f.Size != 5 || f.Owner != "anna" || f.Email != "anna@example.com" || f.State != library.AwaitingUpload {
				t.Errorf("the file is %+v", f)
			}
			if f.Options.Mode != c.options.Mode || (c.options.Bitrate != nil) != (f.Options.Bitrate != nil) {
				t.Errorf("the options are %+v, want %+v", f.Options, c.options)
			}
			if got, ok := w.uploads.Object(f.ID); !ok || string(got) != "video" || w.uploads.Len() != 1 {
				t.Errorf("what is stored is %q", got)
			}
		})
	}
}

func TestAFormTakesAVideoUpToItsLimit(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f := w.received(w.form(part{"file", "a.mp4", strings.Repeat("x", api.MaxFormBytes)}))
	if got, _ := w.uploads.Object(f.ID); len(got) != api.MaxFormBytes || f.Size != api.MaxFormBytes {
		t.Errorf("%d bytes are stored of %d", len(got), f.Size)
	}
}

func TestAVideoTooLargeForAFormLearnsTheOtherWay(t *testing.T) {
	t.Parallel()
	for name, size := range map[string]int{"by a byte": api.MaxFormBytes + 1, "by much": 10 << 20} {
		for _, chunked := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, chunked: %v", name, chunked), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				contentType, body := encode(t, part{"file", "a.mp4", strings.Repeat("x", size)})
				r := httptest.NewRequestWithContext(t.Context(), "POST", "/upload", bytes.NewReader(body))
				if chunked {
					r.ContentLength = -1
				}
				r.Header.Set("Content-Type", contentType)
				r.Header.Set("Authorization", "Bearer "+w.anna)
				p := wantProblem(t, serve(t, w, r), http.StatusRequestEntityTooLarge, problem.PayloadTooLarge)
				for _, want := range []string{"4500000 bytes", "POST /upload", "JSON", "PUT"} {
					if !strings.Contains(p.Detail, want) {
						t.Errorf("the detail does not mention %q: %s", want, p.Detail)
					}
				}
				if w.uploads.Len() != 0 || len(w.files("anna")) != 0 {
					t.Error("something was stored")
				}
			})
		}
	}
}

func TestAFormThatIsNotAcceptableNamesTheField(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	file := part{"file", "a.mp4", "video"}
	for name, c := range map[string]struct {
		parts  []part
		fields string
	}{
		"no field":                   {nil, "file"},
		"options alone":              {[]part{{"audio", "", `{}`}}, "file"},
		"an empty file":              {[]part{{"file", "a.mp4", ""}}, "size"},
		"a field without a name":     {[]part{{"file", "", "video"}}, "filename"},
		"two files":                  {[]part{file, {"file", "b.mp4", "video"}}, "file"},
		"two files, the first empty": {[]part{{"file", "a.mp4", ""}, file}, "file"},
		"options twice":              {[]part{{"audio", "", `{}`}, file, {"audio", "", `{}`}}, "audio"},
		"an unknown field":           {[]part{file, {"email", "", "bert@example.com"}}, "form"},
		"an unknown file":            {[]part{{"video", "a.mp4", "video"}}, "form"},
		"a field with no name":       {[]part{{"", "", "x"}, file}, "form"},
		"the field in capitals":      {[]part{{"FILE", "a.mp4", "video"}}, "form"},
		"options that are none":      {[]part{file, {"audio", "", `vbr`}}, "audio"},
		"options out of range":       {[]part{file, {"audio", "", `{"quality":10,"channels":3}`}}, "audio.quality audio.channels"},
		"options without end":        {[]part{file, {"audio", "", strings.Repeat(" ", 20<<10) + `{}`}}, "audio"},
		"a name of dots":             {[]part{{"file", "..", "video"}}, "filename"},
		"a name that is a folder":    {[]part{{"file", `a\`, "video"}}, "filename"},
		"a name that deceives":       {[]part{{"file", "a\u202egpj.mp4", "video"}}, "filename"},
		"a name that is too long":    {[]part{{"file", strings.Repeat("x", 256), "video"}}, "filename"},
	} {
		t.Run(name, func(t *testing.T) {
			wantInvalid(t, w.form(c.parts...), strings.Fields(c.fields)...)
		})
	}
	if w.uploads.Len() != 0 || len(w.files("anna")) != 0 {
		t.Error("something was stored")
	}
}

func TestAFormThatCannotBeReadIsABadRequest(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	contentType, body := encode(t, part{"file", "a.mp4", strings.Repeat("video", 1000)})
	_, boundary, _ := strings.Cut(contentType, "boundary=")
	for name, c := range map[string]struct {
		contentType string
		body        []byte
	}{
		"no boundary":                    {"multipart/form-data", body},
		"an empty boundary":              {`multipart/form-data; boundary=""`, body},
		"another boundary":               {"multipart/form-data; boundary=other", body},
		"cut in the video":               {contentType, body[:len(body)/2]},
		"cut in the first header":        {contentType, body[:len(boundary)+20]},
		"cut before the end":             {contentType, body[:len(body)-len(boundary)-6]},
		"cut in the last boundary":       {contentType, body[:len(body)-10]},
		"a name with control characters": {contentType, bytes.Replace(body, []byte("a.mp4"), []byte("a\x1b[2J.mp4"), 1)},
		"a part with endless headers":    {contentType, bytes.Replace(body, []byte("Content-Type"), []byte(strings.Repeat("X: x\r\n", 20_000)+"Content-Type"), 1)},
	} {
		t.Run(name, func(t *testing.T) {
			a := w.do(http.MethodPost, "/upload", w.anna, bytes.NewReader(c.body), "Content-Type: "+c.contentType)
			wantProblem(t, a, http.StatusBadRequest, problem.BadRequest)
		})
	}
	if w.uploads.Len() != 0 || len(w.files("anna")) != 0 {
		t.Error("something was stored")
	}
}

func TestABodyWithoutAnyPartHasNoFile(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, body := range []string{"", "video"} {
		a := w.do(http.MethodPost, "/upload", w.anna, strings.NewReader(body), "Content-Type: multipart/form-data; boundary=x")
		wantInvalid(t, a, "file")
	}
}

func TestAFormWhoseVideoCannotBeStoredLeavesNoFile(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.uploads.Break(errors.New("storage is on fire"))
	for range 2 {
		a := w.form(part{"file", "a.mp4", "video"})
		wantProblem(t, a, http.StatusInternalServerError, problem.Internal)
	}
	if got := w.files("anna"); len(got) != 0 {
		t.Errorf("%d files are left", len(got))
	}
	w.uploads.Break(nil)
	w.received(w.form(part{"file", "a.mp4", "video"}))
}
