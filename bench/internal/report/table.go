package report

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// column is one figure of the table.
type column struct {
	head  string
	scale float64
	form  string
	of    func(f Figures) float64
	ratio func(r Ratio) *float64
}

var columns = []column{
	{"wall s", 1, "%.2f", func(f Figures) float64 { return f.Wall }, func(r Ratio) *float64 { return r.Wall }},
	{"CPU s", 1, "%.2f", func(f Figures) float64 { return f.CPU }, func(r Ratio) *float64 { return r.CPU }},
	{"read MB", 1e-6, "%.1f", func(f Figures) float64 { return f.Bytes }, func(r Ratio) *float64 { return r.Bytes }},
	{"requests", 1, "%.0f", func(f Figures) float64 { return f.Requests }, func(r Ratio) *float64 { return r.Requests }},
	{"USD/1000", 1000, "%.3f", func(f Figures) float64 { return f.USD }, func(r Ratio) *float64 { return r.USD }},
	{"RSS MB", 1e-6, "%.0f", func(f Figures) float64 { return f.RSS }, func(r Ratio) *float64 { return r.RSS }},
	{"disk MB", 1e-6, "%.0f", func(f Figures) float64 { return f.Tmp }, func(r Ratio) *float64 { return r.Tmp }},
	{"MP3 MB", 1e-6, "%.2f", func(f Figures) float64 { return f.OutBytes }, func(r Ratio) *float64 { return r.OutBytes }},
}

// rows of a case: naive, ours, and the ratio.
func (c Case) rows() [3][]string {
	naive, ours := "naive", "ours"
	if c.NaiveIs != "" {
		naive, ours = c.NaiveIs, c.OursIs
	}
	rows := [3][]string{{c.Name, naive}, {"", ours}, {"", "÷"}}
	for _, col := range columns {
		rows[0] = append(rows[0], fmt.Sprintf(col.form, col.of(c.Naive)*col.scale))
		rows[1] = append(rows[1], fmt.Sprintf(col.form, col.of(c.Ours)*col.scale))
		rows[2] = append(rows[2], ratioText(col.of(c.Naive), col.ratio(c.Ratio)))
	}
	return rows
}

func ratioText(naive float64, ratio *float64) string {
	switch {
	case ratio == nil && naive == 0:
		return "–"
	case ratio == nil:
		return "∞"
	}
	return fmt.Sprintf("%.2f×", *ratio)
}

func heads() []string {
	all := []string{"case", ""}
	for _, col := range columns {
		all = append(all, col.head)
	}
	return all
}

// Table prints the run for a terminal.
func (r *Run) Table(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, strings.Join(heads(), "\t"))
	for _, c := range r.Cases {
		for _, row := range c.rows() {
			fmt.Fprintln(t, strings.Join(row, "\t"))
		}
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("print table: %w", err)
	}
	return nil
}

// Markdown prints the run as docs/performance.md wants it.
func (r *Run) Markdown(w io.Writer) error {
	m := r.Machine
	var b strings.Builder
	fmt.Fprintf(&b, "%s, commit %s. %s, %d cores, %.0f GB, Linux %s, %s; naive: ffmpeg %s; ours: ffmpeg %s, %d workers. Medians of %d rounds.\n\n",
		r.Date.Format("2006-01-02"), m.Commit, m.CPU, m.Cores, float64(m.MemoryBytes)/1e9, m.Kernel, m.Go, m.NaiveFFmpeg, m.OursFFmpeg, r.Workers, r.Rounds)
	line := func(cells []string) { fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | ")) }
	line(heads())
	b.WriteString("|---|---|" + strings.Repeat("--:|", len(columns)) + "\n")
	for _, c := range r.Cases {
		rows := c.rows()
		for i, row := range rows {
			if i == len(rows)-1 {
				for k := 1; k < len(row); k++ {
					row[k] = "**" + row[k] + "**"
				}
			}
			line(row)
		}
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("print table: %w", err)
	}
	return nil
}
