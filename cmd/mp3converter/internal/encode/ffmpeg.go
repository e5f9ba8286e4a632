package encode

import (
	"cmp"
	"context"
	"os"
	"path/filepath"
	"slices"
	"time"

	"mp3converter/shared/engine"
)

// The limits of a conversion that somebody runs for themselves: there is no function that ends, and no bill.
const (
	maxDuration = 24 * time.Hour
	maxWall     = 24 * time.Hour
	maxCPU      = 14 * 24 * time.Hour
	// maxOutput is the most that the MP3's own header can say (the Xing header's 32 bits).
	maxOutput = 1<<32 - 1
)

// FFmpegError says that no ffmpeg was found that the engine can work with.
type FFmpegError struct {
	// Asked is what FFMPEG names; empty if the usual places were searched.
	Asked string
	Err   error
}

func (e *FFmpegError) Error() string {
	const how = `build it with "make layer" in a checkout of mp3converter, then export FFMPEG=FOLDER/bin/ffmpeg with the folder that it prints`
	if e.Asked != "" {
		return "FFMPEG names no usable ffmpeg: " + e.Err.Error() + "; " + how
	}
	return "this needs the project's own ffmpeg, which is neither on PATH nor in the cache (" + e.Err.Error() + "); " + how
}

func (e *FFmpegError) Unwrap() error { return e.Err }

// NewEngine makes an engine with the ffmpeg that FFMPEG names, as the service's function does; else with the one on
// PATH if it is the project's own, as another one would not do; else with the one last built into the project's cache.
func NewEngine(ctx context.Context, getenv func(string) string, workers int) (*engine.Engine, error) {
	asked := getenv("FFMPEG")
	candidates := []string{asked}
	if asked == "" {
		candidates = append(candidates, built(getenv)...)
	}
	var first error
	for _, path := range candidates {
		e, err := engine.New(ctx, config(path, workers))
		switch {
		case err == nil:
			return e, nil
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case first == nil:
			first = err
		}
	}
	return nil, &FFmpegError{Asked: asked, Err: first}
}

func config(ffmpeg string, workers int) engine.Config {
	return engine.Config{
		FFmpeg:  ffmpeg,
		Workers: workers,
		Limits:  engine.Limits{Wall: maxWall, CPU: maxCPU, Output: maxOutput, MaxDuration: maxDuration},
	}
}

// built are the ffmpegs in the cache of layers/ffmpeg/build.sh, the last first. One for another architecture does not
// start, and so is passed over.
func built(getenv func(string) string) []string {
	cache := getenv("MP3CONVERTER_CACHE")
	if cache == "" {
		base := cmp.Or(getenv("XDG_CACHE_HOME"), filepath.Join(getenv("HOME"), ".cache"))
		cache = filepath.Join(base, "mp3converter")
	}
	if !filepath.IsAbs(cache) {
		return nil
	}
	folders, err := os.ReadDir(filepath.Join(cache, "ffmpeg"))
	if err != nil {
		return nil
	}
	type found struct {
		path string
		at   time.Time
	}
	var all []found
	for _, folder := range folders {
		path := filepath.Join(cache, "ffmpeg", folder.Name(), "bin", "ffmpeg")
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && filepath.Ext(folder.Name()) == "" {
			all = append(all, found{path, info.ModTime()})
		}
	}
	slices.SortFunc(all, func(a, b found) int { return b.at.Compare(a.at) })
	paths := make([]string, len(all))
	for i, f := range all {
		paths[i] = f.path
	}
	return paths
}
