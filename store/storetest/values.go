package storetest

import (
	"bytes"
	"reflect"
	"testing"
	"time"

	"github.com/rollcall-id/rollcall"
)

// testInstants puts every instant in another zone: the same instants come back,
// and in UTC.
func testInstants(t *testing.T, h Harness) {
	s := open(t, h)
	elsewhere := time.FixedZone("elsewhere", 5*3600+1800)
	away := func(p any) {
		eachInstant(p, func(_ string, at *time.Time) { *at = at.In(elsewhere) })
	}
	inUTC := func(what string, p any) {
		t.Helper()
		eachInstant(p, func(path string, at *time.Time) {
			if at.Location() != time.UTC {
				t.Errorf("%s%s comes back as %v", what, path, at)
			}
		})
	}
	session, user, event := newSession("u", sessionID(1), t0), rollcall.User{ID: "u", GenerationAt: t0}, newEvent("u", 1)
	session = session.Ended(t0, rollcall.ReasonLogout)
	touched := newSession("u", sessionID(2), t0)
	touch := rollcall.Interaction{At: t0.Add(time.Hour), IdleExpiresAt: t0.Add(2 * time.Hour)}
	for _, p := range []any{&session, &user, &event, &touched, &touch} {
		away(p)
	}
	s.commit(creation(user, session, event))
	s.commit(rollcall.Change{UserID: "u", Sessions: []rollcall.PutSession{{Session: touched}}})
	s.touch("u", touched.ID, touch)

	gotUser, list, err := s.Sessions(background, "u", rollcall.Position{}, 10)
	s.fails("Sessions", err, nil)
	touched.Version, touched.Last = 1, touch
	s.same("the list", []rollcall.Session{touched}, list)
	inUTC("a listed session", &list)
	inUTC("a user", &gotUser)
	got := s.session(session.ID)
	session.Version = 1
	s.same("a session", session, got)
	inUTC("a session", &got)
	told := s.event("", 0)
	s.same("an event", event, told)
	inUTC("an event", &told)

	// A position counts by its instant, wherever it was written down.
	after := rollcall.Position{CreatedAt: t0.Add(time.Millisecond).In(elsewhere), ID: "zzz"}
	_, list, err = s.Sessions(background, "u", after, 10)
	s.fails("Sessions", err, nil)
	s.same("what follows a position", 1, len(list))
}

// testTexts puts bytes that are no text into every text there is, ids among them.
func testTexts(t *testing.T, h Harness) {
	s := open(t, h)
	for i, bad := range []string{"", "\x00", "\x00\x00", "\xff", "\xff\xff", "|/\x1f", "\xed\xa0\x80", "😀", "'\"\\%_"} {
		session, event := newSession("", "", t0), newEvent("", i)
		for _, p := range []any{&session, &event} {
			eachText(p, func(path string, v reflect.Value) { v.SetString("text" + path + bad) })
		}
		session.EndReason = ""
		userID := session.UserID
		s.commit(creation(rollcall.User{ID: userID}, session, event))
		session.Version = 1
		s.same("a session", session, s.session(session.ID))
		_, list, err := s.Sessions(background, userID, rollcall.Position{}, 10)
		s.fails("Sessions", err, nil)
		s.same("its user's list", []rollcall.Session{session}, list)
		s.same("an event", event, s.event("", i))
		session.Last = rollcall.Interaction{At: t0.Add(time.Hour), Origin: rollcall.Origin{UserAgent: bad}}
		s.touch(userID, session.ID, session.Last)
		s.same("a touched session", session, s.session(session.ID))

		d := rollcall.PutDocument{Name: "document" + bad, Body: []byte(bad)}
		s.commit(rollcall.Change{Documents: []rollcall.PutDocument{d}})
	}
	for _, bad := range []string{"", "\x00", "\x00\x00", "\xff", "\xff\xff"} {
		d, err := s.Document(background, "document"+bad)
		s.fails("Document", err, nil)
		s.same("a document", rollcall.Document{Name: "document" + bad, Version: 1, Body: []byte(bad)}, d)
	}
	large := bytes.Repeat([]byte("large\x00"), 1<<15)
	s.commit(rollcall.Change{Documents: []rollcall.PutDocument{{Name: "document", Body: large, Replaces: 1}}})
	d, err := s.Document(background, "document")
	s.fails("Document", err, nil)
	s.same("a large document", rollcall.Document{Name: "document", Version: 2, Body: large}, d)
	s.sweepAll(t0.Add(9000 * time.Hour))
	_, _, err = s.Session(background, "text.ID\x00")
	s.fails("a swept session", err, rollcall.ErrNoSession)
}

// testBareEvent puts an event that says next to nothing.
func testBareEvent(t *testing.T, h Harness) {
	s := open(t, h)
	bare := rollcall.Event{ID: "evt-bare", At: time.UnixMilli(0).UTC()}
	late := rollcall.Event{ID: "evt-late", At: time.Date(9999, 12, 31, 23, 59, 59, 999e6, time.UTC), Count: 1 << 30}
	full := newEvent("u", 1)
	s.commit(rollcall.Change{UserID: "u", Events: []rollcall.Event{bare, late, full}})
	var got []rollcall.Event
	for _, e := range s.events("") {
		got = append(got, e.Event)
	}
	s.same("the events of one change, in their order", []rollcall.Event{bare, late, full}, got)
	none, err := s.Events(background, "", 0)
	s.fails("Events", err, nil)
	s.same("limit 0", 0, len(none))
}
