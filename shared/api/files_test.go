package api_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"mp3converter/shared/library"
	"mp3converter/shared/problem"
	"mp3converter/shared/transfer"
)

type object = map[string]any

// shown reads a file as the API shows it.
func shown(t *testing.T, a answer) object {
	t.Helper()
	wantStatus(t, a, http.StatusOK)
	wantHeader(t, a, "Content-Type", "application/json")
	wantHeader(t, a, "Cache-Control", "no-store")
	var o object
	if err := json.Unmarshal([]byte(a.body), &o); err != nil {
		t.Fatal(err)
	}
	return o
}

func TestAFileIsShownAsFarAsItIs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	created, expires := "2026-03-01T11:00:00Z", "2026-03-02T11:00:00Z"
	finished, later := "2026-03-01T11:59:00Z", "2026-03-08T12:00:00Z"
	worked := object{
		"read_bytes": 1000.0, "written_bytes": 9.0, "read_requests": 3.0, "write_requests": 1.0,
		"wall_seconds": 2.5, "probe_seconds": 0.5, "measure_seconds": 0.0, "encode_seconds": 1.5,
		"cpu_seconds": 4.0, "decode_cpu_seconds": 1.0, "encode_cpu_seconds": 2.0, "join_cpu_seconds": 0.25,
		"peak_memory_bytes": 1048576.0, "copied": false, "segments": 6.0, "requantised_frames": 2.0, "workers": 2.0,
	}
	failure := object{"code": "no_audio", "detail": "The video has no sound."}
	for name, c := range map[string]struct {
		file library.File
		want object
	}{
		"awaiting upload": {w.file("anna", library.AwaitingUpload), object{"state": "awaiting_upload", "progress": 0.0, "expires_at": expires}},
		"queued":          {w.file("anna", library.Queued), object{"state": "queued", "progress": 0.0, "expires_at": expires}},
		"converting":      {w.file("anna", library.Converting), object{"state": "converting", "progress": 42.0, "expires_at": expires}},
		"ready": {w.file("anna", library.Ready), object{
			"state": "ready", "progress": 100.0, "expires_at": later, "finished_at": finished, "mp3_size": 9.0, "duration_seconds": 90.0, "cost_usd": 0.0012,
			"work": worked,
		}},
		"failed": {w.file("anna", library.Failed), object{
			"state": "failed", "progress": 0.0, "expires_at": later, "finished_at": finished, "error": failure,
		}},
		"expired": {w.file("anna", library.Failed, expired), object{
			"state": "expired", "progress": 0.0, "expires_at": "2026-03-01T12:00:00Z", "finished_at": finished, "error": failure,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for key, value := range (object{
				"fid": c.file.ID, "filename": "holiday.mp4", "size": 1000.0, "audio": object{"mode": "vbr", "quality": 2.0}, "created_at": created,
			}) {
				c.want[key] = value
			}
			got := shown(t, w.do("GET", "/files/"+c.file.ID, w.anna, nil))
			if !reflect.DeepEqual(got, c.want) {
				t.Errorf("the file is shown as %v, want %v", got, c.want)
			}
			wantStatus(t, w.do("HEAD", "/files/"+c.file.ID, w.anna, nil), http.StatusOK)
		})
	}
}

type page struct {
	Files []struct {
		ID       string `json:"fid"`
		Filename string `json:"filename"`
	} `json:"files"`
	Next *string `json:"next"`
}

func (w *world) list(query string) page {
	w.t.Helper()
	a := w.do("GET", "/files"+query, w.anna, nil)
	wantStatus(w.t, a, http.StatusOK)
	var p page
	if err := json.Unmarshal([]byte(a.body), &p); err != nil || p.Files == nil {
		w.t.Fatalf("the page is %s (%v)", a.body, err)
	}
	return p
}

func TestFilesAreListedNewestFirstInPages(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if p := w.list(""); len(p.Files) != 0 || p.Next != nil {
		t.Errorf("a new user has the page %+v", p)
	}
	const n = 25
	for i := range n {
		w.file("anna", library.Ready, func(f *library.File) {
			f.Filename, f.Created = fmt.Sprintf("%02d.mp4", i), noon.Add(time.Duration(i)*time.Second)
		})
		w.file("bert", library.Ready)
	}
	for query, sizes := range map[string][]int{"": {20, 5}, "limit=7": {7, 7, 7, 4}, "limit=25": {25}, "limit=100": {25}, "limit=5": {5, 5, 5, 5, 5}} {
		var names []string
		cursor := ""
		for i, size := range sizes {
			p := w.list("?" + query + "&cursor=" + cursor)
			if last := i == len(sizes)-1; len(p.Files) != size || last != (p.Next == nil) {
				t.Fatalf("with %q page %d has %d files, next %v", query, i, len(p.Files), p.Next)
			}
			for _, f := range p.Files {
				names = append(names, f.Filename)
			}
			if p.Next != nil {
				cursor = *p.Next
			}
		}
		for i, name := range names {
			if want := fmt.Sprintf("%02d.mp4", n-1-i); name != want {
				t.Errorf("with %q file %d of the list is %s, want %s", query, i, name, want)
			}
		}
	}
}

func TestAListLeavesTheWorkOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f := w.file("anna", library.Ready)
	if body := w.do("GET", "/files/"+f.ID, w.anna, nil).body; !strings.Contains(body, `"work"`) {
		t.Errorf("the file is shown as %s", body)
	}
	if body := w.do("GET", "/files", w.anna, nil).body; strings.Contains(body, `"work"`) || !strings.Contains(body, `"cost_usd":0.0012`) {
		t.Errorf("the list is %s", body)
	}
}

func TestABadPageIsNotAcceptable(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, limit := range []string{"0", "-1", "101", "1.5", "ten", "99999999999999999999", "1%20", "0x10", "%00", "NaN", "1e1"} {
		wantInvalid(t, w.do("GET", "/files?limit="+limit, w.anna, nil), "limit")
	}
	for _, cursor := range []string{"x", "nonsense", "%00", "%F0%9F%8E%AC", strings.Repeat("A", 513), strings.Repeat("A", 512), "..%2f"} {
		wantInvalid(t, w.do("GET", "/files?cursor="+cursor, w.anna, nil), "cursor")
	}
}

func TestDeleteRemovesTheRecordAndBothObjects(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, state := range []library.State{library.AwaitingUpload, library.Queued, library.Converting, library.Ready, library.Failed} {
		f, other := w.file("anna", state), w.file("anna", state)
		for _, id := range []string{f.ID, other.ID} {
			for bucket, key := range map[interface{ Len() int }]string{w.uploads: transfer.VideoKey(id), w.results: transfer.MP3Key(id)} {
				put := w.uploads.Put
				if bucket == w.results {
					put = w.results.Put
				}
				if err := put(t.Context(), transfer.Put{Key: key}, []byte("x")); err != nil {
					t.Fatal(err)
				}
			}
		}
		videos, mp3s := w.uploads.Len(), w.results.Len()
		a := w.do("DELETE", "/files/"+f.ID, w.anna, nil)
		wantStatus(t, a, http.StatusNoContent)
		_, video := w.uploads.Object(transfer.VideoKey(f.ID))
		_, mp3 := w.results.Object(transfer.MP3Key(f.ID))
		if a.body != "" || video || mp3 || w.uploads.Len() != videos-1 || w.results.Len() != mp3s-1 {
			t.Errorf("of the file that was %s there is left: video %v, MP3 %v; body %q", state, video, mp3, a.body)
		}
		wantProblem(t, w.do("DELETE", "/files/"+f.ID, w.anna, nil), http.StatusNotFound, problem.NotFound)
		wantProblem(t, w.do("GET", "/files/"+f.ID, w.anna, nil), http.StatusNotFound, problem.NotFound)
		wantStatus(t, w.do("GET", "/files/"+other.ID, w.anna, nil), http.StatusOK)
	}
}

func TestDeleteLeavesOthersObjectsAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f := w.file("anna", library.Ready)
	if err := w.results.Put(t.Context(), transfer.Put{Key: transfer.MP3Key(f.ID)}, []byte("x")); err != nil {
		t.Fatal(err)
	}
	wantProblem(t, w.do("DELETE", "/files/"+f.ID, w.bert, nil), http.StatusNotFound, problem.NotFound)
	if w.results.Len() != 1 {
		t.Error("somebody else's MP3 was deleted")
	}
}

func TestDeleteTriesBothBucketsAndSaysWhenOneIsBroken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f := w.file("anna", library.Ready)
	if err := w.results.Put(t.Context(), transfer.Put{Key: transfer.MP3Key(f.ID)}, []byte("x")); err != nil {
		t.Fatal(err)
	}
	w.uploads.Break(errors.New("storage is on fire"))
	wantProblem(t, w.do("DELETE", "/files/"+f.ID, w.anna, nil), http.StatusInternalServerError, problem.Internal)
	if w.results.Len() != 0 {
		t.Error("the MP3 is still there")
	}
	w.uploads.Break(nil)
	wantStatus(t, w.do("DELETE", "/files/"+f.ID, w.anna, nil), http.StatusNoContent) // the call can be repeated
	wantProblem(t, w.do("GET", "/files/"+f.ID, w.anna, nil), http.StatusNotFound, problem.NotFound)
}
