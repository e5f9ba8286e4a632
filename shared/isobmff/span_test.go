package isobmff_test

import (
	"encoding/binary"
	"math"
	"strings"
	"testing"
	"time"

	"mp3converter/shared/isobmff"
	"mp3converter/shared/mediatest"
)

func floats(p []byte) []float64 {
	out := make([]float64, len(p)/4)
	for i := range out {
		out[i] = float64(math.Float32frombits(binary.LittleEndian.Uint32(p[4*i:])))
	}
	return out
}

// distance is the energy of the difference of two sounds, as a share of the second's.
func distance(a, b []float64) float64 {
	var d, e float64
	for i := range b {
		d += (a[i] - b[i]) * (a[i] - b[i])
		e += b[i] * b[i]
	}
	return d / e
}

func TestASpanIsCutExactly(t *testing.T) {
	t.Parallel()
	for _, s := range []struct {
		name, file, args string
		channels         int
		near             float64 // how far the values may be from the original's; a shift by a sample is far further
	}{
		{"AAC", "a.mp4", picture + noise + h264 + "-c:a aac -aac_pns 0", 2, 0},
		{"AAC, QuickTime", "a.mov", picture + noise + h264 + "-c:a aac -aac_pns 0", 2, 0},
		{"AAC with noise substitution", "a.m4a", noise + "-c:a aac -b:a 64k", 2, 0.05},
		{"AAC without edit list", "a.mp4", noise + "-c:a aac -aac_pns 0 -use_editlist 0", 2, 0},
		{"AAC starting late", "a.mp4", picture + "-itsoffset 1.3 " + noise + h264 + "-c:a aac -aac_pns 0", 2, 0},
		{"AAC, fragmented", "a.mp4", picture + noise + h264 + "-c:a aac -aac_pns 0 -movflags frag_keyframe+empty_moov", 2, 0},
		{"ALAC", "a.m4a", noise + "-c:a alac", 2, 0},
		{"ALAC, QuickTime", "a.mov", noise + "-c:a alac", 2, 0},
		{"FLAC", "a.mp4", noise + "-c:a flac -sample_fmt s16 -strict -2", 2, 0},
		{"PCM", "a.mov", picture + noise + h264 + "-c:a pcm_s24le", 2, 0},
		{"PCM, mono", "a.mov", picture + noise + h264 + "-c:a pcm_s16be -ac 1", 1, 0},
		{"MP3", "a.mp4", picture + noise + h264 + "-c:a libmp3lame -b:a 128k", 2, 0},
		{"MP3 22 kHz", "a.mp4", picture + noise + h264 + "-c:a libmp3lame -ar 22050", 2, 0},
		{"MP3, QuickTime", "a.mov", picture + noise + h264 + "-c:a libmp3lame", 2, 0},
		{"AC-3", "a.mp4", picture + noise + h264 + "-c:a ac3", 2, 0.01},
		{"E-AC-3", "a.mp4", picture + noise + h264 + "-c:a eac3", 2, 0.01},
		{"Opus", "a.mp4", picture + noise48 + h264 + "-c:a libopus -b:a 128k", 2, 0.01},
		{"Opus without edit list", "a.mp4", noise48 + "-c:a libopus -b:a 128k -use_editlist 0", 2, 0.01},
	} {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			file := mediatest.File(t, s.file, s.args)
			data := readFile(t, file)
			m := open(t, data)
			whole := floats(decode(t, file, 0))
			rate := m.AudioTracks()[0].SampleRate
			for _, span := range []isobmff.Span{
				{Start: 1500 * time.Millisecond, End: 1700 * time.Millisecond},
				{Start: 1777777777, End: 0},
				{Start: 0, End: 400 * time.Millisecond},
				{Start: 123456789, End: 323456789},
				{Start: 2500 * time.Millisecond, End: time.Hour},
			} {
				e, err := m.Extract(t.Context(), 0, span)
				if err != nil {
					t.Fatal(err)
				}
				unsure := strings.Contains(s.name, "late") || strings.Contains(s.name, "fragmented")
				toEnd := span.End == 0 || span.End > 3*time.Second
				if e.Partial == (unsure && toEnd) || e.Partial != (e.Bytes < m.AudioTracks()[0].Bytes) {
					t.Errorf("%v: %d bytes are wanted, partial %v", span, e.Bytes, e.Partial)
				}
				if e.SampleRate != rate {
					t.Errorf("%v: sample rate %d, want %d", span, e.SampleRate, rate)
				}
				got := floats(decode(t, materialised(t, data, e), 0))
				start := s.channels * int(span.Start.Seconds()*float64(rate))
				end := len(whole)
				if span.End > 0 {
					end = min(end, s.channels*int(math.Ceil(span.End.Seconds()*float64(rate))))
				}
				at := start - s.channels*int(e.Skip)
				if at < 0 || len(got)-at < end-start {
					t.Errorf("%v: decodes to %d values from %d on, too few for %d to %d", span, len(got), s.channels*int(e.Skip), start, end)
					continue
				}
				if d := distance(got[at:at+end-start], whole[start:end]); !(d <= s.near) {
					t.Errorf("%v: differs from the original by %g", span, d)
				}
			}
		})
	}
}

func TestASpanTakesTheWholeTrackWhereItIsNotCertain(t *testing.T) {
	t.Parallel()
	for name, args := range map[string]string{
		"Vorbis":                  noise + "-c:a libvorbis",
		"AAC 22 kHz may have SBR": noise + "-c:a aac -ar 22050",
		"fragmented with priming": noise + "-c:a aac -movflags frag_keyframe+delay_moov",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := open(t, readFile(t, mediatest.File(t, "a.mp4", args)))
			e, err := m.Extract(t.Context(), 0, isobmff.Span{Start: time.Second, End: 2 * time.Second})
			if err != nil {
				t.Fatal(err)
			}
			if e.Partial || e.Skip != 0 || e.Bytes != m.AudioTracks()[0].Bytes {
				t.Errorf("partial %v, skip %d, %d bytes of %d", e.Partial, e.Skip, e.Bytes, m.AudioTracks()[0].Bytes)
			}
		})
	}
}
