package sessions_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/sessions"
)

// signInMany makes n sessions of a user, several at once: an engine with a disk is asked to
// wait for it less often.
func signInMany(node node, n int) {
	node.t.Helper()
	var workers sync.WaitGroup
	for worker := range 50 {
		workers.Go(func() {
			for i := worker; i < n; i += 50 {
				if _, _, err := node.Create(context.Background(), shop, signIn(aUser)); err != nil {
					node.t.Error(err)
				}
			}
		})
	}
	workers.Wait()
}

func TestALimitThatWasLoweredEndsThousandsInBoundedChanges(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		store := &observed{Store: e.open(t)}
		before := newNodeOn(t, store, newClock())
		many := e.many(5000) // more than one read of the engine's, of at most 1,000
		signInMany(before, many)
		store.asked()
		before.clock.Advance(time.Second)
		n := newNodeOn(t, store, before.clock, limited(5, rollcall.EndOldest))
		newest, _ := n.create(signIn(aUser))
		asked := store.asked()
		if asked.MostPuts > rollcall.MaxChange {
			t.Errorf("one change has %d sessions, at most %d are allowed", asked.MostPuts, rollcall.MaxChange)
		}
		if least := (many - 4 + 1) / rollcall.MaxChange; asked.Commits < least || asked.Commits > least+2 {
			t.Errorf("%d commits, want about %d", asked.Commits, least)
		}
		if asked.Reads > 10 {
			t.Errorf("%d reads of 1,000 sessions for %d sessions", asked.Reads, many)
		}
		ids := n.list(aUser)
		if len(ids) != 5 || ids[0] != newest.ID {
			t.Errorf("%d sessions, the first of them %v; want 5, the first of them %s", len(ids), ids[:min(1, len(ids))], newest.ID)
		}
		ended := 0
		for _, e := range logOf(t, store) {
			if e.Type == rollcall.SessionEnded && e.Reason == rollcall.ReasonLimit {
				ended++
			}
		}
		if want := many - 4; ended != want {
			t.Errorf("%d events of sessions that were ended for the limit, want %d", ended, want)
		}
	})
}

// TestACreationWithManySessionsThatAreOverIsBounded has thousands of sessions that came to
// their idle limit and have not been swept.
func TestACreationWithManySessionsThatAreOverIsBounded(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		store := &observed{Store: e.open(t)}
		before := newNodeOn(t, store, newClock())
		signInMany(before, e.many(1000))
		before.clock.Advance(80 * time.Hour)
		n := newNodeOn(t, store, before.clock, limited(5, rollcall.Deny))
		store.asked()
		s, _ := n.create(signIn(aUser))
		if asked := store.asked(); asked.MostPuts > rollcall.MaxChange {
			t.Errorf("one change has %d sessions, at most %d are allowed", asked.MostPuts, rollcall.MaxChange)
		}
		if ids := n.list(aUser); !slices.Equal(ids, []string{s.ID}) {
			t.Errorf("sessions %v, want %s", ids, s.ID)
		}
	})
}

// TestALapsedSessionDoesNotComeBackBesideTheOneThatTookItsPlace lets a use hang over the
// idle end of a session whose place another takes.
func TestALapsedSessionDoesNotComeBackBesideTheOneThatTookItsPlace(t *testing.T) {
	eachEngineAndMemory(t, func(t *testing.T, e engine, size int64) {
		for _, at := range []rollcall.AtLimit{rollcall.EndOldest, rollcall.Deny} {
			store := newLate(e.open(t))
			n := newNodeOn(t, store, newClock(), withMemory(size), limited(1, at))
			s, first := n.create(signIn(aUser))
			n.clock.setAt(s.Last.IdleExpiresAt.Add(-time.Millisecond))
			var use sync.WaitGroup
			use.Go(func() { _, _ = n.Check(context.Background(), first.Reveal(), rollcall.Use{}) })
			<-store.arrived
			n.clock.Advance(2 * time.Millisecond)
			_, second := n.create(signIn(aUser))
			close(store.goOn)
			use.Wait()
			if n.accepts(first) {
				t.Errorf("%s: the session that was over is accepted", at)
			}
			store.touching = nil
			if !n.accepts(second) || len(n.list(aUser)) != 1 {
				t.Errorf("%s: %d sessions with a limit of 1, the new one among them: %v", at, len(n.list(aUser)), n.accepts(second))
			}
		}
	})
}

