package rollcall_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/store/memory"
	"github.com/rollcall-id/rollcall/store/storetest"
)

// An act is one of the Manager's, on a session that is there.
var acts = map[string]func(node, rollcall.Session, rollcall.Token) error{
	"create": func(n node, _ rollcall.Session, _ rollcall.Token) error {
		in := signIn(aUser)
		in.IdempotencyKey = "again"
		_, _, err := n.Create(context.Background(), shop, in)
		return err
	},
	"end": func(n node, s rollcall.Session, _ rollcall.Token) error {
		return n.End(context.Background(), shop, s.ID, rollcall.ReasonDeleted)
	},
	"log out": func(n node, _ rollcall.Session, token rollcall.Token) error {
		_, err := n.EndByToken(context.Background(), rollcall.Caller{}, token.Reveal())
		return err
	},
	"end all": func(n node, _ rollcall.Session, _ rollcall.Token) error {
		return n.EndAll(context.Background(), shop, aUser, rollcall.ReasonDeleted)
	},
	"end others": func(n node, s rollcall.Session, _ rollcall.Token) error {
		n.create(signIn(aUser))
		return n.EndOthers(context.Background(), shop, aUser, s.ID)
	},
	"end everybody": func(n node, _ rollcall.Session, _ rollcall.Token) error {
		return n.EndEverybody(context.Background(), shop)
	},
	"update": func(n node, s rollcall.Session, _ rollcall.Token) error {
		_, err := n.UpdateMetadata(context.Background(), shop, s.ID, []rollcall.MetadataEntry{{Key: "a", Value: "1"}})
		return err
	},
	"authenticate": func(n node, s rollcall.Session, _ rollcall.Token) error {
		_, _, err := n.Authenticate(context.Background(), shop, s.ID, rollcall.Authentication{UserID: aUser, Methods: []rollcall.Method{{Name: "mfa"}}})
		return err
	},
	"join": func(n node, _ rollcall.Session, token rollcall.Token) error {
		_, err := n.Check(context.Background(), token.Reveal(), rollcall.Use{ClientID: "blog"})
		return err
	},
}

// faulty is a node whose store fails when told to, with one session.
func faulty(t *testing.T) (node, *storetest.Faulty, rollcall.Session, rollcall.Token) {
	t.Helper()
	store := &storetest.Faulty{Store: memory.New()}
	n := newNodeOn(t, store, newClock())
	s, token := n.create(signIn(aUser))
	return n, store, s, token
}

// state is everything that a user can see, and the events.
func (n node) state() []any {
	n.t.Helper()
	page, err := n.List(context.Background(), rollcall.ListQuery{UserID: aUser, Take: 100, Total: true})
	n.must(err)
	for i := range page.Sessions {
		page.Sessions[i].Last = rollcall.Interaction{}
	}
	return []any{page, n.events()}
}

func TestActThatFailsBeforeItsCommitChangesNothing(t *testing.T) {
	for name, act := range acts {
		for fault, want := range map[storetest.Fault]rollcall.Code{storetest.Before: rollcall.CodeUnavailable, storetest.Full: rollcall.CodeUnavailable} {
			t.Run(name, func(t *testing.T) {
				n, store, s, token := faulty(t)
				if name == "end others" {
					n.create(signIn(aUser)) // so that what the act itself creates is not the fault's
				}
				before := n.state()
				if name == "end others" {
					store.FailCommits(fault)
					wantCode(t, n.EndOthers(context.Background(), shop, aUser, s.ID), want)
				} else {
					store.FailCommits(fault)
					wantCode(t, act(n, s, token), want)
				}
				if diff := cmp.Diff(before, n.state()); diff != "" {
					t.Errorf("something changed:\n%s", diff)
				}
			})
		}
	}
}

