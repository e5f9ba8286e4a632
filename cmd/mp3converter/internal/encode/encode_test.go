package encode_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"mp3converter/cmd/mp3converter/internal/encode"
)

func TestParseInput(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]encode.Input{
		"a.mp4":                             {Name: "a.mp4", Output: "a.mp3"},
		"dir.x/film":                        {Name: "dir.x/film", Output: "film.mp3"},
		"../tar.gz.mkv":                     {Name: "../tar.gz.mkv", Output: "tar.gz.mp3"},
		"odd: //name.mp4":                   {Name: "odd: //name.mp4", Output: "name.mp3"},
		"https://h/a/film.mp4?sig=secret#f": {Name: "https://h/a/film.mp4", Output: "film.mp3", URL: true},
		"HTTP://u:p@h:80/%C3%A4.mov":        {Name: "http://h:80/%C3%A4.mov", Output: "ä.mp3", URL: true},
		".hidden":                           {Name: ".hidden", Output: ".hidden.mp3"},
		"https://h/":                        {Name: "https://h/", Output: "download.mp3", URL: true},
		"https://h/a%2F..%2Fevil":           {Name: "https://h/a/../evil", Output: "evil.mp3", URL: true},
		"https://h?response=x":              {Name: "https://h", Output: "download.mp3", URL: true},
		"https:///no-host?secret":           {},
		"https://h/%zz?secret":              {},
		"s3://bucket/key":                   {},
		"-":                                 {},
		"":                                  {},
	} {
		got, err := encode.ParseInput(in)
		if got.Name != want.Name || got.Output != want.Output || got.URL != want.URL || (err == nil) != (want.Name != "") {
			t.Errorf("ParseInput(%q) = %+v, %v; want %+v", in, got, err, want)
		}
	}
}

// none is an environment with nothing in it.
func none(string) string { return "" }

func TestFFmpegIsFoundInTheCache(t *testing.T) {
	layer := os.Getenv("LAYER_DIR")
	if layer == "" {
		t.Fatal("LAYER_DIR is not set: run these tests by `make test`, which builds the ffmpeg layer and sets it")
	}
	t.Setenv("PATH", t.TempDir())
	cache := t.TempDir()
	if err := os.MkdirAll(filepath.Join(cache, "ffmpeg", "another", "bin"), 0o700); err != nil {
		t.Fatal(err)
	}
	env := func(name string) string { return map[string]string{"MP3CONVERTER_CACHE": cache}[name] }
	var missing *encode.FFmpegError
	if _, err := encode.NewEngine(t.Context(), env, 1); !errors.As(err, &missing) || missing.Asked != "" {
		t.Errorf("with an empty cache: %v", err)
	}
	if err := os.Symlink(layer, filepath.Join(cache, "ffmpeg", "0123")); err != nil {
		t.Fatal(err)
	}
	// The last one built does not run here.
	if err := os.WriteFile(filepath.Join(cache, "ffmpeg", "another", "bin", "ffmpeg"), []byte("for another machine"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := encode.NewEngine(t.Context(), env, 1); err != nil {
		t.Error(err)
	}
	if _, err := encode.NewEngine(t.Context(), none, 1); !errors.As(err, &missing) {
		t.Errorf("with nothing in the environment: %v", err)
	}
}
