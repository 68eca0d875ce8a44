package storetest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/rollcall-id/rollcall"
)

var rowClauses = []Clause{
	{"Sweep", "a user's row goes with the last session", testSweepUser},
	{"Sweep", "a user's row stays while an event of the user is kept", testRowStays},
	{"Sweep", "a sign-in and an event that race the removal of the last session find the user's row", testRacingRemoval},
	{"Sweep", "versions of a row that is gone do not come again", testVersionsPass},
}

func testSweepUser(t *testing.T, h Harness) {
	s := open(t, h)
	s.create(newSession("u", sessionID(1), t0), newSession("u", sessionID(2), t0), newSession("u2", sessionID(3), t0))
	s.commit(replacement(s.session(sessionID(2)).Ended(newEnding(t0.Add(500 * time.Hour)))))
	known := s.user("u")
	s.sweepAll(t0.Add(100 * time.Hour))
	s.same("while an ended session is left", known, s.user("u"))
	s.same("another user's is gone", rollcall.User{ID: "u2"}, s.user("u2"))
	s.sweepAll(t0.Add(501 * time.Hour))
	s.same("after the last session", rollcall.User{ID: "u"}, s.user("u"))
	s.conflicts("an act on the row that is gone", rollcall.Change{UserID: "u", User: moved(known)})
	s.create(newSession("u", sessionID(1), t0))
	s.same("anew", uint64(firstVersion), s.user("u").Version)

	// Users whose ids begin alike keep their rows when one of them goes.
	alike := []string{"a", "a\x01", "a\u0080", "aa", "a|", "a\uffff", "a/"}
	for i, userID := range alike {
		s.create(newSession(userID, sessionID(10+i), t0))
	}
	for i, userID := range alike {
		s.sweep(rollcall.Sweep{UserID: userID, SessionsBefore: t0, Limit: 100, Decide: remove})
		for _, other := range alike[i+1:] {
			s.same("a user that begins alike", uint64(firstVersion), s.user(other).Version)
		}
		s.same("the user whose session went", rollcall.User{ID: userID}, s.user(userID))
	}
}

func testRowStays(t *testing.T, h Harness) {
	s := open(t, h)
	s.commit(creation(rollcall.User{ID: "u"}, newSession("u", sessionID(1), t0), newEvent("u", 1)))
	s.create(newSession("u", sessionID(2), t0.Add(time.Second)), newSession("uu", sessionID(3), t0))
	s.commit(nextGeneration(s.user("u"), newEvent("u", 2)))
	want, session := s.standing("u"), s.session(sessionID(1))
	position := s.log(2)[0].Position
	before := t0.Add(200 * time.Hour)
	s.same("a sweep of all", rollcall.Swept{Looked: 3, Removed: 2}, bare(s.sweep(rollcall.Sweep{SessionsBefore: before, Limit: 10, Decide: remove})))
	s.same("a user who has no events", rollcall.User{ID: "uu"}, s.user("uu"))
	left := s.history("u")
	if len(left) != 1 {
		t.Fatalf("%d sessions of who has events are left, want 1", len(left))
	}
	s.same("the row of who has events", want, s.standing("u"))
	if left[0] == session.ID {
		s.same("the session", session, s.session(session.ID))
	}
	hour := before.Add(time.Hour)
	s.same("not before an hour has gone", rollcall.Swept{}, bare(s.sweep(rollcall.Sweep{SessionsBefore: hour, Limit: 10, Decide: remove})))
	s.sweep(rollcall.Sweep{EventsUpTo: position, Limit: 10, Decide: remove})
	s.same("while one of two events is kept", rollcall.Swept{Looked: 1}, bare(s.sweep(rollcall.Sweep{SessionsBefore: hour.Add(time.Millisecond), Limit: 10, Decide: remove})))
	s.same("the row then", want, s.standing("u"))
	s.same("an ending still ends", want.User.Generation+1, s.commit(nextGeneration(want.User)).User.Generation)
	s.removeEvents()
	e := newEvent("u", 9)
	s.same("while the verdict has an event", rollcall.Swept{Looked: 1}, bare(s.sweep(rollcall.Sweep{SessionsBefore: hour.Add(2 * time.Hour), Limit: 10, Decide: func(rollcall.Walked) rollcall.Verdict {
		return rollcall.Verdict{Event: &e}
	}})))
	s.same("which is not written", 0, len(s.events("")))
	s.same("after the last event", rollcall.Swept{Looked: 1, Removed: 1}, bare(s.sweep(rollcall.Sweep{SessionsBefore: hour.Add(4 * time.Hour), Limit: 10, Decide: remove})))
	s.same("the row at last", rollcall.User{ID: "u"}, s.user("u"))
	s.same("the session at last", 0, len(s.history("u")))
}

