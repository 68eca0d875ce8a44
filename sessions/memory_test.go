package sessions_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/sessions"
	"github.com/rollcall-id/rollcall/store/memory"
	"github.com/rollcall-id/rollcall/store/storetest"
)

func TestACacheAnswersWhatTheStoreAnswers(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		c := newClock()
		store := memory.New()
		n := newNodeOn(t, store, c, withMemory(128<<10)) // room for some twelve hundred users
		plain := node{t: t, clock: c, store: store}
		others := 0
		var tokens []rollcall.Token
		users := []string{"a", "b"}
		rt.Repeat(map[string]func(*rapid.T){
			"create": func(rt *rapid.T) {
				in := signIn(rapid.SampledFrom(users).Draw(rt, "user"))
				in.IP = rapid.SampledFrom([]string{"", "192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1"}).Draw(rt, "ip")
				in.Asked.Idle = time.Duration(rapid.IntRange(0, 3).Draw(rt, "idle")) * time.Hour
				in.Metadata = []rollcall.MetadataEntry{{Key: "k", Value: rapid.StringOfN(rapid.Rune().Filter(func(r rune) bool { return r != 0 }), 0, 5, -1).Draw(rt, "value")}}
				if rapid.IntRange(0, 19).Draw(rt, "many") == 0 { // more than a block holds
					for range 70 {
						n.create(signIn(in.UserID))
					}
				}
				_, token := n.create(in)
				tokens = append(tokens, token)
			},
			"act": func(rt *rapid.T) {
				if len(tokens) == 0 {
					return
				}
				token := rapid.SampledFrom(tokens).Draw(rt, "token")
				s := rollcall.Session{ID: token.ID}
				name := rapid.SampledFrom([]string{"end", "log out", "end all", "end everybody", "update", "authenticate", "join"}).Draw(rt, "act")
				_ = acts[name](n, s, token)
			},
			"use": func(rt *rapid.T) {
				if len(tokens) == 0 {
					return
				}
				token := rapid.SampledFrom(tokens).Draw(rt, "token")
				_, _ = n.Check(context.Background(), token.Reveal(), rollcall.Use{
					IP: rapid.SampledFrom([]string{"", "192.0.2.9"}).Draw(rt, "ip"), UserAgent: rapid.SampledFrom([]string{"", "Safari"}).Draw(rt, "agent"),
				})
			},
			"let others in": func(rt *rapid.T) {
				if rapid.IntRange(0, 9).Draw(rt, "many") > 0 {
					return
				}
				for range 300 { // the oldest have to go
					others++
					n.create(signIn(fmt.Sprintf("other-%d", others)))
				}
			},
			"write": func(*rapid.T) {
				if err := n.Flush(context.Background()); err != nil {
					rt.Fatal(err)
				}
			},
			"wait": func(rt *rapid.T) {
				c.Advance(time.Duration(rapid.IntRange(1, int(2*time.Hour/time.Millisecond)).Draw(rt, "time")) * time.Millisecond)
			},
			"": func(rt *rapid.T) {
				if len(tokens) == 0 || rapid.IntRange(0, 2).Draw(rt, "look") > 0 {
					return
				}
				token := rapid.SampledFrom(tokens).Draw(rt, "token")
				got := everyLook(n, users[0], token.ID, token)
				if err := n.Flush(context.Background()); err != nil {
					rt.Fatal(err)
				}
				m, err := sessions.New(store, sessions.Options{Clock: c.Now})
				if err != nil {
					rt.Fatal(err)
				}
				plain.Manager, plain.door = m, newDoor(m, 0)
				agree(rt, everyLook(plain, users[0], token.ID, token), got)
			},
		})
	})
}