func TestActThatSaysItFailedIsNotTriedAgainAndMayBeRepeated(t *testing.T) {
	for name, act := range acts {
		if name == "end others" || name == "authenticate" {
			continue // the first creates a session of its own, the second makes another secret each time
		}
		t.Run(name, func(t *testing.T) {
			n, store, s, token := faulty(t)
			store.FailCommits(storetest.After)
			wantCode(t, act(n, s, token), rollcall.CodeUnavailable)
			after := n.state()
			err := act(n, s, token)
			if code := rollcall.ErrorCode(err); code != "" && code != rollcall.CodeNotFound && code != rollcall.CodeRefused {
				t.Errorf("repeated: %v", err)
			}
			if name == "update" || name == "end everybody" {
				return // these leave an event each time
			}
			if diff := cmp.Diff(after, n.state()); diff != "" {
				t.Errorf("repeating did something again:\n%s", diff)
			}
		})
	}
}

func TestActIsDecidedAnewWhenAnotherNodeWasQuicker(t *testing.T) {
	for name, act := range acts {
		t.Run(name, func(t *testing.T) {
			n, store, s, token := faulty(t)
			if name != "end others" {
				store.FailCommits(storetest.Conflict, storetest.Conflict)
			}
			if err := act(n, s, token); err != nil {
				t.Errorf("after two conflicts: %v", err)
			}
		})
	}
}

func TestActGivesUpAfterABoundAndChangesNothing(t *testing.T) {
	n, store, s, _ := faulty(t)
	before := n.state()
	conflicts := make([]storetest.Fault, 100)
	for i := range conflicts {
		conflicts[i] = storetest.Conflict
	}
	store.FailCommits(conflicts...)
	err := n.End(context.Background(), shop, s.ID, rollcall.ReasonDeleted)
	e, ok := errors.AsType[*rollcall.Error](err)
	if !ok || e.Code != rollcall.CodeUnavailable || e.RetryAfter == 0 {
		t.Errorf("error %v", err)
	}
	store.FailCommits()
	if diff := cmp.Diff(before, n.state()); diff != "" {
		t.Errorf("something changed:\n%s", diff)
	}
}

func TestStoreThatCannotBeReadIsUnavailableNeverARefusal(t *testing.T) {
	n, store, s, token := faulty(t)
	n = newNodeOn(t, store, n.clock) // has nothing in memory
	store.FailReads(errors.New("disk"))
	_, err := n.Check(context.Background(), token.Reveal(), rollcall.Use{})
	wantCode(t, err, rollcall.CodeUnavailable)
	_, err = n.Session(context.Background(), s.ID)
	wantCode(t, err, rollcall.CodeUnavailable)
	_, err = n.List(context.Background(), rollcall.ListQuery{UserID: aUser, Take: 1})
	wantCode(t, err, rollcall.CodeUnavailable)
	for name, act := range acts {
		if name != "end others" {
			wantCode(t, act(n, s, token), rollcall.CodeUnavailable)
		}
	}
}

func TestInteractionsThatCouldNotBeWrittenAreKeptAndWrittenLater(t *testing.T) {
	n, store, s, token := faulty(t)
	n.clock.Advance(time.Minute)
	if !n.accepts(token) {
		t.Fatal("refused")
	}
	store.FailTouches(storetest.Before)
	wantCode(t, n.Flush(context.Background()), rollcall.CodeUnavailable)
	n.clock.Advance(time.Minute)
	shown, err := n.Session(context.Background(), s.ID)
	if err != nil || !shown.Last.At.Equal(t0.Add(time.Minute)) {
		t.Errorf("shown %v, %v", shown.Last.At, err)
	}
	n.must(n.Flush(context.Background()))
	stored, _, err := store.Session(context.Background(), s.ID)
	if err != nil || !stored.Last.At.Equal(t0.Add(time.Minute)) {
		t.Errorf("stored %v, %v", stored.Last.At, err)
	}
}

func TestEndingOvertakesACheckThatReadBeforeIt(t *testing.T) {
	n, store, s, token := faulty(t)
	n = newNodeOn(t, store, n.clock) // has to read it
	once := true
	store.Loaded = func() {
		if once {
			once = false
			n.must(n.End(context.Background(), shop, s.ID, rollcall.ReasonDeleted))
		}
	}
	// The check read before the ending was acknowledged and may go either way;
	// its touch must not bring the session back, and the next check must refuse.
	_, _ = n.Check(context.Background(), token.Reveal(), rollcall.Use{})
	n.must(n.Flush(context.Background()))
	if n.accepts(token) || len(n.list(aUser)) != 0 {
		t.Error("the session is back")
	}
}

