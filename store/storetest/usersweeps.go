package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/rollcall-id/rollcall"
)

var userSweepClauses = []Clause{
	{"Sweep of one user", "a bite looks at the user's rows that are not ended, in their order", testOneUser},
	{"Sweep of one user", "a bite goes on after the last row that the one before looked at", testOneUserGoesOn},
}

func testOneUser(t *testing.T, h Harness) {
	s := open(t, h)
	for i := range 8 {
		session := newSession("u", sessionID(i), t0.Add(time.Duration(i/2)*time.Second))
		c := creation(s.user("u"), session)
		c.Sessions[0].FileAt = t0.Add(time.Duration(i) * 9000 * time.Hour)
		s.commit(c)
	}
	s.create(newSession("uu", sessionID(100), t0), newSession("t", sessionID(101), t0))
	s.commit(replacement(s.session(sessionID(3)).Ended(newEnding(t0))))
	s.commit(nextGeneration(s.user("u"), newEvent("u", 1)))
	s.commit(rollcall.Change{Everybody: &rollcall.PutEverybody{Everybody: newEverybody()}})
	want, st := s.list("u"), s.standing("u")
	var asked []string
	when := newEnding(t0.Add(time.Hour))
	bite := rollcall.Sweep{UserID: "u", SessionsBefore: t0, Limit: 100, Decide: func(w rollcall.Walked) rollcall.Verdict {
		asked = append(asked, w.Session.ID)
		w.Standing.User.Version, w.Standing.User.Events = st.User.Version, st.User.Events // this very bite moves both
		s.same("the standing that is decided on", st, w.Standing)
		switch w.Session.ID {
		case sessionID(7):
			return rollcall.Verdict{}
		case sessionID(6):
			return rollcall.Verdict{FileAt: t0.Add(2 * time.Hour)}
		}
		e := newEvent("u", 2)
		e.SessionID = w.Session.ID
		return rollcall.Verdict{FileAt: t0.Add(24 * time.Hour), Ending: &when, Event: &e}
	}}
	swept := s.sweep(bite)
	s.same("the bite", rollcall.Swept{Looked: 7, Removed: 1, Ended: 5}, bare(swept))
	s.same("in the order of positions", want, asked)
	s.same("the list", []string{sessionID(6)}, s.list("u"))
	s.same("an ended one", when.EndedAt, s.session(sessionID(0)).EndedAt)
	s.same("the events", 6, len(s.events("")))
	s.same("others' sessions", []string{sessionID(100), sessionID(101)}, append(s.list("uu"), s.list("t")...))

	// What was filed far in the future is due with what its verdict says, and then alone.
	var due []string
	keep := func(w rollcall.Walked) rollcall.Verdict {
		if w.Session.UserID == "u" {
			due = append(due, w.Session.ID)
		}
		return rollcall.Verdict{FileAt: forever}
	}
	s.sweep(rollcall.Sweep{SessionsBefore: t0.Add(2 * time.Hour), Limit: 100, Decide: keep})
	s.same("due in two hours", []string{sessionID(3)}, due)
	s.sweep(rollcall.Sweep{SessionsBefore: t0.Add(3 * time.Hour), Limit: 100, Decide: keep})
	s.same("due in three hours", []string{sessionID(3), sessionID(6)}, due)
	s.sweep(rollcall.Sweep{SessionsBefore: t0.Add(25 * time.Hour), Limit: 100, Decide: keep})
	s.same("due in a day", 7, len(due))
	s.sweep(rollcall.Sweep{SessionsBefore: forever, Limit: 100, Decide: keep})
	s.same("due ever", 7, len(due))
	s.same("nobody", rollcall.Swept{}, bare(s.sweep(rollcall.Sweep{UserID: "nobody", Limit: 9, Decide: remove})))
}

func testOneUserGoesOn(t *testing.T, h Harness) {
	s := open(t, h)
	for i := range 10 {
		s.create(newSession("u", sessionID(i), t0.Add(time.Duration(i/3)*time.Second)))
	}
	all := s.list("u")
	for limit := 1; limit < 12; limit += 3 {
		var asked []string
		// What is kept and what is not: neither is looked at twice.
		bites := s.bites(rollcall.Sweep{UserID: "u", Limit: limit, Decide: func(w rollcall.Walked) rollcall.Verdict {
			asked = append(asked, w.Session.ID)
			return rollcall.Verdict{FileAt: t0.Add(time.Duration(len(asked)) * time.Hour)}
		}})
		s.same(fmt.Sprintf("bites of %d", limit), all, asked)
		s.same(fmt.Sprintf("how many bites of %d", limit), (len(all)+limit-1)/limit, len(bites))
	}
	when := newEnding(t0.Add(time.Hour))
	swept := s.sweep(rollcall.Sweep{UserID: "u", Limit: 4, Decide: func(rollcall.Walked) rollcall.Verdict {
		return rollcall.Verdict{FileAt: forever, Ending: &when}
	}})
	s.same("the first bite", rollcall.Swept{Looked: 4, Ended: 4}, bare(swept))
	s.same("that there is more", true, swept.More)
	last := s.session(all[3])
	s.same("where the next goes on", last.Position(), swept.Next)
	s.same("what is left", all[4:], s.list("u"))
	// From a position in the middle, at which there is no row.
	var asked []string
	s.sweep(rollcall.Sweep{UserID: "u", After: rollcall.Position{CreatedAt: t0.Add(time.Second), ID: sessionID(4) + "-"}, Limit: 100, Decide: func(w rollcall.Walked) rollcall.Verdict {
		asked = append(asked, w.Session.ID)
		return rollcall.Verdict{FileAt: forever}
	}})
	s.same("from a position in the middle", []string{sessionID(5), sessionID(0), sessionID(1), sessionID(2)}, asked)
}
