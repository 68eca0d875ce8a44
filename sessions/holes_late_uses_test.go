package sessions_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/sessions"
)

// A late is a store whose touches wait, each for its turn: a stalled disk, a stopped process,
// a slow network.
type late struct {
	observed
	arrived chan struct{} // receives once a touch waits
	goOn    chan struct{} // is closed to let touches be done
}

func newLate(store rollcall.Store) *late {
	l := &late{arrived: make(chan struct{}, 1), goOn: make(chan struct{})}
	l.Store = store
	l.touching = func(touch func() error) error {
		l.arrived <- struct{}{}
		<-l.goOn
		return touch()
	}
	return l
}

// A lateUse is a use of a session that began before the session's idle end and is written
// after an ending was answered.
type lateUse struct {
	victim, other           rollcall.Session // the other one has much idle time left
	victimToken, otherToken rollcall.Token
}

// lateEndings are what can end the session. Each returns what the caller was answered, and
// whether the answer says that the session has ended.
var lateEndings = map[string]func(n node, u *lateUse) (err error, ends bool){
	"end": func(n node, u *lateUse) (error, bool) {
		return answered(n.End(context.Background(), shop, u.victim.ID, rollcall.ReasonDeleted)), true
	},
	"end by token": func(n node, u *lateUse) (error, bool) {
		_, err := n.EndByToken(context.Background(), rollcall.Caller{}, u.victimToken.Reveal())
		return answered(err), true
	},
	"end all": func(n node, _ *lateUse) (error, bool) {
		return n.EndAll(context.Background(), shop, aUser, rollcall.ReasonDeleted), true
	},
	"end others": func(n node, u *lateUse) (error, bool) {
		return n.EndOthers(context.Background(), shop, aUser, u.other.ID), true
	},
	"end everybody": func(n node, _ *lateUse) (error, bool) {
		return n.EndEverybody(context.Background(), shop), true
	},
	"a creation that ends the oldest": func(n node, _ *lateUse) (error, bool) {
		_, _, err := n.Create(context.Background(), shop, signIn(aUser))
		return err, true
	},
	"a creation that may be refused": func(n node, _ *lateUse) (error, bool) {
		_, _, err := n.Create(context.Background(), shop, signIn(aUser))
		if rollcall.ErrorCode(err) == rollcall.CodeLimit {
			return nil, false
		}
		return err, true
	},
}

// answered is err, unless the caller is told that there is no such session (any more).
func answered(err error) error {
	if code := rollcall.ErrorCode(err); code == rollcall.CodeNotFound || code == rollcall.CodeRefused {
		return nil
	}
	return err
}

// lateLimits allows two sessions.
func lateLimits(ending string) func(*sessions.Options) {
	if ending == "a creation that may be refused" {
		return limited(2, rollcall.Deny)
	}
	return limited(2, rollcall.EndOldest)
}

// lateness is by how much a use is late. A shared engine takes long to open for each: it has
// all of them with one test, of two nodes, and one with the others.
func (e engine) lateness(all bool) []time.Duration {
	if e.shared && !all {
		return []time.Duration{2 * time.Minute}
	}
	return []time.Duration{0, 2 * time.Minute, time.Hour}
}

// eachLateUse runs a test for every ending, lateness of a use, and parting of the clock of
// who ends from that of who uses.
func eachLateUse(t *testing.T, lateness []time.Duration, test func(t *testing.T, ending string, late, apart time.Duration)) {
	for ending := range lateEndings {
		for _, late := range lateness {
			for _, apart := range []time.Duration{0, 5 * time.Minute, -5 * time.Minute} {
				t.Run(fmt.Sprintf("%s, %s late, clocks %s apart", ending, late, apart), func(t *testing.T) {
					t.Parallel()
					test(t, ending, late, apart)
				})
			}
		}
	}
}

// signInTwice makes the sessions, the victim first, and sets the clock to the last
// millisecond in which the victim can be used.
func signInTwice(n node) *lateUse {
	n.t.Helper()
	var u lateUse
	in := signIn(aUser)
	in.Asked.Idle = 15 * time.Minute
	u.victim, u.victimToken = n.create(in)
	n.clock.Advance(time.Millisecond)
	u.other, u.otherToken = n.create(signIn(aUser))
	n.clock.setAt(u.victim.Last.IdleExpiresAt.Add(-time.Millisecond))
	return &u
}

// staysEnded fails if the victim is good on a node, at its present time or at another, or
// if the user has more sessions than the limit of 2.
func staysEnded(t *testing.T, what string, n node, u *lateUse, ends bool, at ...time.Time) {
	t.Helper()
	for _, now := range at {
		n.clock.setAt(now)
		_, _, err := n.Inspect(context.Background(), u.victimToken.Reveal(), rollcall.Requirement{})
		if err == nil && ends {
			t.Errorf("%s: the session is accepted at %v, after its ending was answered", what, now)
		}
		if got := n.list(aUser); len(got) > 2 {
			t.Errorf("%s: %d sessions at %v, the limit is 2", what, len(got), now)
		}
	}
}

