package sessions_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/sessions"
)

// onANetwork is an engine that is a network away: a millisecond for a read, three for a
// commit, of the bubble's time.
func onANetwork(store rollcall.Store) *observed {
	return &observed{Store: store, read: time.Millisecond, commit: 3 * time.Millisecond}
}

// severalNodes are Managers over what one store keeps, with the time of the test's bubble.
// store is the first one's.
func severalNodes(t *testing.T, n int, e engine, store rollcall.Store, configure ...func(*sessions.Options)) (all []*sessions.Manager) {
	t.Helper()
	for i := range n {
		var o sessions.Options
		for _, f := range configure {
			f(&o)
		}
		away := onANetwork(store)
		if i > 0 {
			away = onANetwork(e.another(t, store))
		}
		m, err := sessions.New(away, o)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, m)
	}
	return all
}

// endAllWithin ends all of a user's sessions and fails if that takes longer.
func endAllWithin(t *testing.T, m *sessions.Manager, most time.Duration) {
	t.Helper()
	began := time.Now()
	if err := m.EndAll(context.Background(), shop, aUser, rollcall.ReasonDeleted); err != nil {
		t.Errorf("end all: %v", err)
	}
	if took := time.Since(began); took > most {
		t.Errorf("end all was answered after %v", took)
	}
}

// TestManySignInsOfOneUserOnSeveralNodesKeepTheLimitAndAllSucceed has an ending of all in
// their midst.
func TestManySignInsOfOneUserOnSeveralNodesKeepTheLimitAndAllSucceed(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		numbers := []int{8}
		if !e.shared { // that opens a store for each node
			numbers = []int{2, 3, 5, 8}
		}
		for _, nodes := range numbers {
			for _, limit := range []int{1, 5} {
				t.Run(fmt.Sprintf("%d nodes, limit %d", nodes, limit), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						store := e.open(t)
						all := severalNodes(t, nodes, e, store, limited(limit, rollcall.EndOldest))
						var acts sync.WaitGroup
						for i := range 200 {
							acts.Go(func() {
								if _, _, err := all[i%nodes].Create(context.Background(), shop, signIn(aUser)); err != nil {
									t.Errorf("sign-in %d: %v", i, err)
								}
							})
						}
						time.Sleep(50 * time.Millisecond)
						endAllWithin(t, all[0], time.Second)
						acts.Wait()

						n := node{Manager: all[0], t: t, store: store}
						live := n.list(aUser)
						log := logOf(t, store)
						end := slices.IndexFunc(log, func(e rollcall.Event) bool { return e.Type == rollcall.UserSessionsEnded })
						if len(live) != limit || end < 0 {
							t.Errorf("%d sessions are live with a limit of %d; the ending is event %d", len(live), limit, end)
						}
						for i, e := range log {
							if e.Type == rollcall.SessionCreated && i < end && slices.Contains(live, e.SessionID) {
								t.Errorf("session %s was created before the ending, and is live", e.SessionID)
							}
						}
					})
				})
			}
		}
	})
}

// TestEndAllIsNotStarvedBySignInsOnOtherNodes ends all many times.
func TestEndAllIsNotStarvedBySignInsOnOtherNodes(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		for name, limit := range map[string]func(*sessions.Options){
			"no limit":     func(*sessions.Options) {},
			"a limit of 5": limited(5, rollcall.EndOldest),
		} {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					all := severalNodes(t, 5, e, e.open(t), limit)
					var stop atomic.Bool
					var acts sync.WaitGroup
					for _, m := range all[1:] {
						for range 4 {
							acts.Go(func() {
								for !stop.Load() {
									if _, _, err := m.Create(context.Background(), shop, signIn(aUser)); err != nil {
										t.Errorf("sign-in: %v", err)
									}
								}
							})
						}
					}
					time.Sleep(20 * time.Millisecond)
					for range e.many(100) {
						endAllWithin(t, all[0], 8*time.Millisecond) // a read, a commit, and no conflict
					}
					stop.Store(true)
					acts.Wait()
				})
			})
		}
	})
}

