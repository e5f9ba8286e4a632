package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"mp3converter/shared/account"
	"mp3converter/shared/api"
	"mp3converter/shared/library"
	"mp3converter/shared/library/librarytest"
	"mp3converter/shared/problem"
)

const someID = "abcdefghijklmnopqrstuvwxyz"

// endpoints are all that want a token, with a request each that would otherwise be well.
var endpoints = []struct{ method, target, body string }{
	{"POST", "/upload", `{"filename":"a.mp4","size":1}`},
	{"GET", "/upload/" + someID, ""},
	{"DELETE", "/upload/" + someID, ""},
	{"GET", "/files", ""},
	{"GET", "/files/" + someID, ""},
	{"DELETE", "/files/" + someID, ""},
	{"GET", "/download?fid=" + someID, ""},
	{"HEAD", "/download?fid=" + someID, ""},
}

func TestEveryEndpointWantsAGoodToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	old := w.token("anna")
	w.clock.pass(2 * time.Hour)
	anna := w.token("anna")
	other := *w.tokens
	other.Keys = keys{account.Key{ID: "k", Secret: []byte(strings.Repeat("x", 64))}}
	forged, err := other.Issue(t.Context(), account.User{ID: "anna", Email: "anna@example.com"})
	if err != nil {
		t.Fatal(err)
	}
	w.secrets = append(w.secrets, forged)
	const missing, invalid = `Bearer realm="mp3converter"`, `Bearer realm="mp3converter", error="invalid_token"`
	for name, c := range map[string]struct {
		header, challenge string
		code              problem.Code
	}{
		"no token":             {"", missing, problem.TokenMissing},
		"an empty header":      {"Authorization: ", missing, problem.TokenMissing},
		"the scheme alone":     {"Authorization: Bearer", missing, problem.TokenMissing},
		"spaces":               {"Authorization: Bearer   ", missing, problem.TokenMissing},
		"another scheme":       {"Authorization: Basic " + basic("anna@example.com", "x"), missing, problem.TokenMissing},
		"the token alone":      {"Authorization: " + anna, missing, problem.TokenMissing},
		"no JWT":               {"Authorization: Bearer nonsense", invalid, problem.TokenInvalid},
		"another's signature":  {"Authorization: Bearer " + forged, invalid, problem.TokenInvalid},
		"cut":                  {"Authorization: Bearer " + anna[:len(anna)-1], invalid, problem.TokenInvalid},
		"two tokens":           {"Authorization: Bearer " + anna + " " + anna, invalid, problem.TokenInvalid},
		"an over-long one":     {"Authorization: Bearer " + strings.Repeat("x", 100_000), invalid, problem.TokenInvalid},
		"an expired token":     {"Authorization: Bearer " + old, invalid + `, error_description="expired"`, problem.TokenExpired},
		"an expired forgery":   {"Authorization: Bearer " + old[:len(old)-2] + "xx", invalid, problem.TokenInvalid},
		"a token in the query": {"X-Nothing: " + "x", missing, problem.TokenMissing},
	} {
		t.Run(name, func(t *testing.T) {
			for _, e := range endpoints {
				target := e.target
				if name == "a token in the query" {
					target = strings.Replace(target+"?access_token="+anna, "?fid="+someID+"?", "?fid="+someID+"&", 1)
				}
				a := w.do(e.method, target, "", strings.NewReader(e.body), "Content-Type: application/json", c.header)
				wantStatus(t, a, http.StatusUnauthorized)
				wantHeader(t, a, "WWW-Authenticate", c.challenge)
				if e.method != http.MethodHead {
					wantProblem(t, a, http.StatusUnauthorized, c.code)
				}
			}
		})
	}
	if got := w.files("anna"); len(got) != 0 {
		t.Errorf("somebody got through: %v", got)
	}
}

func TestTheSchemeOfATokenMayBeWrittenAnyhow(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, scheme := range []string{"Bearer ", "bearer ", "BEARER  "} {
		wantStatus(t, w.do("GET", "/files", "", nil, "Authorization: "+scheme+w.anna), http.StatusOK)
	}
}

