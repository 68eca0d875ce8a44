package storetest

import (
	"context"
	"errors"
	"math"
	"testing"
	"time"

	"github.com/rollcall-id/rollcall"
)

func testRoundTrip(t *testing.T, h Harness) {
	s := open(t, h)
	want := newSession("auth0|1", sessionID(1), t0)
	s.commit(creation(rollcall.User{ID: "auth0|1", Generation: 7, GenerationAt: t0}, want, newEvent("auth0|1", 1)))
	want.Version = 1
	got, user, err := s.Session(background, want.ID)
	s.fails("Session", err, nil)
	s.same("session", want, got)
	s.same("user", rollcall.User{ID: "auth0|1", Version: 1, Generation: 7, GenerationAt: t0}, user)
	_, list, err := s.Sessions(background, "auth0|1", rollcall.Position{}, 10)
	s.fails("Sessions", err, nil)
	s.same("list", []rollcall.Session{want}, list)
	s.same("event", newEvent("auth0|1", 1), s.event("", 0))

	bare := rollcall.Session{ID: sessionID(2), UserID: "auth0|1", CreatedAt: time.UnixMilli(0).UTC(), ExpiresAt: time.UnixMilli(1).UTC(), Lifetimes: rollcall.Lifetimes{Absolute: math.MaxInt64}}
	s.commit(rollcall.Change{UserID: "auth0|1", Sessions: []rollcall.PutSession{{Session: bare}}})
	bare.Version = 1
	s.same("a session of next to nothing", bare, s.session(bare.ID))

	far := newSession("auth0|1", sessionID(3), time.Date(9999, 12, 31, 23, 59, 59, 999e6, time.UTC))
	far.ExpiresAt, far.Last.IdleExpiresAt = far.CreatedAt, far.CreatedAt
	s.commit(rollcall.Change{UserID: "auth0|1", Sessions: []rollcall.PutSession{{Session: far}}})
	far.Version = 1
	s.same("the last instant there is", far, s.session(far.ID))

	_, _, err = s.Session(background, "unknown")
	s.fails("an unknown session", err, rollcall.ErrNoSession)
	s.same("a user nobody has seen", rollcall.User{ID: "nobody"}, s.user("nobody"))
}

func testVersions(t *testing.T, h Harness) {
	s := open(t, h)
	session := newSession("u", sessionID(1), t0)
	s.create(session)
	putSession := func(replaces uint64) error {
		return s.Commit(background, rollcall.Change{UserID: "u", Sessions: []rollcall.PutSession{{Session: session, Replaces: replaces}}})
	}
	putUser := func(replaces uint64) error {
		return s.Commit(background, rollcall.Change{UserID: "u", User: &rollcall.PutUser{User: rollcall.User{ID: "u"}, Replaces: replaces}})
	}
	for _, replaces := range []uint64{0, 2, math.MaxUint64} {
		s.fails("a session at another version", putSession(replaces), rollcall.ErrConflict)
		s.fails("a user at another version", putUser(replaces), rollcall.ErrConflict)
	}
	for want := uint64(2); want < 5; want++ {
		s.fails("a session at its version", putSession(want-1), nil)
		s.fails("a user at its version", putUser(want-1), nil)
		s.same("the session's version", want, s.session(session.ID).Version)
		s.same("the user's version", want, s.user("u").Version)
	}
	absent := newSession("u", sessionID(2), t0)
	err := s.Commit(background, rollcall.Change{UserID: "u", Sessions: []rollcall.PutSession{{Session: absent, Replaces: 1}}})
	s.fails("a version of what is absent", err, rollcall.ErrConflict)
}

