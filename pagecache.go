package rollcall

import (
	"cmp"
	"sync"
	"time"
)

// A pageCache remembers pages as a door has spelled them. A page is good while no
// act and no touch of its user, and no ending of everybody, came since it was read,
// and no session that it counts has come to its end by itself, and none has come
// back from it.
//
// Bodies lie side by side in one piece of memory. A hand goes round in it: a page that is
// to be let in takes the place of those that the hand points to, or of none.
type pageCache struct {
	mu     sync.Mutex
	memory []byte
	pages  map[pageKey]*page
	starts []*page // where a page begins, by blocks
	hand   int     // a block where a page begins, or that is free
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

	at, blocks int // where the body lies
	held       int // by how many it is read, or written: so long it stays there
}

const (
	pageBlock   = 1 << 10
	askCounters = 1 << 18
	// askedLately is how many asks for each page that is remembered count as late:
	// enough to tell one that is asked for often from others, and few enough to forget
	// what was so before.
	askedLately  = 8
	leastCounted = 1 << 12
)

func (p *pageCache) init(size int64) {
	p.memory, p.starts = make([]byte, size/pageBlock*pageBlock), make([]*page, size/pageBlock)
	p.asks, p.pages = make([]uint32, askCounters), map[pageKey]*page{}
	adviseHugePages(p.memory)
}

// get returns a page, and counts that it was asked for. Whoever gets one releases it.
func (p *pageCache) get(k pageKey) *page {
	p.mu.Lock()
	defer p.mu.Unlock()
	*p.asked(k)++
	if p.counted++; p.counted > max(leastCounted, askedLately*len(p.pages)) {
		p.counted = 0
		for i := range p.asks {
			p.asks[i] /= 2
		}
	}
	found := p.pages[k]
	if found != nil {
		found.held++
	}
	return found
}

func (p *pageCache) release(held *page) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if held.held--; held.held == 0 && p.pages[held.key] != held {
		p.starts[held.at] = nil
	}
}

func (p *pageCache) asked(k pageKey) *uint32 {
	at := k.user ^ uint64(k.take)<<1
	if k.total {
		at ^= 1
	}
	return &p.asks[at%askCounters]
}

// admit makes room for a page's body, nil if it is not worth it: unless there is one of
// the same key, or it was asked for again while there is room, it has to be asked for more
// than twice as often as what would go for it. So what is asked for often gets in, and a load
// that is far too large does not turn everything over. Whoever is given one publishes it.
func (p *pageCache) admit(k pageKey, size int) *page {
	p.mu.Lock()
	defer p.mu.Unlock()
	blocks := (size + pageBlock - 1) / pageBlock
	if blocks > len(p.starts) {
		return nil
	}
	at, worth := p.hand, int(*p.asked(k))*blocks
	if old := p.pages[k]; old != nil {
		p.drop(old)
		at = old.at
	} else if *p.asked(k) < 2 {
		return nil
	}
	end, ok := p.clear(at, blocks, worth)
	if at == p.hand || ok && at < p.hand && p.hand < end {
		p.hand = end % len(p.starts)
	}
	if !ok {
		return nil
	}
	begin := at * pageBlock
	added := &page{key: k, body: p.memory[begin : begin+size : begin+size], at: at, blocks: blocks, held: 1}
	p.starts[at] = added
	return added
}

// clear drops what lies in so many blocks from one on, if all of it is worth less. It
// returns where the hand goes next.
func (p *pageCache) clear(at, blocks, worth int) (end int, ok bool) {
	end = at
	first := 0 // where the hand goes if it is worth more
	for end < at+blocks {
		if end == len(p.starts) {
			return 0, false
		}
		there := p.starts[end]
		if there == nil {
			end++
		} else {
			end += there.blocks
			often := int(*p.asked(there.key))
			if worth -= 2 * often * there.blocks; worth <= 0 || there.held > 0 {
				return cmp.Or(first, end), false
			}
		}
		first = cmp.Or(first, end)
	}
	for i := at; i < end; i++ {
		if p.starts[i] != nil {
			p.drop(p.starts[i])
		}
	}
	return at + blocks, true
}

// publish lets a page be found that was written, in the place of an older one.
func (p *pageCache) publish(added *page) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if old := p.pages[added.key]; old != nil {
		p.drop(old)
	}
	p.pages[added.key] = added
	added.held--
}

// drop forgets a page. Its place is free when nobody holds it.
func (p *pageCache) drop(gone *page) {
	if p.pages[gone.key] == gone {
		delete(p.pages, gone.key)
	}
	if gone.held == 0 {
		p.starts[gone.at] = nil
	}
}

// reading begins to read a page: it returns what there is to say of it beforehand, or
// a good one that is remembered, which is to be released.
func (c *cache) reading(q ListQuery, now time.Time) (fresh page, known *page) {
	hash := c.clock.hash(q.UserID)
	fresh = page{
		key: pageKey{user: hash, take: q.Take, total: q.Total}, userID: q.UserID, since: now,
		acts: c.clock.of(hash).Load(), touches: c.clock.touched(hash).Load(), everybody: c.clock.everybody.Load(),
	}
	known = c.pages.get(fresh.key)
	if known == nil {
		return fresh, nil
	}
	if known.userID != q.UserID || known.acts != fresh.acts || known.touches != fresh.touches ||
		known.everybody != fresh.everybody || now.Before(known.since) || !now.Before(known.until) {
		c.pages.release(known)
		return fresh, nil
	}
	return fresh, known
}

// read remembers a copy of the page's body if it is still good, and worth it.
func (c *cache) read(fresh page, body []byte, until time.Time) {
	hash := fresh.key.user
	if !quiet(fresh.acts) || !quiet(fresh.everybody) ||
		c.clock.of(hash).Load() != fresh.acts || c.clock.touched(hash).Load() != fresh.touches || c.clock.everybody.Load() != fresh.everybody {
		return
	}
	added := c.pages.admit(fresh.key, len(body))
	if added == nil {
		return
	}
	copy(added.body, body)
	added.userID, added.acts, added.touches, added.everybody = fresh.userID, fresh.acts, fresh.touches, fresh.everybody
	added.since, added.until = fresh.since, until
	c.pages.publish(added)
}
