package sessions_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/sessions"
	"github.com/rollcall-id/rollcall/store/memory"
	"github.com/rollcall-id/rollcall/store/storetest"
)

// A heldStore stops uses on their way into the store.
type heldStore struct {
	rollcall.Store
	arrived, goOn chan struct{}
}

func (h heldStore) Touch(ctx context.Context, touches []rollcall.Touch) error {
	close(h.arrived)
	<-h.goOn
	return h.Store.Touch(ctx, touches)
}

func TestAUseUnderWayDoesNotOutliveAnEnding(t *testing.T) {
	eachMemory(t, func(t *testing.T, size int64) {
		for name, end := range map[string]func(node, rollcall.Session, rollcall.Token) error{
			"end": acts["end"], "log out": acts["log out"], "end all": acts["end all"], "end everybody": acts["end everybody"],
			"end others": func(n node, _ rollcall.Session, _ rollcall.Token) error {
				other, _ := n.create(signIn(aUser))
				return n.EndOthers(context.Background(), shop, aUser, other.ID)
			},
			"replace": func(n node, _ rollcall.Session, token rollcall.Token) error {
				in := signIn(aUser)
				in.Replaces = token.Reveal()
				n.create(in)
				return nil
			},
			"replace by another user's": func(n node, _ rollcall.Session, token rollcall.Token) error {
				in := signIn("auth0|2")
				in.Replaces = token.Reveal()
				n.create(in)
				return nil
			},
		} {
			t.Run(name, func(t *testing.T) {
				store := heldStore{memory.New(), make(chan struct{}), make(chan struct{})}
				n := newNodeOn(t, store, newClock(), withMemory(size))
				s, token := n.create(signIn(aUser))
				n.clock.now.Store(s.Last.IdleExpiresAt.UnixMilli() - 1)
				var use sync.WaitGroup
				use.Go(func() { _, _ = n.Check(context.Background(), token.Reveal(), rollcall.Use{}) })
				<-store.arrived
				n.clock.Advance(time.Millisecond) // the idle time is over, but for the use under way
				// Who names a session that is over is told so.
				wantCode(t, end(n, s, token), map[string]rollcall.Code{"end": rollcall.CodeNotFound, "log out": rollcall.CodeRefused}[name])
				if events := n.events(); (name == "end" || name == "log out") && events[len(events)-1] != "session.expired idle" {
					t.Errorf("events %v", events)
				}
				close(store.goOn)
				use.Wait()
				if _, _, err := n.Inspect(context.Background(), token.Reveal(), rollcall.Requirement{}); err == nil {
					t.Error("the session is accepted after its ending was answered")
				}
				if ids := n.list(aUser); len(ids) > 0 && ids[len(ids)-1] == s.ID {
					t.Error("the session is listed")
				}
			})
		}
	})
}

func TestThatASessionIsOverIsForTheStoreToSay(t *testing.T) {
	eachMemory(t, func(t *testing.T, size int64) {
		for name, after := range map[string]time.Duration{"lapsed": 2 * time.Millisecond, "over": 2 * time.Minute} {
			t.Run(name, func(t *testing.T) {
				store := &storetest.Faulty{Store: memory.New()}
				n := newNodeOn(t, store, newClock(), withMemory(size))
				s, token := n.create(signIn(aUser))
				n.clock.now.Store(s.Last.IdleExpiresAt.UnixMilli() - 1)
				store.FailTouches(storetest.After)
				if _, err := n.Check(context.Background(), token.Reveal(), rollcall.Use{}); err == nil {
					t.Fatal("the use is acknowledged")
				}
				n.clock.Advance(after) // over, but for the use
				n.must(n.End(context.Background(), shop, s.ID, rollcall.ReasonRevoked))
				if events := n.events(); events[len(events)-1] != "session.ended revoked" {
					t.Errorf("events %v", events)
				}
				other := newNodeOn(t, store, n.clock, withMemory(size)) // has nothing in memory
				if _, _, err := other.Inspect(context.Background(), token.Reveal(), rollcall.Requirement{}); err == nil {
					t.Error("the session is accepted after its ending was answered")
				}
			})
		}
	})
}