func testAtomic(t *testing.T, h Harness) {
	s := open(t, h)
	s.create(newSession("u", sessionID(1), t0))
	before := s.user("u")
	fresh, stale := newSession("u", sessionID(2), t0), newSession("u", sessionID(1), t0)
	for name, c := range map[string]rollcall.Change{
		"the last session conflicts": {
			UserID: "u", User: &rollcall.PutUser{User: before, Replaces: before.Version},
			Sessions: []rollcall.PutSession{{Session: fresh}, {Session: stale, Replaces: 9}}, Events: []rollcall.Event{newEvent("u", 9)},
		},
		"the user conflicts": {
			UserID: "u", User: &rollcall.PutUser{User: before, Replaces: 9},
			Sessions: []rollcall.PutSession{{Session: fresh}}, Events: []rollcall.Event{newEvent("u", 9)},
		},
		"a document conflicts": {
			Documents: []rollcall.PutDocument{{Name: "a", Body: []byte("a")}, {Name: "b", Body: []byte("b"), Replaces: 4}}, Events: []rollcall.Event{newEvent("", 9)},
		},
	} {
		s.fails(name, s.Commit(background, c), rollcall.ErrConflict)
	}
	s.same("the user", before, s.user("u"))
	s.same("the sessions", []string{sessionID(1)}, s.list("u"))
	s.same("the events", []string(nil), s.eventIDs())
	d, err := s.Document(background, "a")
	s.fails("Document", err, nil)
	s.same("the document", rollcall.Document{Name: "a"}, d)
	if _, _, err := s.Session(background, fresh.ID); err == nil {
		t.Error("a session of a change that conflicted is there")
	}
	s.commit(rollcall.Change{UserID: "u", Events: []rollcall.Event{newEvent("u", 1)}})
	s.same("what conflicted holds no later event back", []string{"evt-1"}, s.eventIDs())
}

func testMixed(t *testing.T, h Harness) {
	s := open(t, h)
	session := newSession("u", sessionID(1), t0)
	for name, c := range map[string]rollcall.Change{
		"a user and a document":    {UserID: "u", Sessions: []rollcall.PutSession{{Session: session}}, Documents: []rollcall.PutDocument{{Name: "d"}}},
		"another user's session":   {UserID: "v", Sessions: []rollcall.PutSession{{Session: session}}},
		"another user's row":       {UserID: "v", User: &rollcall.PutUser{User: rollcall.User{ID: "u"}}},
		"nobody's session":         {Sessions: []rollcall.PutSession{{Session: session}}},
		"a session twice":          {UserID: "u", Sessions: []rollcall.PutSession{{Session: session}, {Session: session}}},
		"an unread ending alone":   {UserID: "u", Sessions: []rollcall.PutSession{{Session: session.Ended(t0, rollcall.ReasonLogout), Ending: true}}},
		"an unread ending of none": {UserID: "u", User: &rollcall.PutUser{User: rollcall.User{ID: "u"}}, Sessions: []rollcall.PutSession{{Session: session, Ending: true}}},
		"a document twice":         {Documents: []rollcall.PutDocument{{Name: "d"}, {Name: "d"}}},
	} {
		c.Events = []rollcall.Event{newEvent(c.UserID, 1)}
		if err := s.Commit(background, c); err == nil || errors.Is(err, rollcall.ErrConflict) {
			t.Errorf("%s: %v, which is not a refusal", name, err)
		}
	}
	_, _, err := s.Session(background, session.ID)
	s.fails("the session", err, rollcall.ErrNoSession)
	d, err := s.Document(background, "d")
	s.fails("Document", err, nil)
	s.same("the document", rollcall.Document{Name: "d"}, d)

	s.create(session)
	before := s.user("u")
	moved := session
	moved.CreatedAt = moved.CreatedAt.Add(time.Second)
	err = s.Commit(background, rollcall.Change{
		UserID: "u", User: &rollcall.PutUser{User: before, Replaces: before.Version},
		Sessions: []rollcall.PutSession{{Session: newSession("u", sessionID(2), t0)}, {Session: moved, Replaces: 1}}, Events: []rollcall.Event{newEvent("u", 2)},
	})
	if err == nil || errors.Is(err, rollcall.ErrConflict) {
		t.Errorf("another created_at: %v, which is not a refusal", err)
	}
	stolen := newSession("v", session.ID, t0)
	if err := s.Commit(background, rollcall.Change{UserID: "v", Sessions: []rollcall.PutSession{{Session: stolen, Replaces: 1}}}); err == nil {
		t.Error("another user, at the session's version: accepted")
	}
	session.Version = 1
	s.same("the session", session, s.session(session.ID))
	s.same("the sessions", []string{session.ID}, s.list("u"))
	s.same("the other user's", 0, len(s.list("v")))
	s.same("the user", before, s.user("u"))
	s.same("the events", 0, len(s.events("")))
}

