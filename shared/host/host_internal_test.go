package host

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"mp3converter/shared/api"
)

func TestARequestGetsAnIDOfOurOwn(t *testing.T) {
	t.Parallel()
	var seen []string
	h := withRequestID(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		seen = append(seen, strings.Join(r.Header.Values(api.RequestIDHeader), ","))
	}))
	for range 2 {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		r.Header.Set(api.RequestIDHeader, "the client's")
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
	if len(seen) != 2 || seen[0] == seen[1] || len(seen[0]) < 16 || strings.Contains(seen[0]+seen[1], "client") {
		t.Errorf("the IDs are %q", seen)
	}
}

func TestEventsOverHTTPAnswerAsTheSenderNeedsIt(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		body   io.Reader
		result any
		err    error
		status int
		answer string
	}{
		"nothing to say":  {strings.NewReader(`{"a":1}`), nil, nil, http.StatusOK, "null\n"},
		"a result":        {strings.NewReader(`{"a":1}`), map[string][]string{"failures": {}}, nil, http.StatusOK, `{"failures":[]}` + "\n"},
		"an error":        {strings.NewReader(`{"a":1}`), nil, errors.New("secret trouble"), http.StatusInternalServerError, "the event failed; send it again\n"},
		"a body too huge": {bytes.NewReader(make([]byte, maxBodyBytes+1)), nil, nil, http.StatusBadRequest, "cannot read the event\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			log := &bytes.Buffer{}
			h := eventsOverHTTP(slog.New(slog.NewJSONHandler(log, nil)), func(_ context.Context, event json.RawMessage) (any, error) {
				if string(event) != `{"a":1}` {
					t.Errorf("the event is %d bytes: %.20s", len(event), event)
				}
				return c.result, c.err
			})
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", c.body))
			if w.Code != c.status || w.Body.String() != c.answer {
				t.Errorf("answered %d %q, want %d %q", w.Code, w.Body, c.status, c.answer)
			}
			if c.err != nil && !strings.Contains(log.String(), c.err.Error()) {
				t.Errorf("the log does not say what happened: %s", log)
			}
		})
	}
}

// The two below set the environment of the whole process and so cannot be parallel.

func TestAProcessEndsWithItsContext(t *testing.T) {
	t.Setenv("LISTEN", "127.0.0.1:0")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := listen(ctx, slog.New(slog.DiscardHandler), http.NotFoundHandler(), requestTime); err != nil {
		t.Errorf("listen: %v", err)
	}
}

func TestAnAddressThatCannotBeListenedOnIsNamed(t *testing.T) {
	for listenOn, port := range map[string]string{"nowhere:-1": "", "": "nonsense"} {
		t.Setenv("LISTEN", listenOn)
		t.Setenv("PORT", port)
		err := listen(t.Context(), slog.New(slog.DiscardHandler), http.NotFoundHandler(), requestTime)
		if err == nil || !strings.Contains(err.Error(), listenOn+port) {
			t.Errorf("error is %v, want one that names %q", err, listenOn+port)
		}
	}
}
