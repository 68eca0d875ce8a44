package pebble

import (
	"errors"
	"testing"
	"time"

	"github.com/rollcall-id/rollcall"
)

// A held store keeps the commits of one user open, after they were held against
// what is stored and before they are made.
type held struct {
	*Store
	entered, release chan struct{}
}

func openHeld(t *testing.T, userID string) held {
	t.Helper()
	h := held{entered: make(chan struct{}), release: make(chan struct{})}
	s := openInMemory(t, Options{hold: func(c rollcall.Change) {
		if c.UserID == userID {
			h.entered <- struct{}{}
			<-h.release
		}
	}})
	t.Cleanup(func() { closeQuietly(s) })
	h.Store = s
	return h
}

func (h held) commit(c rollcall.Change) chan error {
	done := make(chan error, 1)
	go func() { done <- commit(h.Store, c) }()
	return done
}

func TestAClaimWaitsForAnotherUsersClaimOfTheSameID(t *testing.T) {
	h := openHeld(t, "slow")
	first := h.commit(creation("slow", 0, typical("slow", "one", t0)))
	<-h.entered
	second := h.commit(creation("quick", 0, typical("quick", "one", t0)))
	select {
	case err := <-second:
		t.Fatalf("it did not wait: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	close(h.release)
	if err := <-first; err != nil {
		t.Errorf("the first: %v", err)
	}
	if err := <-second; !errors.Is(err, rollcall.ErrConflict) {
		t.Errorf("the second: %v", err)
	}
}

func TestACommitWaitsForItsUsersAloneAndReadsWaitForNone(t *testing.T) {
	h := openHeld(t, "slow")
	first := h.commit(creation("slow", 0, typical("slow", "one", t0)))
	<-h.entered
	second := h.commit(creation("slow", 1, typical("slow", "two", t0)))
	if err := commit(h.Store, creation("quick", 0, typical("quick", "three", t0))); err != nil {
		t.Errorf("another user's: %v", err)
	}
	if u, sessions, err := h.Sessions(background, rollcall.SessionsOf{UserID: "slow", Limit: 9}); err != nil || u.User.Version != 0 || len(sessions) != 0 {
		t.Errorf("a read sees what is not made: %+v, %d sessions, %v", u, len(sessions), err)
	}
	select {
	case err := <-second:
		t.Fatalf("the same user's did not wait: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	h.release <- struct{}{}
	if err := <-first; err != nil {
		t.Errorf("the first: %v", err)
	}
	<-h.entered
	h.release <- struct{}{}
	if err := <-second; err != nil {
		t.Errorf("the second, which replaces what the first put: %v", err)
	}
}
