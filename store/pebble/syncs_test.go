package pebble

import (
	"errors"
	"testing"
	"time"
)

// heldSyncs are syncs that a test lets end one by one.
type heldSyncs struct {
	syncs
	begun chan struct{}
	end   chan error
}

func newHeldSyncs() *heldSyncs {
	return &heldSyncs{begun: make(chan struct{}, 100), end: make(chan error)}
}

func (h *heldSyncs) wait() error {
	return h.syncs.wait(func() error {
		h.begun <- struct{}{}
		return <-h.end
	})
}

// joined is how many acts wait for the sync after the one under way.
func (h *heldSyncs) joined() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.next == nil {
		return 0
	}
	return h.next.acts
}

// join lets so many more acts wait for it.
func (h *heldSyncs) join(n int, ended chan<- error) {
	all := h.joined() + n
	for range n {
		go func() { ended <- h.wait() }()
	}
	for h.joined() < all {
		time.Sleep(time.Millisecond)
	}
}

func TestActsUnderWayAtOnceShareASyncThatBeganAfterThem(t *testing.T) {
	h, broken := newHeldSyncs(), errors.New("broken")
	first, others := make(chan error, 1), make(chan error, 20)
	go func() { first <- h.wait() }()
	<-h.begun
	h.join(cap(others), others)
	h.end <- nil
	if err := <-first; err != nil {
		t.Error(err)
	}
	<-h.begun // the second, and nobody who came during the first has got an answer from that
	if len(others) > 0 {
		t.Fatalf("%d acts go by a sync that began before them", len(others))
	}
	h.end <- broken
	for range cap(others) {
		if err := <-others; !errors.Is(err, broken) {
			t.Errorf("shared: %v", err)
		}
	}
	go func() { first <- h.wait() }()
	<-h.begun
	h.end <- nil
	if err := <-first; err != nil {
		t.Errorf("after one that failed: %v", err)
	}
	if len(h.begun) > 0 {
		t.Error("there were more syncs than needed")
	}
}

func TestTheLogRestsAfterASyncOfManyAndAfterNoOther(t *testing.T) {
	h := newHeldSyncs()
	ended := make(chan error, 100)
	for _, step := range []struct {
		acts  int
		rests bool
	}{{1, false}, {manyActs - 1, false}, {manyActs, true}, {1, false}, {3 * manyActs, true}, {2, false}} {
		// The first has begun when the others join, so they share the second.
		go func() { ended <- h.wait() }()
		<-h.begun
		h.join(step.acts, ended)
		h.end <- nil
		<-h.begun
		h.turnEnds(t, ended, step.acts+1)
		if rests := !h.last.IsZero(); rests != step.rests {
			t.Errorf("after a sync of %d acts it rests: %v", step.acts, rests)
		}
		if last := h.last; step.rests {
			go func() { ended <- h.wait() }()
			<-h.begun
			if rested := time.Since(last); rested < logRest {
				t.Errorf("the next began after %v", rested)
			}
			h.turnEnds(t, ended, 1)
		}
	}
}

// turnEnds lets the sync under way end, and waits for so many acts.
func (h *heldSyncs) turnEnds(t *testing.T, ended <-chan error, acts int) {
	t.Helper()
	h.end <- nil
	for range acts {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	h.turn.Lock() // until who saw to it has left
	defer h.turn.Unlock()
}

func TestASyncThatPanicsAnswersNobodyAndKeepsNobodyWaiting(t *testing.T) {
	h := newHeldSyncs()
	first, others := make(chan error, 1), make(chan error, 3)
	go func() { first <- h.wait() }()
	<-h.begun
	go func() { // sees to the next
		defer func() { _ = recover() }()
		_ = h.syncs.wait(func() error { panic("broken") })
	}()
	for h.joined() == 0 {
		time.Sleep(time.Millisecond)
	}
	h.join(cap(others), others)
	h.end <- nil
	for range cap(others) {
		if err := <-others; err == nil {
			t.Error("an act is answered although its sync ended in a panic")
		}
	}
	go func() { first <- h.wait() }()
	h.end <- nil
	if err := errors.Join(<-first, <-first); err != nil {
		t.Errorf("the one before, or the next: %v", err)
	}
}