// TestAnothersFileLooksLikeNone compares whole answers: everything but the date is the same.
func TestAnothersFileLooksLikeNone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	hers := []library.File{
		w.file("anna", library.AwaitingUpload), w.file("anna", library.Queued), w.file("anna", library.Converting),
		w.file("anna", library.Ready), w.file("anna", library.Failed), w.file("anna", library.Ready, expired),
	}
	same := func(a, b answer) bool {
		x, errX := json.Marshal(a.Header)
		y, errY := json.Marshal(b.Header)
		return errX == nil && errY == nil && a.StatusCode == b.StatusCode && a.body == b.body && string(x) == string(y)
	}
	for _, e := range endpoints {
		if !strings.Contains(e.target, someID) {
			continue
		}
		send := func(id string) answer {
			return w.do(e.method, strings.Replace(e.target, someID, id, 1), w.bert, nil, "Accept: application/json")
		}
		unknown := send(librarytest.NewID())
		wantStatus(t, unknown, http.StatusNotFound)
		for _, f := range hers {
			if a := send(f.ID); !same(a, unknown) {
				t.Errorf("%s of another's file that is %s is answered\n%v %s, of none\n%v %s", e.method+" "+e.target, f.State, a.Header, a.body, unknown.Header, unknown.body)
			}
		}
		// What cannot be an ID is no different in a path; in the query it is a value that is not acceptable.
		for _, id := range []string{"x", strings.ToUpper(someID), someID + "a", "..%2f" + someID, "%00", "%F0%9F%8E%AC", someID + ".mp3"} {
			if a := send(id); strings.Contains(e.target, "?") {
				wantStatus(t, a, http.StatusUnprocessableEntity)
			} else if !same(a, unknown) {
				t.Errorf("%s of %q is answered %d %s", e.method+" "+e.target, id, a.StatusCode, a.body)
			}
		}
	}
	if got := w.files("anna"); len(got) != len(hers) {
		t.Errorf("of %d files %d are left", len(hers), len(got))
	}
}

func TestAMethodThatIsNotAllowedLearnsWhichAre(t *testing.T) {
	t.Parallel()
	w, d := newWorld(t), newDoor(t)
	for _, c := range []struct{ target, allow, methods string }{
		{"/login", "POST", "GET HEAD PUT PATCH DELETE OPTIONS NONSENSE"},
		{"/upload", "POST", "GET HEAD PUT PATCH DELETE OPTIONS"},
		{"/upload/" + someID, "GET, DELETE", "POST PUT PATCH OPTIONS"},
		{"/files", "GET", "POST PUT PATCH DELETE OPTIONS"},
		{"/files/" + someID, "GET, DELETE", "POST PUT PATCH OPTIONS"},
		{"/download?fid=" + someID, "GET", "POST PUT PATCH DELETE OPTIONS"},
		{"/", "GET", "POST PUT PATCH DELETE OPTIONS"},
		{"/healthz", "GET", "POST PUT DELETE"},
	} {
		for method := range strings.FieldsSeq(c.methods) {
			to := w
			if c.target == "/login" {
				to = d.world
			}
			a := to.do(method, c.target, w.anna, nil)
			wantStatus(t, a, http.StatusMethodNotAllowed)
			wantHeader(t, a, "Allow", c.allow)
			if method != http.MethodHead {
				wantProblem(t, a, http.StatusMethodNotAllowed, problem.MethodNotAllowed)
			}
		}
	}
}

func TestAnUnknownAddressIsAProblemToo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, target := range []string{
		"/nothing", "/uploads", "/upload/", "/upload/" + someID + "/parts", "/files/", "/files/" + someID + "/x", "/download/x", "/%2e%2e/etc/passwd",
		"/files/%2F", "/assets/nothing.js", "/assets/", "/index.html", "/.git/config",
	} {
		for _, method := range []string{"GET", "POST"} {
			a := w.do(method, target, w.anna, nil)
			if a.StatusCode != http.StatusNotFound && a.StatusCode != http.StatusMethodNotAllowed {
				t.Errorf("%s %s is answered %d: %s", method, target, a.StatusCode, a.body)
			}
		}
	}
}

// brokenStore fails or panics at every call.
type brokenStore struct {
	library.Store
	fail func() error
}

