package pages

import (
	"cmp"
	"unsafe"

	"github.com/rollcall-id/rollcall/internal/hugepages"
)

// A pagePool holds pages side by side in one piece of memory, each behind what there is to
// say of it: nothing there is a pointer, so the garbage collector passes by it. A hand goes
// round: a page that is let in takes the place of those that the hand points to, or of none.
// Its methods are called under the lock of the pageCache.
type pagePool struct {
	memory  []byte
	index   map[uint64]int32 // the block where a page begins, by the number of its key
	starts  []bool           // whether a page begins there, by blocks
	hand    int              // a block where a page begins, or that is free
	asks    []pageAsk        // for pages, whether they are here or not; they share them by their hash
	counted int              // since they were last halved
}

const pageBlock = 512

// A pageHead lies at the beginning of a page's first block.
type pageHead struct {
	pageFacts
	blocks            int
	held              int // by how many it is read, or written: so long it stays there
	owner, next, body int // the sizes of what follows
}

const pageHeadSize = int(unsafe.Sizeof(pageHead{}))

// A keptPage is one that is remembered: where it lies.
type keptPage struct {
	*pageHead
	owner, next, body []byte // the user's id, the cursor of what follows, and the text
	pool              *pagePool
	at                int
}

func newPagePool(size int64) *pagePool {
	blocks := min(size/pageBlock, 1<<31-1)
	p := &pagePool{
		memory: make([]byte, blocks*pageBlock), starts: make([]bool, blocks),
		index: map[uint64]int32{}, asks: make([]pageAsk, askCounters),
	}
	hugepages.Advise(p.memory)
	return p
}

// head is of the page that begins at a block.
func (p *pagePool) head(at int) *pageHead {
	return (*pageHead)(unsafe.Pointer(&p.memory[at*pageBlock]))
}

// page is the page that begins at a block.
func (p *pagePool) page(at int) keptPage {
	h := p.head(at)
	owner := p.memory[at*pageBlock+pageHeadSize:]
	next := owner[h.owner:]
	body := next[h.next:]
	return keptPage{
		pageHead: h, pool: p, at: at,
		owner: owner[:h.owner:h.owner], next: next[:h.next:h.next], body: body[:h.body:h.body],
	}
}

// find returns the block where the page of a key begins, or of one of the same number.
func (p *pagePool) find(k pageKey) (at int, ok bool) {
	block, ok := p.index[k.number()]
	return int(block), ok
}

// good returns the page if it is as good as the fresh one would be. Whoever gets one
// releases it.
func (p *pagePool) good(k pageKey, fresh *Page) (found keptPage, ok bool) {
	at, ok := p.find(k)
	if !ok {
		return found, false
	}
	found = p.page(at)
	if found.key != k || !found.goodFor(fresh) {
		return found, false
	}
	found.held++
	return found, true
}

// promises reports whether a page may be let in; what lies at the hand says no for all.
func (p *pagePool) promises(k pageKey) bool {
	if len(p.starts) == 0 {
		return false
	}
	if _, ok := p.find(k); ok || !p.starts[p.hand] {
		return true
	}
	there := p.head(p.hand)
	if p.often(k) > 2*p.often(there.key) {
		return true
	}
	p.hand = (p.hand + there.blocks) % len(p.starts)
	return false
}

// admit makes room for a page with a body of a size, if it is worth it: unless there is one of
// the same key and size, or there is room, it has to be asked for more than twice as often as what
// would go for it. So what is asked for often gets in, and a load that is far too large does
// not turn everything over. Whoever is given one writes its texts and publishes it.
func (p *pagePool) admit(good *Page, body int) (added keptPage, ok bool) {
	size := pageHeadSize + len(good.userID) + len(good.next) + body
	blocks := (size + pageBlock - 1) / pageBlock
	if blocks > len(p.starts) {
		return added, false
	}
	at, worth := p.hand, p.often(good.key)*blocks
	if old, ok := p.find(good.key); ok {
		if p.drop(old); blocks <= p.head(old).blocks {
			at = old
		}
	}
	end, ok := p.clear(at, blocks, worth)
	if at == p.hand || ok && at < p.hand && p.hand < end {
		p.hand = end % len(p.starts)
	}
	if !ok {
		return added, false
	}
	*p.head(at) = pageHead{
		pageFacts: good.pageFacts, blocks: blocks, held: 1,
		owner: len(good.userID), next: len(good.next), body: body,
	}
	p.starts[at] = true
	return p.page(at), true
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
		if !p.starts[end] {
			end++
		} else {
			there := p.head(end)
			end += there.blocks
			if worth -= 2 * p.often(there.key) * there.blocks; worth <= 0 || there.held > 0 {
				return cmp.Or(first, end), false
			}
		}
		first = cmp.Or(first, end)
	}
	for i := at; i < end; i++ {
		if p.starts[i] {
			p.drop(i)
		}
	}
	return at + blocks, true
}

// publish lets a page be found that was written, in the place of an older one.
func (p *pagePool) publish(added keptPage) {
	if old, ok := p.find(added.key); ok {
		p.drop(old)
	}
	p.index[added.key.number()] = int32(added.at)
	added.held--
}

// release lets go of a page that was held.
func (p *pagePool) release(held keptPage) {
	if held.held--; held.held == 0 && !p.finds(held.at) {
		p.starts[held.at] = false
	}
}

// finds reports whether the page that begins at a block is one that is found.
func (p *pagePool) finds(at int) bool {
	found, ok := p.find(p.head(at).key)
	return ok && found == at
}

// drop forgets the page that begins at a block. Its place is free when nobody holds it.
func (p *pagePool) drop(at int) {
	gone := p.head(at)
	if p.finds(at) {
		delete(p.index, gone.key.number())
	}
	if gone.held == 0 {
		p.starts[at] = false
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
	if p.counted++; p.counted > max(leastCounted, askedLately*len(p.index)) {
		p.counted = 0
		for i := range p.asks {
			p.asks[i].often /= 2
		}
	}
	return again
}
