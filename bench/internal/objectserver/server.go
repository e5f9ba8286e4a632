// Package objectserver is an object store behind a network of known speed, for measuring: as much of the S3 protocol as
// an SDK's client and transfer manager use (HEAD, GET by ranges, PUT, multipart uploads; path style; no signatures
// looked at), a latency before every answer, a limit of bytes a second for each connection and for each job, and exact
// counts of what each job asked for.
//
// A job is a bucket: the server makes one at the first request that names it. Every bucket has the objects of one
// folder of this machine, read-only, and what is put into it. Bytes go from the page cache to the connection without
// passing through this process, so that it takes little from the programs it is there to measure. It is meant for
// loopback and trusts its clients.
package objectserver

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Counters are what a job has asked for.
type Counters struct {
	// Reads are GET and HEAD requests; Writes are PUT, POST and the like, which cost more. Aborts are free.
	Reads, Writes int64
	// Down and Up are bytes of objects sent and received, without headers.
	Down, Up int64
}

// controlPath is where counts are read and buckets removed: no bucket can have that name.
const controlPath = "/-/"

// Server is the store. It is safe for concurrent use.
type Server struct {
	objects, puts *os.Root
	link          Link
	log           *slog.Logger

	mu      sync.Mutex
	buckets map[string]*bucket
}

type bucket struct {
	name     string
	down, up pacer

	reads, writes, sent, received atomic.Int64

	mu      sync.Mutex
	uploads map[string]*upload
	last    int // number of the last upload
}

// New returns a store with the objects of one folder, which keeps what it is sent in the other.
func New(objects, puts string, link Link, log *slog.Logger) (*Server, error) {
	from, err := os.OpenRoot(objects)
	if err != nil {
		return nil, fmt.Errorf("open objects: %w", err)
	}
	to, err := os.OpenRoot(puts)
	if err != nil {
		return nil, fmt.Errorf("open store: %w", errors.Join(err, from.Close()))
	}
	return &Server{objects: from, puts: to, link: link, log: log, buckets: map[string]*bucket{}}, nil
}

func (s *Server) bucket(name string) *bucket {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.buckets[name]
	if b == nil {
		b = &bucket{name: name, uploads: map[string]*upload{}}
		b.down.rate, b.up.rate = float64(s.link.Job), float64(s.link.Job)
		s.buckets[name] = b
	}
	return b
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if name, ok := strings.CutPrefix(r.URL.Path, controlPath); ok {
		s.control(w, r, name)
		return
	}
	name, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if !fs.ValidPath(name) || !fs.ValidPath(key) || key == "." || strings.HasPrefix(name, ".") {
		refuse(w, r, http.StatusBadRequest, "InvalidURI", "path style with a bucket and a key is needed")
		return
	}
	b := s.bucket(name)
	if err := sleep(r.Context(), s.link.Latency); err != nil {
		return // the client is gone
	}
	query := r.URL.Query()
	switch {
	case r.Method == http.MethodGet || r.Method == http.MethodHead:
		b.reads.Add(1)
		s.get(w, r, b, key)
		return
	case r.Method != http.MethodDelete:
		b.writes.Add(1)
	}
	switch {
	case r.Method == http.MethodPut && query.Has("uploadId"):
		s.putPart(w, r, b, query.Get("uploadId"), query.Get("partNumber"))
	case r.Method == http.MethodPut:
		s.put(w, r, b, key)
	case r.Method == http.MethodPost && query.Has("uploads"):
		s.createUpload(w, r, b, key)
	case r.Method == http.MethodPost && query.Has("uploadId"):
		s.completeUpload(w, r, b, query.Get("uploadId"))
	case r.Method == http.MethodDelete && query.Has("uploadId"):
		s.abortUpload(w, r, b, query.Get("uploadId"))
	default:
		refuse(w, r, http.StatusNotImplemented, "NotImplemented", r.Method+" "+r.URL.RequestURI())
	}
}

// control answers the one who measures: GET gives the bucket's counters, DELETE removes it. Neither takes time or is
// counted.
func (s *Server) control(w http.ResponseWriter, r *http.Request, name string) {
	if !fs.ValidPath(name) || strings.Contains(name, "/") || strings.HasPrefix(name, ".") {
		http.Error(w, "no such bucket", http.StatusNotFound)
		return
	}
	switch r.Method {
	case http.MethodGet:
		b := s.bucket(name)
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(Counters{ // the client is gone
			Reads: b.reads.Load(), Writes: b.writes.Load(), Down: b.sent.Load(), Up: b.received.Load(),
		})
	case http.MethodDelete:
		s.mu.Lock()
		delete(s.buckets, name)
		s.mu.Unlock()
		if err := s.puts.RemoveAll(name); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	default:
		http.Error(w, "GET or DELETE", http.StatusMethodNotAllowed)
	}
}

