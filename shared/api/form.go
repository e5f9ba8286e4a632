package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"

	"mp3converter/shared/account"
	"mp3converter/shared/problem"
)

const (
	// MaxFormBytes is the largest video that a form may carry: Lambda takes requests of 6 MB, base64 takes a third of
	// that, and the headers need some room.
	MaxFormBytes = 4_500_000
	// maxFormOverhead is what boundaries, part headers and the audio field may add.
	maxFormOverhead = 32 << 10
)

// receive answers POST /upload with a form: the video in the field "file", the options perhaps in "audio".
func (c UploadConfig) receive(w http.ResponseWriter, r *http.Request, who account.Identity) error {
	if r.ContentLength > MaxFormBytes+maxFormOverhead {
		return formTooLarge()
	}
	r.Body = http.MaxBytesReader(w, r.Body, MaxFormBytes+maxFormOverhead)
	form, err := r.MultipartReader()
	if err != nil {
		return problem.New(problem.BadRequest, "The form's boundary is missing or not usable.")
	}
	req, video, err := readForm(form)
	if err != nil {
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
	if err := c.Uploads.Put(r.Context(), put(f), video); err != nil {
		return errors.Join(fmt.Errorf("file %s: %w", f.ID, err), c.Library.AbortUpload(r.Context(), f.ID, who.UserID))
	}
	w.Header().Set("Location", "/files/"+f.ID)
	return writeJSON(w, http.StatusAccepted, struct {
		ID string `json:"fid"`
	}{f.ID})
}

func readForm(form *multipart.Reader) (req uploadRequest, video []byte, err error) {
	for {
		part, err := form.NextPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return req, nil, formProblem(err)
		}
		switch part.FormName() {
		case "file":
			if req.Size != nil {
				return req, nil, problem.Invalid(problem.FieldError{Field: "file", Detail: "must be given once"})
			}
			if video, err = io.ReadAll(io.LimitReader(part, MaxFormBytes+1)); err != nil {
				return req, nil, formProblem(err)
			}
			if len(video) > MaxFormBytes {
				return req, nil, formTooLarge()
			}
			size := int64(len(video))
			req.Filename, req.Size = part.FileName(), &size
		case "audio":
			if req.Audio != nil {
				return req, nil, problem.Invalid(problem.FieldError{Field: "audio", Detail: "must be given once"})
			}
			options, err := io.ReadAll(io.LimitReader(part, maxJSONBytes))
			if err != nil {
				return req, nil, formProblem(err)
			}
			req.Audio = json.RawMessage(options)
		default:
			return req, nil, problem.Invalid(problem.FieldError{Field: "form", Detail: "only the fields “file” and “audio” are known here"})
		}
	}
	if req.Size == nil {
		return req, nil, problem.Invalid(problem.FieldError{Field: "file", Detail: "is required: the video"})
	}
	return req, video, nil
}

func formProblem(err error) error {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return formTooLarge()
	}
	return problem.New(problem.BadRequest, "The form is cut short or malformed.")
}

func formTooLarge() error {
	return problem.New(problem.PayloadTooLarge, fmt.Sprintf("A form may carry at most %d bytes. For larger videos POST /upload "+
		"with JSON {\"filename\",\"size\"} and PUT the video to the URL in the answer.", MaxFormBytes))
}
