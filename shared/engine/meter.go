package engine

import (
	"bufio"
	"io"
	"strconv"
	"strings"
	"time"
)

// meter turns how far a stage has got into a percentage that never falls.
type meter struct {
	report   func(percent int)
	last     int
	from, to float64 // the share of the running stage
}

func newMeter(report func(percent int)) *meter {
	return &meter{report: report, last: -1, to: 99}
}

// stage says that what follows is the part of the whole between two percentages.
func (m *meter) stage(from, to float64) { m.from, m.to = from, to }

// at reports that a share of the stage, 0 to 1, is done.
func (m *meter) at(share float64) {
	percent := int(m.from + (m.to-m.from)*min(max(share, 0), 1))
	if m.report == nil || percent <= m.last {
		return
	}
	m.last = percent
	m.report(percent)
}

// readProgress calls made with how much sound has been made, for each time ffmpeg says it by "-progress", until r
// ends or made returns an error.
func readProgress(r io.Reader, made func(time.Duration) error) error {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		value, ok := strings.CutPrefix(lines.Text(), "out_time_us=")
		if !ok {
			continue
		}
		us, err := strconv.ParseInt(strings.TrimSpace(value), 10, 64)
		if err != nil || us < 0 {
			continue // "N/A" before the first packet
		}
		if err := made(time.Duration(us) * time.Microsecond); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return unlessGone("read progress", err)
	}
	return nil
}
