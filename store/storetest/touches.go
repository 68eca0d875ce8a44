package storetest

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/rollcall-id/rollcall"
)

var touchClauses = []Clause{
	{"Touch", "touches are monotonic and idempotent", testTouch},
	{"Touch", "touches never bring a session back", testTouchGone},
	{"Touch", "racing puts and touches lose nothing", testRacingWrites},
}

func testTouch(t *testing.T, h Harness) {
	s := open(t, h)
	s.create(newSession("u", sessionID(1), t0))
	before := s.session(sessionID(1))
	s.touch("u", sessionID(1), interaction(time.Hour, "192.0.2.2"))
	s.same("the later", interaction(time.Hour, "192.0.2.2"), s.session(sessionID(1)).Last)
	s.touch("u", sessionID(1), interaction(time.Minute, "192.0.2.3"))
	s.same("an earlier one", interaction(time.Hour, "192.0.2.2"), s.session(sessionID(1)).Last)
	s.touch("u", sessionID(1), interaction(time.Hour, "192.0.2.4"))
	s.same("one of the same instant", interaction(time.Hour, "192.0.2.2"), s.session(sessionID(1)).Last)
	lower := interaction(2*time.Hour, "192.0.2.5")
	lower.IdleExpiresAt = t0.Add(time.Minute)
	s.touch("u", sessionID(1), lower)
	want := before
	want.Last = lower
	s.same("nothing else changes, no version moves", want, s.session(sessionID(1)))
	s.same("in the list, too", []rollcall.Session{want}, s.sessions("u", false))
	s.same("the user's version", uint64(firstVersion), s.user("u").Version)

	const many = 700
	var touches []rollcall.Touch
	for i := range many {
		userID := fmt.Sprintf("user-%d", i)
		s.commit(stamped(newSession(userID, sessionID(1000+i), t0)))
		for _, d := range []time.Duration{2, 3, 1} {
			touches = append(touches, rollcall.Touch{UserID: userID, SessionID: sessionID(1000 + i), Interaction: interaction(d*time.Hour, "192.0.2.7")})
		}
	}
	for range 2 { // idempotent
		s.fails("Touch of many", s.Touch(background, touches), nil)
		for i := range many {
			if got := s.session(sessionID(1000 + i)).Last; got != interaction(3*time.Hour, "192.0.2.7") {
				t.Fatalf("session %d: %+v", i, got)
			}
		}
	}
	s.fails("Touch of none", s.Touch(background, nil), nil)
}

func testTouchGone(t *testing.T, h Harness) {
	s := open(t, h)
	s.create(newSession("u", sessionID(1), t0), newSession("u", sessionID(2), t0))
	late := rollcall.Interaction{At: t0.Add(time.Hour), IdleExpiresAt: t0.Add(9000 * time.Hour)}
	s.commit(replacement(s.session(sessionID(1)).Ended(newEnding(t0))))
	want := s.session(sessionID(1))
	s.touch("u", sessionID(1), late)
	s.same("an ended session", want, s.session(sessionID(1)))
	want = s.session(sessionID(2))
	s.touch("v", sessionID(2), late)
	s.same("another user's touch", want, s.session(sessionID(2)))
	s.touch("u", "unknown", late)
	s.sweepAll(forever)
	s.touch("u", sessionID(2), late)
	for _, id := range []string{sessionID(1), sessionID(2), "unknown"} {
		s.fails("a session that is gone", s.finds(id), rollcall.ErrNoSession)
	}
	s.same("the list", 0, len(s.history("u")))
	s.same("the user", rollcall.User{ID: "u"}, s.user("u"))
	again := newSession("u", sessionID(2), t0)
	s.create(again)
	s.same("a session that has the id anew", again.Last, s.session(again.ID).Last)
}

// testRacingWrites lets puts and touches of one session race. Touches are late now and
// then, and so are puts: what they carry was read before a touch.
func testRacingWrites(t *testing.T, h Harness) {
	s := open(t, h)
	s.create(newSession("u", sessionID(1), t0))
	const writers, writes = 3, 30
	last := t0.Add(writers*writes*time.Minute + time.Second)
	used := func(at time.Time) rollcall.Interaction {
		return rollcall.Interaction{At: at, IdleExpiresAt: at.Add(time.Hour)}
	}
	touch := func(at time.Time) error {
		late := rollcall.Touch{UserID: "u", SessionID: sessionID(1), Interaction: used(at.Add(-time.Millisecond))}
		timely := rollcall.Touch{UserID: "u", SessionID: sessionID(1), Interaction: used(at)}
		return s.Touch(background, []rollcall.Touch{timely, late})
	}
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for i := range writes {
				if err := touch(t0.Add(time.Duration(writers*i+w+1) * time.Minute)); err != nil {
					t.Errorf("Touch: %v", err)
					return
				}
			}
		})
		all.Go(func() {
			for i := range writes {
				at := t0.Add(time.Duration(writers*i+w+1)*time.Minute + time.Second)
				s.retried(func() error {
					session, _, err := s.Session(background, rollcall.At{ID: sessionID(1)})
					if err := errors.Join(err, touch(at)); err != nil {
						return err
					}
					return s.tries(replacement(session))
				})
				if got, _, err := s.Session(background, rollcall.At{ID: sessionID(1)}); err != nil || got.Last.At.Before(at) {
					t.Errorf("after a put and a touch at %v: %v, %v", at, got.Last.At, err)
				}
			}
		})
	}
	all.Wait()
	got := s.session(sessionID(1))
	s.same("every put counts", uint64(1+writers*writes), got.Version)
	s.same("the latest touch stays", used(last), got.Last)
}
