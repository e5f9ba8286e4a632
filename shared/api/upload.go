package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"mime"
	"net/http"
	"time"

	"mp3converter/shared/account"
	"mp3converter/shared/audio"
	"mp3converter/shared/library"
	"mp3converter/shared/problem"
	"mp3converter/shared/transfer"
)

// UploadConfig is what the upload function works with.
type UploadConfig struct {
	Log     *slog.Logger
	Tokens  Verifier
	Library *library.Library
	Uploads transfer.Uploads
	// MaxBytes is the largest video that may be announced.
	MaxBytes int64
	Now      func() time.Time
}

// Upload answers POST /upload, and GET and DELETE /upload/{fid}.
func Upload(c UploadConfig) http.Handler {
	return routes(c.Log, map[string]methods{
		"/upload":       {http.MethodPost: authenticated(c.Tokens, c.create)},
		"/upload/{fid}": {http.MethodGet: authenticated(c.Tokens, c.status), http.MethodDelete: authenticated(c.Tokens, c.abort)},
	})
}

func (c UploadConfig) create(w http.ResponseWriter, r *http.Request, who account.Identity) error {
	switch mediaType, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); mediaType {
	case "application/json":
		return c.presign(w, r, who)
	case "multipart/form-data":
		return c.receive(w, r, who)
	}
	return problem.New(problem.UnsupportedMediaType, "Send application/json to get an upload URL, or multipart/form-data with the video in the field “file”.")
}

// uploadRequest is the JSON body of POST /upload.
type uploadRequest struct {
	Filename    string          `json:"filename"`
	Size        *int64          `json:"size"`
	ContentType string          `json:"content_type"`
	SHA256      string          `json:"sha256"`
	Audio       json.RawMessage `json:"audio"`
}

// check turns what was sent into what may be announced, or says everything that is wrong with it at once.
func (c UploadConfig) check(req uploadRequest, who account.Identity) (library.NewFile, error) {
	var errs []problem.FieldError
	note := func(field string, err error) {
		if err != nil {
			errs = append(errs, problem.FieldError{Field: field, Detail: err.Error()})
		}
	}
	name, err := transfer.CleanFilename(req.Filename)
	note("filename", err)
	note("content_type", transfer.CheckContentType(req.ContentType))
	note("sha256", transfer.CheckSHA256(req.SHA256))
	var size int64
	switch {
	case req.Size == nil:
		note("size", errors.New("is required: the number of bytes"))
	case *req.Size == 0:
		note("size", errors.New("must be at least 1: the file is empty"))
	case *req.Size < 0:
		note("size", errors.New("must be at least 1"))
	case *req.Size > c.MaxBytes:
		return library.NewFile{}, problem.New(problem.PayloadTooLarge,
			fmt.Sprintf("The video has %d bytes; this service takes at most %d.", *req.Size, c.MaxBytes))
	default:
		size = *req.Size
	}
	options, optionErrs := parseAudio(req.Audio)
	errs = append(errs, optionErrs...)
	if len(errs) > 0 {
		return library.NewFile{}, problem.Invalid(errs...)
	}
	return library.NewFile{
		Owner: who.UserID, Email: who.Email, Filename: name, Size: size, ContentType: req.ContentType,
		SHA256: req.SHA256, Options: options,
	}, nil
}

func parseAudio(raw json.RawMessage) (audio.Options, []problem.FieldError) {
	if len(raw) == 0 || string(raw) == "null" {
		return audio.Options{}, nil
	}
	options, err := audio.Parse(raw)
	if err == nil {
		return options, nil
	}
	var errs []problem.FieldError
	var walk func(error)
	walk = func(err error) {
		var field audio.FieldError
		if many, ok := err.(interface{ Unwrap() []error }); ok {
			for _, e := range many.Unwrap() {
				walk(e)
			}
		} else if errors.As(err, &field) {
			errs = append(errs, problem.FieldError{Field: field.Field, Detail: field.Detail})
		}
	}
	walk(err)
	if len(errs) == 0 {
		errs = append(errs, problem.FieldError{Field: "audio", Detail: "must be an object with the options that are documented, of the right types"})
	}
	return audio.Options{}, errs
}

// announce creates the record, or says that today's quota is used up.
func (c UploadConfig) announce(ctx context.Context, n library.NewFile) (library.File, error) {
	f, err := c.Library.Announce(ctx, n)
	if errors.Is(err, library.ErrQuota) {
		const day = 24 * time.Hour
		now := c.Now()
		tomorrow := now.UTC().Truncate(day).Add(day)
		return f, problem.New(problem.QuotaExceeded, "You have announced as many uploads as one day (UTC) allows.").
			WithRetryAfter(tomorrow.Sub(now))
	}
	return f, err
}

// presignedPut is an upload's request as the API shows it.
type presignedPut struct {
	Method  string            `json:"method"`
	URL     string            `json:"url"`
	Headers map[string]string `json:"headers"`
	Expires time.Time         `json:"expires_at"`
}

func (c UploadConfig) put(ctx context.Context, f library.File) (presignedPut, error) {
	expires := c.Now().Add(library.UploadTTL)
	p, err := c.Uploads.PresignPut(ctx, put(f), library.UploadTTL)
	if err != nil {
		return presignedPut{}, fmt.Errorf("file %s: %w", f.ID, err)
	}
	return presignedPut{Method: p.Method, URL: p.URL, Headers: p.Headers, Expires: expires.UTC().Truncate(time.Second)}, nil
}

func put(f library.File) transfer.Put {
	return transfer.Put{Key: transfer.VideoKey(f.ID), Size: f.Size, ContentType: f.ContentType, SHA256: f.SHA256}
}

func (c UploadConfig) presign(w http.ResponseWriter, r *http.Request, who account.Identity) error {
	var req uploadRequest
	if err := readJSON(w, r, &req); err != nil {
		return err
	}
	n, err := c.check(req, who)
	if err != nil {
		return err
	}
	f, err := c.announce(r.Context(), n)
	if err != nil {
		return err
	}
	upload, err := c.put(r.Context(), f)
	if err != nil {
		return err
	}
	w.Header().Set("Location", "/files/"+f.ID)
	return writeJSON(w, http.StatusCreated, struct {
		ID     string       `json:"fid"`
		Upload presignedPut `json:"upload"`
	}{f.ID, upload})
}

func (c UploadConfig) status(w http.ResponseWriter, r *http.Request, who account.Identity) error {
	f, err := c.owned(r, who)
	if err != nil {
		return err
	}
	out := struct {
		ID     string        `json:"fid"`
		State  library.State `json:"state"`
		Upload *presignedPut `json:"upload,omitempty"`
	}{ID: f.ID, State: f.StateAt(c.Now())}
	if f.State == library.AwaitingUpload && c.Now().Before(f.Created.Add(library.UploadWindow)) {
		upload, err := c.put(r.Context(), f)
		if err != nil {
			return err
		}
		out.Upload = &upload
	}
	return writeJSON(w, http.StatusOK, out)
}

func (c UploadConfig) owned(r *http.Request, who account.Identity) (library.File, error) {
	id, err := pathID(r)
	if err != nil {
		return library.File{}, err
	}
	return c.Library.GetOwned(r.Context(), id, who.UserID)
}

func (c UploadConfig) abort(w http.ResponseWriter, r *http.Request, who account.Identity) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	err = c.Library.AbortUpload(r.Context(), id, who.UserID)
	if errors.Is(err, library.ErrConflict) {
		return problem.New(problem.UploadFinished, "The video has arrived; use DELETE /files/{fid} to remove it.")
	}
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
