package recall

import (
	"testing"

	"github.com/rollcall-id/rollcall"
)

func TestAnActOfAUserWhoSharesTheEpochChangesNothing(t *testing.T) {
	m := newMemory()
	s := testSession("session")
	fill(m, rollcall.User{ID: s.UserID}, s)
	user := m.epochs.hash(s.UserID)
	m.epochs.begin(user) // another user's commit begins
	if _, _, known := remembered(m, s.UserID); !known {
		t.Error("a stranger's act counts as the user's")
	}
	fill(m, rollcall.User{ID: s.UserID}) // not quiet: not kept
	if _, got, _ := remembered(m, s.UserID); len(got) != 1 {
		t.Error("what was read meanwhile is kept")
	}
	m.epochs.end(user)
	a := m.Committing(s.UserID)
	if _, _, known := remembered(m, s.UserID); known {
		t.Error("it is remembered while an act is under way")
	}
	a.Ended()
	if _, _, known := remembered(m, s.UserID); known {
		t.Error("it is remembered after an act of which nothing is known")
	}
}

func TestWhatWasNotToldOfAnActIsNotGoodAfterTheNext(t *testing.T) {
	u := rollcall.User{ID: aUser, Version: 1}
	change := rollcall.Change{UserID: u.ID, User: &rollcall.PutUser{User: u, Replaces: 1}}
	for name, lose := range map[string]func(*Memory){
		"an act that failed":    func(m *Memory) { a := m.Committing(u.ID); a.Ended() },
		"a removal":             func(m *Memory) { a := m.Removing(u.ID); a.Ended() },
		"a removal meanwhile":   func(*Memory) {},
		"nothing, for contrast": nil,
	} {
		t.Run(name, func(t *testing.T) {
			m := newMemory()
			s := testSession("session")
			s.Generation.User = 0
			fill(m, u, s)
			if lose != nil {
				lose(m)
			}
			a := m.Committing(u.ID)
			if name == "a removal meanwhile" {
				r := m.Removing(u.ID)
				r.Ended()
			}
			a.Committed(&change, &rollcall.Standing{User: u})
			a.Ended()
			if _, _, known := remembered(m, u.ID); known != (lose == nil) {
				t.Errorf("remembered: %v", known)
			}
		})
	}
}

// TestTwoFirstSignInsAtOnceAreNotRememberedAsOne lets two commits of a user whom nobody
// has seen overlap, as those with AnyVersion may.
func TestTwoFirstSignInsAtOnceAreNotRememberedAsOne(t *testing.T) {
	first := rollcall.User{ID: aUser, Version: 1000, Generation: 1000, TokenGeneration: 1000}
	change := func(i int) (*rollcall.Change, *rollcall.Standing) {
		u := first
		u.Version += uint64(i)
		return &rollcall.Change{
			UserID: aUser, User: &rollcall.PutUser{User: first, Replaces: rollcall.AnyVersion},
			Sessions: []rollcall.PutSession{{Session: nthSession(i), Fresh: true, Stamped: true}},
		}, &rollcall.Standing{User: u}
	}
	for name, order := range map[string]string{
		"one after the other":        "aAabBb",
		"the second began first":     "baAabB",
		"the second ends in between": "abBbAa",
		"both before both are told":  "abABab",
	} {
		t.Run(name, func(t *testing.T) {
			m := newMemory()
			acts := map[rune]*Act{}
			for _, step := range order {
				switch {
				case step >= 'a' && acts[step] == nil:
					a := m.Committing(aUser)
					acts[step] = &a
				case step >= 'a':
					acts[step].Ended()
				default:
					acts[step+'a'-'A'].Committed(change(int(step - 'A')))
				}
			}
			_, got, known := remembered(m, aUser)
			if known && len(got) != 2 || known != (name == "one after the other") {
				t.Errorf("known %v, %d sessions", known, len(got))
			}
			for _, s := range got {
				if s.Version != 1 || s.Generation.User != 1000 {
					t.Errorf("%s has version %d and generation %v", s.ID, s.Version, s.Generation)
				}
			}
		})
	}
}

