package transfertest

import (
	"bytes"
	"crypto/rand"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"mp3converter/shared/transfer"
)

// emptySum is the SHA-256 of no bytes, in hex and as S3 writes it.
const (
	emptySum   = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	emptySumS3 = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
)

// Contract holds a Store to what transfer.Uploads and transfer.Downloads promise. The store may be shared with others:
// only keys made up here are touched. open is called once for each part.
func Contract(t *testing.T, open func(t *testing.T) Store) {
	for name, part := range map[string]func(*testing.T, Store){
		"what was put is there, whole, until it is deleted": putGetDelete,
		"an object that is too large is an error":           tooLarge,
		"what is not there cannot be got but deleted":       absent,
		"a presigned PUT enforces what was announced":       presignPut,
		"a presigned GET tells the name":                    presignGet,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			part(t, open(t))
		})
	}
}

func newKey() string { return strings.ToLower(rand.Text()) }

func putGetDelete(t *testing.T, s Store) {
	key := newKey()
	for _, body := range []string{"first", "", "second, over the first \x00\xff"} {
		p := transfer.Put{Key: key, Size: int64(len(body)), ContentType: "video/mp4"}
		if err := s.Put(t.Context(), p, []byte(body)); err != nil {
			t.Fatalf("Put: %v", err)
		}
		if got, err := s.Get(t.Context(), key, 100); err != nil || string(got) != body {
			t.Errorf("Get gives %q (%v), want %q", got, err, body)
		}
	}
	if err := s.Delete(t.Context(), key); err != nil {
		t.Errorf("Delete: %v", err)
	}
	if got, err := s.Get(t.Context(), key, 100); err == nil {
		t.Errorf("what was deleted is still there: %q", got)
	}
}

func tooLarge(t *testing.T, s Store) {
	key, body := newKey(), bytes.Repeat([]byte("x"), 1000)
	if err := s.Put(t.Context(), transfer.Put{Key: key, Size: 1000}, body); err != nil {
		t.Fatalf("Put: %v", err)
	}
	if got, err := s.Get(t.Context(), key, 999); err == nil {
		t.Errorf("Get with a limit of 999 gives %d bytes", len(got))
	}
	if got, err := s.Get(t.Context(), key, 1000); err != nil || !bytes.Equal(got, body) {
		t.Errorf("Get with a limit of 1000 gives %d bytes (%v)", len(got), err)
	}
	if err := s.Delete(t.Context(), key); err != nil {
		t.Errorf("Delete: %v", err)
	}
}

func absent(t *testing.T, s Store) {
	key := newKey()
	if got, err := s.Get(t.Context(), key, 100); err == nil {
		t.Errorf("Get gives %q", got)
	}
	if err := s.Delete(t.Context(), key); err != nil {
		t.Errorf("Delete: %v", err)
	}
}

func presignPut(t *testing.T, s Store) {
	for name, c := range map[string]struct {
		put  transfer.Put
		want map[string]string
	}{
		"the size alone": {transfer.Put{Size: 5 << 30}, map[string]string{"Content-Length": "5368709120"}},
		"size and type": {transfer.Put{Size: 1, ContentType: "video/mp4"}, map[string]string{
			"Content-Length": "1", "Content-Type": "video/mp4",
		}},
		"everything": {transfer.Put{Size: 7, ContentType: "video/x-matroska", SHA256: emptySum}, map[string]string{
			"Content-Length": "7", "Content-Type": "video/x-matroska", "X-Amz-Checksum-Sha256": emptySumS3,
		}},
	} {
		c.put.Key = newKey()
		p, err := s.PresignPut(t.Context(), c.put, time.Hour)
		if err != nil {
			t.Fatalf("PresignPut: %v", err)
		}
		if p.Method != http.MethodPut || !reflect.DeepEqual(p.Headers, c.want) {
			t.Errorf("%s: %s with %v, want PUT with %v", name, p.Method, p.Headers, c.want)
		}
		wantPresigned(t, p.URL, c.put.Key, "3600")
	}
	if p, err := s.PresignPut(t.Context(), transfer.Put{Key: newKey(), Size: 1, SHA256: "no hex"}, time.Hour); err == nil {
		t.Errorf("a checksum that is none is presigned: %v", p)
	}
}

func presignGet(t *testing.T, s Store) {
	key := newKey() + ".mp3"
	link, err := s.PresignGet(t.Context(), key, `ünï "q".mp3`, 15*time.Minute)
	if err != nil {
		t.Fatalf("PresignGet: %v", err)
	}
	query := wantPresigned(t, link, key, "900")
	if got, want := query.Get("response-content-disposition"), transfer.Disposition(`ünï "q".mp3`); got != want {
		t.Errorf("the link says %q, want %q", got, want)
	}
}

func wantPresigned(t *testing.T, link, key, expires string) url.Values {
	t.Helper()
	u, err := url.Parse(link)
	if err != nil || u.Host == "" || !strings.HasSuffix(u.Path, "/"+key) {
		t.Fatalf("the link %q does not lead to %s (%v)", link, key, err)
	}
	if u.Query().Get("X-Amz-Expires") != expires || u.Query().Get("X-Amz-Signature") == "" {
		t.Errorf("the link %q is not signed for %s seconds", link, expires)
	}
	return u.Query()
}
