package rollcall

import (
	"sync"
	"time"
)

// A Compressor makes texts smaller, so that more of them can be remembered. Its methods
// may be called at once from many goroutines.
type Compressor interface {
	// Compress appends to b what Decompress makes the text of. A text that it cannot
	// compress is not remembered.
	Compress(b, text []byte) ([]byte, error)
	// Decompress appends the text to b. One that it cannot give is read anew.
	Decompress(b, compressed []byte) ([]byte, error)
}

// A pageCache remembers pages as a door has spelled them, and the sessions of more of them
// compressed. A page is good while no act and no touch of its user, and no ending of
// everybody, came since it was read, and no session that it counts has come to its end by
// itself, and none has come back from it.
//
// A page is remembered when it is asked for again and nothing has happened since it was
// asked for before: compressed at first, and as it is when it is asked for once more.
type pageCache struct {
	mu         sync.Mutex
	compressor Compressor // nil remembers pages only as they are
	whole      *pagePool
	compressed *pagePool // with totals and without
}

// leastCompressed is the size of what is compressed at least. What is smaller is spelled
// as fast.
const leastCompressed = 8 << 10

type pageKey struct {
	user  uint64 // its hash
	take  int
	total bool
}

// number stands for the key in tables. Two keys hardly ever have the same one.
func (k pageKey) number() uint64 {
	n := k.user ^ uint64(k.take)<<1
	if k.total {
		n ^= 1
	}
	return n
}

// A page is one that is being read, or is to be remembered.
type page struct {
	pageFacts
	userID string
	next   string // the cursor of what follows
	again  bool   // it has been asked for before, and nothing has happened since
}

// pageFacts are what there is to say of a page, without a pointer.
type pageFacts struct {
	key       pageKey
	acts      uint64 // the user's words when it was read
	touches   uint64
	everybody uint64
	since     int64 // when it was read, in milliseconds: a clock that was set back makes sessions live again
	until     int64 // the first of its sessions is over
	shown     int   // how many sessions
	total     int   // -1 when the sessions were not counted
}

// newPageCache returns one of so many bytes.
func newPageCache(size int64, compressor Compressor) *pageCache {
	compressed := int64(0)
	if compressor != nil {
		compressed = size / 5 * 2
	}
	return &pageCache{compressor: compressor, whole: newPagePool(size - compressed), compressed: newPagePool(compressed)}
}

// goodFor reports whether a page that is remembered is what would be read now.
func (p *keptPage) goodFor(fresh *page) bool {
	return string(p.owner) == fresh.userID && p.acts == fresh.acts && p.touches == fresh.touches && p.everybody == fresh.everybody &&
		p.since <= fresh.since && fresh.since < p.until && (p.total >= 0 || !fresh.key.total)
}

// words tell apart what a page depends on, nearly always.
func (p *page) words() uint32 {
	const odd = 0x9e3779b97f4a7c15
	return uint32((((p.key.user^p.acts)*odd^p.touches)*odd ^ p.everybody) * odd >> 32)
}

// get returns a page that is as good as the fresh one would be, and counts that it was
// asked for. Whoever gets one releases it.
func (p *pageCache) get(fresh *page) (found keptPage, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	words := fresh.words()
	fresh.again = p.whole.ask(fresh.key, words)
	if found, ok = p.whole.good(fresh.key, fresh); ok {
		return found, true
	}
	either := fresh.key.either()
	fresh.again = p.compressed.ask(either, words) || fresh.again
	return p.compressed.good(either, fresh)
}

// either is the key of the page's sessions.
func (k pageKey) either() pageKey {
	k.total = false
	return k
}

func (p *pageCache) release(held keptPage) {
	p.mu.Lock()
	defer p.mu.Unlock()
	held.pool.release(held)
}

// text returns the text of a page that is held: where it lies, or in scratch.
func (p *pageCache) text(scratch *[]byte, held keptPage, q ListQuery, encoder ListEncoder) ([]byte, error) {
	if held.pool == p.whole {
		return held.body, nil
	}
	text, err := p.compressor.Decompress((*scratch)[:0], held.body)
	if err != nil {
		return nil, err
	}
	whole := page{pageFacts: held.pageFacts, userID: q.UserID, next: string(held.next)}
	whole.key.total = q.Total
	text = encoder.AppendPage(text, whole.shown, q, Page{Next: whole.next, Total: q.total(whole.total)})
	*scratch = text
	p.keep(p.whole, &whole, text)
	return text, nil
}

// read remembers the text of a page that was read, if it is worth it. The sessions are so
// long.
func (p *pageCache) read(fresh *page, text []byte, sessions int) {
	if !fresh.again {
		return
	}
	if p.compressor == nil || sessions < leastCompressed {
		p.keep(p.whole, fresh, text)
		return
	}
	either := *fresh
	either.key = fresh.key.either()
	if !p.promises(either.key) {
		return // to compress it takes longer than to spell it
	}
	scratch := spellings.Get().(*[]byte)
	defer spellings.Put(scratch)
	compressed, err := p.compressor.Compress((*scratch)[:0], text[:sessions])
	if err != nil {
		return
	}
	*scratch = compressed
	p.keep(p.compressed, &either, compressed)
}

func (p *pageCache) promises(k pageKey) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.compressed.promises(k)
}

// keep remembers a copy of the body of a good page, if it is worth it.
func (p *pageCache) keep(pool *pagePool, good *page, body []byte) {
	p.mu.Lock()
	added, ok := pool.admit(good, len(body))
	p.mu.Unlock()
	if !ok {
		return
	}
	copy(added.owner, good.userID)
	copy(added.next, good.next)
	copy(added.body, body)
	p.mu.Lock()
	defer p.mu.Unlock()
	pool.publish(added)
}

// reading begins to read a page: it returns what there is to say of it beforehand, and
// a good one that is remembered, which is to be released.
func (c *cache) reading(q ListQuery, now time.Time) (fresh page, known keptPage, ok bool) {
	hash := c.clock.hash(q.UserID)
	words := c.clock.wordsOf(hash)
	fresh = page{userID: q.UserID, pageFacts: pageFacts{
		key: pageKey{user: hash, take: q.Take, total: q.Total}, since: now.UnixMilli(),
		acts: words.acts.Load(), touches: words.seen(), everybody: c.clock.everybody.Load(),
	}}
	known, ok = c.pages.get(&fresh)
	return fresh, known, ok
}

// read remembers the text of a page that was read, of which the sessions are so long, if
// it is still good and worth it.
func (c *cache) read(fresh *page, text []byte, sessions int) {
	words := c.clock.wordsOf(fresh.key.user)
	if !quiet(fresh.acts) || !quiet(fresh.everybody) ||
		words.acts.Load() != fresh.acts || words.touches.Load() != fresh.touches || c.clock.everybody.Load() != fresh.everybody {
		return
	}
	c.pages.read(fresh, text, sessions)
}
