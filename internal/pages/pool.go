package pages

import (
	"cmp"
	"unsafe"

	"github.com/rollcall-id/rollcall/internal/hugepages"
)

// A pool holds pages side by side in one piece of memory, which has no pointers: the
// garbage collector does not look into it. It evicts by the clock algorithm: a hand goes
// round, and a page that is admitted takes the place of the pages under the hand, or is
// turned away. The Cache's lock is held while a method runs.
type pool struct {
	memory   []byte
	index    map[uint64]int32 // the first block of a page, by the number of its key
	starts   []bool           // by block: whether a page begins there
	hand     int              // the first block of a page, or a free block
	requests []request        // by key, modulo their number, also of keys without a page
	recent   int              // requests since all counts were last halved
}

// blockSize is the unit of a page's place, in bytes.
const blockSize = 512

// A header lies at the beginning of a page's first block. Owner, tails and body follow, in
// this order.
type header struct {
	hash, number uint64 // of the key: all of it but for the owner's name
	stamp        Stamp
	since, until int64 // in milliseconds
	blocks       int
	holders      int // readers and writers; while there is one, the page stays in its place
	owner        int // size in bytes, as all that follow
	tails        [2]int
	size         int // of the body
}

const headerSize = int(unsafe.Sizeof(header{}))

// An entry is a place in a pool that has a page.
type entry struct {
	*header
	pool  *pool
	block int // the first
}

func newPool(size int64) *pool {
	blocks := min(size/blockSize, 1<<31-1)
	p := &pool{
		memory: make([]byte, blocks*blockSize), starts: make([]bool, blocks),
		index: map[uint64]int32{}, requests: make([]request, requestCounters),
	}
	hugepages.Advise(p.memory)
	return p
}

// entry is the page that begins at a block.
func (p *pool) entry(block int) entry {
	return entry{header: (*header)(unsafe.Pointer(&p.memory[block*blockSize])), pool: p, block: block}
}

// bytes are n of the page's bytes from an offset behind the header on.
func (e entry) bytes(offset, n int) []byte {
	begin := e.block*blockSize + headerSize + offset
	return e.pool.memory[begin : begin+n : begin+n]
}

func (e entry) ownerName() []byte { return e.bytes(0, e.owner) }

func (e entry) tailText(n int) []byte {
	if n == 0 {
		return e.bytes(e.owner, e.tails[0])
	}
	return e.bytes(e.owner+e.tails[0], e.tails[1])
}

func (e entry) body() []byte { return e.bytes(e.owner+e.tails[0]+e.tails[1], e.size) }

// write writes the texts of a page that was admitted and is not yet published.
func (e entry) write(owner string, tails [2][]byte, body []byte) {
	copy(e.ownerName(), owner)
	copy(e.tailText(0), tails[0])
	copy(e.tailText(1), tails[1])
	copy(e.body(), body)
}

// answers reports whether the page, which has the number that the Look asks for, is what it
// asks for: with the owner's hash, the number says which page and tail of the owner it is.
func (e entry) answers(l *Look) bool {
	return e.hash == l.key.OwnerHash && string(e.ownerName()) == l.key.Owner &&
		e.stamp == l.stamp && e.since <= l.now && l.now < e.until
}

// release ends one use of a page. The last one frees the place of a page that is no longer
// in the table.
func (e entry) release() {
	if e.holders--; e.holders == 0 && !e.pool.isPublished(e.block) {
		e.pool.starts[e.block] = false
	}
}

// find returns the page in the table whose key has the number.
func (p *pool) find(number uint64) (e entry, ok bool) {
	block, ok := p.index[number]
	if !ok {
		return entry{}, false
	}
	return p.entry(int(block)), true
}

// mayAdmit is a cheap first test of a page that is not made yet: false when the page under
// the hand is asked for at least half as often. The hand then moves on.
func (p *pool) mayAdmit(number uint64) bool {
	if len(p.starts) == 0 {
		return false
	}
	if _, ok := p.index[number]; ok || !p.starts[p.hand] {
		return true
	}
	there := p.entry(p.hand)
	if p.frequency(number) > 2*p.frequency(there.number) {
		return true
	}
	p.hand = (p.hand + there.blocks) % len(p.starts)
	return false
}

