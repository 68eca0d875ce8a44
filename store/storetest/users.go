package storetest

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/rollcall-id/rollcall"
)

var userClauses = []Clause{
	{"User", "a new row begins at the version that it is given", testNewRow},
	{"User", "a put of a row that exists is the row", testPutUser},
	{"User", "any version of a user's row is replaced, and nothing of it but the version", testAnyVersion},
	{"User", "a stamped session takes the generations as the commit finds them", testStamped},
	{"User", "the next generation fails for another generation alone", testNextGeneration},
	{"User", "neither sign-ins at any version nor the next generation make each other fail", testNotStarved},
}

func testNewRow(t *testing.T, h Harness) {
	s := open(t, h)
	for _, replaces := range []uint64{0, rollcall.AnyVersion} {
		for i, begin := range []uint64{1, firstVersion, 253_402_300_799_999} {
			u := newUser("u" + string(rune('a'+i)))
			if replaces == 0 {
				u.ID += "0"
			}
			u.Version = begin
			want := u
			want.Generation, want.TokenGeneration, want.Events = begin, begin, 0
			left := s.commit(rollcall.Change{UserID: u.ID, User: &rollcall.PutUser{User: u, Replaces: replaces}})
			s.same("the row that was left", want, left.User)
			s.same("the row", want, s.user(u.ID))
			s.conflicts("a new row once more", rollcall.Change{UserID: u.ID, User: &rollcall.PutUser{User: u}})
		}
	}
}

func testPutUser(t *testing.T, h Harness) {
	s := open(t, h)
	s.row("u")
	s.commit(told("u", newEvent("u", 1)))
	want := newUser("u")
	want.Version = 5 // ignored
	s.commit(rollcall.Change{UserID: "u", User: &rollcall.PutUser{User: want, Replaces: firstVersion}})
	want.Version, want.Events = firstVersion+1, 1
	s.same("the row", want, s.user("u"))
	bare := rollcall.User{ID: "u", Generation: 1}
	s.commit(rollcall.Change{UserID: "u", User: &rollcall.PutUser{User: bare, Replaces: firstVersion + 1}, Events: []rollcall.Event{newEvent("u", 2)}})
	bare.Version, bare.Events = firstVersion+2, 2
	s.same("a row of next to nothing", bare, s.user("u"))
}

func testAnyVersion(t *testing.T, h Harness) {
	s := open(t, h)
	s.commit(rollcall.Change{UserID: "u", User: movedAny("u"), Events: []rollcall.Event{newEvent("u", 1)}})
	s.commit(rollcall.Change{UserID: "u", User: &rollcall.PutUser{User: newUser("u"), Replaces: firstVersion}})
	want := s.user("u")
	other := rollcall.User{ID: "u", Version: 5, Generation: 5, GenerationAt: t0.Add(time.Hour), GenerationReason: "x", GenerationBy: "x", TokenGeneration: 5}
	for range 3 {
		s.commit(rollcall.Change{UserID: "u", User: &rollcall.PutUser{User: other, Replaces: rollcall.AnyVersion}})
		want.Version++
		s.same("the row", want, s.user("u"))
	}
	s.conflicts("a version that any version has replaced", rollcall.Change{UserID: "u", User: &rollcall.PutUser{User: want, Replaces: want.Version - 1}})
}

func testStamped(t *testing.T, h Harness) {
	s := open(t, h)
	create := func(i int, want rollcall.Generation) {
		t.Helper()
		session := newSession("u", sessionID(i), t0)
		left := s.commit(stamped(session))
		session.Version, session.Generation = 1, want
		s.same("the session", session, s.session(session.ID))
		if got := s.session(session.ID); got.Outdated(&left) {
			t.Errorf("generation %+v is over at birth", got.Generation)
		}
	}
	create(1, rollcall.Generation{User: firstVersion})
	s.commit(nextGeneration(s.user("u")))
	create(2, rollcall.Generation{User: firstVersion + 1})
	s.commit(rollcall.Change{Everybody: &rollcall.PutEverybody{Everybody: rollcall.Everybody{Generation: 7}}})
	create(3, rollcall.Generation{User: firstVersion + 1, Everybody: 7})
	u := s.user("u")
	u.Generation = 1 << 50
	s.commit(rollcall.Change{UserID: "u", User: moved(u)})
	create(4, rollcall.Generation{User: 1 << 50, Everybody: 7})
	s.same("those before keep theirs", rollcall.Generation{User: firstVersion}, s.session(sessionID(1)).Generation)

	// Under a version, too.
	c := stamped(newSession("u", sessionID(5), t0))
	c.User = moved(s.user("u"))
	stale := c
	stale.User = &rollcall.PutUser{User: u, Replaces: u.Version}
	s.conflicts("stamped at another version", stale)
	s.commit(c)
	s.same("stamped at a version", rollcall.Generation{User: 1 << 50, Everybody: 7}, s.session(sessionID(5)).Generation)

	c = stamped(newSession("v", sessionID(6), t0))
	c.User = moved(rollcall.User{ID: "v"})
	s.commit(c)
	s.same("stamped with a new row", rollcall.Generation{User: firstVersion, Everybody: 7}, s.session(sessionID(6)).Generation)
}

