package sessions_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/store/memory"
	"github.com/rollcall-id/rollcall/store/storetest"
)

// stalling is a node in a bubble of time whose store can be made to hang.
func stalling(t *testing.T, size int64) (node, *storetest.Faulty) {
	t.Helper()
	store := &storetest.Faulty{Store: memory.New()}
	return newNodeOn(t, store, newClock(), withMemory(size)), store
}

// wantOverdue says that an act was answered when its time was up, and how.
func wantOverdue(t *testing.T, err error, began time.Time, says string) {
	t.Helper()
	wantCode(t, err, rollcall.CodeUnavailable)
	if took := time.Since(began); took != 10*time.Second {
		t.Errorf("answered after %v", took)
	}
	if e, ok := errors.AsType[*rollcall.Error](err); !ok || !strings.Contains(e.Message, says) || e.RetryAfter == 0 {
		t.Errorf("it says: %v", err)
	}
}

func TestAnActThatTheStoreKeepsWaitingIsAnsweredInTimeAndGoesOn(t *testing.T) {
	eachMemory(t, func(t *testing.T, size int64) {
		for name, act := range acts {
			if name == "end others" {
				continue // creates a session first, which would be held
			}
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					n, store := stalling(t, size)
					s, token := n.create(signIn(aUser))
					_, other := n.create(signIn("somebody else"))
					events := len(n.events())
					_, release := store.HoldCommit(storetest.Before)
					defer release()
					began := time.Now()
					wantOverdue(t, act(n, s, token), began, "may or may not have been made")
					if got := len(n.events()); got != events {
						t.Errorf("%d events while it hangs, want %d", got, events)
					}
					began = time.Now()
					if !n.accepts(other) || !n.accepts(token) {
						t.Error("a check is refused while an act hangs")
					}
					n.create(signIn("a third"))
					if took := time.Since(began); took != 0 {
						t.Errorf("others wait for %v", took)
					}
					events++
					release()
					synctest.Wait()
					if got := len(n.events()); got != events+1 {
						t.Errorf("%d events when it has gone on, want %d", got, events+1)
					}
					if ends := strings.HasPrefix(name, "end") || name == "log out"; ends && n.accepts(token) {
						t.Error("what was ended late is accepted")
					}
				})
			})
		}
	})
}

func TestAnActBehindOneThatHangsIsAnsweredInTimeAndChangesNothing(t *testing.T) {
	eachMemory(t, func(t *testing.T, size int64) {
		synctest.Test(t, func(t *testing.T) {
			n, store := stalling(t, size)
			s, token := n.create(signIn(aUser))
			_, release := store.HoldCommit(storetest.After)
			defer release()
			began := time.Now()
			wantOverdue(t, n.End(context.Background(), shop, s.ID, rollcall.ReasonDeleted), began, "may or may not")
			// The ending has happened, but nobody may rely on it before it is durable.
			commits := store.Calls().Commits
			began = time.Now()
			wantOverdue(t, n.End(context.Background(), shop, s.ID, rollcall.ReasonDeleted), began, "given up")
			if got := store.Calls().Commits; got != commits {
				t.Errorf("%d commits behind one that hangs", got-commits)
			}
			release()
			synctest.Wait()
			wantCode(t, n.End(context.Background(), shop, s.ID, rollcall.ReasonDeleted), rollcall.CodeNotFound)
			if n.accepts(token) {
				t.Error("accepted")
			}
			n.create(signIn(aUser)) // the turn is free again
		})
	})
}

func TestActsThatHangAreBoundedInNumber(t *testing.T) {
	eachMemory(t, func(t *testing.T, size int64) {
		synctest.Test(t, func(t *testing.T) {
			n, store := stalling(t, size)
			_, token := n.create(signIn(aUser))
			const most = 1000
			answers := make(chan error, most)
			var releases []func()
			for range most {
				_, release := store.HoldCommit(storetest.Before)
				releases = append(releases, release)
			}
			for i := range most {
				go func() {
					_, _, err := n.Create(context.Background(), shop, signIn(aUser+strings.Repeat("x", i/10)+string(rune('a'+i%10))))
					answers <- err
				}()
			}
			for range most {
				wantCode(t, <-answers, rollcall.CodeUnavailable)
			}
			began := time.Now()
			_, _, err := n.Create(context.Background(), shop, signIn("one more"))
			e, ok := errors.AsType[*rollcall.Error](err)
			if !ok || !strings.Contains(e.Message, "nothing was changed") || time.Since(began) != 0 {
				t.Errorf("one more, after %v: %v", time.Since(began), err)
			}
			if !n.accepts(token) {
				t.Error("refused")
			}
			for _, release := range releases {
				release()
			}
			synctest.Wait()
			n.create(signIn("one more"))
		})
	})
}

func TestAStopWaitsForWhatNobodyElseWaitsFor(t *testing.T) {
	eachMemory(t, func(t *testing.T, size int64) {
		synctest.Test(t, func(t *testing.T) {
			n, store := stalling(t, size)
			s, _ := n.create(signIn(aUser))
			_, release := store.HoldCommit(storetest.Before)
			defer release()
			began := time.Now()
			wantOverdue(t, n.End(context.Background(), shop, s.ID, rollcall.ReasonDeleted), began, "may or may not")
			ctx, cancel := context.WithCancel(context.Background())
			done := make(chan error, 1)
			go func() { done <- n.Run(ctx) }()
			cancel()
			time.Sleep(time.Minute)
			select {
			case <-done:
				t.Fatal("Run has returned, and the store may be closed under the write")
			default:
			}
			release()
			n.must(<-done)
			stored, _, err := store.Session(context.Background(), rollcall.At{ID: s.ID})
			if err != nil || stored.EndedAt.IsZero() {
				t.Errorf("the ending is not there: %v", err)
			}
		})
	})
}

// A slowTouch is a store whose Touch takes as long as it is told.
type slowTouch struct {
	rollcall.Store
	takes time.Duration
}

// Touch takes its time.
func (s slowTouch) Touch(ctx context.Context, touches []rollcall.Touch) error {
	time.Sleep(s.takes)
	return s.Store.Touch(ctx, touches)
}

func TestACheckThatMustWriteFirstIsAnsweredInTime(t *testing.T) {
	eachMemory(t, func(t *testing.T, size int64) {
		for takes, want := range map[time.Duration]rollcall.Code{2 * time.Second: "", time.Minute: rollcall.CodeUnavailable} {
			synctest.Test(t, func(t *testing.T) {
				n := newNodeOn(t, slowTouch{memory.New(), takes}, newClock(), withMemory(size))
				in := signIn(aUser)
				in.Asked.Idle = time.Minute
				_, token := n.create(in)
				_, other := n.create(signIn(aUser))
				n.clock.Advance(58 * time.Second)
				began := time.Now()
				_, err := n.Check(context.Background(), token.Reveal(), rollcall.Use{})
				wantCode(t, err, want)
				if took := time.Since(began); took != min(takes, 10*time.Second) {
					t.Errorf("a write of %v: answered after %v", takes, took)
				}
				began = time.Now()
				if !n.accepts(other) || time.Since(began) != 0 {
					t.Errorf("another check waits for %v", time.Since(began))
				}
				time.Sleep(takes)
			})
		}
	})
}
