package engine_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"mp3converter/shared/audio"
	"mp3converter/shared/engine"
	"mp3converter/shared/mediatest"
	"mp3converter/shared/source/sourcetest"
)

// As many workers as there may be have the memory that they need, with the limits that a conversion has by default.
func TestTheMostWorkersThereMayBe(t *testing.T) {
	t.Parallel()
	data := mediatest.Clip(t, "a.wav", "-f lavfi -i anoisesrc=d=300:r=44100:a=0.5:seed=1 -ac 2 ")
	few, many := newEngine(t, engine.Config{Workers: 1}), newEngine(t, engine.Config{Workers: 1000})
	bitrate := 320
	for name, opts := range map[string]audio.Options{"VBR": {}, "320 kbit/s": {Mode: audio.CBR, Bitrate: &bitrate}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want, err := convert(t, few, &sourcetest.Object{Data: data}, opts)
			if err != nil {
				t.Fatal(err)
			}
			got, err := convert(t, many, &sourcetest.Object{Data: data}, opts)
			if err != nil || !bytes.Equal(got.mp3, want.mp3) {
				t.Errorf("%d workers: %d bytes, one %d; error %v", many.Workers(), len(got.mp3), len(want.mp3), err)
			}
		})
	}
}

// Where memory does not last for all of them, fewer do.
func TestWorkersThatMemoryDoesNotLastFor(t *testing.T) {
	t.Parallel()
	data := mediatest.Clip(t, "b.wav", "-f lavfi -i anoisesrc=d=120:r=44100:a=0.5:seed=1 -ac 2 ")
	for _, megabytes := range []int64{160, 512} {
		for name, opts := range map[string]audio.Options{"VBR": {Quality: ptr(9)}, "320 kbit/s": {Mode: audio.CBR, Bitrate: ptr(320)}} {
			t.Run(fmt.Sprint(megabytes, " MiB, ", name), func(t *testing.T) {
				t.Parallel()
				e := newEngine(t, engine.Config{Workers: 64, Limits: engine.Limits{Memory: megabytes << 20}})
				if _, err := convert(t, e, &sourcetest.Object{Data: data}, opts); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// Where there is none for even one, it is not the file's fault.
func TestNoMemoryForAWorkerIsNotBlamedOnTheFile(t *testing.T) {
	t.Parallel()
	e := newEngine(t, engine.Config{Workers: 64, Limits: engine.Limits{Memory: 64 << 20}})
	_, err := convert(t, e, &sourcetest.Object{Data: mp4(t)}, audio.Options{})
	var f *engine.Failure
	if err == nil || errors.As(err, &f) || !strings.Contains(err.Error(), "no memory") {
		t.Errorf("error %v, want one of memory that is worth a retry", err)
	}
}