// lookedStore notes how sessions are looked for and ended.
type lookedStore struct {
	rollcall.Store
	looks    []rollcall.At
	unread   []bool // of each ending
	ends     []rollcall.End
	conflict int // so many commits of endings conflict
}

// Session notes the look.
func (s *lookedStore) Session(ctx context.Context, at rollcall.At) (rollcall.Session, rollcall.Standing, error) {
	s.looks = append(s.looks, at)
	return s.Store.Session(ctx, at)
}

// Commit notes endings.
func (s *lookedStore) Commit(ctx context.Context, c rollcall.Change) (rollcall.Standing, error) {
	ends := len(c.Ends) > 0
	for _, e := range c.Ends {
		s.unread, s.ends = append(s.unread, true), append(s.ends, e)
	}
	for _, p := range c.Sessions {
		if !p.Session.EndedAt.IsZero() {
			s.unread = append(s.unread, false)
			ends = true
		}
	}
	if ends && s.conflict > 0 {
		s.conflict--
		return rollcall.Standing{}, rollcall.ErrConflict
	}
	return s.Store.Commit(ctx, c)
}

func TestAnEndingReadsNoMoreThanItMust(t *testing.T) {
	for name, c := range map[string]struct {
		memory   int64
		conflict int
		looks    []bool // each look: whether the look says whose the session is
		unread   []bool // the commits
	}{
		"remembered":                  {8 << 20, 0, nil, []bool{true}},
		"remembered, but a conflict":  {8 << 20, 1, []bool{true}, []bool{true, false}},
		"remembered, but conflicts":   {8 << 20, 2, []bool{true, true}, []bool{true, false, false}},
		"nothing is remembered":       {0, 0, []bool{false}, []bool{false}},
		"nothing, and then conflicts": {0, 1, []bool{false, true}, []bool{false, false}},
	} {
		t.Run(name, func(t *testing.T) {
			store := &lookedStore{Store: memory.New(), conflict: c.conflict}
			n := newNodeOn(t, store, newClock(), func(o *sessions.Options) { o.Memory = c.memory })
			s, _ := n.create(signIn(aUser))
			if _, err := n.Session(context.Background(), s.ID); err != nil { // brings everybody's row into memory
				t.Fatal(err)
			}
			store.looks = nil
			n.must(n.End(context.Background(), shop, s.ID, rollcall.ReasonLogout))
			var want []rollcall.At
			for _, told := range c.looks {
				at := rollcall.At{ID: s.ID}
				if told {
					at.UserID, at.CreatedAt = aUser, s.CreatedAt
				}
				want = append(want, at)
			}
			if !slices.Equal(store.looks, want) {
				t.Errorf("looked for %v, want %v", store.looks, want)
			}
			if !slices.Equal(store.unread, c.unread) {
				t.Errorf("ended unread: %v, want %v", store.unread, c.unread)
			}
			if err := n.End(context.Background(), shop, s.ID, rollcall.ReasonLogout); rollcall.ErrorCode(err) != rollcall.CodeNotFound {
				t.Errorf("ended again: %v", err)
			}
		})
	}
}

func TestAnUnreadEndingSaysWhereTheSessionBegan(t *testing.T) {
	store := &lookedStore{Store: memory.New()}
	n := newNodeOn(t, store, newClock(), withMemory(8<<20))
	s, token := n.create(signIn(aUser))
	n.clock.Advance(time.Minute)
	if _, err := n.Check(context.Background(), token.Reveal(), rollcall.Use{IP: "192.0.2.200", UserAgent: "another"}); err != nil {
		t.Fatal(err)
	}
	n.must(n.End(context.Background(), shop, s.ID, rollcall.ReasonRevoked))
	if len(store.ends) != 1 || store.ends[0].Initial != s.Initial || store.ends[0].Last.Origin.UserAgent != "another" {
		t.Errorf("ended as %+v, began from %+v", store.ends, s.Initial)
	}
}

