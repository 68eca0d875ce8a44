package storetest

import (
	"errors"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/rollcall-id/rollcall"
)

// testSnapshot keeps user and session in step and looks whether readers ever see
// them out of it.
func testSnapshot(t *testing.T, h Harness) {
	s := open(t, h)
	a, b := newSession("u", sessionID(1), t0), newSession("u", sessionID(2), t0)
	a.Generation.User, b.Generation.User = 0, 0
	s.commit(rollcall.Change{
		UserID: "u", User: &rollcall.PutUser{User: rollcall.User{ID: "u"}},
		Sessions: []rollcall.PutSession{{Session: a}, {Session: b}},
	})
	var readers sync.WaitGroup
	defer readers.Wait()
	for range 3 {
		readers.Go(func() {
			for range 200 {
				session, user, err := s.Session(background, a.ID)
				if err != nil || session.Generation.User != user.Generation {
					t.Errorf("Session: generation %d of user generation %d, %v", session.Generation.User, user.Generation, err)
					return
				}
				user, list, err := s.Sessions(background, "u", rollcall.Position{}, 10)
				if err != nil || len(list) != 2 || list[0].Generation.User != user.Generation || list[1].Generation.User != user.Generation {
					t.Errorf("Sessions: out of step with user generation %d, %v", user.Generation, err)
					return
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { readers.Wait(); close(done) }()
	for i := uint64(0); ; i++ {
		select {
		case <-done:
			return
		default:
		}
		a.Generation.User, b.Generation.User = i+1, i+1
		s.commit(rollcall.Change{
			UserID: "u", User: &rollcall.PutUser{User: rollcall.User{ID: "u", Generation: i + 1}, Replaces: i + 1},
			Sessions: []rollcall.PutSession{{Session: a, Replaces: i + 1}, {Session: b, Replaces: i + 1}},
		})
	}
}

func testContention(t *testing.T, h Harness) {
	s := open(t, h)
	const writers, acts = 8, 20
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for i := range acts {
				id := sessionID(1000*w + i)
				for {
					u := s.user("u")
					u.Generation++ // what is put depends on what was read
					err := s.Commit(background, creation(u, newSession("u", id, t0), newEvent("u", 1000*w+i)))
					if err == nil {
						break
					}
					if !errors.Is(err, rollcall.ErrConflict) {
						t.Errorf("Commit: %v", err)
						return
					}
				}
				s.touch("u", id, rollcall.Interaction{At: t0.Add(time.Hour)})
			}
		})
	}
	all.Wait()
	s.same("the user", rollcall.User{ID: "u", Version: writers * acts, Generation: writers * acts}, s.user("u"))
	s.same("the sessions", writers*acts, len(s.list("u")))
	s.same("the events", writers*acts, len(s.events("")))
	for _, id := range s.list("u") {
		if got := s.session(id).Last.At; !got.Equal(t0.Add(time.Hour)) {
			t.Errorf("%s lost its touch: %v", id, got)
		}
	}
}

func testClose(t *testing.T, h Harness) {
	running := goleak.IgnoreCurrent()
	s := h.Open(t)
	if err := s.Commit(background, creation(rollcall.User{ID: "u"}, newSession("u", sessionID(1), t0))); err != nil {
		t.Fatalf("Commit: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
	goleak.VerifyNone(t, running)
}
