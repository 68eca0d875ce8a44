package sessions_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/sessions"
	"github.com/rollcall-id/rollcall/store/memory"
	"github.com/rollcall-id/rollcall/store/storetest"
)

// runningLive starts Run of a Manager on the store, with the clock of the bubble, and returns
// what ends it.
func runningLive(t *testing.T, store rollcall.Store, size int64) (m *sessions.Manager, stop func()) {
	t.Helper()
	m, err := sessions.New(store, sessions.Options{Memory: size, TouchInterval: time.Hour, SweepInterval: 24 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	go func() { ran <- m.Run(ctx) }()
	return m, func() {
		t.Helper()
		cancel()
		if err := <-ran; err != nil {
			t.Error(err)
		}
	}
}

func TestTheNumberOfLiveSessionsFollowsWhatHappens(t *testing.T) {
	eachMemory(t, func(t *testing.T, size int64) {
		synctest.Test(t, func(t *testing.T) { theNumberOfLiveSessions(t, size) })
	})
}

func theNumberOfLiveSessions(t *testing.T, size int64) {
	store := memory.New()
	before, err := sessions.New(store, sessions.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, _, err := before.Create(t.Context(), shop, signIn("early")); err != nil {
			t.Fatal(err)
		}
	}
	if n, known := before.Live(); known {
		t.Errorf("%d before the first count", n)
	}
	m, stop := runningLive(t, store, size)
	defer stop()
	create := func(user string) string {
		t.Helper()
		s, _, err := m.Create(t.Context(), shop, signIn(user))
		if err != nil {
			t.Fatal(err)
		}
		return s.ID
	}
	expect := func(want int64, when string) {
		t.Helper()
		synctest.Wait()
		if got, known := m.Live(); got != want || !known {
			t.Errorf("%s: %d, want %d", when, got, want)
		}
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	expect(3, "after the first count")
	id, keep := create("a"), create("a")
	create("a")
	expect(6, "after three creations")
	must(m.End(t.Context(), shop, id, rollcall.ReasonRevoked))
	expect(5, "after an ending")
	must(m.EndOthers(t.Context(), shop, "a", keep))
	expect(4, "after ending the others")
	must(m.EndAll(t.Context(), shop, "early", rollcall.ReasonRevoked))
	expect(1, "after ending all of a user")
	must(m.EndEverybody(t.Context(), shop))
	expect(0, "after ending everybody's")
	create("b")
	expect(1, "after one more")
	time.Sleep(time.Hour + time.Second)
	expect(1, "after a count")
	time.Sleep(30 * 24 * time.Hour)
	expect(0, "when the session has come to its own end")
}

// TestTheFirstCheckAfterAStartReadsNothing holds that Run fills memory by itself: nobody
// has to ask for the number of live sessions.
func TestTheFirstCheckAfterAStartReadsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := memory.New()
		before, err := sessions.New(engine, sessions.Options{})
		if err != nil {
			t.Fatal(err)
		}
		_, token, err := before.Create(t.Context(), shop, signIn(aUser))
		if err != nil {
			t.Fatal(err)
		}
		store := &storetest.Faulty{Store: engine}
		m, stop := runningLive(t, store, 4<<20)
		defer stop()
		synctest.Wait()
		reads := store.Calls().Reads
		if _, err := m.Check(t.Context(), token.Reveal(), rollcall.Use{}); err != nil {
			t.Fatal(err)
		}
		if n := store.Calls().Reads - reads; n != 0 {
			t.Errorf("the first check read the store %d times", n)
		}
	})
}