// TestOneKeyMakesOneSessionAtMidnight has two nodes on both sides of the end of a key's
// window. The second node creates before the n-th read of the first, or before its commit.
func TestOneKeyMakesOneSessionAtMidnight(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		for name, limit := range map[string]func(*sessions.Options){
			"no limit":      func(*sessions.Options) {},
			"a limit of 10": limited(10, rollcall.EndOldest),
		} {
			for before := range 6 {
				for _, apart := range []time.Duration{2 * time.Millisecond, 30 * time.Second, -30 * time.Second} {
					t.Run(fmt.Sprintf("%s, before read %d, clocks %s apart", name, before, apart), func(t *testing.T) {
						midnight := t0.Truncate(24 * time.Hour).Add(24 * time.Hour)
						engine := e.open(t)
						b := newNodeOn(t, engine, newClock(), limit)
						b.clock.setAt(midnight.Add(apart / 2))
						in := signIn(aUser)
						in.IdempotencyKey = "one"
						var fromB rollcall.Session
						var tokenB rollcall.Token
						once := sync.OnceFunc(func() { fromB, tokenB = b.create(in) })
						a := newNodeOn(t, &observed{
							Store: e.another(t, engine),
							beforeRead: func(n int) {
								if n == before {
									once()
								}
							},
							beforeCommit: func(*rollcall.Change) { once() },
						}, newClock(), limit)
						a.clock.setAt(midnight.Add(-apart / 2))
						s, token := a.create(in)
						if s.ID != fromB.ID || token != tokenB {
							t.Errorf("one key made %s and %s", s.ID, fromB.ID)
						}
						if got := len(rowsOf(t, engine)); got != 1 {
							t.Errorf("%d sessions, want 1", got)
						}
					})
				}
			}
		}
	})
}

// TestAVersionOfAUserDoesNotComeAgainAfterTheLastRowWent decides a creation on a user's row
// that goes, and that as many acts as before make anew, before the creation commits.
func TestAVersionOfAUserDoesNotComeAgainAfterTheLastRowWent(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		engine := e.open(t)
		b := newNodeOn(t, engine, newClock(), limited(1, rollcall.EndOldest))
		old, _ := b.create(signIn(aUser))
		b.must(b.End(t.Context(), shop, old.ID, rollcall.ReasonDeleted))
		b.clock.Advance(32 * 24 * time.Hour)
		var first, again uint64
		between := sync.OnceFunc(func() {
			first = versionOf(t, engine)
			removeAll(t, engine, b.clock.Now())
			if got := versionOf(t, engine); got != 0 {
				t.Fatalf("the user's row is there, at version %d", got)
			}
			b.create(signIn(aUser))
			b.create(signIn(aUser)) // ends the one before
			again = versionOf(t, engine)
		})
		a := newNodeOn(t, &observed{Store: e.another(t, engine), beforeCommit: func(*rollcall.Change) { between() }}, b.clock, limited(1, rollcall.EndOldest))
		a.create(signIn(aUser))
		if got := len(b.list(aUser)); got != 1 {
			t.Errorf("%d sessions with a limit of 1; the row had version %d, and then %d", got, first, again)
		}
	})
}

// versionOf is the version of a user's row.
func versionOf(t *testing.T, store rollcall.Store) uint64 {
	t.Helper()
	st, _, err := store.Sessions(context.Background(), rollcall.SessionsOf{UserID: aUser})
	if err != nil {
		t.Fatal(err)
	}
	return st.User.Version
}

// removeAll removes all rows that are filed before now, and all events.
func removeAll(t *testing.T, store rollcall.Store, now time.Time) {
	t.Helper()
	page, err := store.Events(context.Background(), rollcall.EventsAfter{})
	for err == nil {
		var swept rollcall.Swept
		swept, err = store.Sweep(context.Background(), rollcall.Sweep{
			SessionsBefore: now, EventsUpTo: page.Head, Limit: 100,
			Decide: func(rollcall.Walked) rollcall.Verdict { return rollcall.Verdict{} },
		})
		if !swept.More {
			break
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestAUsersRowThatIsLostRefusesTheSessions loses the row, or has it made anew by a later
// sign-in, or restored as it was before an ending.
func TestAUsersRowThatIsLostRefusesTheSessions(t *testing.T) {
	for name, lose := range map[string]func(*rollcall.User){
		"lost": func(u *rollcall.User) { *u = rollcall.User{ID: u.ID} },
		"made anew": func(u *rollcall.User) {
			v := uint64(t0.Add(time.Hour).UnixMilli())
			*u = rollcall.User{ID: u.ID, Version: v, Generation: v, TokenGeneration: v}
		},
		"restored": func(u *rollcall.User) { u.Generation-- },
	} {
		t.Run(name, func(t *testing.T) {
			eachEngineAndMemory(t, func(t *testing.T, e engine, size int64) {
				engine := e.open(t)
				n := newNodeOn(t, engine, newClock())
				n.create(signIn(aUser))
				n.must(n.EndAll(context.Background(), shop, aUser, rollcall.ReasonDeleted))
				n.clock.Advance(time.Second)
				s, token := n.create(signIn(aUser))
				if !n.accepts(token) {
					t.Fatal("refused before the row is lost")
				}
				store := &observed{Store: engine, standing: func(st *rollcall.Standing) { lose(&st.User) }}
				after := newNodeOn(t, store, n.clock, withMemory(size))
				for range 3 {
					if after.accepts(token) || slices.Contains(after.list(aUser), s.ID) {
						t.Fatal("the session is accepted")
					}
					_, err := after.Session(context.Background(), s.ID)
					wantCode(t, err, rollcall.CodeNotFound)
				}
			})
		})
	}
}
