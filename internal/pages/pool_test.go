package pages

import (
	"bytes"
	"math/rand/v2"
	"sync"
	"testing"
)

// A lockedPool is a pool behind a lock, asked as a Cache asks it. The texts of a page are
// made of one letter.
type lockedPool struct {
	mu sync.Mutex
	*pool
}

func newLockedPool(size int64) *lockedPool { return &lockedPool{pool: newPool(size)} }

const ownerSize, tailSize = 200, 40

// headerOf is that of a user's page, without the size of its body.
func headerOf(user uint64) header {
	return header{hash: user, number: user, owner: ownerSize, tails: [2]int{tailSize, 2 * tailSize}}
}

func (p *lockedPool) get(user uint64) (found entry, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pool.count(user, 0)
	if found, ok = p.find(user); ok {
		found.holders++
	}
	return found, ok
}

func (p *lockedPool) release(held entry) {
	p.mu.Lock()
	defer p.mu.Unlock()
	held.release()
}

// keep keeps a page that takes so many bytes with its header and all texts.
func (p *lockedPool) keep(user uint64, size int) {
	p.mu.Lock()
	h := headerOf(user)
	h.size = size - headerSize - ownerSize - 3*tailSize
	added, ok := p.admit(h)
	p.mu.Unlock()
	if !ok {
		return
	}
	for _, text := range textsOf(added) {
		for i := range text {
			text[i] = letter(user)
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.publish(added)
}

func textsOf(e entry) [][]byte {
	return [][]byte{e.ownerName(), e.tailText(0), e.tailText(1), e.body()}
}

func (p *lockedPool) ask(user uint64, size int) (known bool) {
	if found, ok := p.get(user); ok {
		p.release(found)
		return true
	}
	p.keep(user, size)
	return false
}

func letter(user uint64) byte { return 'a' + byte(user%26) }

// check holds the places of all pages against one another.
func (p *lockedPool) check(t *testing.T) {
	t.Helper()
	handAtStart, begins := false, 0
	for at := 0; at < len(p.starts); {
		handAtStart = handAtStart || at == p.hand
		if !p.starts[at] {
			at++
			continue
		}
		begins++
		there := p.entry(at)
		if !p.isPublished(at) || there.holders != 0 {
			t.Fatalf("what is at %d is found: %v, and is held by %d", at, p.isPublished(at), there.holders)
		}
		for i := at + 1; i < at+there.blocks; i++ {
			if p.starts[i] {
				t.Fatalf("a page begins in another one, at %d", i)
			}
		}
		at += there.blocks
	}
	if !handAtStart || begins != len(p.index) {
		t.Fatalf("the hand is at a start: %v; %d pages begin and %d are found", handAtStart, begins, len(p.index))
	}
}

func TestAPageGivesWayOnlyToOneThatIsAskedForMoreOften(t *testing.T) {
	const size = 4 * blockSize
	p := newLockedPool(100*4*blockSize + 2*blockSize) // a hundred, and half of one
	for range 3 {
		for user := range uint64(90) {
			p.ask(user, size)
		}
	}
	for user := range uint64(900) { // each twice, as a crawler does
		p.ask(1000+user, size)
		p.ask(1000+user, size)
	}
	kept := 0
	for user := range uint64(90) {
		if p.ask(user, size) {
			kept++
		}
	}
	if kept < 80 {
		t.Errorf("%d of 90 pages that were in use are left", kept)
	}
	for range 20 {
		for user := range uint64(90) {
			p.ask(100_000+user, size)
		}
	}
	admitted := 0
	for user := range uint64(90) {
		if p.ask(100_000+user, size) {
			admitted++
		}
	}
	if admitted < 80 {
		t.Errorf("%d of 90 pages that came into use are there", admitted)
	}
	p.check(t)
}

func TestAPageThatGrowsDoesNotCompeteWithTheOneBehindIt(t *testing.T) {
	p := newLockedPool(10 * blockSize)
	p.ask(1, 2*blockSize)
	for range 10 {
		p.ask(2, 2*blockSize) // lies behind it, and is asked for more often
	}
	p.keep(1, 3*blockSize)
	for user, blocks := range map[uint64]int{1: 3, 2: 2} {
		found, ok := p.get(user)
		if !ok || found.blocks != blocks {
			t.Fatalf("the page of %d is there: %v", user, ok)
		}
		p.release(found)
	}
	p.check(t)
}

func TestPagesOfAllSizesKeepTheirPlacesWhileTheyAreRead(t *testing.T) {
	p := newLockedPool(200 * blockSize)
	var all sync.WaitGroup
	for worker := range uint64(4) {
		all.Go(func() {
			r := rand.New(rand.NewPCG(1, worker))
			held := map[uint64]entry{}
			for range 20_000 {
				user := uint64(r.ExpFloat64() * 10)
				switch found, ok := held[user]; {
				case ok:
					for _, text := range textsOf(found) {
						if bytes.Count(text, []byte{letter(user)}) != len(text) {
							t.Errorf("the page of %d was written over", user)
							return
						}
					}
					p.release(found)
					delete(held, user)
				case r.IntN(4) == 0: // it has changed
					p.keep(user, blockSize+r.IntN(50*blockSize))
				default:
					p.ask(user, blockSize+r.IntN(20*blockSize))
					if found, ok := p.get(user); ok {
						held[user] = found
					}
				}
			}
			for _, found := range held {
				p.release(found)
			}
		})
	}
	all.Wait()
	p.check(t)
	if len(p.index) < 5 {
		t.Errorf("%d pages are there", len(p.index))
	}
}

func TestAPageThatHasNoRoomIsNotRemembered(t *testing.T) {
	for _, size := range []int64{0, 10, 4 * blockSize} {
		p := newLockedPool(size)
		for range 3 {
			if p.ask(1, 5*blockSize) {
				t.Errorf("a page is kept in %d bytes", size)
			}
		}
	}
}
