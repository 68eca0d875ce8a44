package storetest

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rollcall-id/rollcall"
)

var commitClauses = []Clause{
	{"Commit", "puts carry the version they replace", testVersions},
	{"Commit", "a change is made whole or not at all", testAtomic},
	{"Commit", "what Change.Check refuses leaves nothing", testRefused},
	{"Commit", "a change may put as many sessions as its bounds allow", testLargeChange},
	{"Commit", "a session stays its user's, and where it was created", testMixed},
	{"Commit", "an id stays claimed until a sweep has removed its row", testClaims},
	{"Commit", "a put keeps the later interaction", testPutKeepsInteraction},
	{"Commit", "a commit returns the standing that it left", testStandingLeft},
	{"Commit", "racing acts lose nothing", testContention},
	{"Commit", "one of racing claims wins", testRacingClaims},
}

func testVersions(t *testing.T, h Harness) {
	s := open(t, h)
	session := newSession("u", sessionID(1), t0)
	s.create(session)
	putSession := func(replaces uint64) error {
		return s.tries(rollcall.Change{UserID: "u", Sessions: []rollcall.PutSession{{Session: session, Replaces: replaces}}})
	}
	putUser := func(replaces uint64) error {
		return s.tries(rollcall.Change{UserID: "u", User: &rollcall.PutUser{User: newUser("u"), Replaces: replaces}})
	}
	for _, replaces := range []uint64{0, 2, math.MaxInt64} {
		s.fails("a session at another version", putSession(replaces), rollcall.ErrConflict)
	}
	for _, replaces := range []uint64{0, 1, firstVersion - 1, firstVersion + 1, math.MaxInt64} {
		s.fails("a user at another version", putUser(replaces), rollcall.ErrConflict)
	}
	for want := uint64(2); want < 5; want++ {
		s.fails("a session at its version", putSession(want-1), nil)
		s.fails("the same again", putSession(want-1), rollcall.ErrConflict)
		s.fails("a user at its version", putUser(firstVersion+want-2), nil)
		s.fails("the same again", putUser(firstVersion+want-2), rollcall.ErrConflict)
		s.same("the session's version", want, s.session(session.ID).Version)
		s.same("the user's version", firstVersion+want-1, s.user("u").Version)
	}
	absent := newSession("u", sessionID(2), t0)
	absent.Version = 1
	s.conflicts("a version of what is absent", replacement(absent))
	absent.UserID = "v"
	s.conflicts("a version of a row that is absent", rollcall.Change{UserID: "v", User: &rollcall.PutUser{User: newUser("v"), Replaces: firstVersion}})
	for what, c := range map[string]rollcall.Change{
		"a session": {UserID: "v", Sessions: []rollcall.PutSession{{Session: newSession("v", sessionID(3), t0)}}},
		"an event":  told("v", newEvent("v", 1)),
	} {
		s.conflicts(what+" of a user who has no row", c)
	}
	s.same("that user", rollcall.User{ID: "v"}, s.user("v"))
	s.fails("that session", s.finds(sessionID(3)), rollcall.ErrNoSession)
	s.same("the events", 0, len(s.events("")))
}