func TestAnUnreadEndingKeepsWhatIsNotRemembered(t *testing.T) {
	store := memory.New()
	n := newNodeOn(t, store, newClock(), func(o *sessions.Options) { o.Memory = 8 << 20 })
	creation := signIn(aUser)
	creation.IdempotencyKey = "key"
	s, token := n.create(creation)
	n.clock.Advance(time.Minute)
	if _, err := n.Check(context.Background(), token.Reveal(), rollcall.Use{IP: "192.0.2.200", UserAgent: "another"}); err != nil {
		t.Fatal(err)
	}
	want, _, err := store.Session(context.Background(), rollcall.At{ID: s.ID})
	n.must(err)
	n.clock.Advance(time.Minute)
	now := n.clock.Now().UTC()
	n.must(n.End(context.Background(), shop, s.ID, rollcall.ReasonRevoked))
	got, _, err := store.Session(context.Background(), rollcall.At{ID: s.ID})
	n.must(err)
	want.Version, want.EndedAt, want.EndReason, want.EndedBy, want.UpdatedAt = want.Version+1, now, rollcall.ReasonRevoked, shop.ID, now
	want.Last = rollcall.Interaction{At: now.Add(-time.Minute), IdleExpiresAt: got.Last.IdleExpiresAt, Origin: rollcall.Origin{IP: "192.0.2.200", UserAgent: "another"}}
	if diff := cmp.Diff(want, got); diff != "" || want.RequestDigest == [32]byte{} {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if _, _, err := n.Create(context.Background(), shop, creation); rollcall.ErrorCode(err) != rollcall.CodeConflict {
		t.Errorf("the creation again: %v", err)
	}
}

func TestSessionThatIsOverIsNotListedNotFoundNotAccepted(t *testing.T) {
	eachMemory(t, func(t *testing.T, size int64) {
		for name, end := range map[string]func(node, rollcall.Session, rollcall.Token){
			"idle":     func(n node, _ rollcall.Session, _ rollcall.Token) { n.clock.Advance(72 * time.Hour) },
			"absolute": func(n node, _ rollcall.Session, token rollcall.Token) { keepAlive(n, token, 168*time.Hour) },
			"ended": func(n node, s rollcall.Session, _ rollcall.Token) {
				n.must(n.End(context.Background(), shop, s.ID, rollcall.ReasonDeleted))
			},
			"logged out": func(n node, _ rollcall.Session, token rollcall.Token) {
				_, err := n.EndByToken(context.Background(), rollcall.Caller{}, token.Reveal())
				n.must(err)
			},
			"all of the user": func(n node, _ rollcall.Session, _ rollcall.Token) {
				n.must(n.EndAll(context.Background(), shop, aUser, rollcall.ReasonDeleted))
			},
			"everybody": func(n node, _ rollcall.Session, _ rollcall.Token) {
				n.must(n.EndEverybody(context.Background(), shop))
			},
			"all but another": func(n node, _ rollcall.Session, _ rollcall.Token) {
				other, _ := n.create(signIn(aUser))
				n.must(n.EndOthers(context.Background(), shop, aUser, other.ID))
				n.must(n.End(context.Background(), shop, other.ID, rollcall.ReasonDeleted))
			},
		} {
			t.Run(name, func(t *testing.T) {
				n := newNode(t, withMemory(size))
				s, token := n.create(signIn(aUser))
				end(n, s, token)
				if n.accepts(token) {
					t.Error("accepted")
				}
				if ids := n.list(aUser); len(ids) != 0 {
					t.Errorf("listed: %v", ids)
				}
				_, err := n.Session(context.Background(), s.ID)
				wantCode(t, err, rollcall.CodeNotFound)
				_, err = n.UpdateMetadata(context.Background(), shop, s.ID, nil)
				wantCode(t, err, rollcall.CodeNotFound)
				wantCode(t, n.End(context.Background(), shop, s.ID, rollcall.ReasonDeleted), rollcall.CodeNotFound)
				_, _, err = n.Authenticate(context.Background(), shop, s.ID, rollcall.Authentication{UserID: aUser, Methods: []rollcall.Method{{Name: "mfa"}}})
				wantCode(t, err, rollcall.CodeNotFound)
			})
		}
	})
}

func TestEndingOthersKeepsTheOneInItsPlace(t *testing.T) {
	eachMemory(t, func(t *testing.T, size int64) {
		n := newNode(t, withMemory(size))
		var kept rollcall.Session
		var token rollcall.Token
		for i := range 5 {
			s, tok := n.create(signIn(aUser))
			if i == 2 {
				kept, token = s, tok
			}
			n.clock.Advance(time.Second)
		}
		n.must(n.EndOthers(context.Background(), shop, aUser, kept.ID))
		if diff := cmp.Diff([]string{kept.ID}, n.list(aUser)); diff != "" {
			t.Error(diff)
		}
		if !n.accepts(token) {
			t.Error("the kept session is refused")
		}
		wantCode(t, n.EndOthers(context.Background(), shop, "auth0|2", kept.ID), rollcall.CodeNotFound)
		n.must(n.EndAll(context.Background(), shop, aUser, rollcall.ReasonDeleted))
		if n.accepts(token) {
			t.Error("the kept session outlives the ending of all")
		}
	})
}

func TestEndingAllOfAUserWithoutSessionsWritesNothing(t *testing.T) {
	eachMemory(t, func(t *testing.T, size int64) {
		n := newNode(t, withMemory(size))
		n.must(n.EndAll(context.Background(), shop, aUser, rollcall.ReasonDeleted))
		if got := n.events(); len(got) != 0 {
			t.Errorf("events %v", got)
		}
	})
}

// TestNoCheckThatBeganAfterAnEndingIsAccepted lets everything happen at once. Without memory
// another node looks than the one that ends.
func TestNoCheckThatBeganAfterAnEndingIsAccepted(t *testing.T) {
	eachEngineAndMemory(t, endingsAmongLooks)
}

func endingsAmongLooks(t *testing.T, e engine, size int64) {
	n := newNodeOn(t, e.open(t), newClock(), withMemory(size))
	looks := n
	if size == 0 {
		looks = newNodeOn(t, e.another(t, n.store), n.clock)
	}
	var all sync.WaitGroup
	stop := make(chan struct{})
	for w := range 4 {
		user := fmt.Sprintf("user-%d", w%2)
		all.Go(func() {
			for i := range e.many(40) {
				s, token, err := n.Create(context.Background(), shop, signIn(user))
				if err != nil {
					t.Error(err)
					return
				}
				var looking sync.WaitGroup
				ended := make(chan struct{})
				for range 3 {
					looking.Go(func() {
						for {
							over := false
							select {
							case <-ended:
								over = true
							default:
							}
							_, err := looks.Check(context.Background(), token.Reveal(), rollcall.Use{})
							if over && err == nil {
								t.Error("an ended session is accepted")
							}
							page, err := looks.List(context.Background(), rollcall.ListQuery{UserID: user, Take: 100})
							if err != nil {
								t.Error(err)
							}
							if over && slices.ContainsFunc(page.Sessions, func(other rollcall.Session) bool { return other.ID == s.ID }) {
								t.Error("an ended session is listed")
							}
							if over {
								return
							}
						}
					})
				}
				switch i % 3 {
				case 0:
					err = n.End(context.Background(), shop, s.ID, rollcall.ReasonDeleted)
				case 1:
					err = n.EndAll(context.Background(), shop, user, rollcall.ReasonDeleted)
				case 2:
					_, _, err = n.Authenticate(context.Background(), shop, s.ID, rollcall.Authentication{UserID: user, Methods: []rollcall.Method{{Name: "mfa"}}})
					if err == nil {
						err = n.End(context.Background(), shop, s.ID, rollcall.ReasonDeleted)
					}
				}
				if err != nil && rollcall.ErrorCode(err) != rollcall.CodeNotFound { // another writer ended all
					t.Error(err)
				}
				close(ended)
				looking.Wait()
			}
		})
	}
	var writing sync.WaitGroup
	writing.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
				_ = looks.Flush(context.Background())
			}
		}
	})
	all.Wait()
	close(stop)
	writing.Wait()
}