// testRacingRemoval removes a user's last session while others sign the user in and tell of
// the user: whoever is told that the act is made finds the row.
func testRacingRemoval(t *testing.T, h Harness) {
	s := open(t, h)
	for round := range 30 {
		u := fmt.Sprintf("user-%d", round)
		s.commit(stamped(newSession(u, sessionID(2*round), t0)))
		s.commit(nextGeneration(s.user(u)))
		session := newSession(u, sessionID(2*round+1), t0)
		var all sync.WaitGroup
		var toldErr error
		all.Go(func() {
			if _, err := s.Sweep(background, rollcall.Sweep{UserID: u, SessionsBefore: t0, Limit: 1, Decide: remove}); err != nil {
				t.Errorf("Sweep: %v", err)
			}
		})
		if round%2 == 0 {
			all.Go(func() {
				if err := s.tries(stamped(session)); err != nil {
					t.Errorf("a sign-in at any version: %v", err)
				}
			})
			all.Wait()
			row := s.user(u)
			if row.Version == 0 || s.session(session.ID).Generation.User != row.Generation {
				t.Fatalf("round %d: a session of %+v beside row %+v", round, s.session(session.ID).Generation, row)
			}
			continue
		}
		all.Go(func() { toldErr = s.tries(told(u, newEvent(u, round))) })
		all.Wait()
		kept := s.read(rollcall.EventsAfter{UserID: u, Limit: 10})
		switch row := s.user(u); {
		case toldErr == nil && (len(kept) != 1 || row.Events != 1 || len(s.history(u)) != 1):
			t.Fatalf("round %d: %d events are kept beside row %+v with %d sessions", round, len(kept), row, len(s.history(u)))
		case toldErr != nil:
			s.fails("an event that comes after the removal", toldErr, rollcall.ErrConflict)
			s.same("the events", 0, len(kept))
			s.same("the row", rollcall.User{ID: u}, row)
		}
	}
}

func testVersionsPass(t *testing.T, h Harness) {
	s := open(t, h)
	s.commit(creation(rollcall.User{ID: "u"}, newSession("u", sessionID(1), t0), newEvent("u", 1)))
	old := s.user("u")
	s.removeEvents()
	s.sweepAll(forever)
	next := rollcall.User{ID: "u", Version: firstVersion + 1000}
	s.commit(rollcall.Change{UserID: "u", User: &rollcall.PutUser{User: next}, Sessions: []rollcall.PutSession{{Session: newSession("u", sessionID(2), t0), Stamped: true}}})
	next.Generation, next.TokenGeneration = next.Version, next.Version
	s.same("the row", next, s.user("u"))
	s.same("the session", next.Generation, s.session(sessionID(2)).Generation.User)
	s.conflicts("an act that was decided before", creation(old, newSession("u", sessionID(3), t0)))
	s.conflicts("an ending of all that was decided before", nextGeneration(old))
	s.commit(told("u", newEvent("u", 2)))
	s.same("the number of the user's first event", uint64(1), s.log(1)[0].Number)
}
