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
	// maxGap is the longest jump, either way, that still counts as going on reading: at common speeds fetching that
	// much in vain costs less than the round trip of a request of its own.
	maxGap = 2 << 20
	// minAhead is the shortest range worth a read-ahead request, and how far a reader goes on before there is any.
	minAhead = 256 << 10
)

// Reader gives random access to an object by way of ranges. It is safe for concurrent use; read-ahead follows one
// sequential reader at a time.
type Reader struct {
	fetcher
	size   int64
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu       sync.Mutex
	pages    map[int64]*page // by index, those being fetched too: never more than the budget
	recent   *list.List      // *page, complete ones that somebody asked for, most recently used first
	fresh    *list.List      // *page, complete ones read ahead and not used yet, most recently come first
	spare    [][]byte
	room     chan struct{} // closed when a page can be evicted or is gone; nil if nobody waits for that
	next     int64         // where a sequential reader reads next
	run      int64         // bytes gone on reading up to there since the last jump
	jumps    int           // so far
	ahead    int64         // read-ahead is under way up to there
	running  int           // requests
	inFlight int64         // bytes asked for and not there yet
}

// NewReader returns a Reader of the whole object. The context governs everything that the Reader fetches; the caller
// must Close it.
func NewReader(ctx context.Context, ranges Ranges, cfg Config) *Reader {
	ctx, cancel := context.WithCancel(ctx)
	return &Reader{
		fetcher: fetcher{ranges: ranges, cfg: cfg.withDefaults()},
		size:    ranges.Size(),
		ctx:     ctx,
		cancel:  cancel,
		pages:   make(map[int64]*page),
		recent:  list.New(),
		fresh:   list.New(),
	}
}

// Size is the object's length in bytes.
func (r *Reader) Size() int64 { return r.size }

// Stats says how many bytes have come from the object so far, and in how many requests, repeated ones included.
func (r *Reader) Stats() (bytes, requests int64) { return r.stats() }

// Close ends all fetching, waits for it, and lets go of the memory. Reads after it fail.
func (r *Reader) Close() {
	r.cancel()
	r.mu.Lock()   // whoever starts a fetch has looked at the context under the lock
	r.mu.Unlock() //nolint:staticcheck // empty on purpose
	r.wg.Wait()
	r.losers.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(r.pages)
	r.recent.Init()
	r.fresh.Init()
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
		wanted, err := r.want(ctx, done, min(end, done+r.cfg.Budget/4), done == offset)
		if err == nil {
			var n int
			n, err = r.collect(ctx, wanted, p[done-offset:end-offset], done)
			done += int64(n)
		}
		if err != nil {
			return int(done - offset), fmt.Errorf("read source at %d: %w", done, err)
		}
	}
	if done-offset < int64(len(p)) {
		return int(done - offset), io.EOF
	}
	return len(p), nil
}

// want returns pages from that of offset on, at least one and none behind end, having seen to it that they are there
// or on their way. They stay until they are released. The first look of a read also tells the read-ahead where the
// reader is.
func (r *Reader) want(ctx context.Context, offset, end int64, first bool) ([]*page, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	lo, hi := offset/pageSize, (end-1)/pageSize
	for {
		if r.ctx.Err() != nil {
			return nil, context.Cause(r.ctx)
		}
		if first {
			r.note(offset, end)
			first = false
		}
		if pages := r.hold(lo, hi); len(pages) > 0 {
			r.readAhead()
			return pages, nil
		}
		if r.room == nil {
			r.room = make(chan struct{})
		}
		room := r.room
		r.mu.Unlock()
		select {
		case <-room:
		case <-ctx.Done():
		}
		r.mu.Lock()
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
	}
}

// collect waits for the pages, copies what p wants of them from offset on, and releases them.
func (r *Reader) collect(ctx context.Context, pages []*page, p []byte, offset int64) (n int, err error) {
	defer r.release(pages)
	for _, pg := range pages {
		select {
		case <-pg.ready:
		case <-ctx.Done():
			return n, context.Cause(ctx)
		}
		if pg.err != nil {
			return n, pg.err
		}
		n += copy(p[n:], pg.data[offset+int64(n)-pg.index*pageSize:])
	}
	return n, nil
}

// note follows the access pattern: going on near where the last read ended, or jumping elsewhere.
func (r *Reader) note(offset, end int64) {
	jump := offset - r.next
	if (r.next > 0 || offset == 0) && -maxGap <= jump && jump <= maxGap {
		r.run += max(0, end-r.next)
		r.next = max(r.next, end)
		return
	}
	r.run = 0
	r.next = end
	r.ahead = end
	r.jumps++
	r.forgetFresh()
}

// readAhead keeps requests running in front of a sequential reader. How far grows with how long the reader has been
// sequential, so that looking at a header fetches little more than the header.
func (r *Reader) readAhead() {
	if r.run < minAhead || r.ctx.Err() != nil {
		return
	}
	window := min(4*r.run, r.cfg.Budget/8*5)
	step := min(max(window/int64(r.cfg.Parallel), minAhead), r.cfg.Block)
	r.ahead = max(r.ahead, r.next)
	target := min(r.next+window, r.size)
	for r.ahead < target && r.running < r.cfg.MaxRequests && r.inFlight < r.cfg.inFlight() {
		stop := min(r.ahead+step, target)
		if stop-r.ahead < step && stop < r.size {
			return
		}
		if !r.fetchAhead(r.ahead/pageSize, (stop-1)/pageSize) {
			return
		}
		r.ahead = stop
	}
}
