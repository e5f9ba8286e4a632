package api_test

import (
	"net/http"
	"strings"
	"testing"

	"mp3converter/shared/problem"
	"mp3converter/shared/transfer/transfertest"
)

func TestThePageNeedsNoTokenAndMayReachTheStorage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, method := range []string{"GET", "HEAD"} {
		a := w.do(method, "/", "", nil)
		wantStatus(t, a, http.StatusOK)
		wantHeader(t, a, "Content-Type", "text/html; charset=utf-8")
		wantHeader(t, a, "Cache-Control", "no-cache")
		policy := a.Header.Get("Content-Security-Policy")
		for _, want := range []string{"default-src 'none'", "connect-src 'self' " + transfertest.Origin, "frame-ancestors 'none'"} {
			if !strings.Contains(policy, want) {
				t.Errorf("the policy does not have %q: %s", want, policy)
			}
		}
		if method == "GET" && !strings.Contains(a.body, "<title>") {
			t.Errorf("the page is %q", a.body)
		}
	}
}

func TestHealthSaysTheVersion(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.do("GET", "/healthz", "", nil)
	wantStatus(t, a, http.StatusOK)
	wantHeader(t, a, "Content-Type", "application/json")
	if want := `{"status":"ok","version":"1.2.3","commit":"abc"}` + "\n"; a.body != want {
		t.Errorf("the body is %s, want %s", a.body, want)
	}
	wantStatus(t, w.do("HEAD", "/healthz", "", nil), http.StatusOK)
}

func TestAnAssetThatIsNotThereIsAProblem(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, target := range []string{"/assets/", "/assets/x/none.js", "/assets/x/page.css/"} {
		wantProblem(t, w.do("GET", target, "", nil), http.StatusNotFound, problem.NotFound)
	}
}