func TestNoEndingIsUndoneByAUseThatIsWrittenLateOnOneNode(t *testing.T) {
	eachEngineAndMemory(t, func(t *testing.T, e engine, size int64) {
		eachLateUse(t, e.lateness(false), func(t *testing.T, ending string, late, apart time.Duration) {
			store := newLate(e.open(t))
			n := newNodeOn(t, store, newClock(), withMemory(size), lateLimits(ending))
			u := signInTwice(n)
			var use sync.WaitGroup
			use.Go(func() { _, _ = n.Check(context.Background(), u.victimToken.Reveal(), rollcall.Use{}) })
			<-store.arrived
			used := n.clock.Now()
			n.clock.Advance(late + apart) // a jump, on one node
			err, ends := lateEndings[ending](n, u)
			close(store.goOn)
			use.Wait()
			n.must(err)
			staysEnded(t, "the node", n, u, ends, used.Add(late), used.Add(late+apart), used)
		})
	})
}

func TestNoEndingIsUndoneByAUseThatAnotherNodeWritesLate(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		eachLateUse(t, e.lateness(true), func(t *testing.T, ending string, late, apart time.Duration) {
			engine := e.open(t)
			store := newLate(engine)
			uses := newNodeOn(t, store, newClock(), lateLimits(ending))
			ends := newNodeOn(t, e.another(t, engine), newClock(), lateLimits(ending))
			u := signInTwice(uses)
			var use sync.WaitGroup
			use.Go(func() { _, _ = uses.Check(context.Background(), u.victimToken.Reveal(), rollcall.Use{}) })
			<-store.arrived
			used := uses.clock.Now()
			uses.clock.Advance(late)
			ends.clock.setAt(used.Add(late + apart))
			err, told := lateEndings[ending](ends, u)
			close(store.goOn)
			use.Wait()
			ends.must(err)
			staysEnded(t, "who has used it", uses, u, told, used.Add(late), used)
			staysEnded(t, "who has ended it", ends, u, told, used.Add(late+apart), used)
		})
	})
}

// TestNoEndingIsUndoneByAUseThatWaitsToBeWritten lets the use wait in memory, to be written
// with others, instead of in the store.
func TestNoEndingIsUndoneByAUseThatWaitsToBeWritten(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		eachLateUse(t, e.lateness(false), func(t *testing.T, ending string, late, apart time.Duration) {
			store := e.open(t)
			uses := newNodeOn(t, store, newClock(), lateLimits(ending))
			ends := newNodeOn(t, e.another(t, store), newClock(), lateLimits(ending))
			u := signInTwice(uses)
			uses.clock.Advance(-10 * time.Second)
			if !uses.accepts(u.victimToken) {
				t.Fatal("refused")
			}
			used := uses.clock.Now()
			uses.clock.Advance(late)
			ends.clock.setAt(used.Add(late + apart))
			err, told := lateEndings[ending](ends, u)
			ends.must(err)
			ends.must(uses.Flush(context.Background()))
			staysEnded(t, "who has used it", uses, u, told, used.Add(late), used)
			staysEnded(t, "who has ended it", ends, u, told, used.Add(late+apart), used)
		})
	})
}

// TestNoEndingIsUndoneByAnAuthenticationThatIsLate holds up a full authentication, which
// moves both limits, until the session's absolute end has come.
func TestNoEndingIsUndoneByAnAuthenticationThatIsLate(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		eachLateUse(t, e.lateness(false), func(t *testing.T, ending string, late, apart time.Duration) {
			engine := e.open(t)
			arrived, goOn := make(chan struct{}), make(chan struct{})
			store := &observed{Store: engine, beforeCommit: func(c *rollcall.Change) {
				if c.Events[0].Type == rollcall.SessionAuthenticated {
					close(arrived)
					<-goOn
				}
			}}
			uses := newNodeOn(t, store, newClock(), lateLimits(ending))
			ends := newNodeOn(t, e.another(t, engine), newClock(), lateLimits(ending))
			u := signInTwice(uses)
			var act sync.WaitGroup
			var token rollcall.Token
			act.Go(func() {
				a := rollcall.Authentication{UserID: aUser, Methods: []rollcall.Method{{Name: "mfa"}}, Full: true}
				_, token, _ = uses.Authenticate(context.Background(), shop, u.victim.ID, a)
			})
			<-arrived
			began := uses.clock.Now()
			uses.clock.Advance(late)
			ends.clock.setAt(began.Add(late + apart))
			err, told := lateEndings[ending](ends, u)
			close(goOn)
			act.Wait()
			ends.must(err)
			for _, token := range []rollcall.Token{u.victimToken, token} {
				u.victimToken = token
				staysEnded(t, "who has authenticated", uses, u, told, began.Add(late), began)
				staysEnded(t, "who has ended it", ends, u, told, began.Add(late+apart), began)
			}
		})
	})
}

