package source

import "container/list"

// pageSize is the unit of the cache: small enough that looking at a file's end costs little.
const pageSize = 64 << 10

// page is pageSize bytes of the object, fewer at its end.
type page struct {
	index int64
	data  []byte
	ready chan struct{} // closed once data or err is there
	err   error
	users int // reads that wait for it or copy from it: it is not to be evicted
	list  *list.List
	entry *list.Element
}

// pageRange is one range on its way: pages that follow each other, filled in order. It is a sink.
type pageRange struct {
	reader *Reader
	pages  []*page
	filled int // of the first page
	ahead  bool
	jumps  int // the reader's, when it was asked for
}

func (f *pageRange) space(int64) []byte { return f.pages[0].data[f.filled:] }

// took counts n bytes and hands the page to its readers when they complete it.
func (f *pageRange) took(n int) {
	pg, r := f.pages[0], f.reader
	f.filled += n
	r.mu.Lock()
	defer r.mu.Unlock()
	r.inFlight -= int64(n)
	if f.filled < len(pg.data) {
		return
	}
	f.pages, f.filled = f.pages[1:], 0
	switch {
	case !f.ahead || pg.users > 0:
		pg.keep(r.recent, r.recent.PushFront(pg))
	case f.jumps == r.jumps:
		pg.keep(r.fresh, r.fresh.PushFront(pg))
	default:
		pg.keep(r.recent, r.recent.PushBack(pg))
	}
	close(pg.ready)
	r.madeRoom()
}

func (pg *page) keep(l *list.List, entry *list.Element) { pg.list, pg.entry = l, entry }

// hold takes the pages from lo to hi that are there or on their way, and has those fetched that are not. It stops short
// when there is no room for more. The caller holds the lock, as in all of the following.
func (r *Reader) hold(lo, hi int64) []*page {
	var held []*page
	for i := lo; i <= hi; {
		if pg := r.pages[i]; pg != nil {
			pg.users++
			if pg.entry != nil {
				pg.list.Remove(pg.entry)
				pg.keep(r.recent, r.recent.PushFront(pg))
			}
			held = append(held, pg)
			i++
			continue
		}
		n := r.makeRoom(r.missing(i, hi), true)
		if n == 0 {
			break
		}
		r.start(i, n, false)
	}
	return held
}

// release lets go of pages that hold gave.
func (r *Reader) release(pages []*page) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, pg := range pages {
		pg.users--
	}
	r.madeRoom()
}

// madeRoom wakes those who wait for room.
func (r *Reader) madeRoom() {
	if r.room != nil {
		close(r.room)
		r.room = nil
	}
}

// fetchAhead has those of the pages from lo to hi fetched that are not there, and says whether there was room for it.
func (r *Reader) fetchAhead(lo, hi int64) bool {
	for i := lo; i <= hi; i++ {
		if n := r.missing(i, hi); n > 0 {
			if r.makeRoom(n, false) < n {
				return false
			}
			r.start(i, n, true)
			i += n - 1
		}
	}
	return true
}

// missing says how many pages from lo on are neither there nor on their way: up to hi, and up to a block.
func (r *Reader) missing(lo, hi int64) (n int64) {
	hi = min(hi, lo+max(r.cfg.Block/pageSize, 1)-1)
	for lo+n <= hi && r.pages[lo+n] == nil {
		n++
	}
	return n
}

// start has n pages fetched, for which there is room.
func (r *Reader) start(first, n int64, ahead bool) {
	offset, end := first*pageSize, min((first+n)*pageSize, r.size)
	f := &pageRange{reader: r, pages: make([]*page, n), ahead: ahead, jumps: r.jumps}
	for i := range n {
		pg := r.newPage(first + i)
		r.pages[pg.index] = pg
		f.pages[i] = pg
	}
	r.running++
	r.inFlight += end - offset
	r.wg.Go(func() {
		err := r.fetch(r.ctx, offset, end, f)
		r.mu.Lock()
		defer r.mu.Unlock()
		r.running--
		r.inFlight += int64(f.filled)
		for _, pg := range f.pages { // those that did not come, for this error
			r.inFlight -= int64(len(pg.data))
			delete(r.pages, pg.index)
			pg.data, pg.err = nil, err
			close(pg.ready)
		}
		r.madeRoom()
		if err == nil {
			r.readAhead()
		}
	})
}

// makeRoom evicts pages for n new ones and says how many there is room for. What was read ahead is evicted for somebody
// who waits, but not for more read-ahead.
func (r *Reader) makeRoom(n int64, forReader bool) int64 {
	free := r.cfg.Budget/pageSize - int64(len(r.pages))
	for e := r.recent.Back(); e != nil && free < n; {
		older := e
		e = e.Prev()
		free += r.evict(older)
	}
	for e := r.fresh.Front(); e != nil && free < n && forReader; {
		farther := e
		e = e.Next()
		free += r.evict(farther)
	}
	return min(free, n)
}

// evict says how many pages that freed.
func (r *Reader) evict(e *list.Element) int64 {
	pg := e.Value.(*page)
	if pg.users > 0 {
		return 0
	}
	pg.list.Remove(e)
	delete(r.pages, pg.index)
	r.spare = append(r.spare, pg.data[:pageSize])
	return 1
}

// forgetFresh gives up what was read ahead for a reader that has gone elsewhere: it is evicted first.
func (r *Reader) forgetFresh() {
	for e := r.fresh.Front(); e != nil; e = r.fresh.Front() {
		pg := r.fresh.Remove(e).(*page)
		pg.keep(r.recent, r.recent.PushBack(pg))
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
