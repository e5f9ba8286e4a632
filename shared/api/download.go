package api

import (
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"mp3converter/shared/account"
	"mp3converter/shared/library"
	"mp3converter/shared/problem"
	"mp3converter/shared/transfer"
)

// MaxInlineBytes is the largest MP3 that fits into a function's answer: Lambda allows 6 MB, and base64 takes a third.
const MaxInlineBytes = 4 << 20

// retryReady is what Retry-After says while a file is not ready.
const retryReady = 2 * time.Second

// DownloadConfig is what the download function works with.
type DownloadConfig struct {
	Log     *slog.Logger
	Tokens  Verifier
	Library *library.Library
	Results transfer.Downloads
	Now     func() time.Time
}

// Download answers GET and HEAD /download?fid=.
func Download(c DownloadConfig) http.Handler {
	return routes(c.Log, map[string]methods{"/download": {http.MethodGet: authenticated(c.Tokens, c.download)}})
}

func (c DownloadConfig) download(w http.ResponseWriter, r *http.Request, who account.Identity) error {
	id := r.URL.Query().Get("fid")
	if !library.ValidID(id) {
		return problem.Invalid(problem.FieldError{Field: "fid", Detail: "must be the 26-character ID of a file"})
	}
	f, err := c.Library.GetOwned(r.Context(), id, who.UserID)
	if err != nil {
		return err
	}
	now := c.Now()
	if err := available(f, now); err != nil {
		return err
	}
	// A link must not outlive the MP3.
	ttl := min(transfer.DownloadTTL, f.Expires.Sub(now))
	link, err := c.Results.PresignGet(r.Context(), transfer.MP3Key(id), f.MP3Name(), max(ttl, time.Second))
	if err != nil {
		return err
	}
	if accepts(r, "application/json") {
		return writeJSON(w, http.StatusOK, struct {
			URL      string    `json:"url"`
			Filename string    `json:"filename"`
			Size     int64     `json:"size"`
			Expires  time.Time `json:"expires_at"`
		}{link, f.MP3Name(), f.MP3Bytes, now.Add(ttl).UTC().Truncate(time.Second)})
	}
	return c.redirect(w, r, f, link)
}

// available says why there is nothing to download, if there is not.
func available(f library.File, now time.Time) error {
	switch state := f.StateAt(now); state {
	case library.Ready:
		return nil
	case library.Failed:
		p := problem.New(problem.ConversionFailed, f.Failure.Detail)
		p.State = string(state)
		return p
	case library.Expired:
		p := problem.New(problem.Expired, "The MP3 has been removed; upload the video again.")
		p.State = string(state)
		return p
	default:
		p := problem.New(problem.NotReady, "Ask again when the conversion is done.").WithRetryAfter(retryReady)
		p.State, p.Progress = string(state), &f.Progress
		return p
	}
}

// redirect sends a 302 whose body serves clients that do not follow it: the MP3 itself where it fits, else a way to get it.
func (c DownloadConfig) redirect(w http.ResponseWriter, r *http.Request, f library.File, link string) error {
	h := w.Header()
	if f.MP3Bytes > MaxInlineBytes {
		h.Set("Location", link)
		h.Set("Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(http.StatusFound)
		_, _ = fmt.Fprintf(w, "This is not the MP3 but the way to it: the MP3 has %d bytes, more than can be sent along here.\n"+
			"Follow the redirect; with curl, add -L:\n\n  curl -L -H \"Authorization: Bearer …\" -o out.mp3 \"…/download?fid=%s\"\n",
			f.MP3Bytes, f.ID)
		return nil
	}
	var body []byte
	if r.Method != http.MethodHead {
		var err error
		if body, err = c.Results.Get(r.Context(), transfer.MP3Key(f.ID), MaxInlineBytes); err != nil {
			return err
		}
	}
	h.Set("Location", link)
	h.Set("Content-Type", "audio/mpeg")
	h.Set("Content-Disposition", transfer.Disposition(f.MP3Name()))
	w.WriteHeader(http.StatusFound)
	_, _ = w.Write(body) // the client may be gone; nobody is left to tell
	return nil
}
