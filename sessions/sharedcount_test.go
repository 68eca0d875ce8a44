package sessions_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/sessions"
	"github.com/rollcall-id/rollcall/store/memory"
)

// A walkedStore counts walks, and lets a test come between. The fields are set before the
// store is used.
type walkedStore struct {
	rollcall.Store
	shared bool
	walks  atomic.Int64
	full   atomic.Bool // documents find no room
	// clocked says that the store has a clock of its own: the bubble's.
	clocked bool
	// walking, unless nil, is called instead of a walk, with what does the walk.
	walking func(ctx context.Context, walk func() (string, error)) (string, error)
	// read, unless nil, is called when a walk has read its sessions, before it visits any.
	read func()
}

// Traits implements rollcall.Store.
func (s *walkedStore) Traits() rollcall.Traits { return rollcall.Traits{Shared: s.shared} }

// Ready implements rollcall.Store.
func (s *walkedStore) Ready(ctx context.Context) (time.Time, error) {
	if s.clocked {
		return time.Now(), nil
	}
	return s.Store.Ready(ctx)
}

// Commit implements rollcall.Store.
func (s *walkedStore) Commit(ctx context.Context, c rollcall.Change) (rollcall.Standing, error) {
	if s.full.Load() && len(c.Documents) > 0 {
		return rollcall.Standing{}, rollcall.ErrFull
	}
	return s.Store.Commit(ctx, c)
}

// Walk implements rollcall.Store.
func (s *walkedStore) Walk(ctx context.Context, after string, visit func(rollcall.Walked) bool) (string, error) {
	s.walks.Add(1)
	walk := func() (string, error) {
		var all []rollcall.Walked
		next, err := s.Store.Walk(ctx, after, func(w rollcall.Walked) bool {
			c := w.Session.Clone()
			all = append(all, rollcall.Walked{Standing: w.Standing, Session: &c})
			return true
		})
		if s.read != nil {
			s.read()
		}
		for _, w := range all {
			if !visit(w) {
				break
			}
		}
		return next, err
	}
	if s.walking != nil {
		return s.walking(ctx, walk)
	}
	return walk()
}

// everyMinute lets a Manager sweep every minute, as it does unless told otherwise.
func everyMinute(o *sessions.Options) { o.SweepInterval = time.Minute }

// show fails unless each node shows the number of live sessions.
func show(t *testing.T, want int64, when string, nodes ...node) {
	t.Helper()
	for i, n := range nodes {
		if got, known := n.Live(); got != want || !known {
			t.Errorf("%s: node %d shows %d (known: %v), want %d", when, i, got, known, want)
		}
	}
}

func TestNodesOfOneStoreShowOneNumberOfLiveSessionsWithinAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &walkedStore{Store: memory.New(), shared: true}
		a, stopA := running(t, store, 0, everyMinute)
		b, _ := running(t, store, 0, everyMinute)
		time.Sleep(time.Minute) // the one that does not count learns the number at its next turn
		synctest.Wait()
		show(t, 0, "of an empty store", a, b)
		for range 3 {
			a.create(signIn("a"))
		}
		s, _ := b.create(signIn("b"))
		b.create(signIn("b"))
		b.must(b.End(t.Context(), shop, s.ID, rollcall.ReasonRevoked))
		show(t, 3, "at once, the node's own", a)
		show(t, 1, "at once, the node's own", b)
		time.Sleep(time.Minute)
		synctest.Wait()
		show(t, 4, "a minute later", a, b)

		a.must(a.EndAll(t.Context(), shop, "a", rollcall.ReasonRevoked))
		time.Sleep(time.Minute)
		synctest.Wait()
		show(t, 1, "after ending all of a user", a, b)

		b.must(b.EndEverybody(t.Context(), shop))
		b.create(signIn("b"))
		time.Sleep(time.Minute)
		synctest.Wait()
		show(t, 1, "after ending everybody's", a, b)

		store.full.Store(true)
		a.create(signIn("a"))
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		show(t, 2, "without room, the node's own", a)
		show(t, 1, "without room, the node's own", b)
		store.full.Store(false)
		time.Sleep(time.Minute)
		synctest.Wait()
		show(t, 2, "with room again", a, b)

		a.create(signIn("a"))
		stopA()
		time.Sleep(time.Minute)
		synctest.Wait()
		show(t, 3, "after a node has stopped", b)
	})
}

func TestOneNodeOfAStoreCountsTheLiveSessionsForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &walkedStore{Store: memory.New(), shared: true}
		var nodes []node
		for range 3 {
			n, _ := running(t, store, 0, everyMinute)
			nodes = append(nodes, n)
			time.Sleep(7 * time.Second)
		}
		short := signIn(aUser)
		short.Asked.Absolute = 90 * time.Minute
		nodes[0].create(short)
		nodes[1].create(signIn(aUser))
		time.Sleep(time.Minute)
		synctest.Wait()
		show(t, 2, "before the limit", nodes...)
		time.Sleep(10 * time.Hour)
		synctest.Wait()
		show(t, 1, "after a count", nodes...)
		if walks := store.walks.Load(); walks < 10 || walks > 11 {
			t.Errorf("three nodes walked through the store %d times in ten hours", walks)
		}
	})
}

func TestNodesWhoseClocksPartCountByTheClockOfTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &walkedStore{Store: memory.New(), shared: true, clocked: true}
		for _, ahead := range []time.Duration{0, 3 * time.Hour, -3 * time.Hour} {
			running(t, store, ahead, everyMinute)
		}
		time.Sleep(10*time.Hour + time.Minute)
		synctest.Wait()
		if walks := store.walks.Load(); walks != 11 {
			t.Errorf("three nodes walked through the store %d times in ten hours", walks)
		}
	})
}

func TestACountIsTakenOverWhenItsNodeIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &walkedStore{Store: memory.New(), shared: true}
		store.walking = func(ctx context.Context, walk func() (string, error)) (string, error) {
			if store.walks.Load() > 1 {
				return walk()
			}
			<-ctx.Done()
			return "", ctx.Err()
		}
		a, stopA := running(t, store, 0, everyMinute)
		synctest.Wait()
		a.create(signIn(aUser))
		b, _ := running(t, store, 0, everyMinute)
		time.Sleep(time.Minute)
		stopA() // in the midst of its walk
		time.Sleep(time.Minute)
		if _, known := b.Live(); known || store.walks.Load() != 1 {
			t.Errorf("counted while another node may be counting: %v, %d walks", known, store.walks.Load())
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		show(t, 1, "an hour after the claim", b)
	})
}

// TestACountDuringWhichEverybodysSessionsWereEndedIsNotTaken lets the ending come when a count
// has read the sessions as live.
func TestACountDuringWhichEverybodysSessionsWereEndedIsNotTaken(t *testing.T) {
	for name, shared := range map[string]bool{"of one process": false, "shared": true} {
		t.Run(name, func(t *testing.T) {
			c := newClock()
			store := &walkedStore{Store: memory.New(), shared: shared}
			n := newNodeOn(t, store, c)
			for range 3 {
				n.create(signIn(aUser))
			}
			store.read = func() { n.must(n.EndEverybody(context.Background(), shop)) }
			_, err := n.CountLive(context.Background())
			n.must(err)
			show(t, 0, "after the ending", n)
			n.create(signIn(aUser))
			show(t, 1, "after a creation", n)
		})
	}
}