// TestAFillThatAnActOvertookIsDiscarded stops a reader between its read and what it
// remembers, and lets every act happen meanwhile.
func TestAFillThatAnActOvertookIsDiscarded(t *testing.T) {
	for name, act := range acts {
		for _, look := range []string{"check", "list"} {
			t.Run(name+"/"+look, func(t *testing.T) {
				store := &storetest.Faulty{Store: memory.New()}
				n := newNodeOn(t, store, newClock(), cached)
				s, token := n.forgetful().create(signIn(aUser)) // n has to read it
				var stopping atomic.Bool
				stopped, goOn := make(chan struct{}), make(chan struct{})
				store.Loaded = func() {
					if stopping.CompareAndSwap(true, false) {
						close(stopped)
						<-goOn
					}
				}
				var reader sync.WaitGroup
				stopping.Store(true)
				reader.Go(func() {
					if look == "check" {
						_, _, _ = n.Inspect(context.Background(), token.Reveal(), rollcall.Requirement{})
						return
					}
					n.listed(rollcall.ListQuery{UserID: aUser, Take: 50, Total: true})
				})
				<-stopped
				if err := act(n, s, token); err != nil {
					t.Fatal(err)
				}
				close(goOn)
				reader.Wait()
				n.agreesWithItsStore(aUser, s.ID, token)
			})
		}
	}
}

func TestNothingIsRememberedOfAnActThatSaysItFailed(t *testing.T) {
	for name, act := range acts {
		t.Run(name, func(t *testing.T) {
			store := &storetest.Faulty{Store: memory.New()}
			n := newNodeOn(t, store, newClock(), cached)
			s, token := n.create(signIn(aUser))
			everyLook(n, aUser, s.ID, token)
			if name == "end others" {
				n.create(signIn(aUser)) // the act's own, which must not use the fault up
				act = func(n node, s rollcall.Session, _ rollcall.Token) error {
					return n.EndOthers(context.Background(), shop, aUser, s.ID)
				}
			}
			store.FailCommits(storetest.After)
			if err := act(n, s, token); err == nil {
				t.Fatal("the fault was not met")
			}
			n.agreesWithItsStore(aUser, s.ID, token)
		})
	}
}

func TestAnActUnderWayIsNotRememberedEitherWay(t *testing.T) {
	for _, at := range []storetest.Fault{storetest.Before, storetest.After} {
		store := &storetest.Faulty{Store: memory.New()}
		n := newNodeOn(t, store, newClock(), cached)
		s, token := n.create(signIn(aUser))
		entered, release := store.HoldCommit(at)
		var act sync.WaitGroup
		act.Go(func() {
			if err := n.End(context.Background(), shop, s.ID, rollcall.ReasonDeleted); err != nil {
				t.Error(err)
			}
		})
		<-entered
		everyLook(n, aUser, s.ID, token)
		release()
		act.Wait()
		n.agreesWithItsStore(aUser, s.ID, token)
		if n.accepts(token) {
			t.Error("an ended session is accepted")
		}
	}
}

func TestWhatIsRememberedIsNotReadAgain(t *testing.T) {
	store := &storetest.Faulty{Store: memory.New()}
	n := newNodeOn(t, store, newClock(), cached)
	s, token := n.create(signIn(aUser))
	for range 3 {
		everyLook(n, aUser, s.ID, token)
	}
	before := store.Calls().Reads
	for range 10 {
		everyLook(n, aUser, s.ID, token)
		n.clock.Advance(time.Second)
		if !n.accepts(token) {
			t.Fatal("refused")
		}
	}
	if reads := store.Calls().Reads - before; reads != 0 {
		t.Errorf("the store was read %d times", reads)
	}
}

func TestAUseShowsAtOnceInWhatIsRemembered(t *testing.T) {
	n := newNode(t, cached)
	s, token := n.create(signIn(aUser))
	for i := range 5 {
		everyLook(n, aUser, s.ID, token)
		n.clock.Advance(time.Second)
		ip := fmt.Sprintf("192.0.2.%d", 10+i)
		if _, err := n.Check(context.Background(), token.Reveal(), rollcall.Use{IP: ip, UserAgent: "Safari"}); err != nil {
			t.Fatal(err)
		}
		n.agreesWithItsStore(aUser, s.ID, token)
		page := n.listed(rollcall.ListQuery{UserID: aUser, Take: 2})
		if shown := page.Sessions[0]; shown.Device.LastIP != ip || !shown.LastAt.Equal(n.clock.Now()) {
			t.Error(page.text)
		}
	}
}