func testClaims(t *testing.T, h Harness) {
	s := open(t, h)
	session := newSession("u", sessionID(1), t0)
	s.create(session)
	claim := func(userID string) error {
		return s.Commit(background, creation(s.user(userID), newSession(userID, session.ID, t0.Add(time.Hour))))
	}
	s.fails("the same user's claim", claim("u"), rollcall.ErrConflict)
	s.fails("another user's claim", claim("v"), rollcall.ErrConflict)
	s.commit(rollcall.Change{UserID: "u", Sessions: []rollcall.PutSession{{Session: session.Ended(t0, rollcall.ReasonRevoked), Replaces: 1}}})
	s.fails("a claim after the ending", claim("v"), rollcall.ErrConflict)
	s.same("the other user", rollcall.User{ID: "v"}, s.user("v"))
	s.sweepAll(t0.Add(1000 * time.Hour))
	s.fails("a claim after the sweep", claim("v"), nil)
	s.same("the session's user", "v", s.session(session.ID).UserID)

	fresh := creation(s.user("u"), newSession("u", sessionID(2), t0))
	fresh.Sessions[0].Fresh = true
	s.commit(fresh)
	s.same("the user of one with a fresh id", "u", s.session(sessionID(2)).UserID)
	s.fails("a claim of an id that was fresh", s.Commit(background, creation(s.user("v"), newSession("v", sessionID(2), t0))), rollcall.ErrConflict)
}

func testPutKeepsInteraction(t *testing.T, h Harness) {
	s := open(t, h)
	session := newSession("u", sessionID(1), t0)
	s.create(session)
	later := rollcall.Interaction{At: t0.Add(time.Hour), IdleExpiresAt: t0.Add(73 * time.Hour), Origin: rollcall.Origin{IP: "192.0.2.9"}}
	s.touch("u", session.ID, later)
	session.Metadata = nil
	s.commit(rollcall.Change{UserID: "u", Sessions: []rollcall.PutSession{{Session: session, Replaces: 1}}})
	got := s.session(session.ID)
	s.same("an earlier one does not win", later, got.Last)
	s.same("the rest is put", []rollcall.MetadataEntry(nil), got.Metadata)
	session.Last = rollcall.Interaction{At: later.At, IdleExpiresAt: t0.Add(time.Minute)}
	s.commit(rollcall.Change{UserID: "u", Sessions: []rollcall.PutSession{{Session: session, Replaces: 2}}})
	s.same("on equal instants the put one wins", session.Last, s.session(session.ID).Last)
}

func testEnded(t *testing.T, h Harness) {
	s := open(t, h)
	for i := range 5 {
		s.create(newSession("u", sessionID(i), t0.Add(time.Duration(i)*time.Second)))
	}
	ended := s.session(sessionID(2)).Ended(t0.Add(time.Minute), rollcall.ReasonLimit)
	s.commit(rollcall.Change{UserID: "u", Sessions: []rollcall.PutSession{{Session: ended, Replaces: ended.Version}}})
	s.same("the list", []string{sessionID(4), sessionID(3), sessionID(1), sessionID(0)}, s.list("u"))
	ended.Version++
	s.same("the session", ended, s.session(sessionID(2)))
	back := ended
	back.EndedAt, back.EndReason = time.Time{}, ""
	s.commit(rollcall.Change{UserID: "u", Sessions: []rollcall.PutSession{{Session: back, Replaces: back.Version}}})
	s.same("the list when the facts change again", 5, len(s.list("u")))
}

func testUnreadEnding(t *testing.T, h Harness) {
	s := open(t, h)
	for i := range 3 {
		s.create(newSession("u", sessionID(i), t0.Add(time.Duration(i)*time.Second)))
	}
	used := rollcall.Interaction{At: t0.Add(time.Hour), IdleExpiresAt: t0.Add(73 * time.Hour), Origin: rollcall.Origin{IP: "192.0.2.9", UserAgent: "curl/8", ASN: "64497"}}
	end := func(i int, last rollcall.Interaction, stale uint64) error {
		stored, user, err := s.Session(background, sessionID(i))
		s.fails("Session", err, nil)
		known := stored.Ended(t0.Add(2*time.Hour), rollcall.ReasonRevoked)
		known.Version, known.RequestDigest, known.UsedKeys, known.Last = 0, [32]byte{}, nil, last
		return s.Commit(background, rollcall.Change{
			UserID: "u", User: &rollcall.PutUser{User: user, Replaces: user.Version + stale},
			Sessions: []rollcall.PutSession{{Session: known, Ending: true}}, Events: []rollcall.Event{newEvent("u", i)},
		})
	}
	want := s.session(sessionID(1))
	s.fails("at another version of the user", end(1, want.Last, 1), rollcall.ErrConflict)
	s.same("what conflicted ended nothing", want, s.session(sessionID(1)))
	s.touch("u", sessionID(1), used)
	s.fails("an ending", end(1, used, 0), nil)
	want = want.Ended(t0.Add(2*time.Hour), rollcall.ReasonRevoked)
	want.Version, want.Last = 2, used
	s.same("the session", want, s.session(sessionID(1)))
	s.same("the list", []string{sessionID(2), sessionID(0)}, s.list("u"))
	s.same("the user's version", uint64(4), s.user("u").Version)
	s.same("the event", []string{"evt-1"}, s.eventIDs())
	s.touch("u", sessionID(1), rollcall.Interaction{At: t0.Add(3 * time.Hour)})
	s.same("a use after it", want, s.session(sessionID(1)))

	first := s.session(sessionID(0))
	s.fails("an ending of one that was never used", end(0, first.Last, 0), nil)
	first = first.Ended(t0.Add(2*time.Hour), rollcall.ReasonRevoked)
	first.Version++
	s.same("that one", first, s.session(sessionID(0)))
	claim := creation(s.user("v"), newSession("v", sessionID(0), t0))
	s.fails("a claim of its id", s.Commit(background, claim), rollcall.ErrConflict)

	want.Metadata = nil
	s.commit(rollcall.Change{UserID: "u", Sessions: []rollcall.PutSession{{Session: want, Replaces: 2}}})
	want.Version++
	s.same("a put of what has ended", want, s.session(sessionID(1)))
	s.sweepAll(t0.Add(3 * time.Hour))
	s.same("the list after the sweep", []string{sessionID(2)}, s.list("u"))
	s.commit(claim)
}