// TestEndAllDoesNotWaitBehindTheSignInsOfItsNode lets three hundred wait, for more than a second.
func TestEndAllDoesNotWaitBehindTheSignInsOfItsNode(t *testing.T) {
	eachEngineAndMemory(t, func(t *testing.T, e engine, size int64) {
		synctest.Test(t, func(t *testing.T) {
			m := severalNodes(t, 1, e, e.open(t), withMemory(size), limited(5, rollcall.EndOldest))[0]
			if _, _, err := m.Create(t.Context(), shop, signIn(aUser)); err != nil {
				t.Fatal(err)
			}
			var acts sync.WaitGroup
			for range 300 {
				acts.Go(func() {
					if _, _, err := m.Create(context.Background(), shop, signIn(aUser)); err != nil {
						t.Errorf("sign-in: %v", err)
					}
				})
			}
			time.Sleep(10 * time.Millisecond)
			endAllWithin(t, m, 16*time.Millisecond) // the act that is under way, and its own
			acts.Wait()
		})
	})
}

// TestActsThatAlwaysMeetAConflictLastUntilTheirTimeIsUp counts no attempts.
func TestActsThatAlwaysMeetAConflictLastUntilTheirTimeIsUp(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		synctest.Test(t, func(t *testing.T) {
			store := e.open(t)
			m := severalNodes(t, 1, e, &quicker{store}, limited(5, rollcall.EndOldest))[0]
			began := time.Now()
			_, _, err := m.Create(t.Context(), shop, signIn(aUser))
			wantCode(t, err, rollcall.CodeUnavailable)
			if took := time.Since(began); took < 9*time.Second || took > 11*time.Second {
				t.Errorf("given up after %v, an act may take ten seconds", took)
			}
			time.Sleep(time.Second) // the attempt that is under way outlives the act
			if got := len(rowsOf(t, store)); got != 0 {
				t.Errorf("%d sessions", got)
			}
		})
	})
}

// A quicker store always has somebody quicker.
type quicker struct{ rollcall.Store }

func (quicker) Commit(context.Context, rollcall.Change) (rollcall.Standing, error) {
	time.Sleep(3 * time.Millisecond)
	return rollcall.Standing{}, rollcall.ErrConflict
}

// TestACreationBesideAnEndingOfEverybodyIsBornOnOneSideOfIt lets everybody end between what
// a creation reads and what it commits.
func TestACreationBesideAnEndingOfEverybodyIsBornOnOneSideOfIt(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		for name, limit := range map[string]func(*sessions.Options){
			"no limit":     func(*sessions.Options) {},
			"a limit of 5": limited(5, rollcall.EndOldest),
		} {
			engine := e.open(t)
			other := newNodeOn(t, engine, newClock(), limit)
			_, before := other.create(signIn(aUser))
			end := sync.OnceFunc(func() { other.must(other.EndEverybody(t.Context(), shop)) })
			n := newNodeOn(t, &observed{Store: e.another(t, engine), beforeCommit: func(*rollcall.Change) { end() }}, other.clock, limit)
			during, token := n.create(signIn(aUser))
			if other.accepts(before) {
				t.Errorf("%s: a session of before the ending is accepted", name)
			}
			// Both sides are right, but all must take the same.
			live := other.accepts(token)
			if n.accepts(token) != live || slices.Contains(n.list(aUser), during.ID) != live {
				t.Errorf("%s: the nodes do not agree", name)
			}
			if name == "no limit" && !live {
				t.Error("a creation that rests on nothing was committed after the ending, and is over")
			}
			_, after := n.create(signIn(aUser))
			if !n.accepts(after) || !other.accepts(after) {
				t.Errorf("%s: a session of after the ending is refused", name)
			}
		}
	})
}