func testAtomic(t *testing.T, h Harness) {
	s := open(t, h)
	s.create(newSession("u", sessionID(1), t0), newSession("v", sessionID(3), t0))
	before := s.user("u")
	fresh, stale := newSession("u", sessionID(2), t0), newSession("u", sessionID(1), t0)
	for name, c := range map[string]rollcall.Change{
		"the last session conflicts": {
			UserID: "u", User: moved(before),
			Sessions: []rollcall.PutSession{{Session: fresh}, {Session: stale, Replaces: 9}},
		},
		"a claim conflicts": {
			UserID: "u", User: moved(before),
			Sessions: []rollcall.PutSession{{Session: fresh}, {Session: newSession("u", sessionID(3), t0)}},
		},
		"the user conflicts": {
			UserID: "u", User: &rollcall.PutUser{User: before, Replaces: 9},
			Sessions: []rollcall.PutSession{{Session: fresh}},
		},
		"the generation conflicts": {
			UserID: "u", User: nextGeneration(rollcall.User{ID: "u", Generation: firstVersion + 1}).User,
			Sessions: []rollcall.PutSession{{Session: fresh}, {Session: stale, Replaces: 1}},
		},
		"a session conflicts beside any version of the user": {
			UserID: "u", User: movedAny("u"),
			Sessions: []rollcall.PutSession{{Session: fresh, Stamped: true, Fresh: true}, {Session: stale, Replaces: 9}},
		},
		"a document conflicts": {
			Documents: []rollcall.PutDocument{{Name: "a", Body: []byte("a")}, {Name: "b", Body: []byte("b"), Replaces: 4}},
			Everybody: &rollcall.PutEverybody{Everybody: newEverybody()},
		},
		"everybody's row conflicts": {
			Documents: []rollcall.PutDocument{{Name: "a", Body: []byte("a")}}, Everybody: &rollcall.PutEverybody{Everybody: newEverybody(), Replaces: 1},
		},
	} {
		c.Events = []rollcall.Event{newEvent(c.UserID, 9)}
		left, err := s.Commit(background, c)
		s.fails(name, err, rollcall.ErrConflict)
		s.same(name+": what is left", rollcall.Standing{}, left)
	}
	s.same("the standing", rollcall.Standing{User: before}, s.standing("u"))
	s.same("the sessions", []string{sessionID(1)}, s.list("u"))
	s.same("the session's version", uint64(1), s.session(sessionID(1)).Version)
	s.same("the events", []string(nil), s.eventIDs())
	s.same("the document", rollcall.Document{Name: "a"}, s.document("a"))
	s.fails("a session of a change that conflicted", s.finds(fresh.ID), rollcall.ErrNoSession)
	s.commit(told("u", newEvent("u", 1)))
	s.same("what conflicted holds no later event back", []string{"evt-1"}, s.eventIDs())
}

