package isobmff_test

import (
	"testing"

	"mp3converter/shared/isobmff"
)

// BenchmarkTwoHours opens a two-hour recording, extracts its sound and plans the requests.
func BenchmarkTwoHours(b *testing.B) {
	file := recording(14400, 22, 1250000, false)
	for b.Loop() {
		m, err := isobmff.Open(b.Context(), file, isobmff.Options{})
		if err != nil {
			b.Fatal(err)
		}
		e, err := m.Extract(b.Context(), 0, isobmff.Span{})
		if err != nil {
			b.Fatal(err)
		}
		isobmff.Plan(e.Want, file.Size(), isobmff.Costs{})
	}
}

// BenchmarkTwoHoursOfFragments does the same with two hours in fragments of two seconds, with an index.
func BenchmarkTwoHoursOfFragments(b *testing.B) {
	file, _ := stream{3600, 86, 5 << 20, "sidx", 0}.build()
	for b.Loop() {
		m, err := isobmff.Open(b.Context(), file, isobmff.Options{})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := m.Extract(b.Context(), 0, isobmff.Span{}); err != nil {
			b.Fatal(err)
		}
	}
}
