package cli_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"mp3converter/shared/mediatest"
)

// newEncoder is a person with no account, but with the layer's ffmpeg, under a name of its own so that its children
// can be told apart.
func newEncoder(t *testing.T) *person {
	t.Helper()
	p := newPerson(t)
	bin := filepath.Join(t.TempDir(), "bin")
	if err := os.Symlink(filepath.Dir(mediatest.LayerFFmpeg(t)), bin); err != nil {
		t.Fatal(err)
	}
	p.env["FFMPEG"] = filepath.Join(bin, "ffmpeg")
	return p
}

// tone is a WAV of one channel of a sine at 44.1 kHz.
func tone(seconds int) string {
	const rate = 44100
	data := make([]byte, 0, 2*rate*seconds)
	for i := range rate * seconds {
		data = binary.LittleEndian.AppendUint16(data, uint16(int16(12000*math.Sin(2*math.Pi*440*float64(i)/rate))))
	}
	var b bytes.Buffer
	b.WriteString("RIFF")
	for _, v := range []any{
		uint32(36 + len(data)), []byte("WAVEfmt "), uint32(16), uint16(1), uint16(1), uint32(rate), uint32(2 * rate), uint16(2), uint16(16),
		[]byte("data"), uint32(len(data)),
	} {
		_ = binary.Write(&b, binary.LittleEndian, v) // a buffer takes everything
	}
	return b.String() + string(data)
}

// serve serves content with ranges, at /film.wav, to whoever knows the signature.
func serve(t *testing.T, content string, hook func(w http.ResponseWriter, r *http.Request) bool) (url string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if hook != nil && hook(w, r) {
			return
		}
		if r.URL.Path != "/film.wav" {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("ETag", `"1"`)
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader(content))
	}))
	t.Cleanup(server.Close)
	return server.URL + "/film.wav?X-Amz-Signature=secret-signature"
}

func TestEncodeToFileStreamAndFolder(t *testing.T) {
	t.Parallel()
	p := newEncoder(t)
	in := p.video("talk.wav", tone(2))
	out := filepath.Join(p.dir, "talk.mp3")
	r := p.run("encode", in, out).want(t, 0)
	if r.stdout != out+"\n" || r.stderr != "" {
		t.Errorf("stdout %q, stderr %q", r.stdout, r.stderr)
	}
	mp3 := p.read("talk.mp3")
	if !strings.HasPrefix(mp3, "\xff\xfb") || len(mp3) < 5_000 { // a file without tags gives one without
		t.Errorf("%d bytes that begin with %q are no MP3", len(mp3), mp3[:min(len(mp3), 3)])
	}
	if r := p.run("encode", in, "-").want(t, 0); r.stdout != mp3 {
		t.Errorf("standard output has %d bytes, the file %d: not the same", len(r.stdout), len(mp3))
	}
	p.run("encode", in, filepath.Join(p.dir, "new", "er")+"/", "--quiet").want(t, 0)
	if p.read("new/er/talk.mp3") != mp3 {
		t.Error("the MP3 in a folder is another one")
	}
	p.wantFolder("new", "talk.mp3", "talk.wav")

	p.run("encode", in, out).want(t, 8, "exists already", "--force")
	if r := p.run("encode", in, out, "-f", "-q", "--bitrate", "64").want(t, 0); r.stdout != "" {
		t.Errorf("--quiet printed %q", r.stdout)
	}
	if p.read("talk.mp3") == mp3 {
		t.Error("--force replaced nothing")
	}
	p.run("encode", in, p.video("other.wav", "mine"), "-f").want(t, 8, "is not called .mp3")
	if p.read("other.wav") != "mine" {
		t.Error("--force replaced a recording")
	}
	p.stdoutTerminal = true
	p.run("encode", in, "-").want(t, 2, "terminal")
}

func TestEncodeTakesTheOptionsOfConvert(t *testing.T) {
	t.Parallel()
	p := newEncoder(t)
	in := p.video("talk.wav", tone(4))
	d := p.run("encode", in, filepath.Join(p.dir, "a.mp3"), "--json", "--start", "0:01", "--end", "2.5", "--normalize", "--channels", "2", "--track", "0", "--bitrate", "320").want(t, 0).document(t)
	// 1.5 s of 320 kbit/s, tags and the last frame's padding aside.
	if got := d.at("duration_seconds").(float64); math.Abs(got-1.5) > 0.06 {
		t.Errorf("%v seconds, want 1.5", got)
	}
	if got := d.at("bytes").(float64); got < 58_000 || got > 66_000 {
		t.Errorf("%v bytes, want about 60,000", got)
	}
	p.run("encode", in, filepath.Join(p.dir, "b.mp3"), "--track", "1").want(t, 5, "track 1 does not exist")
	p.run("encode", in, filepath.Join(p.dir, "b.mp3"), "--start", "9").want(t, 5, "nothing to convert")
	p.wantFolder("a.mp3", "talk.wav")
}