// refused are changes that Change.Check refuses, in each way once. Their guards do not
// hold either: the refusal comes first.
func refused(s rollcall.Session) map[string]rollcall.Change {
	user := &rollcall.PutUser{User: newUser("u"), Replaces: 5}
	session, end := rollcall.PutSession{Session: s, Replaces: 9}, unread(s, newEnding(t0))
	foreign, nul, broken := s, s, s
	foreign.UserID, nul.EndedBy, broken.Metadata = "v", "\x00", []rollcall.MetadataEntry{{Key: "k", Value: "\xff"}}
	timeless, address := end, s
	timeless.FileAt, address.Last.Origin.IP = time.Time{}, "::FFFF:1.2.3.4"
	many := make([]rollcall.PutSession, rollcall.MaxChange)
	for i := range many {
		many[i].Session = newSession("u", sessionID(1000+i), t0)
	}
	return map[string]rollcall.Change{
		"a user and a document":           {UserID: "u", Sessions: []rollcall.PutSession{session}, Documents: []rollcall.PutDocument{{Name: "d", Replaces: 9}}},
		"a user and everybody":            {UserID: "u", Everybody: &rollcall.PutEverybody{Replaces: 9}},
		"another user's session":          {UserID: "u", Sessions: []rollcall.PutSession{{Session: foreign}}},
		"another user's row":              {UserID: "v", User: user},
		"another user's event":            {UserID: "v", Events: []rollcall.Event{newEvent("u", 1)}},
		"nobody's session":                {Sessions: []rollcall.PutSession{session}},
		"a user's event of nobody":        {Events: []rollcall.Event{newEvent("u", 1)}},
		"a session twice":                 {UserID: "u", Sessions: []rollcall.PutSession{session, session}},
		"a session put and ended":         {UserID: "u", User: user, Sessions: []rollcall.PutSession{session}, Ends: []rollcall.End{end}},
		"an end without the user's row":   {UserID: "u", Ends: []rollcall.End{end}},
		"an end beside any version":       {UserID: "u", User: movedAny("u"), Ends: []rollcall.End{end}},
		"an end without its instants":     {UserID: "u", User: user, Ends: []rollcall.End{timeless}},
		"a stamped one without the row":   {UserID: "u", Sessions: []rollcall.PutSession{{Session: s, Stamped: true}}},
		"a fresh one that replaces":       {UserID: "u", Sessions: []rollcall.PutSession{{Session: s, Fresh: true, Replaces: 9}}},
		"a new row without a version":     {UserID: "u", User: &rollcall.PutUser{User: rollcall.User{ID: "u"}}},
		"a next generation with a guard":  {UserID: "u", User: &rollcall.PutUser{User: newUser("u"), Replaces: 9, NextGeneration: true}},
		"a document twice":                {Documents: []rollcall.PutDocument{{Name: "d", Replaces: 9}, {Name: "d", Replaces: 9}}},
		"a document without a name":       {Documents: []rollcall.PutDocument{{Body: []byte("x")}}},
		"a document that is too large":    {Documents: []rollcall.PutDocument{{Name: "d", Body: make([]byte, rollcall.MaxDocument+1)}}},
		"too many documents":              {Documents: make([]rollcall.PutDocument, rollcall.MaxChangeDocuments+1)},
		"too many sessions":               {UserID: "u", Sessions: append(many, session)},
		"a session with NUL":              {UserID: "u", Sessions: []rollcall.PutSession{{Session: nul, Replaces: 9}}},
		"a session with broken UTF-8":     {UserID: "u", Sessions: []rollcall.PutSession{{Session: broken, Replaces: 9}}},
		"an address that is not shortest": {UserID: "u", Sessions: []rollcall.PutSession{{Session: address, Replaces: 9}}},
		"an event with NUL":               {UserID: "u", Events: []rollcall.Event{{UserID: "u", ID: "evt-1", Actor: "\x00"}}},
	}
}

