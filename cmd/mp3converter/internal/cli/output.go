package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"unicode"

	"mp3converter/cmd/mp3converter/internal/api"
	"mp3converter/cmd/mp3converter/internal/progress"
)

// emit writes one JSON document on a line of its own.
func (a *app) emit(doc any) {
	out := a.Stdout
	if a.jsonAside {
		out = a.Stderr
	}
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(doc); err != nil {
		a.warn(fmt.Errorf("write the result: %w", err))
	}
}

// result prints a command's one result: doc with --json, and else the line.
func (a *app) result(doc any, line string) {
	if a.json {
		a.emit(doc)
		return
	}
	_, _ = fmt.Fprintln(a.Stdout, printable(line))
}

// printable takes everything from a text that could move a terminal's cursor or hide what is written. What comes from
// the service, and the names of files, pass through it.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || unicode.IsPrint(r) {
			return r
		}
		return '�'
	}, s)
}

// colored says whether standard output takes colors.
func (a *app) colored() bool {
	return a.StdoutTerminal && a.Getenv(envNoColor) == "" && a.Getenv("TERM") != "dumb"
}

// stateColors are SGR foreground colors; each sequence has the same length, so that a column stays a column.
var stateColors = map[api.State]int{
	api.Ready: 32, api.Failed: 31, api.Expired: 31, api.Converting: 33, api.Queued: 33, api.AwaitingUpload: 33,
}

func (a *app) paint(color int, s string) string {
	if !a.colored() {
		return s
	}
	return fmt.Sprintf("\x1b[%dm%s\x1b[0m", color, s)
}

// files prints files as a table, or as one JSON document each.
func (a *app) files(files []api.File) {
	if a.json {
		for _, f := range files {
			a.emit(f)
		}
		return
	}
	w := tabwriter.NewWriter(a.Stdout, 0, 0, 2, ' ', 0)
	a.row(w, "ID", a.paint(39, "STATE"), "VIDEO", "MP3", "LENGTH", "CREATED", "NAME")
	for _, f := range files {
		state, mp3, length, name := string(f.State), "-", "-", f.Filename
		switch f.State {
		case api.Converting:
			state = fmt.Sprintf("%s %d %%", state, f.Progress)
		case api.Ready:
			mp3, length = progress.Bytes(f.MP3Size), progress.Clock(seconds(f.DurationSeconds))
		case api.Failed:
			if f.Error != nil {
				name += " (" + f.Error.Detail + ")"
			}
		case api.AwaitingUpload, api.Queued, api.Expired:
		}
		a.row(w, f.FID, a.paint(stateColors[f.State], printable(state)), progress.Bytes(f.Size), mp3, length,
			f.CreatedAt.Local().Format("2006-01-02 15:04"), strings.ReplaceAll(printable(name), "\n", " "))
	}
	_ = w.Flush()
}

func (a *app) row(w io.Writer, cells ...string) {
	_, _ = fmt.Fprintln(w, strings.Join(cells, "\t"))
}
