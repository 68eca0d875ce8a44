package storetest

import (
	"testing"
	"time"

	"github.com/rollcall-id/rollcall"
)

func testReopen(t *testing.T, h Harness) {
	if h.Volatile {
		t.Skip("the engine keeps nothing")
	}
	s := subject{h.Open(t), t}
	var want []rollcall.Session
	for i := range 30 {
		session := newSession("u", sessionID(i), t0.Add(-time.Duration(i)*time.Second))
		s.commit(creation(s.user("u"), session, newEvent("u", i)))
		session.Version = 1
		want = append(want, session)
	}
	ended := want[7].Ended(t0, rollcall.ReasonLogout)
	s.commit(rollcall.Change{UserID: "u", Sessions: []rollcall.PutSession{{Session: ended, Replaces: 1}}})
	s.commit(rollcall.Change{Documents: []rollcall.PutDocument{{Name: "d", Body: []byte("x")}}})
	want[3].Last = rollcall.Interaction{At: t0.Add(time.Hour), IdleExpiresAt: t0.Add(2 * time.Hour)}
	s.touch("u", want[3].ID, want[3].Last)
	events := s.events("")
	for range 2 {
		s = subject{h.Reopen(t, s.Store), t}
		_, got, err := s.Sessions(background, "u", rollcall.Position{}, 100)
		s.fails("Sessions", err, nil)
		s.same("the sessions", append(want[:7:7], want[8:]...), got)
		ended.Version = 2
		s.same("the ended one", ended, s.session(ended.ID))
		s.same("the user", uint64(30), s.user("u").Version)
		s.same("the events", events, s.events(""))
		d, err := s.Document(background, "d")
		s.fails("Document", err, nil)
		s.same("the document", rollcall.Document{Name: "d", Version: 1, Body: []byte("x")}, d)
	}
	s.commit(rollcall.Change{UserID: "u", Events: []rollcall.Event{newEvent("u", 99)}})
	s.same("events go on", 1, len(s.events(events[len(events)-1].Position)))
	s.fails("Close", s.Close(), nil)
}

// testReopenUpkeep looks for what no read shows: claims, versions and filings.
func testReopenUpkeep(t *testing.T, h Harness) {
	if h.Volatile {
		t.Skip("the engine keeps nothing")
	}
	s := subject{h.Open(t), t}
	for i := range 4 {
		session := newSession("u", sessionID(i), t0)
		session.ExpiresAt = t0.Add(time.Duration(i) * time.Hour)
		s.create(session)
	}
	s.touch("u", sessionID(2), rollcall.Interaction{At: t0.Add(time.Minute), IdleExpiresAt: t0.Add(100 * time.Hour)})
	swept, err := s.Sweep(background, rollcall.Sweep{SessionsBefore: t0.Add(2 * time.Hour), Limit: 10, Decide: func(session rollcall.Session, _ rollcall.User) rollcall.Verdict {
		if session.ID == sessionID(0) {
			return rollcall.Verdict{}
		}
		return rollcall.Verdict{FileAt: t0.Add(5 * time.Hour)}
	}})
	s.fails("Sweep", err, nil)
	s.same("before", rollcall.Swept{Removed: 1, Refiled: 1}, swept)
	ended := s.session(sessionID(3)).Ended(t0.Add(4*time.Hour), rollcall.ReasonRevoked)
	s.commit(rollcall.Change{UserID: "u", Sessions: []rollcall.PutSession{{Session: ended, Replaces: 1}}})

	s = subject{h.Reopen(t, s.Store), t}
	claim := func(id string) error {
		return s.Commit(background, creation(rollcall.User{ID: "v"}, newSession("v", id, t0)))
	}
	s.fails("a claim of a living session's id", claim(sessionID(1)), rollcall.ErrConflict)
	s.fails("a claim of an ended session's id", claim(sessionID(3)), rollcall.ErrConflict)
	stale := s.Commit(background, rollcall.Change{UserID: "u", Sessions: []rollcall.PutSession{{Session: ended, Replaces: 1}}})
	s.fails("a put at a version of before", stale, rollcall.ErrConflict)
	var asked []string
	for _, hour := range []int{3, 5, 6} {
		_, err := s.Sweep(background, rollcall.Sweep{SessionsBefore: t0.Add(time.Duration(hour) * time.Hour), Limit: 10, Decide: func(session rollcall.Session, _ rollcall.User) rollcall.Verdict {
			asked = append(asked, session.ID)
			return rollcall.Verdict{}
		}})
		s.fails("Sweep", err, nil)
	}
	s.same("filed as before", []string{sessionID(2), sessionID(3), sessionID(1)}, asked)

	s = subject{h.Reopen(t, s.Store), t}
	s.same("the user's row is gone for good", rollcall.User{ID: "u"}, s.user("u"))
	_, _, err = s.Session(background, sessionID(1))
	s.fails("so are the sessions", err, rollcall.ErrNoSession)
	s.fails("the id is free", claim(sessionID(0)), nil)
	s.fails("Close", s.Close(), nil)
}
