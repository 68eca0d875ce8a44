package storetest

import (
	"errors"
	"testing"
	"time"

	"github.com/rollcall-id/rollcall"
)

var fullClauses = []Clause{
	{"Full", "what adds is refused first, and endings last", testFull},
}

func testFull(t *testing.T, h Harness) {
	if h.OpenFull == nil {
		t.Skip("the engine is never full")
	}
	store, set := h.OpenFull(t)
	s := closing(t, store)
	for i := range 8 {
		s.create(newSession("u", sessionID(i), t0.Add(time.Duration(i)*time.Second)))
	}
	s.commit(rollcall.Change{Documents: []rollcall.PutDocument{{Name: "d", Body: []byte("one")}}})
	adds := func() map[string]rollcall.Change {
		ended := s.session(sessionID(7))
		return map[string]rollcall.Change{
			"a session of a user's":         creation(s.user("u"), newSession("u", sessionID(20), t0), newEvent("u", 9)),
			"a fresh session of a new user": stamped(newSession("v", sessionID(21), t0), newEvent("v", 9)),
			"a session beside an ending": {
				UserID: "u", User: moved(s.user("u")), Events: []rollcall.Event{newEvent("u", 9)},
				Sessions: []rollcall.PutSession{{Session: newSession("u", sessionID(22), t0)}, {Session: ended.Ended(newEnding(t0)), Replaces: ended.Version}},
			},
			"a document": {Documents: []rollcall.PutDocument{{Name: "d", Body: []byte("two"), Replaces: 1}}, Events: []rollcall.Event{newEvent("", 9)}},
		}
	}
	ends := func(i int) map[string]rollcall.Change {
		return map[string]rollcall.Change{
			"an ending":             replacement(s.session(sessionID(i)).Ended(newEnding(t0)), newEvent("u", i)),
			"an ending of all":      nextGeneration(s.user("u"), newEvent("u", i)),
			"an ending of everyone": {Everybody: &rollcall.PutEverybody{Everybody: newEverybody(), Replaces: s.everybody().Version}, Events: []rollcall.Event{newEvent("", i)}},
		}
	}
	unchanged := func(what string, before rollcall.Standing, events int) {
		t.Helper()
		s.same(what+": the user", before, s.standing("u"))
		s.same(what+": the events", events, len(s.events("")))
		for i := 20; i < 23; i++ {
			s.fails(what+": its session", s.finds(sessionID(i)), rollcall.ErrNoSession)
		}
		s.same(what+": the document", []byte("one"), s.document("d").Body)
	}
	if !h.OneFloor {
		set(RoomForEndings)
		before := s.standing("u")
		for what, c := range adds() {
			s.fails(what, s.tries(c), rollcall.ErrFull)
			unchanged(what, before, 0)
		}
		for what, c := range ends(0) {
			s.fails(what+" with room for endings", s.tries(c), nil)
		}
		s.fails("an unread ending with room for endings", s.tries(ending(s.user("u"), unread(s.session(sessionID(1)), newEnding(t0)), newEvent("u", 1))), nil)
		when := newEnding(t0)
		swept := s.sweep(rollcall.Sweep{UserID: "u", Limit: 1, Decide: func(rollcall.Walked) rollcall.Verdict {
			return rollcall.Verdict{FileAt: forever, Ending: &when}
		}})
		s.same("a sweep that ends", 1, swept.Ended)
		s.touch("u", sessionID(2), interaction(time.Hour, ""))
		s.same("the list", 5, len(s.list("u")))
	}

	set(RoomForNothing)
	before := s.standing("u")
	events := len(s.events(""))
	for what, c := range adds() {
		s.fails(what, s.tries(c), rollcall.ErrFull)
		unchanged(what, before, events)
	}
	for what, c := range ends(3) {
		if err := s.tries(c); err != nil && !errors.Is(err, rollcall.ErrFull) {
			t.Errorf("%s without room: %v", what, err)
		}
	}
	all := s.sessions("u", false)
	s.same("reads go on", s.session(all[len(all)-1].ID), all[len(all)-1])

	set(RoomForAll)
	for what := range adds() { // each on what the one before has left
		s.fails(what+" when there is room again", s.tries(adds()[what]), nil)
	}
}
