package e2e

import (
	"fmt"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	v3 "github.com/pb33f/libopenapi/datamodel/high/v3"
)

// contract is docs/openapi.yaml, ready to judge answers, with a note of which answers were seen.
type contract struct {
	check validator.Validator
	model *v3.Document
	seen  map[string]bool
}

func readContract(t *testing.T) *contract {
	t.Helper()
	raw, err := os.ReadFile("../../docs/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := libopenapi.NewDocument(raw)
	if err != nil {
		t.Fatal(err)
	}
	check, errs := validator.NewValidator(doc)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	if ok, errs := check.ValidateDocument(); !ok {
		t.Fatalf("docs/openapi.yaml is not valid OpenAPI: %v", errs)
	}
	model, err := doc.BuildV3Model()
	if err != nil {
		t.Fatal(err)
	}
	return &contract{check: check, model: &model.Model, seen: map[string]bool{}}
}

// holds checks one answer: that its status is documented for the call, and its headers and body are as documented.
func (c *contract) holds(t *testing.T, template string, wantStatus int, r reply) {
	t.Helper()
	name := fmt.Sprintf("%s %s %d", r.request.Method, template, r.status)
	c.seen[name] = true
	if r.status != wantStatus {
		t.Errorf("%s: want %d: %s", name, wantStatus, r)
		return
	}
	response := c.documented(r.request.Method, template, r.status)
	if response == nil {
		t.Errorf("%s is not documented", name)
		return
	}
	if response.Headers != nil {
		for key, h := range response.Headers.FromOldest() {
			if h.Required && r.header.Get(key) == "" {
				t.Errorf("%s: the header %s is missing", name, key)
			}
		}
	}
	mediaType, _, _ := strings.Cut(r.header.Get("Content-Type"), ";")
	if response.Content != nil && response.Content.Len() > 0 {
		if _, ok := response.Content.Get(mediaType); !ok {
			t.Errorf("%s: content type %q is not documented", name, mediaType)
		}
	}
	if mediaType != "application/json" && mediaType != "application/problem+json" {
		return // bytes and text have no schema worth the name
	}
	if ok, errs := c.check.ValidateHttpResponse(r.request, r.raw); !ok {
		for _, err := range errs {
			t.Errorf("%s: %s: %s %v\n%s", name, err.Message, err.Reason, err.SchemaValidationErrors, r)
		}
	}
}

func (c *contract) documented(method, template string, status int) *v3.Response {
	item, ok := c.model.Paths.PathItems.Get(template)
	if !ok {
		return nil
	}
	op, ok := item.GetOperations().Get(strings.ToLower(method))
	if !ok {
		return nil
	}
	response, _ := op.Responses.Codes.Get(strconv.Itoa(status))
	return response
}

// notProvoked are documented answers that a healthy service does not give here, each with where it is tested instead.
var notProvoked = map[string]string{
	"500":              "handlers with failing stores, in shared/api",
	"POST /login 429":  "shared/account and shared/api, without locking out this address for the other tests",
	"POST /upload 429": "shared/api, with a quota of less than a day's worth of uploads",
}

func TestEveryDocumentedCallAnswersAsDocumented(t *testing.T) {
	t.Parallel()
	c, p, nobody := readContract(t), newPerson(t), &person{}
	auth := func(name, password string) func(*http.Request) {
		return func(r *http.Request) { r.SetBasicAuth(name, password) }
	}
	asJSON, unknown := header("Accept", "application/json"), "aaaaaaaaaaaaaaaaaaaaaaaaaa"

	c.holds(t, "/login", 200, nobody.do(t, "POST", "/login", nil, auth(p.email, p.password)))
	c.holds(t, "/login", 200, nobody.do(t, "POST", "/login", nil, auth(p.email, p.password), asJSON))
	c.holds(t, "/login", 401, nobody.do(t, "POST", "/login", nil, auth(p.email, "wrong")))
	c.holds(t, "/", 200, nobody.do(t, "GET", "/", nil))
	page := nobody.do(t, "GET", "/", nil)
	asset := regexp.MustCompile(`assets/[^"/]+/[^"/]+\.js`).FindString(string(page.body))
	c.holds(t, "/assets/{version}/{name}", 200, nobody.do(t, "GET", "/"+asset, nil))
	c.holds(t, "/assets/{version}/{name}", 404, nobody.do(t, "GET", "/assets/none/such", nil))
	c.holds(t, "/healthz", 200, nobody.do(t, "GET", "/healthz", nil))

	// Uploads.
	data, err := os.ReadFile(clip(t))
	if err != nil {
		t.Fatal(err)
	}
	body := map[string]any{"filename": "a.mp4", "size": len(data), "content_type": "video/mp4", "audio": map[string]any{"mode": "cbr", "bitrate": 96}}
	r := p.do(t, "POST", "/upload", body)
	c.holds(t, "/upload", 201, r)
	var waiting created
	r.into(t, &waiting)
	c.holds(t, "/upload/{fid}", 200, p.do(t, "GET", "/upload/"+waiting.ID, nil))
	c.holds(t, "/download", 409, p.do(t, "GET", "/download?fid="+waiting.ID, nil))
	c.holds(t, "/download", 409, p.do(t, "HEAD", "/download?fid="+waiting.ID, nil))
	c.holds(t, "/upload/{fid}", 204, p.do(t, "DELETE", "/upload/"+waiting.ID, nil))
	c.holds(t, "/upload/{fid}", 404, p.do(t, "DELETE", "/upload/"+waiting.ID, nil))
	c.holds(t, "/upload/{fid}", 404, p.do(t, "GET", "/upload/"+unknown, nil))
	content, contentType := form(t, "file", "b.mp4", data)
	r = p.do(t, "POST", "/upload", content, contentType)
	c.holds(t, "/upload", 202, r)
	var ready created
	r.into(t, &ready)
	c.holds(t, "/upload", 400, p.do(t, "POST", "/upload", []byte("{"), header("Content-Type", "application/json")))
	c.holds(t, "/upload", 413, p.do(t, "POST", "/upload", map[string]any{"filename": "a.mp4", "size": 1 << 50}))
	c.holds(t, "/upload", 415, p.do(t, "POST", "/upload", []byte("x"), header("Content-Type", "text/plain")))
	c.holds(t, "/upload", 422, p.do(t, "POST", "/upload", map[string]any{"filename": "", "size": 1}))

	// Files and downloads.
	if f := p.finished(t, ready.ID); f.State != "ready" {
		t.Fatalf("the file ended %+v", f)
	}
	c.holds(t, "/upload/{fid}", 409, p.do(t, "DELETE", "/upload/"+ready.ID, nil))
	c.holds(t, "/files", 200, p.do(t, "GET", "/files?limit=1", nil))
	c.holds(t, "/files", 422, p.do(t, "GET", "/files?limit=0", nil))
	c.holds(t, "/files/{fid}", 200, p.do(t, "GET", "/files/"+ready.ID, nil))
	c.holds(t, "/files/{fid}", 404, p.do(t, "GET", "/files/"+unknown, nil))
	c.holds(t, "/download", 302, p.do(t, "GET", "/download?fid="+ready.ID, nil))
	c.holds(t, "/download", 302, p.do(t, "HEAD", "/download?fid="+ready.ID, nil))
	c.holds(t, "/download", 200, p.do(t, "GET", "/download?fid="+ready.ID, nil, asJSON))
	c.holds(t, "/download", 200, p.do(t, "HEAD", "/download?fid="+ready.ID, nil, asJSON))
	for _, method := range []string{"GET", "HEAD"} {
		c.holds(t, "/download", 404, p.do(t, method, "/download?fid="+unknown, nil))
		c.holds(t, "/download", 422, p.do(t, method, "/download", nil))
		c.holds(t, "/download", 401, nobody.do(t, method, "/download?fid="+unknown, nil))
	}
	text, textType := form(t, "file", "text.mp4", []byte("this is not a video, whatever its name says"))
	r = p.do(t, "POST", "/upload", text, textType)
	var failed created
	r.into(t, &failed)
	if f := p.finished(t, failed.ID); f.State != "failed" {
		t.Fatalf("the text file ended %+v", f)
	}
	c.holds(t, "/files/{fid}", 200, p.do(t, "GET", "/files/"+failed.ID, nil))
	c.holds(t, "/download", 410, p.do(t, "GET", "/download?fid="+failed.ID, nil))
	c.holds(t, "/download", 410, p.do(t, "HEAD", "/download?fid="+failed.ID, nil))
	c.holds(t, "/files/{fid}", 204, p.do(t, "DELETE", "/files/"+failed.ID, nil))
	c.holds(t, "/files/{fid}", 404, p.do(t, "DELETE", "/files/"+failed.ID, nil))

	// Without a token.
	for _, call := range []struct{ method, template string }{
		{"POST", "/upload"}, {"GET", "/upload/{fid}"}, {"DELETE", "/upload/{fid}"},
		{"GET", "/files"}, {"GET", "/files/{fid}"}, {"DELETE", "/files/{fid}"},
	} {
		c.holds(t, call.template, 401, nobody.do(t, call.method, strings.Replace(call.template, "{fid}", unknown, 1), nil))
	}

	for _, name := range c.unseen() {
		t.Errorf("%s is documented but was not provoked", name)
	}
}

// unseen lists the documented answers that no call has had, less those that notProvoked explains.
func (c *contract) unseen() []string {
	var names []string
	for template, item := range c.model.Paths.PathItems.FromOldest() {
		for method, op := range item.GetOperations().FromOldest() {
			for status := range op.Responses.Codes.FromOldest() {
				name := strings.ToUpper(method) + " " + template + " " + status
				if !c.seen[name] && notProvoked[name] == "" && notProvoked[status] == "" {
					names = append(names, name)
				}
			}
		}
	}
	return slices.Sorted(slices.Values(names))
}
