package storetest

import (
	"testing"
	"time"

	"github.com/rollcall-id/rollcall"
)

var reopenClauses = []Clause{
	{"Reopen", "everything is there after reopening", testReopen},
	{"Reopen", "claims, versions and filings are there after reopening", testReopenUpkeep},
	{"Reopen", "what was removed is not there after reopening", testReopenRemoved},
	{"Reopen", "a restored copy has all but the incarnation", testCopy},
}

// kept is all that can be read of the one user of a store.
type kept struct {
	Standing rollcall.Standing
	Sessions []rollcall.Session
	Document rollcall.Document
	Events   []rollcall.StoredEvent
}

func (s subject) kept() kept {
	s.t.Helper()
	return kept{s.standing("u"), s.sessions("u", true), s.document("d"), s.log(filled)}
}

// filled is how many events fill leaves.
const filled = 23

// fill puts something of everything.
func (s subject) fill() {
	s.t.Helper()
	for i := range 20 {
		session := newSession("u", sessionID(i), t0.Add(-time.Duration(i)*time.Second))
		s.commit(creation(s.user("u"), session, newEvent("u", i)))
	}
	u := newUser("u")
	u.Version = s.user("u").Version
	s.commit(rollcall.Change{UserID: "u", User: moved(u)})
	s.commit(replacement(s.session(sessionID(7)).Ended(newEnding(t0)), newEvent("u", 20)))
	s.commit(nextGeneration(s.user("u"), newEvent("u", 21)))
	s.touch("u", sessionID(3), interaction(time.Hour, "192.0.2.7"))
	s.touch("u", sessionID(8), interaction(time.Hour, "192.0.2.7"))
	s.commit(ending(s.user("u"), unread(s.session(sessionID(8)), newEnding(t0.Add(2*time.Hour)))))
	when := newEnding(t0.Add(time.Hour))
	s.sweep(rollcall.Sweep{UserID: "u", Limit: 1, Decide: func(rollcall.Walked) rollcall.Verdict {
		return rollcall.Verdict{FileAt: forever, Ending: &when}
	}})
	s.commit(stamped(newSession("u", sessionID(30), t0)))
	s.commit(rollcall.Change{
		Documents: []rollcall.PutDocument{{Name: "d", Body: []byte("x")}}, Everybody: &rollcall.PutEverybody{Everybody: newEverybody()},
		Events: []rollcall.Event{newEvent("", 22)},
	})
}

func testReopen(t *testing.T, h Harness) {
	if h.Volatile {
		t.Skip("the engine keeps nothing")
	}
	s := subject{h.Open(t), t}
	s.fill()
	want := s.kept()
	for range 2 {
		s = subject{h.Reopen(t, s.Store), t}
		s.same("everything", want, s.kept())
		for i, e := range want.Events {
			page := s.page(rollcall.EventsAfter{After: e.Position, Limit: 1000})
			s.same("positions stay good", want.Events[i+1:], page.Events)
			s.same("and nothing is missed", false, page.Missed)
		}
	}
	head := s.head()
	s.commit(told("u", newEvent("u", 99)))
	rest := s.many(1, s.events(want.Events[len(want.Events)-1].Position))
	s.same("events go on", []string{"evt-99"}, eventIDs(rest))
	s.same("their numbers, too", want.Standing.User.Events+1, rest[0].Number)
	s.same("from the head of before", rest, s.events(head))
	s.fails("Close", s.Close(), nil)
}

