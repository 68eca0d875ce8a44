package rollcall

import "cmp"

// A pagePool holds the bodies of pages side by side in one piece of memory. A hand goes
// round in it: a page that is let in takes the place of those that the hand points to, or
// of none. Its methods are called under the lock of the pageCache.
type pagePool struct {
	memory  []byte
	pages   map[uint64]*keptPage // by the numbers of their keys
	starts  []*keptPage          // where a page begins, by blocks
	hand    int                  // a block where a page begins, or that is free
	asks    []pageAsk            // for pages, whether they are here or not; they share them by their hash
	counted int                  // since they were last halved
}

const pageBlock = 512

func newPagePool(size int64) *pagePool {
	p := &pagePool{asks: make([]pageAsk, askCounters), memory: make([]byte, size/pageBlock*pageBlock), starts: make([]*keptPage, size/pageBlock), pages: map[uint64]*keptPage{}}
	adviseHugePages(p.memory)
	return p
}

// good returns the page if it is as good as the fresh one would be. Whoever gets one
// releases it.
func (p *pagePool) good(k pageKey, fresh *page) *keptPage {
	found := p.pages[k.number()]
	if found == nil || found.key != k || !found.goodFor(fresh) {
		return nil
	}
	found.held++
	return found
}

// promises reports whether a page may be let in; what lies at the hand says no for all.
func (p *pagePool) promises(k pageKey) bool {
	if len(p.starts) == 0 || p.pages[k.number()] != nil {
		return len(p.starts) > 0
	}
	there := p.starts[p.hand]
	if there == nil || p.often(k) > 2*p.often(there.key) {
		return true
	}
	p.hand = (there.at + there.blocks) % len(p.starts)
	return false
}

// admit makes room for a page of a size, nil if it is not worth it: unless there is one of
// the same key and size, or there is room, it has to be asked for more than twice as often as what
// would go for it. So what is asked for often gets in, and a load that is far too large does
// not turn everything over. Whoever is given one publishes it.
func (p *pagePool) admit(k pageKey, size int) *keptPage {
	blocks := max(1, (size+pageBlock-1)/pageBlock)
	if blocks > len(p.starts) {
		return nil
	}
	at, worth := p.hand, p.often(k)*blocks
	if old := p.pages[k.number()]; old != nil {
		if p.drop(old); blocks <= old.blocks {
			at = old.at
		}
	}
	end, ok := p.clear(at, blocks, worth)
	if at == p.hand || ok && at < p.hand && p.hand < end {
		p.hand = end % len(p.starts)
	}
	if !ok {
		return nil
	}
	begin := at * pageBlock
	added := &keptPage{page: page{key: k}, body: p.memory[begin : begin+size : begin+size], pool: p, at: at, blocks: blocks, held: 1}
	p.starts[at] = added
	return added
}

// clear drops what lies in so many blocks from one on, if all of it is worth less. It
// returns where the hand goes next.
func (p *pagePool) clear(at, blocks, worth int) (end int, ok bool) {
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
			if worth -= 2 * p.often(there.key) * there.blocks; worth <= 0 || there.held > 0 {
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

// fill puts a page into the room that was made for it.
func (p *keptPage) fill(good *page, body []byte) {
	p.page = *good
	p.userID = ""
	n := copy(p.body, good.userID)
	p.owner, p.body = p.body[:n:n], p.body[n:]
	copy(p.body, body)
}

// publish lets a page be found that was written, in the place of an older one.
func (p *pagePool) publish(added *keptPage) {
	if old := p.pages[added.key.number()]; old != nil {
		p.drop(old)
	}
	p.pages[added.key.number()] = added
	added.held--
}

// release lets go of a page that was held.
func (p *pagePool) release(held *keptPage) {
	if held.held--; held.held == 0 && p.pages[held.key.number()] != held {
		p.starts[held.at] = nil
	}
}

// drop forgets a page. Its place is free when nobody holds it.
func (p *pagePool) drop(gone *keptPage) {
	if number := gone.key.number(); p.pages[number] == gone {
		delete(p.pages, number)
	}
	if gone.held == 0 {
		p.starts[gone.at] = nil
	}
}

// A pageAsk is how often a page was asked for lately, and what it depended on the last time.
type pageAsk struct{ often, words uint32 }

const (
	askCounters = 1 << 18
	// askedLately is how many asks for each page that is here count as late: enough to
	// tell one that is asked for often from others, and few enough to forget what was so
	// before.
	askedLately  = 4
	leastCounted = 1 << 12
)

func (p *pagePool) asked(k pageKey) *pageAsk {
	return &p.asks[k.number()%askCounters]
}

func (p *pagePool) often(k pageKey) int { return int(p.asked(k).often) }

// ask counts that a page was asked for. It reports whether it depends on the same as when
// it was asked for before.
func (p *pagePool) ask(k pageKey, words uint32) (again bool) {
	asked := p.asked(k)
	again = asked.words == words
	asked.often, asked.words = asked.often+1, words
	if p.counted++; p.counted > max(leastCounted, askedLately*len(p.pages)) {
		p.counted = 0
		for i := range p.asks {
			p.asks[i].often /= 2
		}
	}
	return again
}
