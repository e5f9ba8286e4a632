package source

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
)

const (
	// pageSize is the unit of the cache: small enough that looking at a file's end costs little.
	pageSize = 64 << 10
	// maxGap is the longest jump, either way, that still counts as going on reading: at common speeds fetching that
	// much in vain costs less than the round trip of a request of its own.
	maxGap = 2 << 20
	// minAhead is the shortest range worth a read-ahead request.
	minAhead = 512 << 10
)

// Reader gives random access to an object by way of ranges. It is safe for concurrent use; read-ahead follows one
// sequential reader at a time.
type Reader struct {
	ranges Ranges
	cfg    Config
	size   int64
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu       sync.Mutex
	pages    map[int64]*page // by index, those being fetched too
	recent   *list.List      // *page, complete ones only, most recently used first
	spare    [][]byte
	next     int64 // where a sequential reader reads next
	run      int64 // bytes gone on reading up to there since the last jump
	ahead    int64 // read-ahead is under way up to there
	fetching int   // read-ahead requests
	bytes    int64
	requests int64
}

// page is pageSize bytes of the object, fewer at its end.
type page struct {
	index int64
	data  []byte
	ready chan struct{} // closed once data or err is there
	err   error
	entry *list.Element
}

// NewReader returns a Reader of the whole object. The context governs everything that the Reader fetches; the caller
// must Close it.
func NewReader(ctx context.Context, ranges Ranges, cfg Config) *Reader {
	ctx, cancel := context.WithCancel(ctx)
	return &Reader{
		ranges: ranges,
		cfg:    cfg.withDefaults(),
		size:   ranges.Size(),
		ctx:    ctx,
		cancel: cancel,
		pages:  make(map[int64]*page),
		recent: list.New(),
	}
}

// Size is the object's length in bytes.
func (r *Reader) Size() int64 { return r.size }

// Stats says how many bytes have come from the object so far, and in how many requests, retries included.
func (r *Reader) Stats() (bytes, requests int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.bytes, r.requests
}

// Close ends all fetching, waits for it, and lets go of the memory. Reads after it fail.
func (r *Reader) Close() {
	r.cancel()
	r.wg.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(r.pages)
	r.recent.Init()
	r.spare = nil
}

// ReadAt implements io.ReaderAt.
func (r *Reader) ReadAt(p []byte, offset int64) (int, error) {
	return r.ReadAtContext(r.ctx, p, offset)
}

// ReadAtContext is ReadAt, except that it also returns when ctx ends; what is being fetched then goes on.
func (r *Reader) ReadAtContext(ctx context.Context, p []byte, offset int64) (int, error) {
	if offset < 0 {
		return 0, errors.New("read source: negative offset")
	}
	if offset >= r.size {
		return 0, io.EOF
	}
	end := min(offset+int64(len(p)), r.size)
	done := offset
	for done < end {
		// In pieces, so that what one read waits for never fills the cache.
		wanted, err := r.want(done, min(end, done+r.cfg.Budget/4), done == offset)
		if err != nil {
			return int(done - offset), err
		}
		for _, pg := range wanted {
			select {
			case <-pg.ready:
			case <-ctx.Done():
				return int(done - offset), fmt.Errorf("read source at %d: %w", done, context.Cause(ctx))
			}
			n, ok := r.copyPage(p[done-offset:end-offset], pg, done)
			done += int64(n)
			if pg.err != nil {
				return int(done - offset), fmt.Errorf("read source at %d: %w", done, pg.err)
			}
			if !ok {
				break // evicted between arriving and being read: ask again
			}
		}
	}
	if done-offset < int64(len(p)) {
		return int(done - offset), io.EOF
	}
	return len(p), nil
}

// want returns the pages of [offset, end), having seen to it that all of them are there or on their way. The first
// look of a read also tells the read-ahead where the reader is.
func (r *Reader) want(offset, end int64, first bool) ([]*page, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := context.Cause(r.ctx); err != nil {
		return nil, fmt.Errorf("read source at %d: %w", offset, err)
	}
	if first {
		r.note(offset, end)
	}
	lo, hi := offset/pageSize, (end-1)/pageSize
	for i := lo; i <= hi; i++ { // first, so that room is not made among these
		if pg := r.pages[i]; pg != nil && pg.entry != nil {
			r.recent.MoveToFront(pg.entry)
		}
	}
	r.fetchMissing(lo, hi, false)
	pages := make([]*page, 0, hi-lo+1)
	for i := lo; i <= hi; i++ {
		pages = append(pages, r.pages[i])
	}
	r.readAhead()
	return pages, nil
}

// note follows the access pattern: going on near where the last read ended, or jumping elsewhere.
func (r *Reader) note(offset, end int64) {
	jump := offset - r.next
	if r.next > 0 && -maxGap <= jump && jump <= maxGap {
		r.run += max(0, end-r.next)
		r.next = max(r.next, end)
		return
	}
	r.run = 0
	r.next = end
	r.ahead = end
}

// readAhead keeps requests running in front of a sequential reader. How far grows with how long the reader has been
// sequential, so that looking at a header fetches little more than the header.
func (r *Reader) readAhead() {
	if r.run < minAhead {
		return
	}
	window := min(4*r.run, int64(r.cfg.Parallel)*r.cfg.Block, r.cfg.Budget/2)
	step := min(max(window/int64(r.cfg.Parallel), minAhead), r.cfg.Block)
	r.ahead = max(r.ahead, r.next)
	target := min(r.next+window, r.size)
	for r.fetching < r.cfg.Parallel && r.ahead < target {
		if target-r.ahead < step && target < r.size {
			return
		}
		stop := min(r.ahead+step, target)
		r.fetchMissing(r.ahead/pageSize, (stop-1)/pageSize, true)
		r.ahead = stop
	}
}

// copyPage copies what p wants of pg, whose bytes are there; not ok when they have been evicted meanwhile.
func (r *Reader) copyPage(p []byte, pg *page, offset int64) (n int, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if pg.err != nil || pg.entry == nil {
		return 0, false
	}
	return copy(p, pg.data[offset-pg.index*pageSize:]), true
}

// evict makes room for n more pages among those least recently used.
func (r *Reader) evict(n int64) {
	budget := r.cfg.Budget / pageSize
	for int64(len(r.pages))+n > budget && r.recent.Len() > 0 {
		pg := r.recent.Remove(r.recent.Back()).(*page)
		delete(r.pages, pg.index)
		r.spare = append(r.spare, pg.data[:pageSize])
		pg.entry, pg.data = nil, nil
	}
}

func (r *Reader) newPage(index int64) *page {
	pg := &page{index: index, ready: make(chan struct{})}
	if last := len(r.spare) - 1; last >= 0 {
		pg.data, r.spare = r.spare[last], r.spare[:last]
	} else {
		pg.data = make([]byte, pageSize)
	}
	pg.data = pg.data[:min(pageSize, r.size-index*pageSize)]
	return pg
}
