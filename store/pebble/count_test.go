package pebble

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/rollcall-id/rollcall"
)

func TestACountAsksAboutEverySessionWithItsUserAndNoOther(t *testing.T) {
	s, err := Open("count", Options{FS: vfs.NewMem(), MinFree: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	at := time.UnixMilli(1_700_000_000_000).UTC()
	users := []string{"a", "aa", "a\x00", "b"}
	for i, user := range users {
		change := rollcall.Change{UserID: user, User: &rollcall.PutUser{User: rollcall.User{ID: user, Generation: uint64(i)}}}
		for n := range 3 {
			row := rollcall.Session{ID: fmt.Sprintf("session-%d-%d", i, n), UserID: user, CreatedAt: at, ExpiresAt: at.Add(time.Hour)}
			if n == 2 {
				row.EndedAt = at
			}
			change.Sessions = append(change.Sessions, rollcall.PutSession{Session: row})
		}
		if err := s.Commit(t.Context(), change); err != nil {
			t.Fatal(err)
		}
	}
	// A user without a row is asked about with an empty one.
	alone := rollcall.Session{ID: "session-alone-01", UserID: "c", CreatedAt: at, ExpiresAt: at.Add(time.Hour)}
	if err := s.Commit(t.Context(), rollcall.Change{UserID: "c", Sessions: []rollcall.PutSession{{Session: alone}}}); err != nil {
		t.Fatal(err)
	}
	asked := map[string]bool{}
	n, err := s.CountSessions(t.Context(), func(session *rollcall.Session, user *rollcall.User) bool {
		if session.UserID != user.ID || user.ID != "c" && users[user.Generation] != user.ID {
			t.Errorf("session %s of %q is asked about with user %q of generation %d", session.ID, session.UserID, user.ID, user.Generation)
		}
		asked[session.ID] = true
		return user.ID != "b"
	})
	if err != nil || n != 7 || len(asked) != 9 {
		t.Errorf("%d counted of %d asked about, %v; want 7 of 9", n, len(asked), err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.CountSessions(ctx, func(*rollcall.Session, *rollcall.User) bool { return true }); !errors.Is(err, context.Canceled) {
		t.Errorf("given up: %v", err)
	}
}

// TestACountShowsTheLatestUses lets uses leave the log for their rows while a count
// looks at rows of before.
func TestACountShowsTheLatestUses(t *testing.T) {
	for name, o := range map[string]Options{"in the log": {}, "for want of memory": {useSessions: 2}, "for want of disk": {useBytes: 300}} {
		t.Run(name, func(t *testing.T) {
			o.FS, o.MinFree = vfs.NewMem(), -1
			s, err := Open("count", o)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			const users = 20
			use := func(at time.Time, users int) {
				t.Helper()
				for i := range users {
					touch := rollcall.Touch{UserID: benchUser(i), SessionID: benchID(i), Interaction: rollcall.Interaction{At: at, IdleExpiresAt: at.Add(time.Hour)}}
					if err := s.Touch(t.Context(), []rollcall.Touch{touch}); err != nil {
						t.Fatal(err)
					}
				}
			}
			for i := range users {
				if err := s.Commit(t.Context(), creation(benchUser(i), 0, typical(benchUser(i), benchID(i), t0))); err != nil {
					t.Fatal(err)
				}
			}
			first := t0.Add(time.Minute)
			use(first, users)
			asked := 0
			n, err := s.CountSessions(t.Context(), func(session *rollcall.Session, _ *rollcall.User) bool {
				if asked++; asked == 1 {
					for lap := range 20 { // the others' uses leave the log
						use(first.Add(time.Duration(lap+1)*time.Second), 3)
					}
				}
				if session.Last.At.Before(first) {
					t.Errorf("session %s was last used at %v", session.ID, session.Last.At)
				}
				return true
			})
			if err != nil || n != users {
				t.Errorf("%d, %v", n, err)
			}
		})
	}
}
