package storetest

import (
	"testing"
	"time"

	"github.com/rollcall-id/rollcall"
)

// testOwnership changes everything that it gave and everything that it got, and
// looks whether the store has changed.
func testOwnership(t *testing.T, h Harness) {
	s := open(t, h)
	change := creation(rollcall.User{ID: "u", Generation: 5, GenerationAt: t0}, newSession("u", sessionID(1), t0), newEvent("u", 1))
	document := rollcall.Change{Documents: []rollcall.PutDocument{{Name: "d", Body: []byte("body")}}}
	touches := []rollcall.Touch{{UserID: "u", SessionID: sessionID(1), Interaction: rollcall.Interaction{At: t0.Add(time.Hour), Origin: rollcall.Origin{IP: "192.0.2.7"}}}}
	s.commit(change)
	s.commit(document)
	s.fails("Touch", s.Touch(background, touches), nil)
	spoil(&change.Sessions)
	spoil(&change.Events)
	spoil(change.User)
	spoil(&document.Documents)
	spoil(&touches)

	wantUser := rollcall.User{ID: "u", Version: 1, Generation: 5, GenerationAt: t0}
	want := newSession("u", sessionID(1), t0)
	want.Version, want.Last = 1, rollcall.Interaction{At: t0.Add(time.Hour), Origin: rollcall.Origin{IP: "192.0.2.7"}}
	for _, what := range []string{"after what was given changed", "after what was returned changed", "after what was decided on changed"} {
		session, user, err := s.Session(background, sessionID(1))
		s.fails("Session", err, nil)
		s.same("the session "+what, want, session)
		s.same("the user "+what, wantUser, user)
		user, list, err := s.Sessions(background, "u", rollcall.Position{}, 1)
		s.fails("Sessions", err, nil)
		s.same("the list "+what, []rollcall.Session{want}, list)
		d, err := s.Document(background, "d")
		s.fails("Document", err, nil)
		s.same("the document "+what, rollcall.Document{Name: "d", Version: 1, Body: []byte("body")}, d)
		events := s.events("")
		s.same("the event "+what, newEvent("u", 1), s.event("", 0))
		spoil(&session)
		spoil(&list)
		spoil(&user)
		spoil(&d)
		spoil(&events)
		if what != "after what was returned changed" {
			continue
		}
		_, err = s.Sweep(background, rollcall.Sweep{SessionsBefore: t0.Add(9000 * time.Hour), Limit: 1, Decide: func(session rollcall.Session, _ rollcall.User) rollcall.Verdict {
			spoil(&session)
			return rollcall.Verdict{FileAt: t0.Add(9000 * time.Hour)}
		}})
		s.fails("Sweep", err, nil)
	}
	told := newEvent("u", 2)
	_, err := s.Sweep(background, rollcall.Sweep{SessionsBefore: t0.Add(9001 * time.Hour), Limit: 1, Decide: func(rollcall.Session, rollcall.User) rollcall.Verdict {
		return rollcall.Verdict{Event: &told}
	}})
	s.fails("Sweep", err, nil)
	spoil(&told)
	s.same("the event of a verdict", newEvent("u", 2), s.event("", 1))
}
