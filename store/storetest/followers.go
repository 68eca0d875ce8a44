package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/rollcall-id/rollcall"
)

// follow reads the log from its beginning, few events at a time, until until is
// closed and nothing is left, and gives each to see.
func (s subject) follow(until <-chan struct{}, see func(rollcall.Event)) {
	position := ""
	for last := false; ; {
		few, err := s.Events(background, position, 7)
		if err != nil {
			s.t.Errorf("Events: %v", err)
			return
		}
		for _, e := range few {
			position = e.Position
			see(e.Event)
		}
		if len(few) > 0 {
			continue
		}
		if last {
			return
		}
		select {
		case <-until:
			last = true
		default:
		}
	}
}

// testEventOrder lets acts on few users race and follows the log meanwhile: each
// user's events are in the order of the versions that their commits gave, and
// neither who follows nor who comes late misses any.
func testEventOrder(t *testing.T, h Harness) {
	s := open(t, h)
	const users, writers, acts = 3, 6, 25
	done := make(chan struct{})
	var all, following sync.WaitGroup
	follow := func() {
		seen := map[string]int{}
		s.follow(done, func(e rollcall.Event) {
			if seen[e.UserID]++; e.Count != seen[e.UserID] {
				t.Errorf("%s: event %d follows event %d", e.UserID, e.Count, seen[e.UserID]-1)
				seen[e.UserID] = e.Count
			}
		})
		for u := range users {
			s.same("the last event that was seen", writers*acts/users, seen[fmt.Sprintf("user-%d", u)])
		}
	}
	following.Go(follow)
	for w := range writers {
		userID := fmt.Sprintf("user-%d", w%users)
		all.Go(func() {
			for range acts {
				for {
					u, _, err := s.Sessions(background, userID, rollcall.Position{}, 0)
					if err != nil {
						t.Errorf("Sessions: %v", err)
						return
					}
					e := newEvent(userID, 1)
					e.Count = int(u.Version) + 1
					err = s.Commit(background, rollcall.Change{UserID: userID, User: &rollcall.PutUser{User: u, Replaces: u.Version}, Events: []rollcall.Event{e}})
					if err == nil {
						break
					}
					if !errors.Is(err, rollcall.ErrConflict) {
						t.Errorf("Commit: %v", err)
						return
					}
				}
			}
		})
	}
	all.Wait()
	close(done)
	following.Wait()
	follow()
}

// testEventAfterAct follows the log while sessions are created and swept: whoever
// sees an event finds that its act has happened, and whoever reads on sees all.
func testEventAfterAct(t *testing.T, h Harness) {
	s := open(t, h)
	const sessions = 60
	phase := func(told rollcall.EventType, write func(), see func(rollcall.Event)) {
		done := make(chan struct{})
		var following sync.WaitGroup
		for range 2 {
			following.Go(func() {
				seen := 0
				s.follow(done, func(e rollcall.Event) {
					if e.Type == told {
						seen++
						see(e)
					}
				})
				s.same("the events of type "+string(told), sessions, seen)
			})
		}
		write()
		close(done)
		following.Wait()
	}
	phase(rollcall.SessionCreated, func() {
		for i := range sessions {
			s.commit(creation(s.user("u"), newSession("u", sessionID(i), t0.Add(time.Duration(i)*time.Millisecond)), newEvent("u", i)))
		}
	}, func(e rollcall.Event) {
		if _, _, err := s.Session(background, e.SessionID); err != nil {
			t.Errorf("the creation of %s is told of before it is made: %v", e.SessionID, err)
		}
	})
	phase(rollcall.SessionExpired, func() {
		for more := true; more; {
			swept, err := s.Sweep(background, rollcall.Sweep{SessionsBefore: t0.Add(9000 * time.Hour), Limit: 7, Decide: func(session rollcall.Session, _ rollcall.User) rollcall.Verdict {
				e := newEvent("u", 1)
				e.Type, e.SessionID = rollcall.SessionExpired, session.ID
				return rollcall.Verdict{Event: &e}
			}})
			s.fails("Sweep", err, nil)
			more = swept.More
		}
	}, func(e rollcall.Event) {
		if _, _, err := s.Session(background, e.SessionID); !errors.Is(err, rollcall.ErrNoSession) {
			t.Errorf("the removal of %s is told of before it is made: %v", e.SessionID, err)
		}
	})
}

// testBegun cancels a commit that is held in its middle.
func testBegun(t *testing.T, h Harness) {
	if h.Serial {
		t.Skip("the engine's commits are serial: none can be held in its middle")
	}
	entered, release := make(chan struct{}), make(chan struct{})
	s := closing(t, h.OpenHeld(t, func(c rollcall.Change) {
		if c.UserID == "slow" {
			close(entered)
			<-release
		}
	}))
	ctx, cancel := context.WithCancel(background)
	done := make(chan error, 1)
	go func() {
		done <- s.Commit(ctx, creation(rollcall.User{ID: "slow"}, newSession("slow", sessionID(1), t0), newEvent("slow", 1)))
	}()
	<-entered
	cancel()
	close(release)
	s.fails("a commit that is cancelled in its middle", <-done, nil)
	s.same("the list", []string{sessionID(1)}, s.list("slow"))
	s.same("the events", []string{"evt-1"}, s.eventIDs())
}
