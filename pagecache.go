package rollcall

import (
	"slices"
	"sync"
	"time"
)

// A pageCache remembers pages as a door has spelled them. A page is good while no
// act and no touch of its user, and no ending of everybody, came since it was read,
// and no session that it counts has come to its end by itself, and none has come
// back from it.
type pageCache struct {
	mu     sync.Mutex
	budget int64
	size   int64 // that all bodies take
	pages  map[pageKey]*page
	// queue has the pages in the order in which they may have to go.
	queue []*page
	head  int
	// asks count how often pages were asked for lately, those that are not here too.
	// They share counters by their hash.
	asks    []uint32
	counted int // since they were last halved
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
}

const (
	askCounters = 1 << 18
	// askedLately is how many asks for each page that is remembered count as late:
	// enough to tell one that is asked for often from others, and few enough to forget
	// what was so before.
	askedLately  = 8
	leastCounted = 1 << 12
)

func (p *pageCache) init(size int64) {
	p.budget, p.asks, p.pages = size, make([]uint32, askCounters), map[pageKey]*page{}
}

// get returns a page, and counts that it was asked for.
func (p *pageCache) get(k pageKey) (page, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	*p.asked(k)++
	if p.counted++; p.counted > max(leastCounted, askedLately*len(p.pages)) {
		p.counted = 0
		for i := range p.asks {
			p.asks[i] /= 2
		}
	}
	found, ok := p.pages[k]
	if !ok {
		return page{}, false
	}
	return *found, true
}

func (p *pageCache) asked(k pageKey) *uint32 {
	at := k.user ^ uint64(k.take)<<1
	if k.total {
		at ^= 1
	}
	return &p.asks[at%askCounters]
}

// admits reports whether a page is worth remembering: one that is there already, or that
// was asked for again while there is room. Else it has to be asked for half as often again
// as the next one of the queue, which otherwise stays, as the last one. So what is asked for
// often gets in, and a load that is far too large for the cache does not turn it over.
func (p *pageCache) admits(k pageKey, body []byte) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	asked := *p.asked(k)
	if _, ok := p.pages[k]; ok {
		return true
	}
	size := taken(body)
	if asked < 2 || size > p.budget {
		return false
	}
	for p.size+size > p.budget {
		next := p.next()
		if often := *p.asked(next.key); asked <= often+often/2 {
			p.queue = append(p.queue, next)
			return false
		}
		p.drop(next)
	}
	return true
}

// put remembers a page, in the place of an older one of the same key.
func (p *pageCache) put(added page) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if old, ok := p.pages[added.key]; ok {
		p.size += taken(added.body) - taken(old.body)
		*old = added
	} else {
		p.size += taken(added.body)
		p.pages[added.key] = &added
		p.queue = append(p.queue, &added)
	}
	for p.size > p.budget {
		p.drop(p.next())
	}
}

// taken is about what a body takes: the allocator rounds up by an eighth at most.
func taken(body []byte) int64 { return int64(len(body) + len(body)/8) }

// next takes the next page out of the queue.
func (p *pageCache) next() *page {
	next := p.queue[p.head]
	p.queue[p.head] = nil
	if p.head++; p.head > len(p.queue)/2 {
		p.queue, p.head = slices.Delete(p.queue, 0, p.head), 0
	}
	return next
}

func (p *pageCache) drop(gone *page) {
	p.size -= taken(gone.body)
	delete(p.pages, gone.key)
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
		!c.pages.admits(fresh.key, body) {
		return
	}
	fresh.body, fresh.until = slices.Clone(body), until
	c.pages.put(fresh)
}
