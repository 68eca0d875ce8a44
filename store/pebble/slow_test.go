package pebble

import (
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/rollcall-id/rollcall"
)

// A slow is a store whose log can be kept from being synced.
type slow struct {
	*Store
	held    atomic.Pointer[chan struct{}]
	syncing chan struct{} // has something while a sync is held
}

func openSlow(t *testing.T) *slow {
	t.Helper()
	sl := &slow{syncing: make(chan struct{}, 1000)}
	fs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(o errorfs.Op) error {
		isSync := o.Kind == errorfs.OpFileSync || o.Kind == errorfs.OpFileSyncData || o.Kind == errorfs.OpFileSyncTo
		if held := sl.held.Load(); held != nil && isSync && strings.HasSuffix(o.Path, ".log") {
			sl.syncing <- struct{}{}
			<-*held
		}
		return nil
	}))
	sl.Store = openInMemory(t, Options{FS: fs})
	return sl
}

// hold keeps every sync from now on waiting, until release.
func (sl *slow) hold() (release func()) {
	held := make(chan struct{})
	sl.held.Store(&held)
	return sync.OnceFunc(func() { sl.held.Store(nil); close(held) })
}

// answered fails the test when looking at somebody's sessions does not come to an end.
func (sl *slow) answered(t *testing.T, what, userID string) {
	t.Helper()
	done := make(chan error, 1)
	go func() {
		_, _, err := sl.Session(background, rollcall.At{ID: "of " + userID, UserID: userID, CreatedAt: t0})
		if userID == "nobody" && errors.Is(err, rollcall.ErrNoSession) {
			err = nil
		}
		for _, ended := range []bool{false, true} {
			if err == nil {
				_, _, err = sl.Sessions(background, rollcall.SessionsOf{UserID: userID, Ended: ended, Limit: 10})
			}
		}
		if err == nil {
			_, err = sl.Walk(background, userID, func(rollcall.Walked) bool { return true })
		}
		if err == nil {
			_, err = sl.Events(background, rollcall.EventsAfter{Limit: 10})
		}
		done <- err
	}()
	select {
	case err := <-done:
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	case <-time.After(10 * time.Second):
		t.Fatalf("%s: a read waits", what)
	}
}

// TestNoReadWaitsForAWriteThatIsBeingSynced holds the sync of each big act, and reads
// meanwhile the sessions that it is about and others.
func TestNoReadWaitsForAWriteThatIsBeingSynced(t *testing.T) {
	generation := rollcall.PutUser{User: rollcall.User{ID: "ada", Generation: 2}, Replaces: rollcall.AnyVersion, NextGeneration: true}
	ended := rollcall.Ending{EndedAt: t0.Add(time.Hour), EndReason: rollcall.ReasonDeleted}
	for name, write := range map[string]func(s *Store) error{
		"end all": func(s *Store) error { return commit(s, rollcall.Change{UserID: "ada", User: &generation}) },
		"end unread": func(s *Store) error {
			return commit(s, unread("ada", 1, typical("ada", "another of ada", t0).Ended(ended)))
		},
		"end everybody": func(s *Store) error { return commit(s, everybodyChange(0, 1)) },
		"interactions": func(s *Store) error {
			return s.Touch(background, []rollcall.Touch{useAt("ada", "of ada", t0.Add(time.Minute))})
		},
		"sweep": func(s *Store) error {
			_, err := s.Sweep(background, rollcall.Sweep{SessionsBefore: t0.AddDate(1, 0, 0), Limit: 10, Decide: refiled(t0.AddDate(2, 0, 0))})
			return err
		},
		"tidy": func(s *Store) error {
			_, err := s.Sweep(background, rollcall.Sweep{UserID: "ada", Limit: 10, Decide: func(w rollcall.Walked) rollcall.Verdict {
				return rollcall.Verdict{FileAt: t0, Ending: &ended}
			}})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			sl := openSlow(t)
			createSessions(t, sl.Store, "ada", "of ada", "another of ada")
			createSessions(t, sl.Store, "bob", "of bob")
			release := sl.hold()
			defer release()
			done := make(chan error, 1)
			go func() { done <- write(sl.Store) }()
			select {
			case err := <-done:
				t.Fatalf("it does not wait for the sync: %v", err)
			case <-sl.syncing:
			}
			for range 3 {
				sl.answered(t, "the same user", "ada")
				sl.answered(t, "another user", "bob")
			}
			release()
			if err := <-done; err != nil {
				t.Error(err)
			}
			if err := sl.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestNoReadWaitsForASweepThatDecides holds a bite in the midst of a user's rows.
func TestNoReadWaitsForASweepThatDecides(t *testing.T) {
	sl := openSlow(t)
	createSessions(t, sl.Store, "ada", "of ada", "another of ada")
	createSessions(t, sl.Store, "bob", "of bob")
	deciding, goOn, done := make(chan struct{}, 10), make(chan struct{}), make(chan error, 1)
	go func() {
		_, err := sl.Sweep(background, rollcall.Sweep{
			SessionsBefore: t0.AddDate(1, 0, 0), Limit: 10,
			Decide: func(rollcall.Walked) rollcall.Verdict {
				deciding <- struct{}{}
				<-goOn
				return rollcall.Verdict{FileAt: t0.AddDate(2, 0, 0)}
			},
		})
		done <- err
	}()
	<-deciding
	sl.answered(t, "the same user", "ada")
	sl.answered(t, "another user", "bob")
	close(goOn)
	if err := <-done; err != nil {
		t.Error(err)
	}
	if err := sl.Close(); err != nil {
		t.Error(err)
	}
}
