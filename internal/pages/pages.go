package pages

import "sync"

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
type Cache struct {
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
type Page struct {
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

// newPage is a page that is about to be read, and what it depends on.
func NewPage(userID string, take int, total bool, user, acts, touches, everybody uint64, since int64) Page {
	return Page{userID: userID, pageFacts: pageFacts{
		key: pageKey{user: user, take: take, total: total}, since: since, acts: acts, touches: touches, everybody: everybody,
	}}
}

// spelled completes what there is to say of a page.
func (p *Page) Spelled(until int64, shown int, next string, total int) {
	p.until, p.shown, p.next, p.total = until, shown, next, total
}

// rest is what follows the sessions of a page that is held.
func (p keptPage) Rest() (next string, shown, total int) { return string(p.next), p.shown, p.total }

// newPageCache returns one of so many bytes.
func New(size int64, compressor Compressor) *Cache {
	compressed := int64(0)
	if compressor != nil {
		compressed = size / 5 * 2
	}
	return &Cache{compressor: compressor, whole: newPagePool(size - compressed), compressed: newPagePool(compressed)}
}

// goodFor reports whether a page that is remembered is what would be read now.
func (p *keptPage) goodFor(fresh *Page) bool {
	return string(p.owner) == fresh.userID && p.acts == fresh.acts && p.touches == fresh.touches && p.everybody == fresh.everybody &&
		p.since <= fresh.since && fresh.since < p.until && (p.total >= 0 || !fresh.key.total)
}

// words tell apart what a page depends on, nearly always.
func (p *Page) words() uint32 {
	const odd = 0x9e3779b97f4a7c15
	return uint32((((p.key.user^p.acts)*odd^p.touches)*odd ^ p.everybody) * odd >> 32)
}

// get returns a page that is as good as the fresh one would be, and counts that it was
// asked for. Whoever gets one releases it.
func (p *Cache) Get(fresh *Page) (found keptPage, ok bool) {
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

func (p *Cache) Release(held keptPage) {
	p.mu.Lock()
	defer p.mu.Unlock()
	held.pool.release(held)
}

// text returns the text of a page that is held, or of its sessions, which are in scratch.
func (p *Cache) Text(scratch *[]byte, held keptPage) (text []byte, whole bool, err error) {
	if held.pool == p.whole {
		return held.body, true, nil
	}
	text, err = p.compressor.Decompress((*scratch)[:0], held.body)
	return text, false, err
}

// keepWhole remembers the text of a page whose sessions were compressed.
func (p *Cache) KeepWhole(held keptPage, userID string, total bool, text []byte) {
	whole := Page{pageFacts: held.pageFacts, userID: userID, next: string(held.next)}
	whole.key.total = total
	p.keep(p.whole, &whole, text)
}

// read remembers the text of a page that was read, if it is worth it. The sessions are so
// long.
func (p *Cache) Read(fresh *Page, text []byte, sessions int) {
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
	scratch := scratches.Get().(*[]byte)
	defer scratches.Put(scratch)
	compressed, err := p.compressor.Compress((*scratch)[:0], text[:sessions])
	if err != nil {
		return
	}
	*scratch = compressed
	p.keep(p.compressed, &either, compressed)
}

func (p *Cache) promises(k pageKey) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.compressed.promises(k)
}

// keep remembers a copy of the body of a good page, if it is worth it.
func (p *Cache) keep(pool *pagePool, good *Page, body []byte) {
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

var scratches = sync.Pool{New: func() any { return new([]byte) }}
