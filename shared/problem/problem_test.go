package problem_test

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"mp3converter/shared/problem"
)

// documented returns the codes in the first column of the tables in docs/problems.md, below and above the heading of the
// conversion's failures, each with the rest of its row.
func documented(t *testing.T) (api, failures map[string]string) {
	t.Helper()
	b, err := os.ReadFile("../../docs/problems.md")
	if err != nil {
		t.Fatal(err)
	}
	first, second, ok := strings.Cut(string(b), "## Why a conversion failed")
	if !ok {
		t.Fatal("docs/problems.md has no heading “Why a conversion failed”")
	}
	row := regexp.MustCompile("(?m)^\\| `([a-z_0-9]+)` \\| (.+) \\|$")
	read := func(text string) map[string]string {
		codes := map[string]string{}
		for _, m := range row.FindAllStringSubmatch(text, -1) {
			if _, twice := codes[m[1]]; twice {
				t.Errorf("docs/problems.md has the code %s twice in one table", m[1])
			}
			codes[m[1]] = m[2]
		}
		return codes
	}
	return read(first), read(second)
}

func TestTheDocumentationListsEveryProblemWithItsStatus(t *testing.T) {
	t.Parallel()
	api, _ := documented(t)
	codes := problem.Codes()
	for code, kind := range codes {
		row, ok := api[string(code)]
		if !ok || !strings.HasPrefix(row, strconv.Itoa(kind.Status)+" | ") {
			t.Errorf("docs/problems.md has no row “| `%s` | %d | …”: %q", code, kind.Status, row)
		}
	}
	for code := range api {
		if _, ok := codes[problem.Code(code)]; !ok {
			t.Errorf("docs/problems.md lists %s, which is no problem of ours", code)
		}
	}
}

func TestTheDocumentationListsEveryFailureOfAConversion(t *testing.T) {
	t.Parallel()
	_, failures := documented(t)
	known := map[string]bool{}
	for _, code := range failureCodes(t) {
		known[code] = true
		if _, ok := failures[code]; !ok {
			t.Errorf("docs/problems.md does not list the failure %s", code)
		}
	}
	for code := range failures {
		if !known[code] {
			t.Errorf("docs/problems.md lists the failure %s, which does not exist", code)
		}
	}
}

// failureCodes reads the codes from the sources: the constants of type Code in the engine, and what the conversion gives
// as Code of a library.Failure itself.
func failureCodes(t *testing.T) []string {
	t.Helper()
	var codes []string
	add := func(e ast.Expr) {
		if lit, ok := e.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			code, err := strconv.Unquote(lit.Value)
			if err != nil {
				t.Fatal(err)
			}
			codes = append(codes, code)
		}
	}
	for _, folder := range []string{"../engine", "../conversion"} {
		files, err := filepath.Glob(folder + "/*.go")
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(file, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.ValueSpec:
					if kind, ok := n.Type.(*ast.Ident); ok && kind.Name == "Code" {
						add(n.Values[0])
					}
				case *ast.KeyValueExpr:
					if key, ok := n.Key.(*ast.Ident); ok && key.Name == "Code" {
						add(n.Value)
					}
				}
				return true
			})
		}
	}
	if len(codes) < 10 {
		t.Fatalf("only %d codes found: %v", len(codes), codes)
	}
	return codes
}

func TestWriteSendsAProblemDetailsObject(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	w.Header().Set("Content-Type", "audio/mpeg")
	w.Header().Set("Cache-Control", "public")
	progress := 0
	p := problem.New(problem.NotReady, "Wait “a bit” <b>.").WithRetryAfter(1500*time.Millisecond).WithHeader("X-Y", "z")
	p.State, p.Progress = "queued", &progress
	p.Write(w, "request 1")

	if w.Code != http.StatusConflict {
		t.Errorf("status %d", w.Code)
	}
	for name, want := range map[string]string{
		"Content-Type": "application/problem+json", "Cache-Control": "no-store", "Retry-After": "2", "X-Y": "z",
	} {
		if got := w.Header().Values(name); len(got) != 1 || got[0] != want {
			t.Errorf("header %s is %q, want %q", name, got, want)
		}
	}
	var body map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"type": "urn:mp3converter:problem:not_ready", "title": "The MP3 is not ready yet", "status": 409.0, "code": "not_ready",
		"detail": "Wait “a bit” <b>.", "request_id": "request 1", "state": "queued", "progress": 0.0,
	}
	if fmt.Sprint(body) != fmt.Sprint(want) {
		t.Errorf("body is %v, want %v", body, want)
	}
}

func TestWriteLeavesOutWhatIsNotKnown(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	problem.New(problem.NotFound, "").Write(w, "")
	want := `{"type":"urn:mp3converter:problem:not_found","title":"Not found","status":404,"code":"not_found"}` + "\n"
	if w.Body.String() != want {
		t.Errorf("body is %s, want %s", w.Body, want)
	}
}

func TestWriteDoesNotChangeTheProblem(t *testing.T) {
	t.Parallel()
	p := problem.New(problem.Internal, "x")
	p.Write(httptest.NewRecorder(), "request 1")
	if p.RequestID != "" {
		t.Error("the request's ID stayed in the problem")
	}
}

func TestInvalidNamesEveryField(t *testing.T) {
	t.Parallel()
	p := problem.Invalid(problem.FieldError{Field: "a", Detail: "is wrong"}, problem.FieldError{Field: "b", Detail: "too"})
	if p.Code != problem.ValidationFailed || p.Status != 422 || p.Detail != "a: is wrong" || len(p.Errors) != 2 {
		t.Errorf("the problem is %+v", p)
	}
	if p.Error() != "validation_failed: a: is wrong" {
		t.Errorf("as an error it is %q", p.Error())
	}
}

func TestRetryAfterIsInWholeSecondsRoundedUp(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		-time.Second: "1", 0: "1", time.Nanosecond: "1", time.Second: "1", time.Second + 1: "2", time.Hour: "3600",
	} {
		w := httptest.NewRecorder()
		problem.New(problem.TooManyAttempts, "").WithRetryAfter(d).Write(w, "")
		if got := w.Header().Get("Retry-After"); got != want {
			t.Errorf("%s is written as %q, want %q", d, got, want)
		}
	}
}

func TestAnUnknownCodePanics(t *testing.T) {
	t.Parallel()
	defer func() {
		if recover() == nil {
			t.Error("a problem with an unknown code was made")
		}
	}()
	_ = problem.New("nonsense", "")
}
