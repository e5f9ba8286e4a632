package encode

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"

	"mp3converter/cmd/mp3converter/internal/transfer"
	"mp3converter/shared/source"
)

// Input is what the MP3 is made from: a file, or a URL whose server serves ranges.
type Input struct {
	// Name is the file as it was given, or the URL without what may be a secret.
	Name string
	// Output is the name that the MP3 has unless another is given.
	Output string
	// URL says that it is one.
	URL bool

	location string
}

// ParseInput reads the name of a file or a URL. Anything that does not begin with http:// or https:// is a file.
func ParseInput(s string) (Input, error) {
	scheme, _, isURL := strings.Cut(s, "://")
	switch strings.ToLower(scheme) {
	case "http", "https":
	default:
		if s == "-" || s == "" {
			return Input{}, errors.New("the input must be a file or a URL: it is not read from start to end, so it cannot come from standard input")
		}
		if isURL && scheme != "" && strings.Trim(scheme, "abcdefghijklmnopqrstuvwxyz0123456789") == "" {
			return Input{}, fmt.Errorf("%s:// is not understood; give a file, or an https:// URL such as a presigned one", scheme)
		}
		return Input{Name: s, Output: transfer.MP3Name(filepath.Base(s)), location: s}, nil
	}
	u, err := url.Parse(s)
	if err != nil || u.Host == "" {
		return Input{}, errors.New("the input's URL cannot be read")
	}
	name := "download.mp3"
	if base := path.Base(u.Path); strings.Trim(base, "./") != "" {
		name = transfer.SafeName(transfer.MP3Name(base), name)
	}
	shown := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}
	return Input{Name: shown.String(), Output: name, URL: true, location: s}, nil
}

// open opens it; shut gives back what that took.
func (i Input) open(ctx context.Context) (ranges source.Ranges, shut func(), err error) {
	if i.URL {
		client := newClient()
		ranges, err := source.NewHTTP(ctx, client, i.location)
		if err == nil {
			return ranges, client.CloseIdleConnections, nil
		}
		client.CloseIdleConnections()
		if errors.Is(err, source.ErrNoRanges) {
			err = fmt.Errorf("%w; save the file to disk first", err)
		}
		return nil, nil, err
	}
	info, err := os.Stat(i.location) // before it is opened: opening a named pipe waits for its writer
	switch {
	case err != nil:
		return nil, nil, bare(err)
	case info.IsDir():
		return nil, nil, errors.New("it is a directory")
	case !info.Mode().IsRegular():
		return nil, nil, errors.New("it is not an ordinary file; save it to disk first")
	}
	f, err := os.Open(i.location)
	if err != nil {
		return nil, nil, bare(err)
	}
	if ranges, err = source.NewFile(f); err != nil {
		_ = f.Close()
		return nil, nil, err
	}
	return ranges, func() { _ = f.Close() }, nil
}

// bare is an error about a file without the file's name, which whoever reports it gives.
func bare(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	return err
}

// beyondPath is what a URL in a text has besides scheme, host and path.
var beyondPath = regexp.MustCompile(`(?i)(https?://)(?:[^\s"/?#@]*@)?([^\s"?#]*)(?:[?#][^\s"]*)?`)

// clean takes what may be secret from an error about a URL.
func (i Input) clean(err error) error {
	if err == nil || !i.URL {
		return err
	}
	if e, ok := errors.AsType[*ServerError](err); ok {
		return &cleanError{text: e.Error(), err: err} // wherever it was met
	}
	text := beyondPath.ReplaceAllString(strings.ReplaceAll(err.Error(), i.location, i.Name), "$1$2")
	return &cleanError{text: strings.TrimPrefix(text, "look up "+i.Name+": "), err: err} // whoever reports it gives the name
}

type cleanError struct {
	text string
	err  error
}

func (e *cleanError) Error() string { return e.text }
func (e *cleanError) Unwrap() error { return e.err }
