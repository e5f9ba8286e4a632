package cli_test

import (
	"path/filepath"
	"testing"
)

func TestMistakesAreSaidInWords(t *testing.T) {
	t.Parallel()
	p := newSignedIn(t)
	video := p.video("a.mp4", "x")
	for name, tc := range map[string]struct {
		args []string
		says string
		hint string
	}{
		"unknown command":                {[]string{"transmogrify"}, `there is no command "transmogrify"`, "mp3converter --help"},
		"unknown command like a known":   {[]string{"convrt", video}, `did you mean convert?`, "mp3converter --help"},
		"a video for a command":          {[]string{video}, "mp3converter convert " + video, "mp3converter --help"},
		"unknown subcommand":             {[]string{"admin", "user", "wat"}, `there is no command "admin user wat"`, "mp3converter admin user --help"},
		"unknown option":                 {[]string{"convert", video, "--wat"}, "there is no option --wat", "mp3converter convert --help"},
		"unknown letter":                 {[]string{"convert", video, "-fx"}, "there is no option -x", "mp3converter convert --help"},
		"option without its value":       {[]string{"convert", video, "--channels"}, "--channels wants a value", "mp3converter convert --help"},
		"letter without its value":       {[]string{"convert", video, "-o"}, "-o wants a value", "mp3converter convert --help"},
		"option with a word":             {[]string{"convert", video, "--channels", "stereo"}, `--channels "stereo" is not a whole number`, "mp3converter convert --help"},
		"option with no duration":        {[]string{"convert", video, "--timeout", "10"}, `--timeout "10" is not a duration such as`, "mp3converter convert --help"},
		"switch with a value":            {[]string{"convert", video, "--force=maybe"}, `--force "maybe" is not true or false`, "mp3converter convert --help"},
		"option that is none":            {[]string{"convert", video, "--=x"}, `"--=x" is not an option`, "mp3converter convert --help"},
		"no video":                       {[]string{"convert"}, "which video?", "mp3converter convert --help"},
		"nothing to encode":              {[]string{"encode"}, "what is to be encoded?", "mp3converter encode --help"},
		"two outputs":                    {[]string{"encode", video, "b.mp3", "c.mp3"}, `"c.mp3" is one argument too many`, "mp3converter encode --help"},
		"an argument where none belongs": {[]string{"list", "mine"}, `list takes no argument, but there is "mine"`, "mp3converter list --help"},
		"nobody to add":                  {[]string{"admin", "user", "add"}, "whose account?", "mp3converter admin user add --help"},
		"options that exclude":           {[]string{"encode", video, "--quality", "2", "--bitrate", "96"}, "--quality and --bitrate exclude each other", "mp3converter encode --help"},
		"all and some":                   {[]string{"list", "--all", "-n", "3"}, "--limit and --all exclude each other", "mp3converter list --help"},
		"output in no directory":         {[]string{"convert", video, "-o", filepath.Join(p.dir, "no", "a.mp3")}, "there is no directory " + filepath.Join(p.dir, "no"), "mp3converter convert --help"},
	} {
		t.Run(name, func(t *testing.T) {
			p.run(tc.args...).want(t, 2, "mp3converter: ", tc.says, "  "+tc.hint+" shows what it takes")
		})
	}
}

func TestAnOutputDirectoryIsMade(t *testing.T) {
	t.Parallel()
	p := newSignedIn(t)
	a, b := p.video("a.mp4", "x"), p.video("b.mp4", "y")
	p.run("convert", a, b, "-o", filepath.Join(p.dir, "no")).want(t, 2, "with a slash at the end it is made")
	p.run("convert", filepath.Join(p.dir, "none.mp4"), "-o", filepath.Join(p.dir, "new")+"/").want(t, 4)
	p.wantFolder("a.mp4", "b.mp4") // not made for nothing
	p.run("convert", a, b, "-o", filepath.Join(p.dir, "new", "er")+"/").want(t, 0)
	if p.read("new/er/a.mp3") != string(mp3Of([]byte("x"))) || p.read("new/er/b.mp3") != string(mp3Of([]byte("y"))) {
		t.Error("wrong MP3s")
	}
	fid := p.svc.add(fakeFile{State: "ready", mp3: []byte("ID3")})
	p.run("download", fid, "-o", filepath.Join(p.dir, "other")+"/").want(t, 0)
	if p.read("other/video.mp3") != "ID3" {
		t.Error("wrong MP3")
	}
}