func TestAUserWhoWasThereIsNotTakenForANewOne(t *testing.T) {
	put := rollcall.User{ID: aUser, Version: 1000}
	change := rollcall.Change{UserID: aUser, User: &rollcall.PutUser{User: put, Replaces: rollcall.AnyVersion}, Events: []rollcall.Event{{}}}
	for name, c := range map[string]struct {
		left rollcall.User
		made bool
	}{
		"a new user":                  {rollcall.User{Version: 1000, Generation: 1000, TokenGeneration: 1000, Events: 1}, true},
		"one with another version":    {rollcall.User{Version: 1001, Generation: 1000, TokenGeneration: 1000, Events: 1}, false},
		"one whose version comes by":  {rollcall.User{Version: 1000, Generation: 999, TokenGeneration: 999, Events: 1}, false},
		"one with events from before": {rollcall.User{Version: 1000, Generation: 1000, TokenGeneration: 1000, Events: 2}, false},
	} {
		m := newMemory()
		c.left.ID = aUser
		a := m.Committing(aUser)
		a.Committed(&change, &rollcall.Standing{User: c.left})
		a.Ended()
		if _, _, known := remembered(m, aUser); known != c.made {
			t.Errorf("%s: remembered %v", name, known)
		}
	}
}

func TestSessionsThatAnEndingOfAllLeavesKeepTheirGeneration(t *testing.T) {
	m := newMemory()
	u := rollcall.User{ID: aUser, Version: 5, Generation: 3, TokenGeneration: 3}
	kept, other := nthSession(1), nthSession(0)
	fill(m, u, kept, other)
	kept.Generation.User, u.Version, u.Generation = 4, 6, 4
	u.GenerationAt, u.GenerationReason, u.GenerationBy = t0, rollcall.ReasonOthers, aUser
	commit(m, &rollcall.Change{
		UserID: aUser, User: &rollcall.PutUser{User: u, Replaces: 5}, Sessions: []rollcall.PutSession{{Session: kept, Replaces: 1}},
	})
	got, sessions, known := remembered(m, aUser)
	if !known || len(sessions) != 2 || got != u {
		t.Fatalf("known %v: %+v, %d sessions", known, got, len(sessions))
	}
	if sessions[0].Generation.User != 4 || sessions[0].Version != 2 || sessions[1].Generation.User != 3 {
		t.Errorf("generations %v and %v", sessions[0].Generation, sessions[1].Generation)
	}
	if s, st, known := look(m, other.ID); !known || !s.Outdated(&st) {
		t.Errorf("known %v, and the session of the generation before is not outdated", known)
	}
}

func TestEverybodysRowIsNotKnownWhileAnActOnEverybodyIsUnderWay(t *testing.T) {
	m := newMemory()
	fill(m, rollcall.User{ID: aUser}, testSession("session"))
	next := rollcall.Standing{Everybody: rollcall.Everybody{Version: 2, Generation: 9}}
	for _, told := range []bool{true, false} {
		a := m.Committing("")
		if _, _, known := look(m, "session"); known {
			t.Error("answered from memory while an act on everybody is under way")
		}
		if told {
			a.Committed(&rollcall.Change{}, &next)
		}
		if _, _, known := look(m, "session"); known {
			t.Error("answered from memory before the act on everybody has ended")
		}
		a.Ended()
		if _, st, known := look(m, "session"); known != told || known && st.Everybody.Generation != 9 {
			t.Errorf("known %v after the act, everybody's row %+v", known, st.Everybody)
		}
	}
	for _, told := range []int{0, 1} {
		acts := []Act{m.Committing(""), m.Committing("")}
		acts[told].Committed(&rollcall.Change{}, &next)
		for _, i := range []int{told, 1 - told} {
			acts[i].Ended()
			if _, _, known := look(m, "session"); known {
				t.Error("everybody's row is that of one of two acts")
			}
		}
	}
}

func TestAnActMovesTheUsersRowWhereItIs(t *testing.T) {
	m, u := signedIn(t, 3)
	u.Version, u.Events = 77, 78
	commit(m, &rollcall.Change{UserID: aUser, User: &rollcall.PutUser{User: u, Replaces: 76}, Ends: []rollcall.End{{At: rollcall.At{ID: nthSession(1).ID}}}})
	got, sessions, known := remembered(m, aUser)
	if !known || got != u || len(sessions) != 2 {
		t.Errorf("known %v: %+v, %d sessions", known, got, len(sessions))
	}
	if _, _, known := look(m, nthSession(1).ID); known {
		t.Error("the session that was ended is known")
	}
}
