package storetest

import (
	"context"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rollcall-id/rollcall"
)

var (
	background = context.Background()
	equal      = cmpopts.EquateEmpty()
)

// forever is after everything that the suite files, and before the end of time.
var forever = t0.Add(50 * 365 * 24 * time.Hour)

// A subject is a store under test, with what tests say over and over.
type subject struct {
	rollcall.Store
	t *testing.T
}

func open(t *testing.T, h Harness) subject {
	t.Helper()
	return closing(t, h.Open(t))
}

// closing wraps a store and closes the store with the test.
func closing(t *testing.T, s rollcall.Store) subject {
	t.Helper()
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return subject{s, t}
}

func (s subject) commit(c rollcall.Change) rollcall.Standing {
	s.t.Helper()
	left, err := s.Commit(background, c)
	if err != nil {
		s.t.Fatalf("Commit: %v", err)
	}
	return left
}

// tries commits and returns what Commit failed with.
func (s subject) tries(c rollcall.Change) error {
	_, err := s.Commit(background, c)
	return err
}

// conflicts expects a change to conflict.
func (s subject) conflicts(what string, c rollcall.Change) {
	s.t.Helper()
	s.fails(what, s.tries(c), rollcall.ErrConflict)
}

// create puts sessions of users, one commit each.
func (s subject) create(sessions ...rollcall.Session) {
	s.t.Helper()
	for _, session := range sessions {
		s.commit(creation(s.user(session.UserID), session))
	}
}

// row puts a new row of a user, without a session.
func (s subject) row(userID string) {
	s.t.Helper()
	s.commit(rollcall.Change{UserID: userID, User: moved(rollcall.User{ID: userID})})
}

func (s subject) touch(userID, id string, i rollcall.Interaction) {
	s.t.Helper()
	if err := s.Touch(background, []rollcall.Touch{{UserID: userID, SessionID: id, Interaction: i}}); err != nil {
		s.t.Fatalf("Touch: %v", err)
	}
}

func (s subject) standing(userID string) rollcall.Standing {
	s.t.Helper()
	st, none, err := s.Sessions(background, rollcall.SessionsOf{UserID: userID})
	if err != nil || len(none) > 0 {
		s.t.Fatalf("Sessions of limit 0: %d, %v", len(none), err)
	}
	return st
}

func (s subject) user(id string) rollcall.User {
	s.t.Helper()
	return s.standing(id).User
}

func (s subject) everybody() rollcall.Everybody {
	s.t.Helper()
	return s.standing("").Everybody
}

func (s subject) session(id string) rollcall.Session {
	s.t.Helper()
	session, _, err := s.Session(background, rollcall.At{ID: id})
	if err != nil {
		s.t.Fatalf("Session(%s): %v", id, err)
	}
	return session
}

// finds returns what Session fails with.
func (s subject) finds(id string) error {
	_, _, err := s.Session(background, rollcall.At{ID: id})
	return err
}

// list lists the ids of a user's sessions that are not ended.
func (s subject) list(userID string) []string { return s.ids(userID, false) }

// history lists the ids of a user's sessions, ended ones too.
func (s subject) history(userID string) []string { return s.ids(userID, true) }

func (s subject) ids(userID string, ended bool) (ids []string) {
	s.t.Helper()
	for _, session := range s.sessions(userID, ended) {
		ids = append(ids, session.ID)
	}
	return ids
}

func (s subject) sessions(userID string, ended bool) []rollcall.Session {
	s.t.Helper()
	_, sessions, err := s.Sessions(background, rollcall.SessionsOf{UserID: userID, Ended: ended, Limit: math.MaxInt32})
	if err != nil {
		s.t.Fatalf("Sessions: %v", err)
	}
	return sessions
}

func (s subject) document(name string) rollcall.Document {
	s.t.Helper()
	d, err := s.Document(background, name)
	if err != nil {
		s.t.Fatalf("Document: %v", err)
	}
	return d
}

func (s subject) page(q rollcall.EventsAfter) rollcall.EventPage {
	s.t.Helper()
	page, err := s.Events(background, q)
	if err != nil {
		s.t.Fatalf("Events: %v", err)
	}
	return page
}

// patience is how long a log may lie behind the commits that have returned, for want of
// others to end that are not the test's.
var patience = 10 * time.Second

// events reads the log from a position up to the Head that the first page shows.
func (s subject) events(after string) []rollcall.StoredEvent {
	s.t.Helper()
	return s.read(rollcall.EventsAfter{After: after, Limit: 1000})
}

// read reads page after page up to the Head that the first page shows.
func (s subject) read(q rollcall.EventsAfter) (events []rollcall.StoredEvent) {
	s.t.Helper()
	head := ""
	for began := time.Now(); ; {
		page := s.page(q)
		if head == "" {
			head = page.Head
		}
		events = append(events, page.Events...)
		if page.Next >= head {
			return events
		}
		if page.Next == q.After {
			time.Sleep(time.Millisecond)
		}
		if time.Since(began) > patience {
			s.t.Fatalf("the log never reaches its head: %d events, Next is %q of %q", len(events), page.Next, head)
		}
		q.After = page.Next
	}
}

// log reads the whole log, which must have so many events.
func (s subject) log(n int) []rollcall.StoredEvent {
	s.t.Helper()
	return s.many(n, s.events(""))
}

// many expects so many events: the test goes on to look at each.
func (s subject) many(n int, events []rollcall.StoredEvent) []rollcall.StoredEvent {
	s.t.Helper()
	if len(events) != n {
		s.t.Fatalf("%d events, want %d: %v", len(events), n, eventIDs(events))
	}
	return events
}

// head is the log's end.
func (s subject) head() string {
	s.t.Helper()
	return s.page(rollcall.EventsAfter{}).Head
}

// eventIDs lists the ids of all events.
func (s subject) eventIDs() []string {
	s.t.Helper()
	return eventIDs(s.events(""))
}

func eventIDs(events []rollcall.StoredEvent) (ids []string) {
	for _, e := range events {
		ids = append(ids, e.Event.ID)
	}
	return ids
}

func (s subject) same(what string, want, got any) {
	s.t.Helper()
	if diff := cmp.Diff(want, got, equal); diff != "" {
		s.t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func (s subject) fails(what string, err, want error) {
	s.t.Helper()
	if diff := cmp.Diff(want, err, cmpopts.EquateErrors()); diff != "" {
		s.t.Errorf("%s: %s", what, diff)
	}
}
