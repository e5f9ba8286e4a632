package api_test

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"mp3converter/shared/api"
	"mp3converter/shared/library"
	"mp3converter/shared/problem"
	"mp3converter/shared/transfer"
	"mp3converter/shared/transfer/transfertest"
)

// mp3 is a file that is ready, with its MP3 in storage.
func (w *world) mp3(size int64, change ...func(f *library.File)) library.File {
	w.t.Helper()
	f := w.file("anna", library.Ready, append(change, func(f *library.File) { f.MP3Bytes = size })...)
	if err := w.results.Put(w.t.Context(), transfer.Put{Key: transfer.MP3Key(f.ID)}, []byte(strings.Repeat("m", int(size)))); err != nil {
		w.t.Fatal(err)
	}
	return f
}

// wantLink wants a presigned link to the MP3 of that file.
func wantLink(t *testing.T, link string, f library.File, expires string) {
	t.Helper()
	u, err := url.Parse(link)
	if err != nil || !strings.HasPrefix(link, transfertest.Origin+"/"+f.ID+".mp3?") {
		t.Fatalf("the link is %q (%v)", link, err)
	}
	if got, want := u.Query().Get("response-content-disposition"), transfer.Disposition(f.MP3Name()); got != want {
		t.Errorf("the link's name is %s, want %s", got, want)
	}
	if got := u.Query().Get("X-Amz-Expires"); got != expires {
		t.Errorf("the link works for %s seconds, want %s", got, expires)
	}
}

func TestASmallMP3IsTheBodyOfTheRedirect(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, size := range []int64{1, 1000, api.MaxInlineBytes} {
		f := w.mp3(size)
		a := w.do("GET", "/download?fid="+f.ID, w.anna, nil)
		wantStatus(t, a, http.StatusFound)
		wantHeader(t, a, "Content-Type", "audio/mpeg")
		wantHeader(t, a, "Content-Disposition", `attachment; filename="holiday.mp3"`)
		wantHeader(t, a, "Cache-Control", "no-store")
		wantLink(t, a.Header.Get("Location"), f, "900")
		if a.body != strings.Repeat("m", int(size)) {
			t.Errorf("the body has %d bytes, want the %d of the MP3", len(a.body), size)
		}
	}
}

func TestALargeMP3IsNotSentAlongAndTheBodySaysSo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f := w.mp3(api.MaxInlineBytes + 1)
	for _, method := range []string{"GET", "HEAD"} {
		a := w.do(method, "/download?fid="+f.ID, w.anna, nil)
		wantStatus(t, a, http.StatusFound)
		wantHeader(t, a, "Content-Type", "text/plain; charset=utf-8")
		wantLink(t, a.Header.Get("Location"), f, "900")
		if got := a.Header.Get("Content-Disposition"); got != "" {
			t.Errorf("the text is called %s", got)
		}
		for _, want := range []string{"not the MP3", "4194305 bytes", "-L", f.ID} {
			if method == "GET" && !strings.Contains(a.body, want) {
				t.Errorf("the body does not mention %q: %s", want, a.body)
			}
		}
		if strings.Contains(a.body, "X-Amz-Signature") || strings.Contains(a.body, w.anna) {
			t.Errorf("the body has a secret: %s", a.body)
		}
	}
}

func TestHEADHasTheHeadersAndDoesNotReadTheMP3(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f := w.file("anna", library.Ready) // there is no object
	a := w.do("HEAD", "/download?fid="+f.ID, w.anna, nil)
	wantStatus(t, a, http.StatusFound)
	wantHeader(t, a, "Content-Type", "audio/mpeg")
	wantHeader(t, a, "Content-Disposition", `attachment; filename="holiday.mp3"`)
	wantLink(t, a.Header.Get("Location"), f, "900")
}

func TestTheLinkComesAsJSONToThoseWhoNameIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f := w.mp3(9, func(f *library.File) { f.Filename = "ünï.mp4" })
	type link struct {
		URL      string    `json:"url"`
		Filename string    `json:"filename"`
		Size     int64     `json:"size"`
		Expires  time.Time `json:"expires_at"`
	}
	for _, accept := range []string{"application/json", "text/html, application/json;q=0.5"} {
		a := w.do("GET", "/download?fid="+f.ID, w.anna, nil, "Accept: "+accept)
		wantStatus(t, a, http.StatusOK)
		wantHeader(t, a, "Content-Type", "application/json")
		wantHeader(t, a, "Cache-Control", "no-store")
		var l link
		a.into(t, &l)
		wantLink(t, l.URL, f, "900")
		if l.Filename != "ünï.mp3" || l.Size != 9 || !l.Expires.Equal(noon.Add(15*time.Minute)) || a.Header.Get("Location") != "" {
			t.Errorf("the answer is %s", a.body)
		}
	}
	for _, accept := range []string{"", "*/*", "audio/mpeg", "application/json;q=0"} {
		wantStatus(t, w.do("GET", "/download?fid="+f.ID, w.anna, nil, "Accept: "+accept), http.StatusFound)
	}
	for _, status := range []answer{w.do("HEAD", "/download?fid="+f.ID, w.anna, nil, "Accept: application/json")} {
		wantStatus(t, status, http.StatusOK)
	}
}

