package sessions_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/rollcall-id/rollcall"
)

// TestWhatEachActAsksOfAStore counts the round trips of a Manager that remembers nothing.
// The user has more sessions than one change may have.
func TestWhatEachActAsksOfAStore(t *testing.T) {
	const many = 200
	eachEngine(t, func(t *testing.T, e engine) {
		store := &observed{Store: e.open(t)}
		n := newNodeOn(t, store, newClock())
		signInMany(n, many)
		n.clock.Advance(time.Second)
		s, token := n.create(signIn(aUser))
		other, _ := n.create(signIn(aUser))
		third, thirdToken := n.create(signIn(aUser))
		atLimit := newNodeOn(t, store, n.clock, limited(many, rollcall.EndOldest))
		use := func() error { _, err := n.Check(t.Context(), token.Reveal(), rollcall.Use{}); return err }
		for _, act := range []struct {
			name                    string
			do                      func() error
			reads, commits, touches int
		}{
			{"check", use, 1, 0, 0},
			{"inspect", func() error {
				_, _, err := n.Inspect(t.Context(), token.Reveal(), rollcall.Requirement{})
				return err
			}, 1, 0, 0},
			{"session", func() error { _, err := n.Session(t.Context(), s.ID); return err }, 1, 0, 0},
			{"list", func() error {
				_, err := n.List(t.Context(), rollcall.ListQuery{UserID: aUser, Take: 50})
				return err
			}, 1, 0, 0},
			{"create", func() error { _, _, err := n.Create(t.Context(), shop, signIn(aUser)); return err }, 0, 1, 0},
			{"create at a limit", func() error { _, _, err := atLimit.Create(t.Context(), shop, signIn(aUser)); return err }, 1, 1, 0},
			{"create with a key", func() error {
				in := signIn(aUser)
				in.IdempotencyKey = "k"
				_, _, err := n.Create(t.Context(), shop, in)
				return err
			}, 4, 1, 0},
			{"create that replaces", func() error {
				in := signIn(aUser)
				in.Replaces = thirdToken.Reveal()
				_, _, err := n.Create(t.Context(), shop, in)
				return err
			}, 1, 1, 0},
			{"update", func() error {
				_, err := n.UpdateMetadata(t.Context(), shop, s.ID, []rollcall.MetadataEntry{{Key: "a", Value: "b"}})
				return err
			}, 1, 1, 0},
			{"authenticate", func() error {
				_, next, err := n.Authenticate(t.Context(), shop, s.ID, rollcall.Authentication{UserID: aUser, Methods: []rollcall.Method{{Name: "mfa"}}})
				token = next
				return err
			}, 1, 1, 0},
			{"check after an authentication", use, 1, 0, 0},
			{"end", func() error { return n.End(t.Context(), shop, other.ID, rollcall.ReasonDeleted) }, 1, 1, 0},
			{"end what has ended", func() error {
				if err := n.End(t.Context(), shop, third.ID, rollcall.ReasonDeleted); rollcall.ErrorCode(err) != rollcall.CodeNotFound {
					return err
				}
				return nil
			}, 1, 0, 0},
			{"end others", func() error { return n.EndOthers(t.Context(), shop, aUser, s.ID) }, 1, 1, 0},
			{"end by token", func() error { _, err := n.EndByToken(t.Context(), shop, token.Reveal()); return err }, 1, 1, 0},
			{"end all", func() error {
				signInMany(n, many)
				store.asked()
				return n.EndAll(t.Context(), shop, aUser, rollcall.ReasonDeleted)
			}, 1, 1, 0},
			{"end all again", func() error {
				signInMany(n, 1) // the rows of the first ending are not tidied yet
				n.must(n.EndAll(t.Context(), shop, aUser, rollcall.ReasonDeleted))
				store.asked()
				return n.EndAll(t.Context(), shop, aUser, rollcall.ReasonDeleted)
			}, 1, 1, 0},
			{"end everybody", func() error { return n.EndEverybody(t.Context(), shop) }, 1, 1, 0},
			{"flush", func() error { return n.Flush(t.Context()) }, 0, 0, 1},
		} {
			store.asked()
			n.must(act.do())
			got := store.asked()
			if got.Reads != act.reads || got.Commits != act.commits || got.Touches != act.touches {
				t.Errorf("%s: %d reads, %d commits, %d touches; want %d, %d, %d", act.name, got.Reads, got.Commits, got.Touches, act.reads, act.commits, act.touches)
			}
			if got.MostPuts > rollcall.MaxChange {
				t.Errorf("%s: a change of %d sessions", act.name, got.MostPuts)
			}
		}
	})
}

