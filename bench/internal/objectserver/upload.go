package objectserver

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path"
	"strconv"
)

const (
	// maxParts is S3's limit.
	maxParts = 10_000
	// maxManifest bounds the list of parts that completes an upload.
	maxManifest = 4 << 20
)

// upload is a multipart upload under way; its bucket's lock guards it. Its parts are files of a folder of its own.
type upload struct {
	key, dir string
	etags    map[int]string
}

// store writes the request's body into a file and returns its ETag.
func (s *Server) store(r *http.Request, b *bucket, name string) (etag string, err error) {
	if err := s.puts.MkdirAll(path.Dir(name), 0o755); err != nil {
		return "", err
	}
	f, err := s.puts.Create(name)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	n, err := newWire(&b.up, s.link.Connection).receive(r.Context(), f, payload(r))
	b.received.Add(n)
	if err != nil {
		return "", fmt.Errorf("receive body: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	return etagOf(info), nil
}

func (s *Server) put(w http.ResponseWriter, r *http.Request, b *bucket, key string) {
	part := b.name + "/.put/" + strconv.Itoa(b.number())
	etag, err := s.store(r, b, part)
	if err == nil {
		err = s.rename(part, b.name+"/"+key)
	}
	if err != nil {
		s.broken(w, r, err)
		return
	}
	w.Header().Set("ETag", etag)
	w.WriteHeader(http.StatusOK)
}

// rename makes a whole object visible.
func (s *Server) rename(from, to string) error {
	if err := s.puts.MkdirAll(path.Dir(to), 0o755); err != nil {
		return err
	}
	return s.puts.Rename(from, to)
}

func (b *bucket) number() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.last++
	return b.last
}

func (s *Server) createUpload(w http.ResponseWriter, r *http.Request, b *bucket, key string) {
	id := strconv.Itoa(b.number())
	b.mu.Lock()
	b.uploads[id] = &upload{key: key, dir: b.name + "/.uploads/" + id, etags: map[int]string{}}
	b.mu.Unlock()
	answer(w, r, http.StatusOK, struct {
		XMLName     xml.Name `xml:"InitiateMultipartUploadResult"`
		Bucket, Key string
		UploadID    string `xml:"UploadId"`
	}{Bucket: b.name, Key: key, UploadID: id})
}

// find answers that there is no such upload when there is none.
func (s *Server) find(w http.ResponseWriter, r *http.Request, b *bucket, id string) *upload {
	b.mu.Lock()
	defer b.mu.Unlock()
	u := b.uploads[id]
	if u == nil {
		refuse(w, r, http.StatusNotFound, "NoSuchUpload", id)
	}
	return u
}

func (s *Server) putPart(w http.ResponseWriter, r *http.Request, b *bucket, id, part string) {
	u := s.find(w, r, b, id)
	if u == nil {
		return
	}
	number, err := strconv.Atoi(part)
	if err != nil || number < 1 || number > maxParts {
		refuse(w, r, http.StatusBadRequest, "InvalidArgument", "partNumber "+part)
		return
	}
	etag, err := s.store(r, b, u.part(number))
	if err != nil {
		s.broken(w, r, err)
		return
	}
	b.mu.Lock()
	u.etags[number] = etag
	b.mu.Unlock()
	w.Header().Set("ETag", etag)
	w.WriteHeader(http.StatusOK)
}

func (u *upload) part(number int) string { return u.dir + "/" + strconv.Itoa(number) }

// manifest is what completes an upload.
type manifest struct {
	Parts []struct {
		PartNumber int
		ETag       string
	} `xml:"Part"`
}

func (s *Server) completeUpload(w http.ResponseWriter, r *http.Request, b *bucket, id string) {
	u := s.find(w, r, b, id)
	if u == nil {
		return
	}
	var m manifest
	if err := xml.NewDecoder(io.LimitReader(r.Body, maxManifest)).Decode(&m); err != nil || len(m.Parts) == 0 {
		refuse(w, r, http.StatusBadRequest, "MalformedXML", fmt.Sprint(err))
		return
	}
	b.mu.Lock()
	for i, p := range m.Parts {
		if u.etags[p.PartNumber] != p.ETag || i > 0 && p.PartNumber <= m.Parts[i-1].PartNumber {
			b.mu.Unlock()
			refuse(w, r, http.StatusBadRequest, "InvalidPart", strconv.Itoa(p.PartNumber))
			return
		}
	}
	delete(b.uploads, id)
	b.mu.Unlock()
	etag, err := s.join(b, u, m)
	if err != nil {
		s.broken(w, r, err)
		return
	}
	answer(w, r, http.StatusOK, struct {
		XMLName           xml.Name `xml:"CompleteMultipartUploadResult"`
		Bucket, Key, ETag string
	}{Bucket: b.name, Key: u.key, ETag: etag})
}

// join appends the other parts to the first, which becomes the object.
func (s *Server) join(b *bucket, u *upload, m manifest) (etag string, err error) {
	whole, err := s.puts.OpenFile(u.part(m.Parts[0].PartNumber), os.O_WRONLY, 0)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, whole.Close()) }()
	if _, err := whole.Seek(0, io.SeekEnd); err != nil {
		return "", err
	}
	for _, p := range m.Parts[1:] {
		if err := s.appendPart(whole, u.part(p.PartNumber)); err != nil {
			return "", err
		}
	}
	info, err := whole.Stat()
	if err != nil {
		return "", err
	}
	if err := s.rename(u.part(m.Parts[0].PartNumber), b.name+"/"+u.key); err != nil {
		return "", err
	}
	return etagOf(info), s.puts.RemoveAll(u.dir)
}

func (s *Server) appendPart(whole *os.File, name string) error {
	part, err := s.puts.Open(name)
	if err != nil {
		return err
	}
	defer part.Close()
	_, err = io.Copy(whole, part) // by the kernel
	return err
}

func (s *Server) abortUpload(w http.ResponseWriter, r *http.Request, b *bucket, id string) {
	u := s.find(w, r, b, id)
	if u == nil {
		return
	}
	b.mu.Lock()
	delete(b.uploads, id)
	b.mu.Unlock()
	if err := s.puts.RemoveAll(u.dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.broken(w, r, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
