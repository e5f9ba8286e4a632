package metrics_test

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"mp3converter/shared/conversion"
	"mp3converter/shared/library"
	"mp3converter/shared/metrics"
)

// emf is a line as the specification describes it.
type emf struct {
	AWS struct {
		Timestamp         int64
		CloudWatchMetrics []struct {
			Namespace  string
			Dimensions [][]string
			Metrics    []struct{ Name, Unit string }
		}
	} `json:"_aws"`
}

func record(t *testing.T, r conversion.Run) (emf, map[string]any) {
	t.Helper()
	var out bytes.Buffer
	metrics.NewEMF(&out, "mp3converter-convert").Record(r)
	if strings.Count(out.String(), "\n") != 1 || !strings.HasSuffix(out.String(), "\n") {
		t.Fatalf("it is not one line: %q", out.String())
	}
	var described emf
	var members map[string]any
	for _, into := range []any{&described, &members} {
		if err := json.Unmarshal(out.Bytes(), into); err != nil {
			t.Fatal(err)
		}
	}
	return described, members
}

var run = conversion.Run{Outcome: conversion.Converted, Sound: 90 * time.Second, Work: library.Work{
	BytesRead: 5 << 30, ReadRequests: 7, WriteRequests: 3, Wall: 1500 * time.Millisecond, CPU: 2 * time.Second, PeakMemory: 80 << 20, CostUSD: 0.00012,
}}

func TestARunIsOneLineOfEmbeddedMetrics(t *testing.T) {
	t.Parallel()
	described, members := record(t, run)
	if age := time.Since(time.UnixMilli(described.AWS.Timestamp)); age < 0 || age > time.Minute {
		t.Errorf("its time is %s ago", age)
	}
	if len(described.AWS.CloudWatchMetrics) != 1 || described.AWS.CloudWatchMetrics[0].Namespace != "MP3Converter" {
		t.Fatalf("it describes %+v", described.AWS.CloudWatchMetrics)
	}
	want := map[string]any{
		"function": "mp3converter-convert", "outcome": "converted", "Converted": 1.0, "Failed": 0.0, "DurationSeconds": 90.0, "WallSeconds": 1.5,
		"CPUSeconds": 2.0, "BytesRead": float64(5 << 30), "Requests": 10.0, "CostUSD": 0.00012, "PeakMemoryBytes": float64(80 << 20),
	}
	for name, value := range want {
		if members[name] != value {
			t.Errorf("%s is %v, want %v", name, members[name], value)
		}
	}
	if len(members) != len(want)+1 {
		t.Errorf("it has members that are not wanted: %v", members)
	}
}

func TestEveryMetricAndDimensionThatIsDescribedIsThere(t *testing.T) {
	t.Parallel()
	units := map[string]bool{"Count": true, "Seconds": true, "Bytes": true, "None": true}
	described, members := record(t, run)
	d := described.AWS.CloudWatchMetrics[0]
	told := map[string]bool{"_aws": true}
	for _, m := range d.Metrics {
		told[m.Name] = true
		if _, number := members[m.Name].(float64); !number || !units[m.Unit] {
			t.Errorf("the metric %s in %s is %v", m.Name, m.Unit, members[m.Name])
		}
	}
	for _, set := range d.Dimensions {
		for _, name := range set {
			told[name] = true
			if text, _ := members[name].(string); text == "" {
				t.Errorf("the dimension %s is %v", name, members[name])
			}
		}
	}
	for name := range members {
		if !told[name] {
			t.Errorf("%s is not described", name)
		}
	}
}

func TestOutcomesAreToldApart(t *testing.T) {
	t.Parallel()
	for outcome, want := range map[conversion.Outcome][2]float64{
		conversion.Converted: {1, 0}, conversion.Failed: {0, 1}, conversion.Repeated: {0, 0}, conversion.Dropped: {0, 0},
	} {
		_, members := record(t, conversion.Run{Outcome: outcome})
		if members["outcome"] != string(outcome) || members["Converted"] != want[0] || members["Failed"] != want[1] {
			t.Errorf("%s is told as %v", outcome, members)
		}
	}
}

func TestWhatJSONCannotTellIsNotTold(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	metrics.NewEMF(&out, "convert").Record(conversion.Run{Work: library.Work{CostUSD: math.Inf(1)}})
	if out.Len() != 0 {
		t.Errorf("it told %q", out.String())
	}
}

func TestLinesOfRunsAtOnceDoNotMix(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	meter := metrics.NewEMF(&out, "convert")
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() { meter.Record(run) })
	}
	all.Wait()
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 50 {
		t.Errorf("there are %d lines", len(lines))
	}
	for _, line := range lines {
		if !json.Valid([]byte(line)) {
			t.Errorf("this is no JSON: %s", line)
		}
	}
}

func TestTheProcessKnowsWhatItHasUsed(t *testing.T) {
	t.Parallel()
	before := metrics.Usage()
	if before.PeakMemory < 1<<20 || before.PeakMemory > 1<<40 {
		t.Errorf("its peak is %d bytes", before.PeakMemory)
	}
	for deadline := time.Now().Add(10 * time.Second); metrics.Usage().CPU <= before.CPU; {
		if time.Now().After(deadline) {
			t.Fatal("working takes no processor time")
		}
	}
}
