package rollcall

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// A pageCache remembers pages as a door has spelled them. A page is good while no
// act and no touch of its user, and no ending of everybody, came since it was read,
// and no session that it counts has come to its end by itself, and none has come
// back from it.
type pageCache struct {
	mu     sync.Mutex
	budget int64
	size   int64 // of all bodies
	pages  map[pageKey]*page
	// queue has the pages in the order in which they are to go: who was asked for
	// meanwhile goes to its end once more.
	queue []*page
	head  int
	// seen remembers what was asked for once: only what is asked for again is worth
	// its room.
	seen []atomic.Uint32
}

type pageKey struct {
	user  uint64 // its hash
	take  int
	total bool
}

type page struct {
	key       pageKey
	userID    string
	body      []byte
	acts      uint64 // the user's words when it was read
	touches   uint64
	everybody uint64
	since     time.Time // when it was read: a clock that was set back makes sessions live again
	until     time.Time // the first of its sessions is over
	asked     bool      // since it was last at the queue's end
}

const seenPages = 1 << 16

func (p *pageCache) init(size int64) {
	p.budget, p.seen, p.pages = size, make([]atomic.Uint32, seenPages), map[pageKey]*page{}
}

func (p *pageCache) get(k pageKey) (page, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	found, ok := p.pages[k]
	if !ok {
		return page{}, false
	}
	found.asked = true
	return *found, true
}

// admits reports whether a page of the key and so many bytes is worth remembering: one
// that is there already, or that there is room for. Else the next one of the queue has
// to go: a page that was asked for stays, and is the last one now, and the new page is
// not worth it this time. So a load that is far too large for the cache does not turn
// it over.
func (p *pageCache) admits(k pageKey, size int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, ok := p.pages[k]; ok {
		return true
	}
	for p.size+int64(size) > p.budget {
		if len(p.pages) == 0 || p.turn() {
			return false
		}
	}
	return true
}

// put remembers a page, in the place of an older one of the same key.
func (p *pageCache) put(added page) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if old, ok := p.pages[added.key]; ok {
		p.size += int64(cap(added.body) - cap(old.body))
		*old = added
	} else {
		p.size += int64(cap(added.body))
		p.pages[added.key] = &added
		p.queue = append(p.queue, &added)
	}
	for p.size > p.budget {
		p.turn()
	}
}

// turn takes the next page of the queue, and drops it unless it was asked for.
func (p *pageCache) turn() (stays bool) {
	next := p.queue[p.head]
	p.queue[p.head] = nil
	if p.head++; p.head > len(p.queue)/2 {
		p.queue, p.head = slices.Delete(p.queue, 0, p.head), 0
	}
	if next.asked {
		next.asked = false
		p.queue = append(p.queue, next)
		return true
	}
	p.size -= int64(cap(next.body))
	delete(p.pages, next.key)
	return false
}

func (p *pageCache) seenBefore(k pageKey) bool {
	mark := uint32(k.user>>32) ^ uint32(k.take)<<1
	if k.total {
		mark ^= 1
	}
	return p.seen[k.user%seenPages].Swap(mark) == mark
}

// reading begins to read a page: it returns what there is to say of it beforehand, or
// its body when a good one is remembered.
func (c *cache) reading(q ListQuery, now time.Time) (fresh page, body []byte) {
	hash := c.clock.hash(q.UserID)
	fresh = page{
		key: pageKey{user: hash, take: q.Take, total: q.Total}, userID: q.UserID, since: now,
		acts: c.clock.of(hash).Load(), touches: c.clock.touched(hash).Load(), everybody: c.clock.everybody.Load(),
	}
	known, ok := c.pages.get(fresh.key)
	if !ok || known.userID != q.UserID || known.acts != fresh.acts || known.touches != fresh.touches ||
		known.everybody != fresh.everybody || now.Before(known.since) || !now.Before(known.until) {
		return fresh, nil
	}
	return fresh, known.body
}

// read remembers a copy of the page's body if it is still good, and asked for again.
func (c *cache) read(fresh page, body []byte, until time.Time) {
	hash := fresh.key.user
	if !quiet(fresh.acts) || !quiet(fresh.everybody) ||
		c.clock.of(hash).Load() != fresh.acts || c.clock.touched(hash).Load() != fresh.touches || c.clock.everybody.Load() != fresh.everybody ||
		!c.pages.seenBefore(fresh.key) || !c.pages.admits(fresh.key, len(body)) {
		return
	}
	fresh.body, fresh.until = slices.Clone(body), until
	c.pages.put(fresh)
}
