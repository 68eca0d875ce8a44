package pebble

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/rollcall-id/rollcall"
)

var (
	background = context.Background()
	t0         = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
)

func openInMemory(t *testing.T, o Options) *Store {
	t.Helper()
	if o.FS == nil {
		o.FS = vfs.NewMem()
	}
	if o.MinFree == 0 {
		o.MinFree = -1
	}
	s, err := Open("store", o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// commit is Commit without the standing.
func commit(s *Store, c rollcall.Change) error {
	_, err := s.Commit(background, c)
	return err
}

// eventsAfter returns the events of one page.
func eventsAfter(s *Store, after string, limit int) ([]rollcall.StoredEvent, error) {
	page, err := s.Events(background, rollcall.EventsAfter{After: after, Limit: limit})
	return page.Events, err
}

// typical is a session as most are: one method, one client, a browser.
func typical(userID, id string, at time.Time) rollcall.Session {
	origin := rollcall.Origin{IP: "203.0.113.77", UserAgent: "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36", ASN: "64496"}
	return rollcall.Session{
		ID: id, UserID: userID, SecretHash: rollcall.SecretHash{1, 2, 3},
		CreatedAt: at, UpdatedAt: at, AuthenticatedAt: at, ExpiresAt: at.Add(168 * time.Hour), RenewedAt: at,
		Lifetimes: rollcall.Lifetimes{Absolute: 168 * time.Hour, Idle: 72 * time.Hour}, CookieMode: rollcall.Persistent,
		Methods: []rollcall.Method{{Name: "pwd", At: at}}, Clients: []string{"web"},
		Initial: origin, Last: rollcall.Interaction{At: at, IdleExpiresAt: at.Add(72 * time.Hour), Origin: origin},
	}
}

func benchID(i int) string      { return fmt.Sprintf("%032x", uint64(i+1)*0x9e3779b97f4a7c15) }
func benchUser(user int) string { return fmt.Sprintf("auth0|%024x", uint64(user+1)*0x9e3779b97f4a7c15) }

// userAt is the put of a user's row that has a version: 0 makes the row, with version 1.
func userAt(userID string, version uint64) *rollcall.PutUser {
	return &rollcall.PutUser{User: rollcall.User{ID: userID, Version: 1}, Replaces: version}
}

// creation is the change that adds sessions to a user whose row has the version.
func creation(userID string, version uint64, sessions ...rollcall.Session) rollcall.Change {
	c := rollcall.Change{UserID: userID, User: userAt(userID, version)}
	for _, s := range sessions {
		c.Sessions = append(c.Sessions, rollcall.PutSession{Session: s})
		c.Events = append(c.Events, rollcall.Event{
			ID: "evt-" + s.ID, Type: rollcall.SessionCreated, At: s.CreatedAt, UserID: userID, SessionID: s.ID, ClientID: "web",
			Actor: "backend", IP: s.Initial.IP, UserAgent: s.Initial.UserAgent,
		})
	}
	return c
}

// silent is the change that adds sessions to a user, whatever the user's version, and
// leaves no event.
func silent(userID string, sessions ...rollcall.Session) rollcall.Change {
	c := creation(userID, rollcall.AnyVersion, sessions...)
	c.Events = nil
	return c
}

// put is the change that puts a session alone.
func put(session rollcall.Session, replaces uint64) rollcall.Change {
	return rollcall.Change{UserID: session.UserID, Sessions: []rollcall.PutSession{{Session: session, Replaces: replaces}}}
}

// unread is the change that ends a user's session which nobody has read for it. The
// user's row has the version.
func unread(userID string, version uint64, ended rollcall.Session) rollcall.Change {
	return rollcall.Change{
		UserID: userID, User: userAt(userID, version),
		Ends: []rollcall.End{endOf(ended)},
		Events: []rollcall.Event{{
			ID: "end-" + ended.ID, Type: rollcall.SessionEnded, At: ended.EndedAt, UserID: userID, SessionID: ended.ID,
		}},
	}
}

// endOf is the end that makes a session what ended is.
func endOf(ended rollcall.Session) rollcall.End {
	return rollcall.End{
		At:     rollcall.At{ID: ended.ID, UserID: ended.UserID, CreatedAt: ended.CreatedAt},
		Ending: rollcall.Ending{EndedAt: ended.EndedAt, EndReason: ended.EndReason, EndedBy: ended.EndedBy},
		Last:   ended.Last, Initial: ended.Initial, FileAt: ended.EndedAt,
	}
}

// removed is the verdict that removes whatever is decided on.
func removed(rollcall.Walked) rollcall.Verdict { return rollcall.Verdict{} }

// refiled is the verdict that files whatever is decided on under an instant.
func refiled(at time.Time) func(rollcall.Walked) rollcall.Verdict {
	return func(rollcall.Walked) rollcall.Verdict { return rollcall.Verdict{FileAt: at} }
}

// head is the position of the newest event.
func head(t *testing.T, s *Store) string {
	t.Helper()
	page, err := s.Events(background, rollcall.EventsAfter{})
	if err != nil {
		t.Fatal(err)
	}
	return page.Head
}
