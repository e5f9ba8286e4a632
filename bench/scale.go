package main

import (
	"context"
	"fmt"
	"strconv"

	"mp3converter/bench/internal/inputs"
	"mp3converter/bench/internal/report"
)

// workerCounts are compared with each other, each with the one before.
var workerCounts = []int{1, 2, 6}

// scale measures how the engine uses more workers, from a file of this machine, so that no transfer is in the way.
func (b *bench) scale(ctx context.Context, about inputs.About, rounds int) error {
	measured := make([][]report.Figures, len(workerCounts))
	for round := range rounds {
		if err := readThrough(about.Path); err != nil {
			return err
		}
		for i, n := range workerCounts {
			used, out, err := b.process(ctx, []string{"ours", "-ffmpeg", b.tools.ours, "-workers", strconv.Itoa(n), "-file", about.Path})
			if err != nil {
				return err
			}
			var mp3, read, requests int64
			if _, err := fmt.Sscan(out, &mp3, &read, &requests); err != nil {
				return fmt.Errorf("read what the conversion printed: %w", err)
			}
			f := figures(used, b.report.Prices, requests, 0)
			f.Bytes, f.OutBytes = float64(read), float64(mp3)
			measured[i] = append(measured[i], f)
			say("case %s, round %d of %d: %d workers %6.2f s, %6.2f s of processor time", scaling, round+1, rounds, n, f.Wall, f.CPU)
		}
	}
	for i := range len(workerCounts) - 1 {
		var results []report.Round
		for round := range rounds {
			results = append(results, report.Round{Naive: measured[i][round], Ours: measured[i+1][round]})
		}
		few, many := workerCounts[i], workerCounts[i+1]
		c := report.NewCase(fmt.Sprintf("%s %d→%d workers, local file", scaling, few, many), reported(about), results)
		c.NaiveIs, c.OursIs = workersText(few), workersText(many)
		if err := b.add(c); err != nil {
			return err
		}
	}
	return nil
}

func workersText(n int) string {
	if n == 1 {
		return "1 worker"
	}
	return strconv.Itoa(n) + " workers"
}