func TestRunWritesInteractionsAndSweeps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memory.New()
		m, err := rollcall.New(store, rollcall.Options{CacheSize: cacheSize, TouchInterval: time.Minute, EventRetention: 48 * time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		n := node{Manager: m, t: t, store: store}
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error)
		go func() { done <- m.Run(ctx) }()
		in := signIn(aUser)
		in.Asked.Absolute = time.Hour
		s, token := n.create(in)
		ended, _ := n.create(signIn(aUser))
		n.must(n.End(context.Background(), shop, ended.ID, rollcall.ReasonDeleted))
		time.Sleep(10 * time.Minute)
		if !n.accepts(token) {
			t.Fatal("refused")
		}
		time.Sleep(2 * time.Minute)
		stored, _, err := store.Session(context.Background(), s.ID)
		if want := time.Now().Add(-2 * time.Minute); err != nil || stored.Last.At.Before(want) {
			t.Errorf("two minutes later the interaction is not written: %v, %v", stored.Last.At, err)
		}
		time.Sleep(24*time.Hour + 5*time.Minute)
		if _, _, err := store.Session(context.Background(), ended.ID); !errors.Is(err, rollcall.ErrNoSession) {
			t.Errorf("a day after its ending a session is still stored: %v", err)
		}
		if _, _, err := store.Session(context.Background(), s.ID); err != nil {
			t.Errorf("a session that is over for less than a day is gone: %v", err)
		}
		time.Sleep(2 * time.Hour)
		if _, _, err := store.Session(context.Background(), s.ID); !errors.Is(err, rollcall.ErrNoSession) {
			t.Errorf("a day after its end a session is still stored: %v", err)
		}
		want := []string{"session.created ", "session.created ", "session.ended deleted", "session.expired expired"}
		if diff := cmp.Diff(want, n.events()); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
		time.Sleep(72 * time.Hour)
		if got := n.events(); len(got) != 0 {
			t.Errorf("events outlive their retention: %v", got)
		}
		cancel()
		n.must(<-done)
	})
}

func TestRunWritesWhatIsLeftAtItsStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memory.New()
		m, err := rollcall.New(store, rollcall.Options{CacheSize: cacheSize, TouchInterval: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		n := node{Manager: m, t: t, store: store}
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error)
		go func() { done <- m.Run(ctx) }()
		s, token := n.create(signIn(aUser))
		time.Sleep(time.Minute)
		if !n.accepts(token) {
			t.Fatal("refused")
		}
		cancel()
		n.must(<-done)
		stored, _, err := store.Session(context.Background(), s.ID)
		if err != nil || !stored.Last.At.Equal(time.Now().UTC().Truncate(time.Millisecond)) {
			t.Errorf("stored %v, %v", stored.Last.At, err)
		}
	})
}

func TestSweepRemovesEndingsOfManySilently(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memory.New()
		m, err := rollcall.New(store, rollcall.Options{CacheSize: cacheSize, TouchInterval: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		n := node{Manager: m, t: t, store: store}
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error)
		go func() { done <- m.Run(ctx) }()
		for range 500 {
			n.create(signIn(aUser))
		}
		n.must(n.EndAll(context.Background(), shop, aUser, rollcall.ReasonDeleted))
		time.Sleep((72 + 25) * time.Hour)
		u, rows, err := store.Sessions(context.Background(), aUser, rollcall.Position{}, 1000)
		if err != nil || len(rows) != 0 || u.Version != 0 {
			t.Errorf("%d rows are left, the user at version %d, %v", len(rows), u.Version, err)
		}
		if got := len(n.events()); got != 501 {
			t.Errorf("%d events, want 501", got)
		}
		cancel()
		n.must(<-done)
	})
}
