package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"

	"mp3converter/cmd/mp3converter/internal/transfer"
)

// outputFlags say where MP3s go.
type outputFlags struct {
	output string
	force  bool
}

func (f *outputFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&f.output, "output", "o", "", "write to this `file` or into this directory, made if it ends in a slash; - is standard output")
	cmd.Flags().BoolVarP(&f.force, "force", "f", false, "replace an existing MP3")
}

// place is what --output means for a number of MP3s: standard output, one file, or a directory ("" is none given).
type place struct {
	stream bool
	file   string
	dir    string
	// makeDir says that the directory is to be made before the first MP3 is written there.
	makeDir bool
}

func (a *app) place(f outputFlags, count int) (place, error) {
	switch {
	case f.output == "":
		return place{}, nil
	case f.output == "-" && count > 1:
		return place{}, usage("standard output takes one MP3 only")
	case f.output == "-" && a.json && !a.jsonAside:
		return place{}, usage("standard output cannot take the MP3 and JSON both")
	case f.output == "-" && a.StdoutTerminal:
		return place{}, usage("standard output is a terminal; an MP3 does not belong there")
	case f.output == "-":
		return place{stream: true}, nil
	}
	slash := os.IsPathSeparator(f.output[len(f.output)-1])
	info, err := os.Stat(f.output)
	switch {
	case err == nil && info.IsDir():
		return place{dir: f.output}, nil
	case err == nil && (count > 1 || slash), errors.Is(err, syscall.ENOTDIR):
		return place{}, usage(f.output + " is not a directory")
	case slash:
		return place{dir: f.output, makeDir: true}, nil
	case count > 1:
		return place{}, usage("there is no directory " + f.output + "; with a slash at the end it is made: " + f.output + "/")
	}
	parent := filepath.Dir(f.output)
	switch info, err := os.Stat(parent); {
	case errors.Is(err, fs.ErrNotExist):
		return place{}, usage("there is no directory " + parent + "; make it first")
	case err != nil || !info.IsDir():
		return place{}, usage(parent + " is not a directory")
	}
	return place{file: f.output}, nil
}

// target is where in the place an MP3 goes that is to have this name, or else this path.
func (p place) target(name, path string, replace bool, stdout io.Writer) transfer.Target {
	t := transfer.Target{Path: path, Replace: replace, MakeDir: p.makeDir}
	switch {
	case p.stream:
		t.Stream = stdout
	case p.file != "":
		t.Path = p.file
	case p.dir != "":
		t.Path = filepath.Join(p.dir, name)
	}
	return t
}

// plan decides where the MP3 of each video goes, before anything is sent.
func (a *app) plan(videos []string, f outputFlags) ([]transfer.Target, error) {
	p, err := a.place(f, len(videos))
	if err != nil {
		return nil, err
	}
	if err := distinct(videos); err != nil {
		return nil, err
	}
	targets := make([]transfer.Target, len(videos))
	owner := map[string]string{}
	for i, video := range videos {
		name := transfer.MP3Name(filepath.Base(video))
		t := p.target(name, filepath.Join(filepath.Dir(video), name), f.force, a.Stdout)
		targets[i] = t
		if t.Stream != nil {
			continue
		}
		if other, taken := owner[t.Path]; taken {
			return nil, usage(fmt.Sprintf("%s and %s would both become %s", other, video, t.Path))
		}
		owner[t.Path] = video
		if sameFile(video, t.Path) {
			return nil, usage("the MP3 of " + video + " would replace it; give another name with --output")
		}
	}
	return targets, nil
}

// distinct refuses to do the same thing twice at the same time.
func distinct(names []string) error {
	seen := map[string]bool{}
	for _, name := range names {
		clean := filepath.Clean(name)
		if seen[clean] {
			return usage(name + " is given twice")
		}
		seen[clean] = true
	}
	return nil
}

func sameFile(one, other string) bool {
	a, errA := os.Stat(one)
	b, errB := os.Stat(other)
	return errA == nil && errB == nil && os.SameFile(a, b)
}