func TestEncodeJSON(t *testing.T) {
	t.Parallel()
	p := newEncoder(t)
	wav := tone(2)
	in, out := p.video("talk.wav", wav), filepath.Join(p.dir, "talk.mp3")
	p.env["CONVERT_WORKERS"] = "3"
	d := p.run("encode", in, out, "--json").want(t, 0).document(t)
	size := float64(len(p.read("talk.mp3")))
	for name, want := range map[string]any{
		"input": in, "output": out, "state": "ready", "error": nil, "bytes": size, "samples": 88200.0, "sample_rate": 44100.0,
		"duration_seconds": 2.0, "workers": 3.0, "bytes_read": float64(len(wav)),
	} {
		if d.at(name) != want {
			t.Errorf("%s is %v, want %v", name, d.at(name), want)
		}
	}
	for _, name := range []string{"requests", "wall_seconds", "cpu_seconds", "own_cpu_seconds", "peak_memory_bytes", "own_peak_memory_bytes"} {
		if v, _ := d.at(name).(float64); v <= 0 {
			t.Errorf("%s is %v", name, d.at(name))
		}
	}
	if v, _ := d.at("bytes_written").(float64); v < size {
		t.Errorf("%v bytes written of an MP3 of %v", v, size)
	}
	stages, _ := d.at("stages").([]any)
	var names []string
	for _, s := range stages {
		m := document(s.(map[string]any))
		wall, _ := m.at("wall_seconds").(float64)
		cpu, _ := m.at("cpu_seconds").(float64)
		if wall <= 0 && cpu <= 0 {
			t.Errorf("stage %v", m)
		}
		names = append(names, m.at("name").(string))
	}
	if !slices.Contains(names, "encode") {
		t.Errorf("stages %v", names)
	}

	r := p.run("encode", in, "-", "--json", "--workers", "1").want(t, 0)
	if len(r.stdout) != int(size) {
		t.Errorf("standard output has %d bytes, want the MP3's %v", len(r.stdout), size)
	}
	var aside document
	if err := json.Unmarshal([]byte(r.stderr), &aside); err != nil || aside.at("output") != "-" || aside.at("workers") != 1.0 {
		t.Errorf("standard error is %q (%v)", r.stderr, err)
	}
	r = p.run("encode", p.video("text.txt", "no video"), "-", "--json").want(t, 5)
	if err := json.Unmarshal([]byte(r.stderr), &aside); err != nil || aside.at("error.code") != "not_media" || r.stdout != "" {
		t.Errorf("standard output is %q, standard error %q (%v)", r.stdout, r.stderr, err)
	}
	r = p.run("encode", in, "-", "--json", "--wat").want(t, 2)
	if r.stdout != "" || !strings.Contains(r.stderr, `"usage"`) {
		t.Errorf("standard output is %q, standard error %q", r.stdout, r.stderr)
	}
}

func TestEncodeFromURL(t *testing.T) {
	t.Parallel()
	p := newEncoder(t)
	wav := tone(2)
	p.run("encode", p.video("talk.wav", wav), filepath.Join(p.dir, "file.mp3")).want(t, 0)
	url := serve(t, wav, nil)
	d := p.run("encode", url, p.dir, "--json").want(t, 0).document(t)
	if d.at("input") != strings.TrimSuffix(url, "?X-Amz-Signature=secret-signature") || d.at("output") != filepath.Join(p.dir, "film.mp3") {
		t.Errorf("document %v", d)
	}
	if p.read("film.mp3") != p.read("file.mp3") {
		t.Error("the URL gives another MP3 than the file")
	}
}

func TestEncodeReportsTheWorkersThatThereAre(t *testing.T) {
	t.Parallel()
	p := newEncoder(t)
	in := p.video("talk.wav", tone(1))
	if d := p.run("encode", in, p.dir, "--json", "--workers", "64").want(t, 0).document(t); d.at("workers") != 64.0 {
		t.Errorf("%v workers, want 64", d.at("workers"))
	}
}

