package storetest

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
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
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for range 3 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
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
	for i := range uint64(200) {
		a.Generation.User, b.Generation.User = i+1, i+1
		s.commit(rollcall.Change{
			UserID: "u", User: &rollcall.PutUser{User: rollcall.User{ID: "u", Generation: i + 1}, Replaces: i + 1},
			Sessions: []rollcall.PutSession{{Session: a, Replaces: i + 1}, {Session: b, Replaces: i + 1}},
		})
	}
	close(stop)
	readers.Wait()
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
					err := s.Commit(background, creation(s.user("u"), newSession("u", id, t0), newEvent("u", 1000*w+i)))
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
	s.same("the user's version", uint64(writers*acts), s.user("u").Version)
	s.same("the sessions", writers*acts, len(s.list("u")))
	s.same("the events", writers*acts, len(s.events("")))
	for _, id := range s.list("u") {
		if got := s.session(id).Last.At; !got.Equal(t0.Add(time.Hour)) {
			t.Errorf("%s lost its touch: %v", id, got)
		}
	}
}

func testRacingClaims(t *testing.T, h Harness) {
	s := open(t, h)
	for round := range 20 {
		var winners atomic.Int64
		var all sync.WaitGroup
		for w := range 8 {
			all.Go(func() {
				userID := fmt.Sprintf("user-%d-%d", round, w)
				switch err := s.Commit(background, creation(rollcall.User{ID: userID}, newSession(userID, sessionID(round), t0))); {
				case err == nil:
					winners.Add(1)
				case !errors.Is(err, rollcall.ErrConflict):
					t.Errorf("Commit: %v", err)
				}
			})
		}
		all.Wait()
		if winners.Load() != 1 {
			t.Fatalf("%d users claimed the same id", winners.Load())
		}
		owner := s.session(sessionID(round)).UserID
		s.same("the winner's list", []string{sessionID(round)}, s.list(owner))
	}
}

func testOwnership(t *testing.T, h Harness) {
	s := open(t, h)
	given := newSession("u", sessionID(1), t0)
	body := []byte("body")
	s.create(given)
	s.commit(rollcall.Change{Documents: []rollcall.PutDocument{{Name: "d", Body: body}}})
	spoil := func(session *rollcall.Session) {
		session.Methods[0].Name, session.Clients[0], session.Metadata[0].Value = "spoilt", "spoilt", "spoilt"
	}
	spoil(&given)
	copy(body, "spoi")
	returned := s.session(sessionID(1))
	spoil(&returned)
	_, list, err := s.Sessions(background, "u", rollcall.Position{}, 1)
	s.fails("Sessions", err, nil)
	spoil(&list[0])
	d, err := s.Document(background, "d")
	s.fails("Document", err, nil)
	s.same("the document", "body", string(d.Body))
	copy(d.Body, "spoi")
	if d, err = s.Document(background, "d"); err != nil || string(d.Body) != "body" {
		t.Errorf("the document became %q, %v", d.Body, err)
	}
	want := newSession("u", sessionID(1), t0)
	want.Version = 1
	s.same("the session", want, s.session(sessionID(1)))
}

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
