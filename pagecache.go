package rollcall

import (
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
	size   int64 // of young
	// A page is in one of them, or in both when it was asked for lately.
	young, previous map[pageKey]*page
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
	userID    string
	body      []byte
	acts      uint64 // the user's words when it was read
	touches   uint64
	everybody uint64
	since     time.Time // when it was read: a clock that was set back makes sessions live again
	until     time.Time // the first of its sessions is over
}

const seenPages = 1 << 16

func (p *pageCache) init(size int64) {
	p.budget, p.seen = size/2, make([]atomic.Uint32, seenPages)
	p.young, p.previous = map[pageKey]*page{}, map[pageKey]*page{}
}

func (p *pageCache) get(k pageKey) *page {
	p.mu.Lock()
	defer p.mu.Unlock()
	if found, ok := p.young[k]; ok {
		return found
	}
	found, ok := p.previous[k]
	if ok {
		p.add(k, found)
	}
	return found
}

// add makes room by dropping what was not asked for since the last time.
func (p *pageCache) add(k pageKey, added *page) {
	if old, ok := p.young[k]; ok {
		p.size -= int64(len(old.body))
	}
	if p.size += int64(len(added.body)); p.size > p.budget {
		p.young, p.previous, p.size = map[pageKey]*page{}, p.young, int64(len(added.body))
	}
	p.young[k] = added
}

func (p *pageCache) put(k pageKey, added *page) {
	if !p.seenBefore(k) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.add(k, added)
}

func (p *pageCache) seenBefore(k pageKey) bool {
	mark := uint32(k.user>>32) ^ uint32(k.take)<<1
	if k.total {
		mark ^= 1
	}
	return p.seen[k.user%seenPages].Swap(mark) == mark
}

// A pageReading is a page under way: the words as they were before it was read.
type pageReading struct {
	key   pageKey
	fresh page
}

// reading begins to read a page. It returns the page's body when a good one is
// remembered.
func (c *cache) reading(q ListQuery, now time.Time) (r pageReading, body []byte) {
	hash := c.clock.hash(q.UserID)
	r.key = pageKey{user: hash, take: q.Take, total: q.Total}
	r.fresh = page{
		userID: q.UserID, since: now, acts: c.clock.of(hash).Load(), touches: c.clock.touched(hash).Load(), everybody: c.clock.everybody.Load(),
	}
	known := c.pages.get(r.key)
	if known == nil || known.userID != q.UserID || known.acts != r.fresh.acts || known.touches != r.fresh.touches ||
		known.everybody != r.fresh.everybody || now.Before(known.since) || !now.Before(known.until) {
		return r, nil
	}
	return r, known.body
}

// read remembers the page if it is still good.
func (c *cache) read(r pageReading, body []byte, until time.Time) {
	p := r.fresh
	if !quiet(p.acts) || !quiet(p.everybody) ||
		c.clock.of(r.key.user).Load() != p.acts || c.clock.touched(r.key.user).Load() != p.touches || c.clock.everybody.Load() != p.everybody {
		return
	}
	p.body, p.until = body, until
	c.pages.put(r.key, &p)
}
