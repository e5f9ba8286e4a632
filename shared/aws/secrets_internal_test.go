package aws

import (
	"context"
	"crypto/rand"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
)

// secretServer is Secrets Manager as far as Keys need it: it counts the calls, and fails them when broken.
type secretServer struct {
	calls  atomic.Int64
	broken atomic.Bool
	// version is the current one; it has no previous.
	version atomic.Pointer[string]
}

func (s *secretServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.calls.Add(1)
	body := make([]byte, r.ContentLength)
	_, _ = r.Body.Read(body)
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	switch {
	case s.broken.Load():
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(`{"__type":"AccessDeniedException","message":"no"}`))
	case strings.Contains(string(body), "AWSPREVIOUS"):
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(`{"__type":"ResourceNotFoundException","message":"no such version"}`))
	default:
		version := *s.version.Load()
		_, _ = w.Write([]byte(`{"VersionId":"` + version + `","SecretString":"` + strings.Repeat(version, 32) + `"}`))
	}
}

func newKeys(t *testing.T) (*Keys, *secretServer) {
	t.Helper()
	s := &secretServer{}
	s.setVersion("one")
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return NewKeys(awssdk.Config{
		Region: "us-east-1", BaseEndpoint: &server.URL, HTTPClient: server.Client(),
		Credentials: awssdk.CredentialsProviderFunc(func(context.Context) (awssdk.Credentials, error) {
			return awssdk.Credentials{AccessKeyID: "test", SecretAccessKey: "test"}, nil
		}),
	}, "secret"), s
}

func (s *secretServer) setVersion(v string) { s.version.Store(&v) }

func (k *Keys) age(d time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.loaded = k.loaded.Add(-d)
}

// callsFor is how many requests looking up this key takes, and whether it is there.
func callsFor(t *testing.T, k *Keys, s *secretServer, id string) (calls int64, ok bool) {
	t.Helper()
	before := s.calls.Load()
	_, ok, err := k.Find(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return s.calls.Load() - before, ok
}

func TestKeysAreKeptInMemoryAndLookedUpAgainInTime(t *testing.T) {
	t.Parallel()
	k, s := newKeys(t)
	const load = 2 // current and previous
	for _, step := range []struct {
		name  string
		pass  time.Duration
		id    string
		calls int64
		ok    bool
	}{
		{"the first time", 0, "one", load, true},
		{"the second time", 0, "one", 0, true},
		{"a forged ID at once", 0, "forged", 0, false},
		{"an empty ID", 0, "", 0, false},
		{"after four minutes", 4 * time.Minute, "one", 0, true},
		{"a forged ID after four minutes", 0, "forged", load, false},
		{"the next forged ID", 0, rand.Text(), 0, false},
		{"after five minutes", 5 * time.Minute, "one", load, true},
	} {
		k.age(step.pass)
		if calls, ok := callsFor(t, k, s, step.id); calls != step.calls || ok != step.ok {
			t.Errorf("%s it takes %d requests and is found: %v; want %d and %v", step.name, calls, ok, step.calls, step.ok)
		}
	}
	s.setVersion("two")
	k.age(31 * time.Second)
	if calls, ok := callsFor(t, k, s, "two"); calls != load || !ok {
		t.Errorf("a new key takes %d requests and is found: %v", calls, ok)
	}
}

func TestKeysThatCannotBeLookedUpAreAnErrorAndNotRemembered(t *testing.T) {
	t.Parallel()
	k, s := newKeys(t)
	s.broken.Store(true)
	if _, err := k.Current(t.Context()); err == nil {
		t.Error("there is a key although the service is broken")
	}
	s.broken.Store(false)
	if key, err := k.Current(t.Context()); err != nil || key.ID != "one" {
		t.Errorf("the key is %s (%v)", key.ID, err)
	}
}
