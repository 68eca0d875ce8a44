package storetest

import (
	"testing"
	"time"

	"github.com/rollcall-id/rollcall"
)

// remove is the verdict that everything goes, without an event.
func remove(rollcall.Session, rollcall.User) rollcall.Verdict { return rollcall.Verdict{} }

// sweepAll removes everything that is filed before an instant.
func (s subject) sweepAll(before time.Time) {
	s.t.Helper()
	for {
		swept, err := s.Sweep(background, rollcall.Sweep{SessionsBefore: before, Limit: 100, Decide: remove})
		if err != nil {
			s.t.Fatalf("Sweep: %v", err)
		}
		if !swept.More {
			return
		}
	}
}

func testSweep(t *testing.T, h Harness) {
	s := open(t, h)
	for i := range 10 {
		session := newSession("u", sessionID(i), t0)
		session.ExpiresAt = t0.Add(time.Duration(i) * time.Hour) // filed hour by hour
		s.create(session)
	}
	var asked []string
	bite := rollcall.Sweep{SessionsBefore: t0.Add(7 * time.Hour), Limit: 3, Decide: func(session rollcall.Session, user rollcall.User) rollcall.Verdict {
		if session.UserID != "u" || user.ID != "u" || user.Version != 10 {
			t.Errorf("asked about %s of %+v", session.ID, user)
		}
		asked = append(asked, session.ID)
		e := newEvent("u", len(asked))
		e.SessionID = session.ID
		return rollcall.Verdict{Event: &e}
	}}
	for _, want := range []rollcall.Swept{{Removed: 3, More: true}, {Removed: 3, More: true}, {Removed: 1}, {}} {
		swept, err := s.Sweep(background, bite)
		s.fails("Sweep", err, nil)
		s.same("a bite", want, swept)
	}
	want := []string{sessionID(0), sessionID(1), sessionID(2), sessionID(3), sessionID(4), sessionID(5), sessionID(6)}
	s.same("oldest first, and only those before the bound", want, asked)
	var told []string
	for _, e := range s.events("") {
		told = append(told, e.Event.SessionID)
	}
	s.same("the events", want, told)
	s.same("what is left", []string{sessionID(7), sessionID(8), sessionID(9)}, s.list("u"))
	for _, id := range want {
		_, _, err := s.Session(background, id)
		s.fails("a swept session", err, rollcall.ErrNoSession)
	}
	s.same("the user's version", uint64(10), s.user("u").Version)

	ended := s.session(sessionID(7)).Ended(t0.Add(-time.Hour), rollcall.ReasonRevoked)
	s.commit(rollcall.Change{UserID: "u", Sessions: []rollcall.PutSession{{Session: ended, Replaces: 1}}})
	swept, err := s.Sweep(background, rollcall.Sweep{SessionsBefore: t0, Limit: 10, Decide: remove})
	s.fails("Sweep", err, nil)
	s.same("an ended session is filed under its ending", rollcall.Swept{Removed: 1}, swept)
	s.same("silently", 7, len(s.events("")))
}

func testRefile(t *testing.T, h Harness) {
	s := open(t, h)
	session := newSession("u", sessionID(1), t0) // filed under its idle limit, 72 h
	s.create(session)
	s.touch("u", session.ID, rollcall.Interaction{At: t0.Add(50 * time.Hour), IdleExpiresAt: t0.Add(122 * time.Hour)})
	asked := 0
	sweep := func(before time.Duration, verdict rollcall.Verdict) rollcall.Swept {
		t.Helper()
		swept, err := s.Sweep(background, rollcall.Sweep{SessionsBefore: t0.Add(before), Limit: 10, Decide: func(got rollcall.Session, _ rollcall.User) rollcall.Verdict {
			asked++
			if !got.Last.IdleExpiresAt.Equal(t0.Add(122 * time.Hour)) {
				t.Errorf("asked about a session without its touch: %v", got.Last)
			}
			return verdict
		}})
		s.fails("Sweep", err, nil)
		return swept
	}
	keep := rollcall.Verdict{FileAt: t0.Add(122 * time.Hour)}
	s.same("at its limit it is not asked about", rollcall.Swept{}, sweep(72*time.Hour, keep))
	s.same("a touch does not file again", rollcall.Swept{Refiled: 1}, sweep(73*time.Hour, keep))
	s.same("what was filed again is left alone", rollcall.Swept{}, sweep(122*time.Hour, keep))
	want := session
	want.Version = 1
	want.Last = rollcall.Interaction{At: t0.Add(50 * time.Hour), IdleExpiresAt: t0.Add(122 * time.Hour)}
	s.same("filing changes nothing else", want, s.session(session.ID))
	s.same("until its time", rollcall.Swept{Removed: 1}, sweep(123*time.Hour, rollcall.Verdict{}))
	s.same("asked", 2, asked)

	again := newSession("u", sessionID(2), t0)
	s.create(again)
	again.ExpiresAt = t0.Add(time.Hour)
	s.commit(rollcall.Change{UserID: "u", Sessions: []rollcall.PutSession{{Session: again, Replaces: 1}}})
	swept, err := s.Sweep(background, rollcall.Sweep{SessionsBefore: t0.Add(2 * time.Hour), Limit: 10, Decide: remove})
	s.fails("Sweep", err, nil)
	s.same("a put files again", rollcall.Swept{Removed: 1}, swept)
	s.same("and takes the old filing away", rollcall.Swept{}, sweep(1000*time.Hour, rollcall.Verdict{}))
}

func testSweepUser(t *testing.T, h Harness) {
	s := open(t, h)
	s.create(newSession("u", sessionID(1), t0), newSession("u", sessionID(2), t0), newSession("u2", sessionID(3), t0))
	ended := s.session(sessionID(2)).Ended(t0.Add(500*time.Hour), rollcall.ReasonRevoked)
	s.commit(rollcall.Change{UserID: "u", Sessions: []rollcall.PutSession{{Session: ended, Replaces: 1}}})
	s.sweepAll(t0.Add(100 * time.Hour))
	s.same("while an ended session is left", uint64(2), s.user("u").Version)
	s.same("another user's is gone", rollcall.User{ID: "u2"}, s.user("u2"))
	s.sweepAll(t0.Add(501 * time.Hour))
	s.same("after the last session", rollcall.User{ID: "u"}, s.user("u"))
	s.create(newSession("u", sessionID(1), t0))
	s.same("anew", uint64(1), s.user("u").Version)

	// Users whose ids begin alike keep their rows when one of them goes.
	alike := []string{"a", "a\x00", "a\x01", "aa", "a|", "a\xff", "a/"}
	for i, userID := range alike {
		s.create(newSession(userID, sessionID(10+i), t0))
	}
	for i, userID := range alike {
		_, err := s.Sweep(background, rollcall.Sweep{SessionsBefore: t0.Add(9000 * time.Hour), Limit: 100, Decide: func(session rollcall.Session, _ rollcall.User) rollcall.Verdict {
			if session.UserID == userID {
				return rollcall.Verdict{}
			}
			return rollcall.Verdict{FileAt: t0.Add(9000 * time.Hour)}
		}})
		s.fails("Sweep", err, nil)
		// So that the next sweep meets them again.
		for j := i + 1; j < len(alike); j++ {
			left := s.session(sessionID(10 + j))
			s.commit(rollcall.Change{UserID: alike[j], Sessions: []rollcall.PutSession{{Session: left, Replaces: left.Version}}})
			s.same("a user that begins alike", uint64(1), s.user(alike[j]).Version)
		}
		s.same("the user whose session went", rollcall.User{ID: userID}, s.user(userID))
	}
}
