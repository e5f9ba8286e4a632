package cli

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"net/http"

	"mp3converter/cmd/mp3converter/internal/api"
	"mp3converter/cmd/mp3converter/internal/encode"
	"mp3converter/cmd/mp3converter/internal/transfer"
	"mp3converter/shared/account"
	"mp3converter/shared/engine"
	"mp3converter/shared/source"
)

// The exit codes. Scripts rely on them: a number is never given another meaning.
const (
	exitOK          = 0
	exitGeneral     = 1
	exitUsage       = 2
	exitSignedOut   = 3
	exitNotFound    = 4
	exitConversion  = 5
	exitUnavailable = 6
	exitThrottled   = 7
	exitConflict    = 8
	exitInterrupted = 130
)

const exitHelp = `Exit codes:
  0    done
  1    something else went wrong, such as a full disk
  2    the command line or a value on it is not acceptable
  3    not signed in, or wrong e-mail address or password
  4    no such video, file ID or user; or the file or the URL has expired
  5    the video cannot be converted; the reason is printed
  6    the service or storage cannot be reached, or has a fault
  7    too many attempts, or the quota is used up: try again later
  8    not possible now: the MP3 is not ready, the output exists already, the user exists already
  130  interrupted
With several videos or file IDs, the code is that of the first that went wrong.`

// usageError is a mistake on the command line.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func usage(text string) error { return &usageError{errors.New(text)} }

// errTimeout means that --timeout has passed.
var errTimeout = errors.New("the MP3 was not ready in time")

// ErrInterrupted is the cause of the end of Run's context when the person pressed Ctrl-C or the system asked the program
// to end.
var ErrInterrupted = errors.New("interrupted")

// fault is an error as --json writes it and as the exit code tells it.
type fault struct {
	Code   string `json:"code"`
	Detail string `json:"detail"`
	Exit   int    `json:"exit"`
}

// classify is the one place where an error becomes a code and an exit code.
func classify(err error) fault {
	f := func(code string, exit int) fault {
		return fault{Code: code, Detail: printable(err.Error()), Exit: exit}
	}
	if errors.Is(err, ErrInterrupted) || errors.Is(err, context.Canceled) {
		return f("interrupted", exitInterrupted)
	}
	if e, ok := errors.AsType[*api.Error](err); ok {
		return f(refusal(e))
	}
	if e, ok := errors.AsType[*transfer.ConversionError](err); ok {
		return f(e.Code, exitConversion)
	}
	if e, ok := errors.AsType[*engine.Failure](err); ok {
		return fault{Code: string(e.Code), Detail: printable(e.Detail), Exit: exitConversion}
	}
	if _, ok := errors.AsType[*encode.FFmpegError](err); ok {
		return f("no_ffmpeg", exitGeneral)
	}
	if _, ok := errors.AsType[*usageError](err); ok {
		return f("usage", exitUsage)
	}
	if _, ok := errors.AsType[account.InputError](err); ok {
		return f("validation_failed", exitUsage)
	}
	if _, ok := errors.AsType[*transfer.ExistsError](err); ok {
		return f("output_exists", exitConflict)
	}
	if _, ok := errors.AsType[*api.NetworkError](err); ok {
		return f("unavailable", exitUnavailable)
	}
	if e, ok := errors.AsType[*encode.ServerError](err); ok {
		switch {
		case e.Refused():
			return f("refused", exitNotFound)
		case e.Missing():
			return f("not_found", exitNotFound)
		}
		return f("unavailable", exitUnavailable)
	}
	if _, ok := errors.AsType[*net.OpError](err); ok { // in the middle of an answer
		return f("unavailable", exitUnavailable)
	}
	if e, ok := errors.AsType[*api.StorageError](err); ok && e.Status >= 500 {
		return f("unavailable", exitUnavailable)
	}
	for _, known := range []struct {
		target error
		code   string
		exit   int
	}{
		{errTimeout, "not_ready", exitConflict},
		{api.ErrNotSignedIn, "not_signed_in", exitSignedOut},
		{transfer.ErrExpired, "expired", exitNotFound},
		{account.ErrUnknownUser, "not_found", exitNotFound},
		{account.ErrUserExists, "user_exists", exitConflict},
		{fs.ErrNotExist, "not_found", exitNotFound},
		{source.ErrGone, "not_found", exitNotFound},
		{source.ErrNoRanges, "no_ranges", exitGeneral},
		{source.ErrChanged, "changed", exitGeneral},
	} {
		if errors.Is(err, known.target) {
			return f(known.code, known.exit)
		}
	}
	return f("error", exitGeneral)
}

// refusal sorts the service's problems: by their code where the contract's codes tell more than the status.
func refusal(e *api.Error) (code string, exit int) {
	code = e.Code
	if code == "" {
		code = "http_error"
	}
	switch {
	case code == "conversion_failed":
		return code, exitConversion
	case e.Status == http.StatusUnauthorized:
		return code, exitSignedOut
	case e.Status == http.StatusNotFound, e.Status == http.StatusGone:
		return code, exitNotFound
	case e.Status == http.StatusConflict:
		return code, exitConflict
	case e.Status == http.StatusTooManyRequests:
		return code, exitThrottled
	case e.Status == http.StatusBadRequest, e.Status == http.StatusUnprocessableEntity, e.Status == http.StatusRequestEntityTooLarge:
		return code, exitUsage
	case e.Status >= 500:
		return code, exitUnavailable
	}
	return code, exitGeneral
}
