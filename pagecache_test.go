package rollcall

import (
	"bytes"
	"math/rand/v2"
	"sync"
	"testing"
)

// ask asks for a page as a list does. Its body is made of one letter.
func (p *pageCache) ask(user uint64, size int) (known bool) {
	k := pageKey{user: user, take: 50}
	if found := p.get(k); found != nil {
		p.release(found)
		return true
	}
	if added := p.admit(k, size); added != nil {
		for i := range added.body {
			added.body[i] = letter(user)
		}
		p.publish(added)
	}
	return false
}

func letter(user uint64) byte { return 'a' + byte(user%26) }

// check holds the places of all pages against one another.
func (p *pageCache) check(t *testing.T) {
	t.Helper()
	handAtStart, begins := false, 0
	for at := 0; at < len(p.starts); {
		handAtStart = handAtStart || at == p.hand
		there := p.starts[at]
		if there == nil {
			at++
			continue
		}
		begins++
		if there.at != at || p.pages[there.key] != there || there.held != 0 {
			t.Fatalf("what is at %d says it is at %d, and is held by %d", at, there.at, there.held)
		}
		for i := at + 1; i < at+there.blocks; i++ {
			if p.starts[i] != nil {
				t.Fatalf("a page begins in another one, at %d", i)
			}
		}
		at += there.blocks
	}
	if !handAtStart || begins != len(p.pages) {
		t.Fatalf("the hand is at a start: %v; %d pages begin and %d are found", handAtStart, begins, len(p.pages))
	}
}

func TestAPageGivesWayOnlyToOneThatIsAskedForMoreOften(t *testing.T) {
	var p pageCache
	const size = 2000
	p.init(100*2048 + 1024) // a hundred, and half of one
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

func TestPagesOfAllSizesKeepTheirPlacesWhileTheyAreRead(t *testing.T) {
	var p pageCache
	p.init(200 * pageBlock)
	var all sync.WaitGroup
	for worker := range uint64(4) {
		all.Go(func() {
			r := rand.New(rand.NewPCG(1, worker))
			held := map[uint64]*page{}
			for range 20_000 {
				user := uint64(r.ExpFloat64() * 10)
				switch found := held[user]; {
				case found != nil:
					if bytes.Count(found.body, []byte{letter(user)}) != len(found.body) {
						t.Errorf("the page of %d was written over", user)
						return
					}
					p.release(found)
					delete(held, user)
				case r.IntN(4) == 0: // it has changed
					if added := p.admit(pageKey{user: user, take: 50}, 1+r.IntN(50*pageBlock)); added != nil {
						for i := range added.body {
							added.body[i] = letter(user)
						}
						p.publish(added)
					}
				default:
					p.ask(user, 1+r.IntN(20*pageBlock))
					if found := p.get(pageKey{user: user, take: 50}); found != nil {
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
	if len(p.pages) < 5 {
		t.Errorf("%d pages are there", len(p.pages))
	}
}

func TestAPageThatHasNoRoomIsNotRemembered(t *testing.T) {
	for _, size := range []int64{0, 10, 4 * pageBlock} {
		var p pageCache
		p.init(size)
		for range 3 {
			if p.ask(1, 5*pageBlock) {
				t.Errorf("a page is kept in %d bytes", size)
			}
		}
	}
}