func TestALinkDoesNotOutliveItsMP3(t *testing.T) {
	t.Parallel()
	for left, want := range map[time.Duration]string{
		time.Hour: "900", 15 * time.Minute: "900", 5 * time.Minute: "300", time.Second: "1", time.Millisecond: "1",
	} {
		w := newWorld(t)
		f := w.mp3(9, func(f *library.File) { f.Expires = noon.Add(left) })
		a := w.do("GET", "/download?fid="+f.ID, w.anna, nil)
		wantStatus(t, a, http.StatusFound)
		wantLink(t, a.Header.Get("Location"), f, want)
	}
}

func TestOddNamesAreDownloadedUnderTheirOwn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for video, want := range map[string]string{
		"two words.mp4":        `attachment; filename="two words.mp3"`,
		`say "hi"\.mp4`:        `attachment; filename="say _hi__.mp3"; filename*=UTF-8''say%20%22hi%22%5C.mp3`,
		"100% ünï; a=b.mp4":    `attachment; filename="100_ _n_; a=b.mp3"; filename*=UTF-8''100%25%20%C3%BCn%C3%AF%3B%20a%3Db.mp3`,
		"日本🎬.mp4":              `attachment; filename="___.mp3"; filename*=UTF-8''%E6%97%A5%E6%9C%AC%F0%9F%8E%AC.mp3`,
		"a\r\nSet-Cookie: x=1": `attachment; filename="a__Set-Cookie: x=1.mp3"; filename*=UTF-8''a%0D%0ASet-Cookie%3A%20x%3D1.mp3`,
	} {
		f := w.mp3(9, func(f *library.File) { f.Filename = video })
		a := w.do("GET", "/download?fid="+f.ID, w.anna, nil)
		wantStatus(t, a, http.StatusFound)
		wantHeader(t, a, "Content-Disposition", want)
		wantLink(t, a.Header.Get("Location"), f, "900")
	}
}

func TestWhatIsNotReadySaysHowFarItIs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for state, progress := range map[library.State]int{library.AwaitingUpload: 0, library.Queued: 0, library.Converting: 42} {
		f := w.file("anna", state)
		for _, accept := range []string{"*/*", "application/json"} {
			a := w.do("GET", "/download?fid="+f.ID, w.anna, nil, "Accept: "+accept)
			p := wantProblem(t, a, http.StatusConflict, problem.NotReady)
			wantHeader(t, a, "Retry-After", "2")
			if p.State != string(state) || p.Progress == nil || *p.Progress != progress {
				t.Errorf("of a file that is %s it says %s", state, a.body)
			}
		}
		a := w.do("HEAD", "/download?fid="+f.ID, w.anna, nil)
		wantStatus(t, a, http.StatusConflict)
		wantHeader(t, a, "Retry-After", "2")
	}
}

func TestWhatWillNeverBeReadyIsGone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, c := range []struct {
		file          library.File
		code          problem.Code
		state, detail string
	}{
		{w.file("anna", library.Failed), problem.ConversionFailed, "failed", "The video has no sound."},
		{w.file("anna", library.Failed, expired), problem.Expired, "expired", "The MP3 has been removed; upload the video again."},
		{w.file("anna", library.Ready, expired), problem.Expired, "expired", "The MP3 has been removed; upload the video again."},
	} {
		a := w.do("GET", "/download?fid="+c.file.ID, w.anna, nil)
		p := wantProblem(t, a, http.StatusGone, c.code)
		if p.State != c.state || p.Detail != c.detail || p.Progress != nil || a.Header.Get("Retry-After") != "" {
			t.Errorf("the answer is %s", a.body)
		}
		wantStatus(t, w.do("HEAD", "/download?fid="+c.file.ID, w.anna, nil), http.StatusGone)
	}
}

func TestADownloadWantsAnID(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, query := range []string{"", "?", "?fid", "?fid=", "?fid=x", "?fid=" + strings.ToUpper(someID), "?fid=../" + someID[3:], "?fid=%00", "?FID=" + someID, "?fid=%zz"} {
		wantInvalid(t, w.do("GET", "/download"+query, w.anna, nil), "fid")
	}
}

func TestADownloadFromBrokenStorageIsOurFault(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	missing := w.file("anna", library.Ready) // its object is not there
	wantProblem(t, w.do("GET", "/download?fid="+missing.ID, w.anna, nil), http.StatusInternalServerError, problem.Internal)
	f := w.mp3(9)
	w.results.Break(errors.New("storage is on fire"))
	for _, accept := range []string{"*/*", "application/json"} {
		a := w.do("GET", "/download?fid="+f.ID, w.anna, nil, "Accept: "+accept)
		wantProblem(t, a, http.StatusInternalServerError, problem.Internal)
	}
}