// admit gives a page a place, or turns it away. The header has key, stamp, times and sizes.
//
//   - The page of the same key goes first; if the new one needs no more blocks, it gets
//     its place.
//   - Else the new one gets the place under the hand. The pages there go if it is asked
//     for more than twice as often as they are, each counted by its blocks, and nobody
//     holds them. So a load that is far too large does not turn everything over.
//
// The caller writes the texts of the page that it gets, and publishes it.
func (p *pool) admit(h header) (added entry, ok bool) {
	size := headerSize + h.owner + h.tails[0] + h.tails[1] + h.size
	h.blocks, h.holders = (size+blockSize-1)/blockSize, 1
	if h.blocks > len(p.starts) {
		return entry{}, false
	}
	block, worth := p.hand, p.frequency(h.number)*h.blocks
	if old, ok := p.find(h.number); ok {
		if p.remove(old.block); h.blocks <= old.blocks {
			block = old.block
		}
	}
	end, ok := p.evict(block, h.blocks, worth)
	if block == p.hand || ok && block < p.hand && p.hand < end {
		p.hand = end % len(p.starts)
	}
	if !ok {
		return entry{}, false
	}
	added = p.entry(block)
	*added.header = h
	p.starts[block] = true
	return added, true
}

// evict removes the pages in n blocks, if they are together worth less. It returns the
// block that the hand goes to next.
func (p *pool) evict(block, n, worth int) (end int, ok bool) {
	end = block
	first := 0 // behind the first page or free block: where the hand goes if none is removed
	for end < block+n {
		if end == len(p.starts) {
			return 0, false
		}
		if !p.starts[end] {
			end++
		} else {
			there := p.entry(end)
			end += there.blocks
			if worth -= 2 * p.frequency(there.number) * there.blocks; worth <= 0 || there.holders > 0 {
				return cmp.Or(first, end), false
			}
		}
		first = cmp.Or(first, end)
	}
	for i := block; i < end; i++ {
		if p.starts[i] {
			p.remove(i)
		}
	}
	return block + n, true
}

// publish puts a page that was written into the table, in the place of an older one.
func (p *pool) publish(added entry) {
	if old, ok := p.find(added.number); ok {
		p.remove(old.block)
	}
	p.index[added.number] = int32(added.block)
	added.holders--
}

// isPublished reports whether the page that begins at a block is in the table.
func (p *pool) isPublished(block int) bool {
	found, ok := p.index[p.entry(block).number]
	return ok && int(found) == block
}

// remove takes the page that begins at a block out of the table, if it is there. Its place
// becomes free when nobody holds it.
func (p *pool) remove(block int) {
	gone := p.entry(block)
	if p.isPublished(block) {
		delete(p.index, gone.number)
	}
	if gone.holders == 0 {
		p.starts[block] = false
	}
}

// A request counts how often a page was asked for lately, and has the fingerprint of the
// last time. Pages share one if their numbers are alike, and then seem to be asked for more
// often, or to have changed.
type request struct{ count, fingerprint uint32 }

const (
	requestCounters = 1 << 18
	// countedPerPage bounds how long a request counts in full: until there were so many
	// for each page in the table, and at least minCounted. More tells pages that are asked
	// for often better from others, and takes longer to notice that it has changed.
	countedPerPage = 4
	minCounted     = 1 << 12
)

func (p *pool) request(number uint64) *request { return &p.requests[number%requestCounters] }

func (p *pool) frequency(number uint64) int { return int(p.request(number).count) }

// count counts a request. It reports whether the last one had the same fingerprint.
func (p *pool) count(number uint64, fingerprint uint32) (again bool) {
	r := p.request(number)
	again = r.fingerprint == fingerprint
	r.count, r.fingerprint = r.count+1, fingerprint
	if p.recent++; p.recent > max(minCounted, countedPerPage*len(p.index)) {
		p.recent = 0
		for i := range p.requests {
			p.requests[i].count /= 2
		}
	}
	return again
}
