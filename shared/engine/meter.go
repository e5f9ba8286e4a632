package engine

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
