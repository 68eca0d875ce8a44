package storetest

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/rollcall-id/rollcall"
)

// follow reads the log from its beginning, few events at a time, until until is
// closed and the head is reached, and gives each to see.
func (s subject) follow(until <-chan struct{}, see func(rollcall.StoredEvent)) {
	position := ""
	for last, began := false, time.Now(); ; {
		page, err := s.Events(background, rollcall.EventsAfter{After: position, Limit: 7})
		if err != nil || page.Missed {
			s.t.Errorf("Events: %v, missed %v", err, page.Missed)
			return
		}
		for _, e := range page.Events {
			see(e)
		}
		position = page.Next
		if last && position >= page.Head || time.Since(began) > 6*patience {
			return
		}
		if len(page.Events) > 0 {
			continue
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
		s.follow(done, func(e rollcall.StoredEvent) {
			u := e.Event.UserID
			if seen[u]++; e.Event.Count != seen[u] || int(e.Number) != seen[u] {
				t.Errorf("%s: event %d with number %d follows event %d", u, e.Event.Count, e.Number, seen[u]-1)
				seen[u] = e.Event.Count
			}
		})
		for u := range users {
			s.same("the last event that was seen", writers*acts/users, seen[fmt.Sprintf("user-%d", u)])
		}
	}
	for u := range users {
		s.row(fmt.Sprintf("user-%d", u))
	}
	following.Go(follow)
	for w := range writers {
		userID := fmt.Sprintf("user-%d", w%users)
		all.Go(func() {
			for range acts {
				s.retried(func() error {
					st, _, err := s.Sessions(background, rollcall.SessionsOf{UserID: userID})
					if err != nil {
						return err
					}
					e := newEvent(userID, 1)
					e.Count = int(st.User.Version-firstVersion) + 1
					return s.tries(rollcall.Change{UserID: userID, User: moved(st.User), Events: []rollcall.Event{e}})
				})
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
	phase := func(about rollcall.EventType, write func(), see func(rollcall.Event)) {
		t.Helper()
		done := make(chan struct{})
		var following sync.WaitGroup
		for range 2 {
			following.Go(func() {
				seen := 0
				s.follow(done, func(e rollcall.StoredEvent) {
					if e.Event.Type == about {
						seen++
						see(e.Event)
					}
				})
				s.same("the events of type "+string(about), sessions, seen)
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
		if err := s.finds(e.SessionID); err != nil {
			t.Errorf("the creation of %s is told of before it is made: %v", e.SessionID, err)
		}
	})
	// One is left, or a sweep would keep another while there are events.
	c := creation(s.user("u"), newSession("u", sessionID(sessions), t0))
	c.Sessions[0].FileAt = forever
	s.commit(c)
	phase(rollcall.SessionExpired, func() {
		s.bites(rollcall.Sweep{SessionsBefore: forever, Limit: 7, Decide: func(w rollcall.Walked) rollcall.Verdict {
			e := newEvent("u", 1)
			e.Type, e.SessionID = rollcall.SessionExpired, w.Session.ID
			return rollcall.Verdict{Event: &e}
		}})
	}, func(e rollcall.Event) {
		if err := s.finds(e.SessionID); !errors.Is(err, rollcall.ErrNoSession) {
			t.Errorf("the removal of %s is told of before it is made: %v", e.SessionID, err)
		}
	})
}

// testLateEvents holds a commit between the positions of its events and the moment at which
// they can be seen: no reader passes them over, and none is told to have missed them.
func testLateEvents(t *testing.T, h Harness) {
	if h.Serial {
		t.Skip("the engine's commits are serial: none becomes visible late")
	}
	entered, release := make(chan struct{}), make(chan struct{})
	s := closing(t, h.OpenHeld(t, func(c rollcall.Change) {
		if c.UserID == "slow" && len(c.Events) > 0 {
			close(entered)
			<-release
		}
	}))
	s.row("slow")
	s.row("quick")
	s.commit(told("quick", newEvent("quick", 1)))
	s.events("")
	done := make(chan error)
	go func() { done <- s.tries(told("slow", newEvent("slow", 2))) }()
	<-entered
	s.commit(told("quick", newEvent("quick", 3)))
	page := s.page(rollcall.EventsAfter{Limit: 100})
	s.same("while a commit is under way", []string{"evt-1"}, eventIDs(page.Events))
	filtered := s.page(rollcall.EventsAfter{Limit: 100, UserID: "quick"})
	s.same("of one user", []string{"evt-1"}, eventIDs(filtered.Events))
	if page.Next >= page.Head {
		t.Errorf("a commit that has returned lies behind the head: Next %q, Head %q", page.Next, page.Head)
	}
	close(release)
	s.fails("the slow commit", <-done, nil)
	s.same("read on when it has ended", []string{"evt-2", "evt-3"}, eventIDs(s.events(page.Next)))
	s.same("read on of all users", []string{"evt-2", "evt-3"}, eventIDs(s.events(filtered.Next)))
}