func testCancelled(t *testing.T, h Harness) {
	s := open(t, h)
	s.create(newSession("u", sessionID(1), t0))
	cancelled, cancel := context.WithCancel(background)
	cancel()
	late, cancel := context.WithDeadline(background, time.Unix(1, 0))
	defer cancel()
	for _, ctx := range []context.Context{cancelled, late} {
		_, _, err := s.Session(ctx, sessionID(1))
		s.fails("Session", err, ctx.Err())
		_, _, err = s.Sessions(ctx, "u", rollcall.Position{}, 1)
		s.fails("Sessions", err, ctx.Err())
		_, err = s.Document(ctx, "d")
		s.fails("Document", err, ctx.Err())
		_, err = s.Events(ctx, "", 1)
		s.fails("Events", err, ctx.Err())
		err = s.Commit(ctx, creation(s.user("u"), newSession("u", sessionID(2), t0), newEvent("u", 1)))
		s.fails("Commit", err, ctx.Err())
		err = s.Commit(ctx, rollcall.Change{Documents: []rollcall.PutDocument{{Name: "d"}}})
		s.fails("Commit of a document", err, ctx.Err())
		err = s.Touch(ctx, []rollcall.Touch{{UserID: "u", SessionID: sessionID(1), Interaction: rollcall.Interaction{At: t0.Add(time.Hour)}}})
		s.fails("Touch", err, ctx.Err())
		_, err = s.Sweep(ctx, rollcall.Sweep{SessionsBefore: t0.Add(9000 * time.Hour), Limit: 10, Decide: remove})
		s.fails("Sweep", err, ctx.Err())
		s.fails("Ready", s.Ready(ctx), ctx.Err())
	}
	s.fails("Ready otherwise", s.Ready(background), nil)
	s.same("the list", []string{sessionID(1)}, s.list("u"))
	s.same("the user's version", uint64(1), s.user("u").Version)
	s.same("the events", 0, len(s.events("")))
	s.same("the interaction", newSession("u", sessionID(1), t0).Last, s.session(sessionID(1)).Last)
	d, err := s.Document(background, "d")
	s.fails("Document", err, nil)
	s.same("the document", rollcall.Document{Name: "d"}, d)
}

func testDocuments(t *testing.T, h Harness) {
	s := open(t, h)
	put := func(body string, replaces uint64) error {
		return s.Commit(background, rollcall.Change{Documents: []rollcall.PutDocument{{Name: "d", Body: []byte(body), Replaces: replaces}}})
	}
	s.fails("a version of what is absent", put("x", 1), rollcall.ErrConflict)
	s.fails("the first", put("one", 0), nil)
	s.fails("the first again", put("two", 0), rollcall.ErrConflict)
	s.fails("the second", put("two", 1), nil)
	d, err := s.Document(background, "d")
	s.fails("Document", err, nil)
	s.same("the document", rollcall.Document{Name: "d", Version: 2, Body: []byte("two")}, d)
	other, err := s.Document(background, "dd")
	s.fails("Document", err, nil)
	s.same("another", rollcall.Document{Name: "dd"}, other)
}