func TestEncodeSaysInWordsWhatTheServerSays(t *testing.T) {
	t.Parallel()
	for status, tc := range map[int]struct {
		exit int
		says string
	}{
		http.StatusForbidden:    {4, "the server refuses the URL, whose time may be over (403 Forbidden)"},
		http.StatusUnauthorized: {4, "the server refuses the URL, whose time may be over (401 Unauthorized)"},
		http.StatusNotFound:     {4, "there is nothing at this URL (404)"},
	} {
		t.Run(http.StatusText(status), func(t *testing.T) {
			t.Parallel()
			p := newEncoder(t)
			var asked, refused atomic.Int32
			url := serve(t, tone(60), func(w http.ResponseWriter, _ *http.Request) bool {
				if asked.Add(1) < 3 {
					return false
				}
				refused.Add(1)
				w.WriteHeader(status)
				return true
			})
			r := p.run("encode", url, filepath.Join(p.dir, "film.mp3")).want(t, tc.exit)
			shown, _, _ := strings.Cut(url, "?")
			if want := "mp3converter: " + shown + ": " + tc.says + "\n"; r.stderr != want {
				t.Errorf("stderr is %q, want %q", r.stderr, want)
			}
			// Each range that was on its way, and none of them again.
			if n := refused.Load(); n < 1 || n > 24 {
				t.Errorf("the server said so %d times", n)
			}
			p.wantFolder()
		})
	}
}

func TestEncodeAsksAgainForWhatIsNotReady(t *testing.T) {
	t.Parallel()
	p := newEncoder(t)
	var asked atomic.Int32
	url := serve(t, tone(1), func(w http.ResponseWriter, _ *http.Request) bool {
		if asked.Add(1) > 1 {
			return false
		}
		w.WriteHeader(http.StatusServiceUnavailable)
		return true
	})
	p.run("encode", url, filepath.Join(p.dir, "film.mp3")).want(t, 0)
}

func TestEncodeFailures(t *testing.T) {
	t.Parallel()
	p := newEncoder(t)
	silent := filepath.Join(p.dir, "silent.mp4")
	if out, err := exec.Command(mediatest.FFmpeg(t), "-v", "error", "-f", "lavfi", "-i", "testsrc2=s=64x64:r=5:d=1", "-c:v", "mpeg4", silent).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	text := p.video("text.mp4", "this is no video")
	wav := p.video("talk.wav", tone(1))
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	before := p.folder()
	status := func(code int) string {
		return serve(t, "", func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(code); return true })
	}
	for name, tc := range map[string]struct {
		in   string
		exit int
		code string
		says string
	}{
		"a text":                {text, 5, "not_media", ""},
		"a video with no sound": {silent, 5, "no_audio", "no audio track"},
		"an empty file":         {p.video("../empty.mp4", ""), 5, "empty_upload", "empty"},
		"no file":               {filepath.Join(p.dir, "none.mp4"), 4, "not_found", "no such file"},
		"a directory":           {p.dir, 1, "error", "it is a directory"},
		"a device":              {"/dev/zero", 1, "error", "not an ordinary file"},
		"a URL with nothing":    {status(http.StatusNotFound), 4, "not_found", "film.wav: there is nothing at this URL (404)\n"},
		"a URL that refuses":    {status(http.StatusForbidden), 4, "refused", ""},
		"a server with a fault": {status(http.StatusInternalServerError), 6, "unavailable", ""},
		"no server":             {gone.URL + "/film.mp4?X-Amz-Signature=secret-signature", 6, "unavailable", ""},
		"no ranges": {serve(t, "", func(w http.ResponseWriter, _ *http.Request) bool {
			_, _ = w.Write([]byte(tone(1)))
			return true
		}), 1, "no_ranges", "save the file"},
	} {
		t.Run(name, func(t *testing.T) {
			out := filepath.Join(p.dir, "out.mp3")
			r := p.run("encode", tc.in, out).want(t, tc.exit, "mp3converter: ", tc.says)
			if r.stdout != "" {
				t.Errorf("standard output has %q", r.stdout)
			}
			d := p.run("encode", tc.in, out, "--json").want(t, tc.exit).document(t)
			if d.at("state") != "failed" || d.at("error.code") != tc.code || d.at("error.exit") != float64(tc.exit) || d.at("error.detail") == "" {
				t.Errorf("document %v, want code %s", d, tc.code)
			}
			p.wantFolder(before...)
		})
	}
	p.env["FFMPEG"] = "/bin/true"
	if d := p.run("encode", wav, "-q", filepath.Join(p.dir, "out.mp3"), "--json").want(t, 1, "make layer", "export FFMPEG=").document(t); d.at("error.code") != "no_ffmpeg" {
		t.Errorf("document %v", d)
	}
	p.wantFolder(before...)
}

