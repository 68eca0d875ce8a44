package storetest

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rollcall-id/rollcall"
)

// testVerdict writes to a session while a sweep decides on it. Either the write
// came first, and the sweep decided on what it wrote, or it came too late.
func testVerdict(t *testing.T, h Harness) {
	s := open(t, h)
	for round := range 5 {
		userID, id := fmt.Sprintf("user-%d", round), sessionID(round)
		s.create(newSession(userID, id, t0))
		session := s.session(id)
		session.Clients = []string{"written meanwhile"}
		var writes sync.WaitGroup
		var err error
		begin := sync.OnceFunc(func() {
			writes.Go(func() {
				err = s.Commit(background, rollcall.Change{UserID: userID, Sessions: []rollcall.PutSession{{Session: session, Replaces: 1}}})
			})
			writes.Go(func() {
				touch := rollcall.Touch{UserID: userID, SessionID: id, Interaction: rollcall.Interaction{At: t0.Add(time.Hour)}}
				if err := s.Touch(background, []rollcall.Touch{touch}); err != nil {
					t.Errorf("Touch: %v", err)
				}
			})
			time.Sleep(10 * time.Millisecond) // long enough for a write that nothing keeps out
		})
		swept, sweepErr := s.Sweep(background, rollcall.Sweep{SessionsBefore: t0.Add(9000 * time.Hour), Limit: 1, Decide: func(got rollcall.Session, _ rollcall.User) rollcall.Verdict {
			begin()
			if got.Version > 1 || got.Last.At.Equal(t0.Add(time.Hour)) {
				return rollcall.Verdict{FileAt: t0.Add(9000 * time.Hour)}
			}
			return rollcall.Verdict{}
		}})
		s.fails("Sweep", sweepErr, nil)
		writes.Wait()
		_, _, found := s.Session(background, id)
		if swept.Removed == 1 {
			s.fails("a put that came after the verdict", err, rollcall.ErrConflict)
			s.fails("a session that was removed", found, rollcall.ErrNoSession)
			s.same("its user", rollcall.User{ID: userID}, s.user(userID))
		} else {
			s.same("a verdict on what was written", rollcall.Swept{Refiled: 1}, swept)
			s.fails("a session that was filed again", found, nil)
		}
	}
}

// testRacingWrites lets puts and touches of one session race, and acts on one
// document. Touches are late now and then, and so are puts: what they carry was read
// before a touch.
func testRacingWrites(t *testing.T, h Harness) {
	s := open(t, h)
	s.create(newSession("u", sessionID(1), t0))
	const writers, writes = 3, 30
	last := t0.Add(writers*writes*time.Minute + time.Second)
	interaction := func(at time.Time) rollcall.Interaction {
		return rollcall.Interaction{At: at, IdleExpiresAt: at.Add(time.Hour)}
	}
	touch := func(at time.Time) error {
		late := rollcall.Touch{UserID: "u", SessionID: sessionID(1), Interaction: interaction(at.Add(-time.Millisecond))}
		timely := rollcall.Touch{UserID: "u", SessionID: sessionID(1), Interaction: interaction(at)}
		return s.Touch(background, []rollcall.Touch{timely, late})
	}
	retried := func(do func() error) {
		for {
			err := do()
			if err == nil {
				return
			}
			if !errors.Is(err, rollcall.ErrConflict) {
				t.Errorf("Commit: %v", err)
				return
			}
		}
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
				retried(func() error {
					session, _, err := s.Session(background, sessionID(1))
					if err := errors.Join(err, touch(at)); err != nil {
						return err
					}
					return s.Commit(background, rollcall.Change{UserID: "u", Sessions: []rollcall.PutSession{{Session: session, Replaces: session.Version}}})
				})
				if got, _, err := s.Session(background, sessionID(1)); err != nil || got.Last.At.Before(at) {
					t.Errorf("after a put and a touch at %v: %v, %v", at, got.Last.At, err)
				}
			}
		})
		all.Go(func() {
			for range writes {
				retried(func() error {
					d, err := s.Document(background, "d")
					if err != nil {
						return err
					}
					return s.Commit(background, rollcall.Change{Documents: []rollcall.PutDocument{{Name: "d", Body: append(d.Body, 'x'), Replaces: d.Version}}})
				})
			}
		})
	}
	all.Wait()
	got := s.session(sessionID(1))
	s.same("every put counts", uint64(1+writers*writes), got.Version)
	s.same("the latest touch stays", interaction(last), got.Last)
	d, err := s.Document(background, "d")
	s.fails("Document", err, nil)
	s.same("every act on the document counts", writers*writes, len(d.Body))
	s.same("its version", uint64(writers*writes), d.Version)
}

// testRacingClaims lets many claim one id at once: users against each other, and
// acts of one user.
func testRacingClaims(t *testing.T, h Harness) {
	s := open(t, h)
	for round := range 20 {
		id := sessionID(round)
		var winners atomic.Int64
		var all sync.WaitGroup
		for w := range 8 {
			userID := fmt.Sprintf("user-%d-%d", round, w)
			change := creation(rollcall.User{ID: userID}, newSession(userID, id, t0))
			if round%2 == 1 {
				userID = fmt.Sprintf("user-%d", round)
				change = rollcall.Change{UserID: userID, Sessions: []rollcall.PutSession{{Session: newSession(userID, id, t0.Add(time.Duration(w)*time.Second))}}}
			}
			all.Go(func() {
				switch err := s.Commit(background, change); {
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