// shortIdle is a policy whose sessions are over after 15 minutes without use.
func shortIdle(o *sessions.Options) {
	o.Policy = rollcall.DefaultPolicy()
	o.Policy.Persistent.Idle = 15 * time.Minute
}

// failing makes a store's touches fail.
func (o *observed) failing(fail *bool) {
	o.touching = func(touch func() error) error {
		if *fail {
			return errors.New("no touches today")
		}
		return touch()
	}
}

// answer is what a check says of a token: "good", or the code of the error.
func (n node) answer(token rollcall.Token) string {
	if _, err := n.Check(context.Background(), token.Reveal(), rollcall.Use{}); err != nil {
		return string(rollcall.ErrorCode(err))
	}
	return "good"
}

// TestNoCheckRestsOnUsesThatAreNotWritten uses a session every second for half an hour in
// which no use can be written. The node of the checks would be started anew at each moment,
// and would then know what is stored alone.
func TestNoCheckRestsOnUsesThatAreNotWritten(t *testing.T) {
	eachEngineAndMemory(t, func(t *testing.T, e engine, size int64) {
		fail := true
		store := &observed{Store: e.open(t)}
		store.failing(&fail)
		n := newNodeOn(t, store, newClock(), withMemory(size), shortIdle)
		s, token := n.create(signIn(aUser))
		unknown := 0
		for range 1800 {
			stored, _, err := store.Store.Session(context.Background(), rollcall.At{ID: s.ID})
			n.must(err)
			switch got := n.answer(token); {
			case got == string(rollcall.CodeUnavailable):
				unknown++
			case got == "good" && !n.clock.Now().Before(stored.Last.IdleExpiresAt):
				t.Fatalf("accepted at %v, the stored idle end is %v", n.clock.Now(), stored.Last.IdleExpiresAt)
			case got != "good" && n.clock.Now().Before(stored.Last.IdleExpiresAt):
				t.Fatalf("%s at %v, the stored idle end is %v", got, n.clock.Now(), stored.Last.IdleExpiresAt)
			}
			if _, _, err := n.Inspect(context.Background(), token.Reveal(), rollcall.Requirement{}); err == nil && !n.clock.Now().Before(stored.Last.IdleExpiresAt) {
				t.Fatalf("good when inspected at %v, the stored idle end is %v", n.clock.Now(), stored.Last.IdleExpiresAt)
			}
			_ = n.Flush(context.Background()) // fails
			n.clock.Advance(time.Second)
		}
		if unknown == 0 {
			t.Error("no check was answered with CodeUnavailable")
		}
	})
}

// TestNoSessionIsGoodAgainOnceANodeHasRefusedIt uses a session on a node that cannot write
// uses for some time, and looks at the session on another. Uses are to be written every
// second, and are so or seldom.
func TestNoSessionIsGoodAgainOnceANodeHasRefusedIt(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		test := func(recovery, flushes time.Duration) {
			t.Run(fmt.Sprintf("recovered after %s, written every %s", recovery, flushes), func(t *testing.T) {
				t.Parallel()
				fail := true
				engine := e.open(t)
				store := &observed{Store: engine}
				store.failing(&fail)
				n := newNodeOn(t, store, newClock(), shortIdle)
				other := newNodeOn(t, e.another(t, engine), n.clock, shortIdle)
				_, token := n.create(signIn(aUser))
				refused, unknown := "", false
				for n.clock.Now().Before(t0.Add(recovery + 20*time.Minute)) {
					n.clock.Advance(time.Second)
					fail = n.clock.Now().Before(t0.Add(recovery))
					here := n.answer(token)
					if n.clock.Now().Sub(t0)%flushes == 0 {
						_ = n.Flush(context.Background())
					}
					_, _, err := other.Inspect(context.Background(), token.Reveal(), rollcall.Requirement{})
					there := rollcall.ErrorCode(err)
					unknown = unknown || here == string(rollcall.CodeUnavailable)
					if (here == "good" || err == nil) && refused != "" {
						t.Fatalf("%s on the node, %q on the other at %v, refused before: %s", here, there, n.clock.Now(), refused)
					}
					if here == string(rollcall.CodeRefused) || there == rollcall.CodeRefused {
						if !unknown {
							t.Fatalf("refused without a warning at %v", n.clock.Now())
						}
						refused = n.clock.Now().String()
					}
				}
				if wantRefused := recovery >= 15*time.Minute; wantRefused != (refused != "") {
					t.Errorf("refused %q", refused)
				}
			})
		}
		recoveries := []time.Duration{14*time.Minute + 59*time.Second, 15*time.Minute + 2*time.Second}
		if !e.shared { // thousands of checks each
			recoveries = append(recoveries, 10*time.Minute, 20*time.Minute, 40*time.Minute)
		}
		for _, recovery := range recoveries {
			test(recovery, time.Second)
			test(recovery, 7*time.Second)
		}
	})
}
