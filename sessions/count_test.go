package sessions_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/store/memory"
	"github.com/rollcall-id/rollcall/store/storetest"
)

func TestACountAtTheStartRemembersWhatItReads(t *testing.T) {
	c := newClock()
	memoryStore := memory.New()
	first := newNodeOn(t, memoryStore, c)
	type known struct {
		s     rollcall.Session
		token rollcall.Token
	}
	var all []known
	for u := range 5 {
		for range 3 {
			s, token := first.create(signIn(fmt.Sprintf("user-%d", u)))
			all = append(all, known{s, token})
		}
	}
	for range 70 {
		first.create(signIn("many"))
	}
	if err := first.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}

	store := &storetest.Faulty{Store: memoryStore}
	n := newNodeOn(t, store, c, cached)
	n.must(n.Warm(context.Background()))
	if got, known := n.Live(); got != 85 || !known {
		t.Fatalf("%d live, %v", got, known)
	}
	if _, err := n.Session(context.Background(), all[0].s.ID); err != nil { // reads everybody's generation
		t.Fatal(err)
	}
	before := store.Calls().Reads
	for _, k := range all {
		if !n.accepts(k.token) {
			t.Error("refused")
		}
		n.list(k.s.UserID)
	}
	if reads := store.Calls().Reads - before; reads != 0 {
		t.Errorf("the store was read %d times", reads)
	}
	for _, k := range all {
		n.agreesWithItsStore(k.s.UserID, k.s.ID, k.token)
	}
	if got := len(n.list("many")); got != 70 {
		t.Errorf("%d of a user with many", got)
	}
}

// TestACountLeavesOutWhatHappenedMeanwhile lets acts and uses happen while the count
// looks at the store.
func TestACountLeavesOutWhatHappenedMeanwhile(t *testing.T) {
	for name, act := range usesAndActs() {
		t.Run(name, func(t *testing.T) {
			inner := memory.New()
			c := newClock()
			s, token := newNodeOn(t, inner, c).create(signIn(aUser))
			var n node
			n = newNodeOn(t, meanwhile{inner, func() {
				if err := act(n, s, token); err != nil {
					t.Error(err)
				}
			}}, c, cached)
			n.must(n.Warm(context.Background()))
			n.store = inner
			n.agreesWithItsStore(aUser, s.ID, token)
		})
	}
}

// meanwhile does something after a walk has read its sessions, and before anybody is told
// of them.
type meanwhile struct {
	*memory.Store
	do func()
}

func (m meanwhile) Walk(ctx context.Context, after string, visit func(rollcall.Walked) bool) (string, error) {
	var all []rollcall.Walked
	next, err := m.Store.Walk(ctx, after, func(w rollcall.Walked) bool {
		s := w.Session.Clone()
		all = append(all, rollcall.Walked{Standing: w.Standing, Session: &s})
		return true
	})
	if err != nil {
		return "", err
	}
	m.do()
	for _, w := range all {
		visit(w)
	}
	return next, nil
}

// TestACountRemembersTheSessionsOfAUserWithMany holds that a start leaves nothing to be
// read for a check.
func TestACountRemembersTheSessionsOfAUserWithMany(t *testing.T) {
	c := newClock()
	inner := memory.New()
	first := newNodeOn(t, inner, c)
	var ids []rollcall.Session
	var tokens []rollcall.Token
	for i := range 100 {
		s, token := first.create(signIn([]string{"before", aUser, aUser, aUser, "z"}[i%5]))
		ids, tokens = append(ids, s), append(tokens, token)
	}
	for i := range 80 {
		s, token := first.create(signIn(fmt.Sprintf("%s-%d", aUser, i%2)))
		ids, tokens = append(ids, s), append(tokens, token)
	}
	for range 40 {
		s, token := first.create(signIn(aUser))
		ids, tokens = append(ids, s), append(tokens, token)
	}
	first.must(first.Flush(context.Background()))
	store := &storetest.Faulty{Store: inner}
	n := newNodeOn(t, store, c, cached)
	n.must(n.Warm(context.Background()))
	if _, err := n.Session(context.Background(), ids[0].ID); err != nil { // reads everybody's generation
		t.Fatal(err)
	}
	before := store.Calls().Reads
	for _, token := range tokens {
		if !n.accepts(token) {
			t.Error("refused")
		}
	}
	if reads := store.Calls().Reads - before; reads != 0 {
		t.Errorf("the store was read %d times for %d checks", reads, len(tokens))
	}
	n.must(n.EndAll(context.Background(), shop, aUser, rollcall.ReasonDeleted))
	for i, token := range tokens {
		if got, want := n.accepts(token), ids[i].UserID != aUser; got != want {
			t.Errorf("%s: accepted is %v after all of %s were ended", ids[i].UserID, got, aUser)
		}
	}
}