func (s brokenStore) Get(context.Context, string) (library.File, error) {
	return library.File{}, s.fail()
}

func (s brokenStore) Delete(context.Context, string, string, ...library.State) (library.File, error) {
	return library.File{}, s.fail()
}

func (s brokenStore) List(context.Context, string, int, string) ([]library.File, string, error) {
	return nil, "", s.fail()
}

func (s brokenStore) CountUpload(context.Context, string, time.Time) (int, error) { return 0, s.fail() }

func TestWhateverBreaksIsAnInternalProblemAndInTheLog(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func() error{
		"an error": func() error { return errors.New("the store is on fire") },
		"a panic":  func() error { panic("the store is on fire") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.library.Store = brokenStore{w.store, fail}
			for i, e := range endpoints {
				a := w.do(e.method, e.target, w.anna, strings.NewReader(e.body), "Content-Type: application/json")
				wantStatus(t, a, http.StatusInternalServerError)
				if e.method != http.MethodHead {
					wantProblem(t, a, http.StatusInternalServerError, problem.Internal)
				}
				if strings.Contains(a.body, "fire") || strings.Contains(a.body, "goroutine") {
					t.Errorf("the answer tells too much: %s", a.body)
				}
				if got := strings.Count(w.log.String(), "on fire"); got != i+1 {
					t.Errorf("after %d requests the log tells of %d fires", i+1, got)
				}
			}
		})
	}
}

// verifierFunc is a Verifier of one function.
type verifierFunc func(ctx context.Context, token string) (account.Identity, error)

func (f verifierFunc) Verify(ctx context.Context, token string) (account.Identity, error) {
	return f(ctx, token)
}

func TestKeysThatCannotBeReachedAreOurFaultAndNotTheTokens(t *testing.T) {
	t.Parallel()
	h := api.Files(api.FilesConfig{
		Log: slog.New(slog.DiscardHandler), Now: time.Now,
		Tokens: verifierFunc(func(context.Context, string) (account.Identity, error) {
			return account.Identity{}, errors.New("no route to keys")
		}),
	})
	r := httptest.NewRequestWithContext(t.Context(), "GET", "/files", nil)
	r.Header.Set("Authorization", "Bearer x")
	a := serve(t, h, r)
	wantProblem(t, a, http.StatusInternalServerError, problem.Internal)
	if got := a.Header.Get("WWW-Authenticate"); got != "" {
		t.Errorf("WWW-Authenticate is %q", got)
	}
}

// line is one line of the log.
type line struct {
	Msg         string `json:"msg"`
	Method      string `json:"method"`
	Route       string `json:"route"`
	RequestID   string `json:"request_id"`
	Status      int    `json:"status"`
	Traceparent string `json:"traceparent"`
}

func TestEveryRequestHasOneLineInTheLogWithoutItsID(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f := w.file("anna", library.Ready)
	const trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	w.do("GET", "/files/"+f.ID, w.anna, nil, "Traceparent: "+trace)
	w.do("GET", "/download?fid="+f.ID, w.anna, nil, "Accept: application/json", "Traceparent: "+strings.Repeat("x", 65))
	w.do("GET", "/nothing/"+f.ID+"?token="+w.anna, "", nil)
	w.do("DELETE", "/files/"+f.ID, w.bert, nil)
	want := []line{
		{"answered", "GET", "/files/{fid}", requestID, 200, trace},
		{"answered", "GET", "/download", requestID, 200, ""},
		{"answered", "GET", "unknown", requestID, 404, ""},
		{"answered", "DELETE", "/files/{fid}", requestID, 404, ""},
	}
	var got []line
	dec := json.NewDecoder(strings.NewReader(w.log.String()))
	for {
		var l line
		if err := dec.Decode(&l); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		got = append(got, l)
	}
	if len(got) != len(want) {
		t.Fatalf("the log has %d lines, want %d: %s", len(got), len(want), w.log)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("line %d is %+v, want %+v", i, got[i], want[i])
		}
	}
	if strings.Contains(w.log.String(), f.ID) {
		t.Errorf("the log has the file's ID: %s", w.log)
	}
}