func testNextGeneration(t *testing.T, h Harness) {
	s := open(t, h)
	s.create(newSession("u", sessionID(1), t0))
	s.commit(rollcall.Change{UserID: "u", User: &rollcall.PutUser{User: newUser("u"), Replaces: firstVersion}})
	before := s.user("u")
	put := func(u rollcall.User) rollcall.Change {
		return rollcall.Change{UserID: u.ID, User: &rollcall.PutUser{User: u, Replaces: rollcall.AnyVersion, NextGeneration: true}, Events: []rollcall.Event{newEvent(u.ID, 1)}}
	}
	next := rollcall.User{
		ID: "u", GenerationAt: t0.Add(time.Hour), GenerationReason: rollcall.ReasonDeleted, GenerationBy: "someone",
		Version: 1, TokenGeneration: 1, TokenGenerationAt: t0.Add(time.Hour), // all three ignored
	}
	for _, generation := range []uint64{0, 1, before.Generation - 1, before.Generation, before.Generation + 2} {
		next.Generation = generation
		s.conflicts("another generation", put(next))
	}
	absent := newUser("v")
	absent.Generation = 1
	s.conflicts("a user who has no row", put(absent))
	s.same("the row", before, s.user("u"))
	s.same("the events", 0, len(s.events("")))

	s.commit(rollcall.Change{UserID: "u", User: movedAny("u")})
	next.Generation = before.Generation + 1
	left := s.commit(put(next))
	want := before
	want.Version, want.Events = before.Version+2, 1
	want.Generation, want.GenerationAt, want.GenerationReason, want.GenerationBy = next.Generation, next.GenerationAt, next.GenerationReason, next.GenerationBy
	s.same("the row after a version has moved", want, s.user("u"))
	s.same("what was left", want, left.User)
	s.conflicts("the same again", put(next))
	session := newSession("u", sessionID(1), t0)
	session.Version = 1
	s.same("the session", session, s.session(session.ID))
}

// testNotStarved ends all of a user's sessions over and over while others sign the user in:
// none of them ever conflicts, and each session has the generation of its moment.
func testNotStarved(t *testing.T, h Harness) {
	s := open(t, h)
	const writers, acts, ends = 4, 25, 15
	s.row("u")
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for i := range acts {
				session := newSession("u", sessionID(1000*w+i), t0)
				e := newEvent("u", 1000*w+i)
				e.SessionID = session.ID
				if err := s.tries(stamped(session, e)); err != nil {
					t.Errorf("a sign-in at any version: %v", err)
				}
			}
		})
	}
	all.Go(func() {
		for i := range ends {
			e := newEvent("u", 100_000+i)
			e.Type = rollcall.UserSessionsEnded
			err := s.tries(nextGeneration(rollcall.User{ID: "u", Generation: firstVersion + uint64(i), GenerationAt: t0}, e))
			if err != nil {
				t.Errorf("an ending of all: %v, which is a conflict: %v", err, errors.Is(err, rollcall.ErrConflict))
			}
		}
	})
	all.Wait()
	got := s.user("u")
	s.same("the version", uint64(firstVersion+writers*acts+ends), got.Version)
	s.same("the generation", uint64(firstVersion+ends), got.Generation)
	generation := uint64(firstVersion)
	for _, e := range s.events("") {
		if e.Event.Type == rollcall.UserSessionsEnded {
			generation++
			continue
		}
		s.same("the generation of a session, by the order of events", generation, s.session(e.Event.SessionID).Generation.User)
	}
}
