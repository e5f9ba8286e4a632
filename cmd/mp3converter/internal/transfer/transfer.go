// Package transfer takes videos from disk to the service and MP3s from the service to disk.
//
// Every step can be taken up again: an announced upload is written down before its first byte is sent and crossed out
// when its MP3 has been fetched, so a run that was interrupted anywhere goes on where it was when the same video is
// asked for again with the same options. An MP3 appears under its name whole or not at all.
package transfer

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode/utf8"

	"mp3converter/cmd/mp3converter/internal/api"
	"mp3converter/cmd/mp3converter/internal/session"
	"mp3converter/shared/audio"
)

const (
	pollFirst = 500 * time.Millisecond
	pollMax   = 3 * time.Second
	// maxFilename is the longest file name the contract takes, in bytes.
	maxFilename = 255
	// maxFreshURLs is how often one upload may ask for another URL.
	maxFreshURLs = 3
)

// ErrExpired means that the service has removed the video and the MP3.
var ErrExpired = errors.New("the file has expired and is removed")

// ConversionError says that the service could not convert the video, and why.
type ConversionError struct {
	FID    string
	Code   string
	Detail string
}

func (e *ConversionError) Error() string { return e.Detail }

// Meter shows how far one video is. Its methods are called from one goroutine at a time.
type Meter interface {
	// Stage begins a stage of total units; bytes says what the units are, percent otherwise. A total of 0 is unknown.
	Stage(name string, total int64, bytes bool)
	// At says how many units are done.
	At(done int64)
	// Note says something about the video.
	Note(text string)
}

// Service does the work for one person at one service. It is safe for concurrent use.
type Service struct {
	Client *api.Client
	Store  *session.Store
	// API and Email say whose pending conversions are meant.
	API, Email string
	// Anew means that pending conversions are not taken up again.
	Anew bool
	// Sleep and Now are the clock.
	Sleep func(context.Context, time.Duration) error
	Now   func() time.Time
	// Warn is told of what went wrong without stopping the work.
	Warn func(error)
}

// Video is a file to convert, as it was when it was looked at.
type Video struct {
	// Path is as the person gave it; Abs is the same, absolute.
	Path, Abs string
	Size      int64
	Modified  time.Time
}

// Inspect looks at a video. Only an ordinary, non-empty file will do: storage must be told the size before the bytes.
func Inspect(path string) (Video, error) {
	info, err := os.Stat(path)
	if err != nil {
		return Video{}, err
	}
	switch {
	case info.IsDir():
		return Video{}, fmt.Errorf("%s is a directory", path)
	case !info.Mode().IsRegular():
		return Video{}, fmt.Errorf("%s is not an ordinary file; save it to disk first", path)
	case info.Size() == 0:
		return Video{}, fmt.Errorf("%s is empty", path)
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return Video{}, err
	}
	return Video{Path: path, Abs: abs, Size: info.Size(), Modified: info.ModTime()}, nil
}

func (v Video) unchanged() error {
	now, err := Inspect(v.Abs)
	if err != nil {
		return err
	}
	if now.Size != v.Size || !now.Modified.Equal(v.Modified) {
		return fmt.Errorf("%s changed while it was being sent", v.Path)
	}
	return nil
}

// Sent is a video the service has.
type Sent struct {
	FID string
	// Resumed says that an earlier run had begun it.
	Resumed bool
}

// Send makes sure that the service has the video, with as little sending as possible: a conversion that an earlier
// run began is taken up where it stands. Sent.FID is set even when an error is returned, if there is one.
func (s *Service) Send(ctx context.Context, v Video, opts audio.Options, m Meter) (Sent, error) {
	job := session.Job{API: s.API, Email: s.Email, Path: v.Abs, Size: v.Size, Modified: v.Modified, Audio: opts}
	pending, put, err := s.resume(ctx, job)
	if err != nil {
		return Sent{FID: pending.FID}, err
	}
	sent := Sent{FID: pending.FID, Resumed: pending.FID != ""}
	if sent.Resumed {
		m.Note("taken up again as " + sent.FID)
	}
	if sent.Resumed && put == nil {
		return sent, nil
	}
	if !sent.Resumed {
		req := api.UploadRequest{Filename: announcedName(v.Path), Size: v.Size}
		if opts != (audio.Options{}) {
			req.Audio = &opts
		}
		made, err := s.Client.CreateUpload(ctx, req)
		if err != nil {
			return sent, err
		}
		sent.FID, put = made.FID, &made.Upload
		pending = session.Pending{FID: made.FID, Begun: s.Now(), Job: job}
		s.warn(s.Store.Remember(pending))
	}
	if err := s.put(ctx, sent.FID, *put, v, m); err != nil {
		return sent, err
	}
	if err := v.unchanged(); err != nil {
		s.Forget(sent.FID)
		s.warn(s.Client.Delete(ctx, sent.FID))
		return Sent{}, err
	}
	pending.Uploaded = true
	s.warn(s.Store.Remember(pending))
	return sent, nil
}

