package storetest

import (
	"errors"
	"testing"
	"time"

	"github.com/rollcall-id/rollcall"
)

var endClauses = []Clause{
	{"Ends", "an end of what was not read says when, why and by whom, and nothing else", testEnds},
	{"Ends", "an end is guarded by the version of the user's row", testEndGuard},
	{"Ends", "an end whose word is not true conflicts or is taken", testEndWord},
	{"Ends", "a use that comes late does not bring back what an end ended", testEndTouches},
}

// ending is the change that ends a session unread.
func ending(u rollcall.User, e rollcall.End, events ...rollcall.Event) rollcall.Change {
	return rollcall.Change{UserID: u.ID, User: moved(u), Ends: []rollcall.End{e}, Events: events}
}

func testEnds(t *testing.T, h Harness) {
	s := open(t, h)
	for i := range 4 {
		s.create(newSession("u", sessionID(i), t0.Add(time.Duration(i)*time.Second)))
	}
	when := newEnding(t0.Add(2 * time.Hour))
	used := interaction(time.Hour, "192.0.2.9")
	s.touch("u", sessionID(1), used)
	want := s.session(sessionID(1))
	s.commit(ending(s.user("u"), unread(want, when), newEvent("u", 1)))
	want = want.Ended(when)
	want.Version = 2
	s.same("the session", want, s.session(want.ID))
	s.same("the list", []string{sessionID(3), sessionID(2), sessionID(0)}, s.list("u"))
	s.same("the history", want, s.sessions("u", true)[2])
	s.same("the user's version", uint64(firstVersion+4), s.user("u").Version)
	s.same("the event", []string{"evt-1"}, s.eventIDs())

	// Last may be later than what is stored: a use that is not written yet.
	first := s.session(sessionID(0))
	e := unread(first, rollcall.Ending{EndedAt: t0.Add(time.Hour), EndReason: rollcall.ReasonIdle})
	e.Last, e.FileAt = interaction(90*time.Minute, "192.0.2.8"), t0.Add(5*time.Hour)
	s.commit(ending(s.user("u"), e))
	first = first.Ended(e.Ending)
	first.Version, first.Last = 2, e.Last
	s.same("one with a later use", first, s.session(first.ID))

	// Beside a put, in one change.
	second, third := s.session(sessionID(2)), s.session(sessionID(3))
	fromInitial := unread(second, when)
	fromInitial.Last = interaction(time.Hour, "")
	fromInitial.Last.Origin = second.Initial
	c := ending(s.user("u"), fromInitial)
	third.Clients = []string{"kept"}
	c.Sessions = []rollcall.PutSession{{Session: third, Replaces: 1}}
	s.commit(c)
	s.same("the list", []string{sessionID(3)}, s.list("u"))
	s.same("what was put", []string{"kept"}, s.session(sessionID(3)).Clients)
	second = second.Ended(when)
	second.Version, second.Last = 2, fromInitial.Last
	s.same("one with a later use from where the session began", second, s.session(second.ID))

	s.conflicts("a claim of the id", creation(s.user("v"), newSession("v", sessionID(0), t0)))
	want.Metadata = nil
	s.commit(replacement(want))
	want.Version++
	s.same("a put of what has ended", want, s.session(want.ID))
	s.removeEvents()
	s.sweepAll(t0.Add(5 * time.Hour))
	s.fails("before the row is due", s.finds(sessionID(0)), nil)
	s.sweepAll(t0.Add(5*time.Hour + time.Millisecond))
	s.fails("when the row is due", s.finds(sessionID(0)), rollcall.ErrNoSession)
	s.fails("a row that is due later", s.finds(sessionID(2)), nil)
}

func testEndGuard(t *testing.T, h Harness) {
	s := open(t, h)
	s.create(newSession("u", sessionID(1), t0), newSession("u", sessionID(2), t0))
	want := s.session(sessionID(1))
	known := s.user("u")
	e := unread(want, newEnding(t0.Add(time.Hour)))
	for _, version := range []uint64{known.Version - 1, known.Version + 1, 1} {
		stale := known
		stale.Version = version
		s.conflicts("at another version of the user", ending(stale, e, newEvent("u", 1)))
	}
	s.commit(replacement(s.session(sessionID(2)).Ended(newEnding(t0)))) // moves no version of the user
	s.commit(stamped(newSession("u", sessionID(3), t0)))
	s.conflicts("after the version has moved", ending(known, e, newEvent("u", 1)))
	c := ending(s.user("u"), e, newEvent("u", 1))
	c.Sessions = []rollcall.PutSession{{Session: newSession("u", sessionID(3), t0), Replaces: 9}}
	s.conflicts("beside a put that conflicts", c)
	s.same("what conflicted ended nothing", want, s.session(want.ID))
	s.same("nor left an event", 0, len(s.events("")))
	s.commit(ending(s.user("u"), e))
	s.same("at the version", e.EndedAt, s.session(want.ID).EndedAt)
}

// testEndWord says what is not true. An engine that looks finds out; one that takes the
// word must not do more harm than that.
func testEndWord(t *testing.T, h Harness) {
	s := open(t, h)
	s.create(newSession("u", sessionID(1), t0), newSession("u", sessionID(2), t0), newSession("v", sessionID(3), t0))
	s.commit(replacement(s.session(sessionID(1)).Ended(newEnding(t0))))
	want := s.session(sessionID(1))
	known := s.user("u")
	err := s.tries(ending(known, unread(want, rollcall.Ending{EndedAt: t0.Add(time.Hour), EndReason: rollcall.ReasonLogout})))
	switch {
	case errors.Is(err, rollcall.ErrConflict):
		s.same("an end that conflicts changes nothing", want, s.session(want.ID))
		s.same("nor the user", known, s.user("u"))
	case err != nil:
		t.Errorf("an end of what has ended: %v", err)
	case s.session(want.ID).EndedAt.IsZero():
		t.Error("an end of what has ended brings it back")
	}
	s.same("the list", []string{sessionID(2)}, s.list("u"))
	s.same("another user's", []string{sessionID(3)}, s.list("v"))
}

func testEndTouches(t *testing.T, h Harness) {
	s := open(t, h)
	for round := range 10 {
		session := newSession("u", sessionID(round), t0.Add(time.Duration(round)*time.Second))
		s.create(session)
		begun, done := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(done)
			for i := range 30 {
				touch := rollcall.Touch{UserID: "u", SessionID: session.ID, Interaction: interaction(time.Duration(i)*time.Minute, "")}
				if err := s.Touch(background, []rollcall.Touch{touch}); err != nil {
					t.Errorf("Touch: %v", err)
				}
				if i == round {
					close(begun)
				}
			}
		}()
		<-begun
		e := unread(session, newEnding(t0.Add(time.Second)))
		e.Last = interaction(31*time.Minute, "192.0.2.7")
		s.commit(ending(s.user("u"), e))
		want := session.Ended(e.Ending)
		want.Version, want.Last = 2, e.Last
		s.same("when it has ended", want, s.session(session.ID))
		<-done
		s.touch("u", session.ID, interaction(3*time.Hour, "192.0.2.6"))
		s.touch("u", session.ID, interaction(9000*time.Hour, "192.0.2.6"))
		s.same("after uses that came late", want, s.session(session.ID))
		s.same("the list", 0, len(s.list("u")))
	}
}