func TestARememberedPageIsOverWithTheFirstOfItsSessions(t *testing.T) {
	n := newNode(t, cached)
	short := signIn(aUser)
	short.Asked.Absolute = time.Hour
	n.create(short)
	n.create(signIn(aUser))
	q := rollcall.ListQuery{UserID: aUser, Take: 1, Total: true}
	total := func() int {
		t.Helper()
		return n.listed(q).Total
	}
	for range 3 {
		if got := total(); got != 2 {
			t.Fatalf("total %d", got)
		}
	}
	n.clock.Advance(time.Hour)
	if got := total(); got != 1 {
		t.Errorf("total %d after one is over", got)
	}
}

// TestAUseThatWasWrittenAtOnceIsNotForgottenByAFill lets a use near the end of the
// idle time, which is written before it is answered, come between what a fill reads
// and what it remembers.
func TestAUseThatWasWrittenAtOnceIsNotForgottenByAFill(t *testing.T) {
	for _, look := range []string{"check", "list"} {
		t.Run(look, func(t *testing.T) {
			store := &storetest.Faulty{Store: memory.New()}
			n := newNodeOn(t, store, newClock(), cached)
			s, token := n.forgetful().create(signIn(aUser)) // n has to read it
			n.clock.now.Store(s.Last.IdleExpiresAt.Add(-2 * time.Second).UnixMilli())
			var stopping atomic.Bool
			stopped, goOn := make(chan struct{}), make(chan struct{})
			store.Loaded = func() {
				if stopping.CompareAndSwap(true, false) {
					close(stopped)
					<-goOn
				}
			}
			var reader sync.WaitGroup
			stopping.Store(true)
			if look == "check" {
				reader.Go(func() { _, _, _ = n.Inspect(context.Background(), token.Reveal(), rollcall.Requirement{}) })
			} else {
				reader.Go(func() { _, _ = n.List(context.Background(), rollcall.ListQuery{UserID: aUser, Take: 50}) })
			}
			<-stopped
			if !n.accepts(token) {
				t.Fatal("refused before its end")
			}
			close(goOn)
			reader.Wait()
			n.agreesWithItsStore(aUser, s.ID, token)
			n.clock.Advance(time.Hour)
			if !n.accepts(token) {
				t.Error("a session is refused that was used an hour ago")
			}
		})
	}
}

// TestAnIDThatIsFreeAgainIsTheNewSessions has an id of another system's come back for
// somebody else, days after the sweep removed the first session.
func TestAnIDThatIsFreeAgainIsTheNewSessions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		store := memory.New()
		m, err := sessions.New(store, sessions.Options{Memory: 4 << 20, Retention: sessions.MinRetention, TouchInterval: time.Minute, SweepInterval: 10 * time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		n := node{Manager: m, t: t, store: store}
		var loops sync.WaitGroup
		loops.Go(func() { _ = n.Run(ctx) })
		in := signIn(aUser)
		in.ID = "made-elsewhere-0001"
		in.Asked.Absolute = time.Hour
		_, old := n.create(in)
		if !n.accepts(old) {
			t.Fatal("refused")
		}
		time.Sleep(50 * time.Hour)
		in.UserID = "auth0|2"
		_, token := n.create(in)
		if !n.accepts(token) {
			t.Error("the new session is refused")
		}
		if n.accepts(old) {
			t.Error("the old token is accepted")
		}
		stop()
		loops.Wait()
	})
}

func TestALookAfterAnActOfItsOwnIsAnsweredFromMemory(t *testing.T) {
	for name, act := range acts {
		t.Run(name, func(t *testing.T) {
			n := newNode(t, cached)
			_, older := n.create(signIn(aUser))
			n.clock.Advance(time.Second)
			s, token := n.create(signIn(aUser))
			if !n.accepts(older) { // a user whose generation of everybody is known
				t.Fatal("refused")
			}
			_, before := n.MemoryLookups()
			if err := act(n, s, token); err != nil {
				t.Fatal(err)
			}
			if _, err := n.List(context.Background(), rollcall.ListQuery{UserID: aUser, Take: 50, Total: true}); err != nil {
				t.Fatal(err)
			}
			if _, after := n.MemoryLookups(); after != before {
				t.Errorf("%d looks were not answered from memory", after-before)
			}
			n.agreesWithItsStore(aUser, s.ID, older)
		})
	}
}