// resume finds what an earlier run left: nothing (no FID), a conversion that is under way or done, or an upload that
// still has to be sent, with the URL for it.
func (s *Service) resume(ctx context.Context, job session.Job) (session.Pending, *api.PresignedPut, error) {
	if s.Anew {
		return session.Pending{}, nil, nil
	}
	pending, found, err := s.Store.Pending(job)
	if err != nil {
		s.warn(err)
		return session.Pending{}, nil, nil
	}
	if !found {
		return session.Pending{}, nil, nil
	}
	status, err := s.Client.Upload(ctx, pending.FID)
	if refusal, ok := errors.AsType[*api.Error](err); ok && refusal.Code == "not_found" {
		s.Forget(pending.FID)
		return session.Pending{}, nil, nil
	}
	if err != nil {
		return pending, nil, err
	}
	switch status.State {
	case api.Failed, api.Expired:
		s.Forget(pending.FID)
		return session.Pending{}, nil, nil
	case api.AwaitingUpload:
		if !pending.Uploaded {
			return pending, status.Upload, nil
		}
	case api.Queued, api.Converting, api.Ready:
	}
	return pending, nil, nil
}

// put sends the bytes, asking for a fresh URL when storage refuses the one at hand. That the service has left the
// state of waiting for the upload means that the bytes are there.
func (s *Service) put(ctx context.Context, fid string, to api.PresignedPut, v Video, m Meter) error {
	f, err := os.Open(v.Abs)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	if err := v.unchanged(); err != nil {
		return err
	}
	m.Stage("uploading", v.Size, true)
	for fresh := 0; ; fresh++ {
		err := s.Client.Put(ctx, to, f, v.Size, m.At)
		if err == nil || errors.Is(err, api.ErrArrived) {
			m.At(v.Size)
			return nil
		}
		if !errors.Is(err, api.ErrURLRefused) || fresh == maxFreshURLs {
			return err
		}
		status, statusErr := s.Client.Upload(ctx, fid)
		switch {
		case statusErr != nil:
			return statusErr
		case status.State != api.AwaitingUpload:
			return nil
		case status.Upload == nil:
			return err
		}
		to = *status.Upload
	}
}

// Wait polls until the file is ready, at growing intervals. A *ConversionError or ErrExpired says that it never will
// be; such a file is no longer pending.
func (s *Service) Wait(ctx context.Context, fid string, m Meter) (api.File, error) {
	stage := api.State("")
	for pause := pollFirst; ; pause = min(pause*5/4, pollMax) {
		f, err := s.Client.File(ctx, fid)
		if err != nil {
			return api.File{}, err
		}
		switch f.State {
		case api.Ready:
			return f, nil
		case api.Failed:
			s.Forget(fid)
			failure := &ConversionError{FID: fid, Code: "conversion_failed", Detail: "the conversion failed"}
			if f.Error != nil {
				failure.Code, failure.Detail = f.Error.Code, f.Error.Detail
			}
			return f, failure
		case api.Expired:
			s.Forget(fid)
			return f, ErrExpired
		case api.AwaitingUpload, api.Queued, api.Converting:
		}
		if f.State != stage {
			stage = f.State
			m.Stage(stageName(stage), 100, false)
		}
		m.At(int64(f.Progress))
		if err := s.Sleep(ctx, pause); err != nil {
			return f, err
		}
	}
}

func stageName(s api.State) string {
	if s == api.Converting {
		return "converting"
	}
	return "waiting"
}

// Forget crosses a pending conversion out.
func (s *Service) Forget(fid string) { s.warn(s.Store.Forget(fid, s.Now())) }

func (s *Service) warn(err error) {
	if err != nil {
		s.Warn(err)
	}
}

// announcedName is the name under which a video is announced: the last element of its path, as valid UTF-8 and within
// the contract's length, its extension kept.
func announcedName(path string) string {
	name := strings.ToValidUTF8(filepath.Base(path), "_")
	if len(name) <= maxFilename {
		return name
	}
	ext := filepath.Ext(name)
	if len(ext) > 16 {
		ext = ""
	}
	cut := maxFilename - len(ext)
	for !utf8.RuneStart(name[cut]) {
		cut--
	}
	return name[:cut] + ext
}