// open finds an object among those put into the bucket, and else among those that every bucket has.
func (s *Server) open(b *bucket, key string) (*os.File, os.FileInfo, error) {
	f, err := s.puts.Open(b.name + "/" + key)
	if errors.Is(err, fs.ErrNotExist) {
		f, err = s.objects.Open(key)
	}
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fs.ErrNotExist
	}
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, info, nil
}

func etagOf(info os.FileInfo) string {
	return fmt.Sprintf(`"%x-%x"`, info.ModTime().UnixNano(), info.Size())
}

func (s *Server) get(w http.ResponseWriter, r *http.Request, b *bucket, key string) {
	f, info, err := s.open(b, key)
	if errors.Is(err, fs.ErrNotExist) {
		refuse(w, r, http.StatusNotFound, "NoSuchKey", key)
		return
	}
	if err != nil {
		s.broken(w, r, err)
		return
	}
	defer f.Close()
	etag := etagOf(info)
	if match := r.Header.Get("If-Match"); match != "" && match != "*" && match != etag {
		refuse(w, r, http.StatusPreconditionFailed, "PreconditionFailed", key)
		return
	}
	from, length, ok := byteRange(r.Header.Get("Range"), info.Size())
	if !ok {
		w.Header().Set("Content-Range", fmt.Sprintf("bytes */%d", info.Size()))
		refuse(w, r, http.StatusRequestedRangeNotSatisfiable, "InvalidRange", r.Header.Get("Range"))
		return
	}
	h := w.Header()
	h.Set("ETag", etag)
	h.Set("Accept-Ranges", "bytes")
	h.Set("Content-Type", "binary/octet-stream")
	h.Set("Last-Modified", info.ModTime().UTC().Format(http.TimeFormat))
	h.Set("Content-Length", strconv.FormatInt(length, 10))
	status := http.StatusOK
	if r.Header.Get("Range") != "" {
		status = http.StatusPartialContent
		h.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, from+length-1, info.Size()))
	}
	w.WriteHeader(status)
	if r.Method == http.MethodHead || length == 0 {
		return
	}
	if _, err := f.Seek(from, io.SeekStart); err != nil {
		s.log.ErrorContext(r.Context(), "seek object", "key", key, "error", err)
		return
	}
	sent, err := newWire(&b.down, s.link.Connection).send(r.Context(), w, f, length)
	b.sent.Add(sent)
	if err != nil && r.Context().Err() == nil {
		s.log.DebugContext(r.Context(), "an answer was not read to its end", "key", key, "sent", sent, "error", err)
	}
}

// byteRange reads a Range header of one range (RFC 9110 §14.1.2); without one it is the whole object.
func byteRange(header string, size int64) (from, length int64, ok bool) {
	if header == "" {
		return 0, size, true
	}
	spec, found := strings.CutPrefix(header, "bytes=")
	first, last, dash := strings.Cut(spec, "-")
	if !found || !dash || strings.Contains(last, ",") {
		return 0, 0, false
	}
	if first == "" {
		n, err := strconv.ParseInt(last, 10, 64)
		if err != nil || n <= 0 || size == 0 {
			return 0, 0, false
		}
		n = min(n, size)
		return size - n, n, true
	}
	from, err := strconv.ParseInt(first, 10, 64)
	if err != nil || from < 0 || from >= size {
		return 0, 0, false
	}
	end := size - 1
	if last != "" {
		if end, err = strconv.ParseInt(last, 10, 64); err != nil || end < from {
			return 0, 0, false
		}
		end = min(end, size-1)
	}
	return from, end - from + 1, true
}

// broken answers that this server, or its disk, failed.
func (s *Server) broken(w http.ResponseWriter, r *http.Request, err error) {
	s.log.ErrorContext(r.Context(), "request failed", "path", r.URL.Path, "error", err)
	refuse(w, r, http.StatusInternalServerError, "InternalError", err.Error())
}

// refuse answers with an error as S3 words it.
func refuse(w http.ResponseWriter, r *http.Request, status int, code, detail string) {
	answer(w, r, status, struct {
		XMLName xml.Name `xml:"Error"`
		Code    string
		Message string
	}{Code: code, Message: detail})
}

func answer(w http.ResponseWriter, r *http.Request, status int, body any) {
	out, err := xml.Marshal(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/xml")
	w.Header().Set("Content-Length", strconv.Itoa(len(xml.Header)+len(out)))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = fmt.Fprint(w, xml.Header, string(out)) // the client is gone
	}
}

// headerTimeout is generous: the machine is kept busy.
const headerTimeout = 30 * time.Second

// HTTP returns the server to be run on a listener.
func (s *Server) HTTP() *http.Server {
	return &http.Server{Handler: s, ReadHeaderTimeout: headerTimeout}
}