func testRefused(t *testing.T, h Harness) {
	s := open(t, h)
	session := newSession("u", sessionID(1), t0)
	s.create(session)
	for name, c := range refused(session) {
		want := c.Check()
		if want == nil {
			t.Fatalf("%s: Check lets it pass", name)
		}
		left, err := s.Commit(background, c)
		if err == nil || errors.Is(err, rollcall.ErrConflict) || !strings.Contains(err.Error(), want.Error()) {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
		s.same(name+": what is left", rollcall.Standing{}, left)
	}
	session.Version = 1
	s.same("the session", session, s.session(session.ID))
	s.same("the sessions", []string{session.ID}, s.history("u"))
	s.same("another user's", 0, len(s.history("v")))
	s.same("the version", uint64(firstVersion), s.user("u").Version)
	s.same("everybody", rollcall.Everybody{}, s.everybody())
	s.same("the document", rollcall.Document{Name: "d"}, s.document("d"))
	s.same("the events", 0, len(s.events("")))
}

func testLargeChange(t *testing.T, h Harness) {
	s := open(t, h)
	c := rollcall.Change{UserID: "u", User: moved(rollcall.User{ID: "u"})}
	for i := range rollcall.MaxChange {
		session := newSession("u", sessionID(i), t0)
		session.Metadata = nil
		for k := range rollcall.MaxMetadataEntries {
			session.Metadata = append(session.Metadata, rollcall.MetadataEntry{Key: fmt.Sprint(k), Value: strings.Repeat("ü", rollcall.MaxMetadataLength)})
		}
		c.Sessions = append(c.Sessions, rollcall.PutSession{Session: session})
		c.Events = append(c.Events, newEvent("u", i))
	}
	s.commit(c)
	for i, got := range s.sessions("u", false) {
		want := c.Sessions[i].Session
		want.Version = 1
		s.same("a session", want, got)
	}
	ends := rollcall.Change{UserID: "u", User: moved(s.user("u"))}
	for i, p := range c.Sessions {
		if i%2 == 0 {
			ends.Ends = append(ends.Ends, unread(p.Session, newEnding(t0)))
			continue
		}
		ends.Sessions = append(ends.Sessions, rollcall.PutSession{Session: p.Session.Ended(newEnding(t0)), Replaces: 1})
	}
	s.commit(ends)
	s.same("when all have ended", 0, len(s.list("u")))
	s.same("the history", rollcall.MaxChange, len(s.history("u")))
	s.same("the events", rollcall.MaxChange, len(s.events("")))
}

func testMixed(t *testing.T, h Harness) {
	s := open(t, h)
	session := newSession("u", sessionID(1), t0)
	s.create(session)
	before := s.user("u")
	moves := session
	moves.CreatedAt = moves.CreatedAt.Add(time.Second)
	err := s.tries(rollcall.Change{
		UserID: "u", User: moved(before), Events: []rollcall.Event{newEvent("u", 2)},
		Sessions: []rollcall.PutSession{{Session: newSession("u", sessionID(2), t0)}, {Session: moves, Replaces: 1}},
	})
	if err == nil {
		t.Error("another created_at: accepted")
	}
	c := creation(rollcall.User{ID: "v"}, newSession("v", session.ID, t0))
	c.Sessions[0].Replaces = 1
	s.conflicts("another user, at the session's version", c)
	session.Version = 1
	s.same("the session", session, s.session(session.ID))
	s.same("the sessions", []string{session.ID}, s.list("u"))
	s.same("the other user's", 0, len(s.list("v")))
	s.same("the user", before, s.user("u"))
	s.same("the other user", rollcall.User{ID: "v"}, s.user("v"))
	s.same("the events", 0, len(s.events("")))
}

func testClaims(t *testing.T, h Harness) {
	s := open(t, h)
	session := newSession("u", sessionID(1), t0)
	s.create(session)
	claim := func(userID string) rollcall.Change {
		return creation(s.user(userID), newSession(userID, session.ID, t0.Add(time.Hour)))
	}
	s.conflicts("the same user's claim", claim("u"))
	s.conflicts("another user's claim", claim("v"))
	s.commit(replacement(s.session(session.ID).Ended(newEnding(t0))))
	s.conflicts("a claim after the ending", claim("v"))
	s.same("the other user", rollcall.User{ID: "v"}, s.user("v"))
	s.sweepAll(forever)
	s.fails("a claim after the sweep", s.tries(claim("v")), nil)
	s.same("the session's user", "v", s.session(session.ID).UserID)

	s.commit(stamped(newSession("u", sessionID(2), t0)))
	s.same("the user of one with a fresh id", "u", s.session(sessionID(2)).UserID)
	s.conflicts("a claim of an id that was fresh", creation(s.user("v"), newSession("v", sessionID(2), t0)))
}

func testPutKeepsInteraction(t *testing.T, h Harness) {
	s := open(t, h)
	session := newSession("u", sessionID(1), t0)
	s.create(session)
	later := interaction(time.Hour, "192.0.2.9")
	s.touch("u", session.ID, later)
	session.Metadata, session.Version = nil, 1
	s.commit(replacement(session))
	got := s.session(session.ID)
	s.same("an earlier one does not win", later, got.Last)
	s.same("the rest is put", []rollcall.MetadataEntry(nil), got.Metadata)
	session.Last, session.Version = rollcall.Interaction{At: later.At, IdleExpiresAt: t0.Add(time.Minute)}, 2
	s.commit(replacement(session))
	s.same("on equal instants the put one wins", session.Last, s.session(session.ID).Last)
}

func testStandingLeft(t *testing.T, h Harness) {
	s := open(t, h)
	s.commit(rollcall.Change{Everybody: &rollcall.PutEverybody{Everybody: newEverybody()}})
	left := func(what string, c rollcall.Change) {
		t.Helper()
		got := s.commit(c)
		s.same(what, s.standing(c.UserID), got)
		if what != "nobody's" && got.User.ID != "u" {
			t.Errorf("%s is the standing of %q", what, got.User.ID)
		}
	}
	left("a new user's", creation(rollcall.User{ID: "u"}, newSession("u", sessionID(1), t0), newEvent("u", 1)))
	row := newUser("u")
	left("a user's whose row was put", rollcall.Change{UserID: "u", User: &rollcall.PutUser{User: row, Replaces: firstVersion}})
	left("a user's with an event alone", told("u", newEvent("u", 2), newEvent("u", 3)))
	left("a user's with a session alone", replacement(s.session(sessionID(1))))
	left("a user's at any version", stamped(newSession("u", sessionID(2), t0)))
	left("a user's of the next generation", nextGeneration(s.user("u"), newEvent("u", 4)))
	left("a user's with an end", rollcall.Change{UserID: "u", User: moved(s.user("u")), Ends: []rollcall.End{unread(s.session(sessionID(1)), newEnding(t0))}})
	left("nobody's", rollcall.Change{Documents: []rollcall.PutDocument{{Name: "d"}}, Events: []rollcall.Event{newEvent("", 5)}})
	left("nobody's", rollcall.Change{Everybody: &rollcall.PutEverybody{Replaces: 1}})
	s.same("the events so far", uint64(4), s.user("u").Events)
}

func testContention(t *testing.T, h Harness) {
	s := open(t, h)
	const writers, acts = 8, 20
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for i := range acts {
				id := sessionID(1000*w + i)
				s.retried(func() error {
					st, _, err := s.Sessions(background, rollcall.SessionsOf{UserID: "u"})
					if err != nil {
						return err
					}
					st.User.TokenGeneration++ // what is put depends on what was read
					return s.tries(creation(st.User, newSession("u", id, t0), newEvent("u", 1000*w+i)))
				})
				if err := s.Touch(background, []rollcall.Touch{{UserID: "u", SessionID: id, Interaction: interaction(time.Hour, "")}}); err != nil {
					t.Errorf("Touch: %v", err)
				}
			}
		})
	}
	all.Wait()
	got := s.user("u")
	s.same("the version", uint64(firstVersion+writers*acts-1), got.Version)
	s.same("what depends on what was read", got.Version, got.TokenGeneration)
	s.same("the number of events", uint64(writers*acts), got.Events)
	s.same("the sessions", writers*acts, len(s.list("u")))
	s.same("the events", writers*acts, len(s.events("")))
	for _, session := range s.sessions("u", false) {
		if !session.Last.At.Equal(t0.Add(time.Hour)) {
			t.Errorf("%s lost its touch: %v", session.ID, session.Last.At)
		}
	}
}

// testRacingClaims lets many claim one id at once: users against each other, and acts of
// one user.
func testRacingClaims(t *testing.T, h Harness) {
	s := open(t, h)
	for round := range 20 {
		id := sessionID(round)
		var winners atomic.Int64
		var all sync.WaitGroup
		if round%2 == 1 {
			s.row(fmt.Sprintf("user-%d", round))
		}
		for w := range 8 {
			userID := fmt.Sprintf("user-%d-%d", round, w)
			change := creation(rollcall.User{ID: userID}, newSession(userID, id, t0))
			if round%2 == 1 {
				userID = fmt.Sprintf("user-%d", round)
				change = replacement(newSession(userID, id, t0.Add(time.Duration(w)*time.Second)))
			}
			all.Go(func() {
				switch err := s.tries(change); {
				case err == nil:
					winners.Add(1)
				case !errors.Is(err, rollcall.ErrConflict):
					t.Errorf("Commit: %v", err)
				}
			})
		}
		all.Wait()
		if winners.Load() != 1 {
			t.Fatalf("%d acts claimed the same id", winners.Load())
		}
		owner := s.session(id)
		s.same("the winner's list", []string{id}, s.list(owner.UserID))
		s.same("the session's version", uint64(1), owner.Version)
	}
}
