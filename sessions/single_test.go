package sessions_test

import (
	"context"
	"testing"
	"time"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/store/memory"
	"github.com/rollcall-id/rollcall/store/storetest"
)

// oneOfMany is a node that knows that a user has more sessions than a block holds, and
// one of them that it has not looked at. Reads of its store can be counted and held up.
func oneOfMany(t *testing.T) (n node, store *storetest.Faulty, s rollcall.Session, token rollcall.Token) {
	store = &storetest.Faulty{Store: memory.New()}
	n = newNodeOn(t, store, newClock(), cached)
	first := n.forgetful()
	for range 70 {
		first.create(signIn(aUser))
	}
	s, token = first.create(signIn(aUser))
	_, other := first.create(signIn(aUser))
	for range 2 {
		if !n.accepts(other) {
			t.Fatal("refused")
		}
	}
	return n, store, s, token
}

func TestASessionOfAUserWithManyIsCheckedFromMemory(t *testing.T) {
	for name, act := range acts {
		t.Run(name, func(t *testing.T) {
			n, store, s, token := oneOfMany(t)
			if !n.accepts(token) {
				t.Fatal("refused")
			}
			before := store.Calls().Reads
			for range 3 {
				n.clock.Advance(time.Second)
				if _, err := n.Check(context.Background(), token.Reveal(), rollcall.Use{IP: "192.0.2.77"}); err != nil {
					t.Fatal(err)
				}
			}
			if reads := store.Calls().Reads - before; reads != 0 {
				t.Errorf("the store was read %d times for three checks", reads)
			}
			n.agreesWithItsStore(aUser, s.ID, token)
			n.clock.Advance(time.Second)
			if _, err := n.Check(context.Background(), token.Reveal(), rollcall.Use{IP: "192.0.2.78"}); err != nil {
				t.Fatal(err)
			}
			n.must(act(n, s, token))
			n.agreesWithItsStore(aUser, s.ID, token)
		})
	}
}

// TestASessionOfAUserWithManyIsRememberedAsItIs lets something happen between what is read
// of a session and what is remembered.
func TestASessionOfAUserWithManyIsRememberedAsItIs(t *testing.T) {
	for name, happens := range usesAndActs() {
		t.Run(name, func(t *testing.T) {
			n, store, s, token := oneOfMany(t)
			store.Loaded = func() {
				store.Loaded = nil
				if err := happens(n, s, token); err != nil {
					t.Error(err)
				}
			}
			_, _, _ = n.Inspect(context.Background(), token.Reveal(), rollcall.Requirement{})
			if store.Loaded != nil {
				t.Fatal("it was not read")
			}
			n.agreesWithItsStore(aUser, s.ID, token)
		})
	}
}

// TestAUserWhoIsCalledLikeTheirSessionIsListed has a user whose id is that of one of their
// sessions, made elsewhere.
func TestAUserWhoIsCalledLikeTheirSessionIsListed(t *testing.T) {
	n := newNode(t, cached)
	in := signIn("made-elsewhere-0001")
	for range 70 {
		n.create(in)
	}
	in.ID = in.UserID
	s, token := n.create(in)
	for range 3 {
		if !n.accepts(token) {
			t.Fatal("refused")
		}
	}
	if got := len(n.list(in.UserID)); got != 71 {
		t.Errorf("%d sessions of 71", got)
	}
	n.agreesWithItsStore(in.UserID, s.ID, token)
}