// TestWhatDecidesIsReadAfterWhatGuardsIt lets another node act before each read and before
// the commit of each act that is guarded by the user's row, and counts live sessions.
func TestWhatDecidesIsReadAfterWhatGuardsIt(t *testing.T) {
	acts := map[string]func(n node, s rollcall.Session, token rollcall.Token) error{
		"create": func(n node, _ rollcall.Session, _ rollcall.Token) error {
			_, _, err := n.Create(context.Background(), shop, signIn(aUser))
			return err
		},
		"create that replaces": func(n node, _ rollcall.Session, token rollcall.Token) error {
			in := signIn(aUser)
			in.Replaces = token.Reveal()
			_, _, err := n.Create(context.Background(), shop, in)
			return err
		},
		"end others": func(n node, s rollcall.Session, _ rollcall.Token) error {
			return answered(n.EndOthers(context.Background(), shop, aUser, s.ID))
		},
		"end": func(n node, s rollcall.Session, _ rollcall.Token) error {
			return answered(n.End(context.Background(), shop, s.ID, rollcall.ReasonDeleted))
		},
		"end all": func(n node, _ rollcall.Session, _ rollcall.Token) error {
			return n.EndAll(context.Background(), shop, aUser, rollcall.ReasonDeleted)
		},
	}
	eachEngine(t, func(t *testing.T, e engine) {
		for first, act := range acts {
			for second, other := range acts {
				for before := range 6 {
					most := 2 + before%2 // none is free, or one
					if before /= 2; e.shared && most != 2+before%2 {
						continue // half of what an engine in this process is asked
					}
					t.Run(fmt.Sprintf("%s, and %s before read %d, limit %d", first, second, before, most), func(t *testing.T) {
						engine := e.open(t)
						limit := limited(most, rollcall.EndOldest)
						b := newNodeOn(t, engine, newClock(), limit)
						oldest, oldestToken := b.create(signIn(aUser))
						b.clock.Advance(time.Millisecond)
						s, token := b.create(signIn(aUser))
						b.clock.Advance(time.Millisecond)
						acted := false
						between := func() {
							if !acted {
								acted = true
								b.must(other(b, s, token))
							}
						}
						store := &observed{Store: e.another(t, engine), beforeCommit: func(*rollcall.Change) { between() }}
						store.beforeRead = func(n int) {
							if n == before {
								between()
							}
						}
						a := newNodeOn(t, store, b.clock, limit)
						a.must(act(a, s, token))
						if got := len(a.list(aUser)); got > most {
							t.Errorf("%d sessions", got)
						}
						switch {
						case first == "end all" && a.accepts(oldestToken), first == "end all" && a.accepts(token):
							t.Error("a session is accepted after all were ended")
						case first == "end" && a.accepts(token):
							t.Error("the session is accepted after it was ended")
						}
						for _, n := range []node{a, b} {
							if n.accepts(oldestToken) != b.live(oldest.ID) || n.accepts(token) != b.live(s.ID) {
								t.Error("the nodes do not agree")
							}
						}
					})
				}
			}
		}
	})
}

// live reports whether a node finds a session.
func (n node) live(id string) bool {
	n.t.Helper()
	_, err := n.Session(context.Background(), id)
	if err != nil && rollcall.ErrorCode(err) != rollcall.CodeNotFound {
		n.t.Fatal(err)
	}
	return err == nil
}

// TestEndOthersOfManyHoldsAgainstAnEndingBetweenItsReads keeps the oldest of more sessions
// than one read tells, so that it is read by itself.
func TestEndOthersOfManyHoldsAgainstAnEndingBetweenItsReads(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		for name, other := range map[string]func(n node, keep string) error{
			"end others": func(n node, keep string) error { return n.EndOthers(context.Background(), shop, aUser, keep) },
			"end all": func(n node, _ string) error {
				return n.EndAll(context.Background(), shop, aUser, rollcall.ReasonDeleted)
			},
		} {
			for before := range 3 {
				engine := e.open(t)
				b := newNodeOn(t, engine, newClock())
				keep, token := b.create(signIn(aUser))
				b.clock.Advance(time.Millisecond)
				signInMany(b, rollcall.MaxChange+6)
				acted := false
				between := func() {
					if !acted {
						acted = true
						b.must(other(b, keep.ID))
					}
				}
				a := newNodeOn(t, &observed{
					Store: e.another(t, engine),
					beforeRead: func(n int) {
						if n == before {
							between()
						}
					},
					beforeCommit: func(*rollcall.Change) { between() },
				}, b.clock)
				err := a.EndOthers(context.Background(), shop, aUser, keep.ID)
				kept := name == "end others"
				if kept && err != nil || !kept && rollcall.ErrorCode(err) != rollcall.CodeNotFound {
					t.Errorf("%s before read %d: %v", name, before, err)
				}
				if a.accepts(token) != kept || len(b.list(aUser)) > 1 {
					t.Errorf("%s before read %d: %d sessions, the kept one accepted: %v", name, before, len(b.list(aUser)), a.accepts(token))
				}
			}
		}
	})
}
