package pages

import (
	"sync"
	"sync/atomic"
	"time"
)

// A Cache keeps pages. Its methods may be called at once from many goroutines.
type Cache struct {
	mu         sync.Mutex // of both pools
	whole      *pool
	compressed *pool // heads, under keys whose Tail is 0

	hits, misses     atomic.Uint64
	packed, unpacked atomic.Uint64 // heads
}

// New returns a Cache that takes about so many bytes.
func New(size int64) *Cache {
	size = size / 10 * 9
	compressed := size / 5 * 2
	return &Cache{whole: newPool(size - compressed), compressed: newPool(compressed)}
}

// A Key names a page.
type Key struct {
	Owner string
	// OwnerHash is a hash of Owner, always the same one for the life of a Cache.
	OwnerHash uint64
	// Page tells apart the pages of an owner.
	Page int
	// Tail is 0 or 1. Two pages whose keys differ in nothing else have the same head.
	Tail int
}

// number is what tables know the key by. Keys of one OwnerHash have different numbers, and
// other keys nearly always.
func (k *Key) number() uint64 { return k.headNumber() ^ uint64(k.Tail) }

// headNumber is the number of the key with Tail 0, under which both share their head.
func (k *Key) headNumber() uint64 { return k.OwnerHash ^ uint64(k.Page)<<1 }

// A Stamp stands for the state that a page shows.
type Stamp [3]uint64

// fingerprint tells apart the owners and stamps that a page is asked for with, but for one
// pair in 2^32.
func fingerprint(k *Key, s Stamp) uint32 {
	const odd = 0x9e3779b97f4a7c15
	return uint32((((k.OwnerHash^s[0])*odd^s[1])*odd ^ s[2]) * odd >> 32)
}

// minCompressed is the size in bytes of the smallest head that is compressed.
const minCompressed = 8 << 10

// A Look is what Get found out about a page. One goroutine uses it, and releases it.
type Look struct {
	cache  *Cache
	key    Key
	stamp  Stamp
	now    int64 // in milliseconds
	wanted bool
	kept   entry // held by this Look, or the zero entry: no page was found
}

// Get looks for the page of a key, made from the state of a stamp, that is right at now.
func (c *Cache) Get(k Key, s Stamp, now time.Time) Look {
	l := Look{cache: c, key: k, stamp: s, now: now.UnixMilli()}
	f := fingerprint(&k, s)
	c.mu.Lock()
	defer c.mu.Unlock()
	l.wanted = c.whole.count(k.number(), f)
	e, ok := c.whole.find(k.number())
	if !ok || !e.answers(&l) {
		l.wanted = c.compressed.count(k.headNumber(), f) || l.wanted
		e, ok = c.compressed.find(k.headNumber())
		ok = ok && e.answers(&l) && e.tails[k.Tail] > 0
	}
	if ok {
		e.holders++
		l.kept = e
	}
	return l
}

// Text returns the page if it was found, and counts a hit or a miss. The text is not to be
// changed. It lies in kept memory, and holds until Release, or in the buffer, which it
// replaces.
func (l *Look) Text(buffer *[]byte) (text []byte, ok bool) {
	c := l.cache
	if text, ok = l.text(buffer); ok {
		c.hits.Add(1)
	} else {
		c.misses.Add(1)
	}
	return text, ok
}

func (l *Look) text(buffer *[]byte) (text []byte, ok bool) {
	c, e := l.cache, l.kept
	if e.pool == nil {
		return nil, false
	}
	if e.pool == c.whole {
		return e.body(), true
	}
	text, err := decompress((*buffer)[:0], e.body())
	if err != nil {
		l.Release() // so that a page that is made anew can take its place
		return nil, false
	}
	c.unpacked.Add(1)
	text = append(text, e.tailText(l.key.Tail)...)
	*buffer = text
	c.keep(c.whole, l.header(l.key.number(), e.since, e.until), l.key.Owner, [2][]byte{}, text)
	return text, true
}

// Release ends the use of the text that Text returned.
func (l *Look) Release() {
	if l.kept.pool == nil {
		return
	}
	l.cache.mu.Lock()
	defer l.cache.mu.Unlock()
	l.kept.release()
	l.kept = entry{}
}

// Wanted reports whether the page has been asked for before under the same stamp. Keep
// keeps no other.
func (l *Look) Wanted() bool { return l.wanted }

// A Page is one that was made because it was not found.
type Page struct {
	// Text is head and tail. The head has Head bytes.
	Text []byte
	Head int
	// OtherTail is the tail that the key does not ask for, empty if it is not known.
	OtherTail []byte
	// The page is right from Since on and before Until, as long as its stamp holds.
	Since, Until time.Time
}

// Keep keeps a copy of a page, if it is wanted more than the pages that would go for it.
func (l *Look) Keep(p *Page) {
	if !l.wanted {
		return
	}
	c, since, until := l.cache, p.Since.UnixMilli(), p.Until.UnixMilli()
	if p.Head < minCompressed {
		c.keep(c.whole, l.header(l.key.number(), since, until), l.key.Owner, [2][]byte{}, p.Text)
		return
	}
	if !c.mayAdmit(l.key.headNumber()) {
		return // to compress a head takes longer than to make the page
	}
	buffer := buffers.Get().(*[]byte)
	defer buffers.Put(buffer)
	head, err := compress((*buffer)[:0], p.Text[:p.Head])
	if err != nil {
		return
	}
	*buffer = head
	c.packed.Add(1)
	tails := [2][]byte{p.OtherTail, p.OtherTail}
	tails[l.key.Tail] = p.Text[p.Head:]
	c.keep(c.compressed, l.header(l.key.headNumber(), since, until), l.key.Owner, tails, head)
}

var buffers = sync.Pool{New: func() any { return new([]byte) }}

// header is that of the Look's page, or of its head, without the sizes.
func (l *Look) header(number uint64, since, until int64) header {
	return header{hash: l.key.OwnerHash, number: number, stamp: l.stamp, since: since, until: until}
}

// mayAdmit is the pool's, for a head that is not compressed yet.
func (c *Cache) mayAdmit(number uint64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.compressed.mayAdmit(number)
}

// keep copies a page into a pool, if the pool admits it.
func (c *Cache) keep(p *pool, h header, owner string, tails [2][]byte, body []byte) {
	h.owner, h.tails, h.size = len(owner), [2]int{len(tails[0]), len(tails[1])}, len(body)
	c.mu.Lock()
	added, ok := p.admit(h)
	c.mu.Unlock()
	if !ok {
		return
	}
	added.write(owner, tails, body)
	c.mu.Lock()
	defer c.mu.Unlock()
	p.publish(added)
}

// Counts are numbers since the Cache was made.
type Counts struct {
	Hits, Misses             uint64 // pages that Text returned, and did not
	Compressed, Decompressed uint64 // heads
}

// Counts returns what happened so far.
func (c *Cache) Counts() Counts {
	return Counts{Hits: c.hits.Load(), Misses: c.misses.Load(), Compressed: c.packed.Load(), Decompressed: c.unpacked.Load()}
}
