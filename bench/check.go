package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"os/exec"
	"strconv"
)

// check makes sure that the file is an MP3 of that many seconds.
func (t tools) check(ctx context.Context, path string, seconds float64) error {
	out, err := exec.CommandContext(ctx, t.ffprobe, "-v", "error", "-show_entries", "format=format_name,duration:stream=codec_name",
		"-of", "json", path).Output()
	if err != nil {
		return fmt.Errorf("probe the MP3: %w", err)
	}
	var said struct {
		Streams []struct {
			Codec string `json:"codec_name"`
		} `json:"streams"`
		Format struct {
			Name     string `json:"format_name"`
			Duration string `json:"duration"`
		} `json:"format"`
	}
	if err := json.Unmarshal(out, &said); err != nil {
		return fmt.Errorf("probe the MP3: %w", err)
	}
	duration, err := strconv.ParseFloat(said.Format.Duration, 64)
	if err != nil || said.Format.Name != "mp3" || len(said.Streams) != 1 || said.Streams[0].Codec != "mp3" {
		return fmt.Errorf("the result is no plain MP3: %s", bytes.TrimSpace(out))
	}
	if off := duration - seconds; math.Abs(off) > 0.2 {
		return fmt.Errorf("the MP3 has %.3f s, want %.3f s", duration, seconds)
	}
	return nil
}

const (
	excerptRate    = 8000 // Hz
	excerptSeconds = 4
	// maxShift is how far two encoders' outputs may lie apart in time, in samples of the excerpt: 60 ms.
	maxShift = 480
	// leastAlike is the correlation that two encodes of one sound reach easily, and two sounds never.
	leastAlike = 0.98
)

// alike makes sure that both MP3s have the same to hear, by a few seconds from the middle.
func (t tools) alike(ctx context.Context, one, other string, seconds float64) error {
	a, err := t.excerpt(ctx, one, seconds)
	if err != nil {
		return err
	}
	b, err := t.excerpt(ctx, other, seconds)
	if err != nil {
		return err
	}
	if got := similarity(a, b); got < leastAlike {
		return fmt.Errorf("the two MP3s differ: their correlation is %.3f", got)
	}
	return nil
}

func (t tools) excerpt(ctx context.Context, path string, seconds float64) ([]float64, error) {
	from := max(0, seconds/2-excerptSeconds/2)
	out, err := exec.CommandContext(ctx, t.naive, "-nostdin", "-v", "error", "-ss", fmt.Sprint(from), "-i", path,
		"-t", fmt.Sprint(excerptSeconds), "-ac", "1", "-ar", fmt.Sprint(excerptRate), "-f", "s16le", "pipe:1").Output()
	if err != nil {
		return nil, fmt.Errorf("decode the MP3: %w", err)
	}
	samples := make([]float64, len(out)/2)
	for i := range samples {
		samples[i] = float64(int16(binary.LittleEndian.Uint16(out[2*i:])))
	}
	return samples, nil
}

// similarity is the best correlation of the two at any small shift, -1 to 1; 0 when there is nothing to compare.
func similarity(a, b []float64) float64 {
	n := min(len(a), len(b)) - 2*maxShift
	if n <= 0 {
		return 0
	}
	best := 0.0
	middle := a[maxShift : maxShift+n]
	for shift := range 2*maxShift + 1 {
		var ab, aa, bb float64
		for i, x := range middle {
			y := b[shift+i]
			ab += x * y
			aa += x * x
			bb += y * y
		}
		if aa > 0 && bb > 0 {
			best = max(best, ab/math.Sqrt(aa*bb))
		}
	}
	return best
}