func TestEncodeMistakes(t *testing.T) {
	t.Parallel()
	p := newEncoder(t)
	wav := p.video("talk.wav", "x")
	if err := os.Symlink(wav, filepath.Join(p.dir, "link.mp3")); err != nil {
		t.Fatal(err)
	}
	before := p.folder()
	for name, tc := range map[string]struct {
		args []string
		says string
	}{
		"itself":                    {[]string{wav, wav, "-f"}, "would replace it"},
		"itself by a link":          {[]string{wav, filepath.Join(p.dir, "link.mp3"), "-f"}, "would replace it"},
		"a device":                  {[]string{wav, "/dev/null", "--force"}, ""},
		"no directory":              {[]string{wav, filepath.Join(p.dir, "no", "a.mp3")}, "there is no directory"},
		"standard input":            {[]string{"-", "a.mp3"}, "standard input"},
		"another kind of URL":       {[]string{"s3://bucket/key"}, "s3:// is not understood"},
		"a URL that is none":        {[]string{"https://?secret-signature"}, "cannot be read"},
		"no workers":                {[]string{wav, "--workers", "0"}, "--workers must be 1 to"},
		"too many workers":          {[]string{wav, "--workers", "65"}, "--workers must be 1 to 64"},
		"options that are not good": {[]string{wav, "--bitrate", "97"}, "--bitrate must be one of"},
	} {
		t.Run(name, func(t *testing.T) {
			r := p.run(append([]string{"encode"}, tc.args...)...)
			if r.exit == 0 || name != "a device" && r.exit != 2 {
				t.Errorf("exit code %d", r.exit)
			}
			r.want(t, r.exit, tc.says)
		})
	}
	p.env["CONVERT_WORKERS"] = "many"
	p.run("encode", wav).want(t, 2, "CONVERT_WORKERS must be 1 to")
	p.wantFolder(before...)
	if info, err := os.Stat("/dev/null"); err != nil || info.Mode().IsRegular() {
		t.Error("/dev/null was replaced")
	}
}

func TestEncodeIsInterrupted(t *testing.T) {
	t.Parallel()
	for _, out := range []string{"film.mp3", "-"} {
		t.Run(out, func(t *testing.T) {
			t.Parallel()
			p := newEncoder(t)
			wav := tone(60)
			var asked atomic.Int32
			// The second half never comes.
			url := serve(t, wav, func(_ http.ResponseWriter, r *http.Request) bool {
				if asked.Add(1) < 3 {
					return false
				}
				p.interrupt()
				<-r.Context().Done()
				return true
			})
			to := out
			if to != "-" {
				to = filepath.Join(p.dir, to)
			}
			r := p.run("encode", url, to).want(t, 130)
			if r.stdout != "" || r.stderr != "" {
				t.Errorf("stdout has %d bytes, stderr is %q", len(r.stdout), r.stderr)
			}
			p.wantFolder()
			if left := offspring(t, filepath.Dir(p.env["FFMPEG"])); len(left) > 0 {
				t.Errorf("processes %v are left", left)
			}
		})
	}
}

// offspring lists the processes whose command line begins with the prefix.
func offspring(t *testing.T, prefix string) []string {
	t.Helper()
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(lines, func(line string) bool {
		data, err := os.ReadFile(line)
		return err != nil || !bytes.HasPrefix(data, []byte(prefix))
	})
}

func TestEncodeNamesTheMP3AfterItsInput(t *testing.T) {
	p := newEncoder(t)
	in := p.video("talk.part 1.wav", tone(1))
	here := t.TempDir()
	t.Chdir(here)
	if r := p.run("encode", in).want(t, 0); r.stdout != "talk.part 1.mp3\n" {
		t.Errorf("printed %q", r.stdout)
	}
	p.run("encode", serve(t, tone(1), nil)).want(t, 0)
	for _, name := range []string{"talk.part 1.mp3", "film.mp3"} {
		if info, err := os.Stat(filepath.Join(here, name)); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
}
