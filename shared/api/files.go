package api

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"mp3converter/shared/account"
	"mp3converter/shared/audio"
	"mp3converter/shared/library"
	"mp3converter/shared/problem"
	"mp3converter/shared/transfer"
)

const (
	defaultPage = 20
	maxPage     = 100
	maxCursor   = 512
)

// Objects removes stored objects; one that is not there is no error.
type Objects interface {
	Delete(ctx context.Context, key string) error
}

// FilesConfig is what the files function works with.
type FilesConfig struct {
	Log              *slog.Logger
	Tokens           Verifier
	Library          *library.Library
	Uploads, Results Objects
	Now              func() time.Time
}

// Files answers GET /files, and GET and DELETE /files/{fid}.
func Files(c FilesConfig) http.Handler {
	return routes(c.Log, map[string]methods{
		"/files":       {http.MethodGet: authenticated(c.Tokens, c.list)},
		"/files/{fid}": {http.MethodGet: authenticated(c.Tokens, c.get), http.MethodDelete: authenticated(c.Tokens, c.remove)},
	})
}

type fileError struct {
	Code   string `json:"code"`
	Detail string `json:"detail"`
}

// file is a file as the API shows it.
type file struct {
	ID        string        `json:"fid"`
	Filename  string        `json:"filename"`
	State     library.State `json:"state"`
	Progress  int           `json:"progress"`
	Size      int64         `json:"size"`
	Audio     audio.Options `json:"audio"`
	MP3Size   int64         `json:"mp3_size,omitempty"`
	Duration  float64       `json:"duration_seconds,omitempty"`
	Error     *fileError    `json:"error,omitempty"`
	CostUSD   float64       `json:"cost_usd,omitempty"`
	Work      *work         `json:"work,omitempty"`
	Created   time.Time     `json:"created_at"`
	Finished  *time.Time    `json:"finished_at,omitempty"`
	ExpiresAt time.Time     `json:"expires_at"`
}

func show(f library.File, now time.Time) file {
	out := file{
		ID: f.ID, Filename: f.Filename, State: f.StateAt(now), Progress: f.Progress, Size: f.Size,
		Audio: f.Options.WithDefaults(), CostUSD: f.Work.CostUSD, Created: f.Created, ExpiresAt: f.Expires,
	}
	if !f.Finished.IsZero() {
		out.Finished = &f.Finished
	}
	switch f.State {
	case library.Ready:
		out.MP3Size, out.Duration = f.MP3Bytes, f.Duration.Seconds()
	case library.Failed:
		out.Error = &fileError{Code: f.Failure.Code, Detail: f.Failure.Detail}
	}
	return out
}

func (c FilesConfig) list(w http.ResponseWriter, r *http.Request, who account.Identity) error {
	limit, query := defaultPage, r.URL.Query()
	if s := query.Get("limit"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 || n > maxPage {
			return problem.Invalid(problem.FieldError{Field: "limit", Detail: "must be a whole number from 1 to 100"})
		}
		limit = n
	}
	cursor := query.Get("cursor")
	badCursor := problem.Invalid(problem.FieldError{Field: "cursor", Detail: "must be the “next” of the page before"})
	if len(cursor) > maxCursor {
		return badCursor
	}
	files, next, err := c.Library.List(r.Context(), who.UserID, limit, cursor)
	if errors.Is(err, library.ErrBadCursor) {
		return badCursor
	}
	if err != nil {
		return err
	}
	page := struct {
		Files []file `json:"files"`
		Next  string `json:"next,omitempty"`
	}{Files: make([]file, len(files)), Next: next}
	now := c.Now()
	for i, f := range files {
		page.Files[i] = show(f, now)
	}
	return writeJSON(w, http.StatusOK, page)
}

func (c FilesConfig) get(w http.ResponseWriter, r *http.Request, who account.Identity) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	f, err := c.Library.GetOwned(r.Context(), id, who.UserID)
	if err != nil {
		return err
	}
	shown := show(f, c.Now())
	shown.Work = showWork(f.Work) // not in lists, which it would make several times as long
	return writeJSON(w, http.StatusOK, shown)
}

// remove takes the record away last, so that a call that failed half-way can be repeated. A conversion under way stops when
// it finds the record gone, and removes an MP3 it has only just stored.
func (c FilesConfig) remove(w http.ResponseWriter, r *http.Request, who account.Identity) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	if _, err := c.Library.GetOwned(r.Context(), id, who.UserID); err != nil {
		return err
	}
	err = errors.Join(c.Uploads.Delete(r.Context(), transfer.VideoKey(id)), c.Results.Delete(r.Context(), transfer.MP3Key(id)))
	if err != nil {
		return err
	}
	if _, err := c.Library.Delete(r.Context(), id, who.UserID); err != nil && !errors.Is(err, library.ErrNotFound) {
		return err // and if it is gone meanwhile, all the better
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
