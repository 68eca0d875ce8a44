package sessions_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/sessions"
	"github.com/rollcall-id/rollcall/store/storetest"
)

func TestActThatFailsBeforeItsCommitChangesNothing(t *testing.T) {
	eachMemory(t, func(t *testing.T, size int64) {
		for name, act := range acts {
			for fault, want := range map[storetest.Fault]rollcall.Code{storetest.Before: rollcall.CodeUnavailable, storetest.Full: rollcall.CodeUnavailable} {
				t.Run(name, func(t *testing.T) {
					n, store, s, token := faulty(t, size)
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
	})
}

func TestActThatSaysItFailedIsNotTriedAgainAndMayBeRepeated(t *testing.T) {
	eachMemory(t, func(t *testing.T, size int64) {
		for name, act := range acts {
			if name == "end others" || name == "authenticate" {
				continue // the first creates a session of its own, the second makes another secret each time
			}
			t.Run(name, func(t *testing.T) {
				n, store, s, token := faulty(t, size)
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
	})
}

func TestActIsDecidedAnewWhenAnotherNodeWasQuicker(t *testing.T) {
	eachMemory(t, func(t *testing.T, size int64) {
		for name, act := range acts {
			t.Run(name, func(t *testing.T) {
				n, store, s, token := faulty(t, size)
				if name != "end others" {
					store.FailCommits(storetest.Conflict, storetest.Conflict)
				}
				if err := act(n, s, token); err != nil {
					t.Errorf("after two conflicts: %v", err)
				}
			})
		}
	})
}

func TestActGivesUpAfterABoundAndChangesNothing(t *testing.T) {
	eachMemory(t, func(t *testing.T, size int64) {
		n, store, s, _ := faulty(t, size, func(o *sessions.Options) { o.ActTimeout = 300 * time.Millisecond })
		before := n.state()
		conflicts := make([]storetest.Fault, 10_000)
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
	})
}

func TestStoreThatCannotBeReadIsUnavailableNeverARefusal(t *testing.T) {
	eachMemory(t, func(t *testing.T, size int64) {
		n, store, s, token := faulty(t, size)
		n = newNodeOn(t, store, n.clock, withMemory(size)) // has nothing in memory
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
	})
}

func TestEveryActLeavesItsEvent(t *testing.T) {
	eachMemory(t, func(t *testing.T, size int64) {
		n := newNode(t, withMemory(size))
		s, _ := n.create(signIn(aUser))
		_, err := n.UpdateMetadata(context.Background(), shop, s.ID, []rollcall.MetadataEntry{{Key: "a", Value: "1"}})
		n.must(err)
		_, token, err := n.Authenticate(context.Background(), shop, s.ID, rollcall.Authentication{UserID: aUser, Methods: []rollcall.Method{{Name: "mfa"}}})
		n.must(err)
		_, err = n.Check(context.Background(), token.Reveal(), rollcall.Use{ClientID: "blog", IP: shop.IP, UserAgent: shop.UserAgent})
		n.must(err)
		n.must(n.End(context.Background(), shop, s.ID, rollcall.ReasonRevoked))
		n.create(signIn(aUser))
		n.create(signIn(aUser))
		n.must(n.EndAll(context.Background(), shop, aUser, rollcall.ReasonDeleted))
		n.must(n.EndEverybody(context.Background(), shop))
		want := []string{
			"session.created ", "session.updated ", "session.authenticated ", "session.client_joined ", "session.ended revoked",
			"session.created ", "session.created ", "user.sessions_ended deleted", "everybody.sessions_ended everybody",
		}
		if diff := cmp.Diff(want, n.events()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		page, err := n.Events(context.Background(), rollcall.EventsAfter{Limit: 100})
		n.must(err)
		stored := page.Events
		for _, one := range stored {
			who := "shop"
			if one.Event.Type == rollcall.SessionJoined {
				who = "blog"
			}
			if e := one.Event; e.Actor != who || e.IP != shop.IP || e.UserAgent != shop.UserAgent {
				t.Errorf("the event does not say who did what, from where: %+v", e)
			}
		}
		if e := stored[0].Event; e.SessionID != s.ID || e.UserID != aUser || e.ClientID != "shop" {
			t.Errorf("the event does not say what was made: %+v", e)
		}
		if got := stored[7].Event.Count; got != 2 {
			t.Errorf("count %d, want 2", got)
		}
	})
}

func TestManyActsOnOneUserAtOnceAllHappen(t *testing.T) {
	eachMemory(t, func(t *testing.T, size int64) {
		n := newNode(t, withMemory(size))
		var wg sync.WaitGroup
		for i := range 50 {
			wg.Go(func() {
				s, _, err := n.Create(context.Background(), shop, signIn(aUser))
				if err != nil {
					t.Error(err)
				} else if i%2 == 0 {
					if err := n.End(context.Background(), shop, s.ID, rollcall.ReasonDeleted); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		if got := len(n.list(aUser)); got != 25 {
			t.Errorf("%d sessions, want 25", got)
		}
	})
}

func TestActIsGivenUpWithItsContext(t *testing.T) {
	eachMemory(t, func(t *testing.T, size int64) {
		n := newNode(t, withMemory(size))
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_, _, err := n.Create(ctx, shop, signIn(aUser))
		wantCode(t, err, rollcall.CodeUnavailable)
		if got := n.events(); len(got) != 0 {
			t.Errorf("something changed: %v", got)
		}
	})
}