// testReopenUpkeep looks for what no read shows: claims, versions and filings.
func testReopenUpkeep(t *testing.T, h Harness) {
	if h.Volatile {
		t.Skip("the engine keeps nothing")
	}
	s := subject{h.Open(t), t}
	for i := range 5 {
		c := creation(s.user("u"), newSession("u", sessionID(i), t0))
		c.Sessions[0].FileAt = t0.Add(time.Duration(i) * time.Hour)
		s.commit(c)
	}
	s.touch("u", sessionID(2), interaction(time.Minute, ""))
	s.sweep(rollcall.Sweep{SessionsBefore: t0.Add(2 * time.Hour), Limit: 10, Decide: func(w rollcall.Walked) rollcall.Verdict {
		if w.Session.ID == sessionID(0) {
			return rollcall.Verdict{}
		}
		return rollcall.Verdict{FileAt: t0.Add(5 * time.Hour)}
	}})
	ended := s.session(sessionID(3)).Ended(newEnding(t0.Add(4 * time.Hour)))
	s.commit(replacement(ended))
	known := s.user("u")
	e := unread(s.session(sessionID(4)), newEnding(t0))
	e.FileAt = t0.Add(7 * time.Hour)
	s.commit(ending(known, e))

	s = subject{h.Reopen(t, s.Store), t}
	claim := func(id string) rollcall.Change {
		return creation(rollcall.User{ID: "v"}, newSession("v", id, t0))
	}
	s.conflicts("a claim of a living session's id", claim(sessionID(1)))
	s.conflicts("a claim of an ended session's id", claim(sessionID(3)))
	s.conflicts("a put at a version of before", replacement(ended))
	s.conflicts("an act at a user's version of before", rollcall.Change{UserID: "u", User: moved(known)})
	var asked []string
	for hour := range 9 {
		s.sweep(rollcall.Sweep{SessionsBefore: t0.Add(time.Duration(hour) * time.Hour), Limit: 10, Decide: func(w rollcall.Walked) rollcall.Verdict {
			asked = append(asked, w.Session.ID)
			return rollcall.Verdict{}
		}})
	}
	s.same("filed as before", []string{sessionID(2), sessionID(3), sessionID(1), sessionID(4)}, asked)

	s = subject{h.Reopen(t, s.Store), t}
	s.same("the user's row is gone for good", rollcall.User{ID: "u"}, s.user("u"))
	s.fails("so are the sessions", s.finds(sessionID(1)), rollcall.ErrNoSession)
	s.commit(claim(sessionID(0)))
	s.fails("Close", s.Close(), nil)
}

func testReopenRemoved(t *testing.T, h Harness) {
	if h.Volatile {
		t.Skip("the engine keeps nothing")
	}
	s := subject{h.Open(t), t}
	s.fill()
	all := s.log(filled)
	s.sweep(rollcall.Sweep{EventsUpTo: all[9].Position, Limit: 100, Decide: remove})
	s = subject{h.Reopen(t, s.Store), t}
	s.same("events that were removed", all[10:], s.events(""))
	s.same("who comes from before is told", true, s.page(rollcall.EventsAfter{After: all[0].Position, Limit: 1}).Missed)
	s.same("and nobody else", false, s.page(rollcall.EventsAfter{After: all[9].Position, Limit: 1}).Missed)
	s.sweepAll(forever.Add(time.Hour))
	s.same("the row of who has events", uint64(22), s.user("u").Events)
	s = subject{h.Reopen(t, s.Store), t}
	s.same("the row after reopening", uint64(22), s.user("u").Events)
	s.removeEvents()
	s = subject{h.Reopen(t, s.Store), t}
	s.sweepAll(forever.Add(1000 * time.Hour))
	s.same("the row when no event is kept", rollcall.User{ID: "u"}, s.user("u"))
	s.commit(creation(rollcall.User{ID: "u"}, newSession("u", sessionID(1), t0), newEvent("u", 99)))
	rest := s.events(all[len(all)-1].Position)
	s.same("events go on", []string{"evt-99"}, eventIDs(rest))
	s.fails("Close", s.Close(), nil)
}

func testCopy(t *testing.T, h Harness) {
	if h.Copy == nil {
		t.Skip("the engine makes no copies")
	}
	s := subject{h.Open(t), t}
	s.fill()
	want := s.kept()
	head := s.head()
	s = closing(t, h.Copy(t, s.Store))
	got := s.kept()
	s.same("the standing", want.Standing, got.Standing)
	s.same("the sessions", want.Sessions, got.Sessions)
	s.same("the document", want.Document, got.Document)
	s.same("the events", eventIDs(want.Events), eventIDs(got.Events))
	for i, e := range got.Events {
		s.same("the number", want.Events[i].Number, e.Number)
		if e.Position == want.Events[i].Position {
			t.Errorf("event %d has the position %q of before", i, e.Position)
		}
	}
	s.commit(told("u", newEvent("u", 99)))
	for _, position := range []string{want.Events[0].Position, want.Events[9].Position, head} {
		page := s.page(rollcall.EventsAfter{After: position, Limit: 1000})
		s.same("who comes from before is told", true, page.Missed)
		s.same("and begins with the oldest kept", append(eventIDs(want.Events), "evt-99"), eventIDs(page.Events))
		s.same("nor removes anything", 0, s.sweep(rollcall.Sweep{EventsUpTo: position, Limit: 100, Decide: remove}).Events)
	}
	s.same("who goes on from here misses nothing", false, s.page(rollcall.EventsAfter{After: got.Events[9].Position, Limit: 1}).Missed)
}
