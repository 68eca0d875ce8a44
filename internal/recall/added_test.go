package recall

import (
	"fmt"
	"testing"
	"time"

	"github.com/rollcall-id/rollcall"
)

// added is a cache with one user, whose sessions came one after the other: the first
// is in the user's image, the others may be additions.
func added(t *testing.T, sessions int) (*Memory, rollcall.User) {
	t.Helper()
	c := newMemory()
	return c, addTo(t, c, sessions)
}

// addTo adds a user with so many sessions, one after the other.
func addTo(t *testing.T, c *Memory, sessions int) rollcall.User {
	t.Helper()
	u := rollcall.User{ID: "auth0|ünï", Version: 1}
	for i := range sessions {
		change := rollcall.Change{UserID: u.ID, User: &rollcall.PutUser{User: u, Replaces: uint64(i)}}
		change.Sessions = []rollcall.PutSession{{Session: addedSession(i)}}
		commit(c, &change)
	}
	if _, got, known := recalled(c, u.ID); sessions <= MaxSessions && (!known || len(got) != sessions) {
		t.Fatalf("known %v, %d sessions", known, len(got))
	}
	return u
}

func addedSession(i int) rollcall.Session {
	s := imageSession(fmt.Sprintf("session-%02d", i))
	s.CreatedAt = s.CreatedAt.Add(time.Duration(i) * time.Second)
	s.Last.At = s.CreatedAt
	return s
}

func commit(c *Memory, change *rollcall.Change) {
	ended := c.Committing(change.UserID)
	c.Committed(change)
	ended()
}

func TestWhatWasAddedToAForgottenImageIsNotPartOfTheNext(t *testing.T) {
	c, u := added(t, 2)
	c.Committing(u.ID)() // an act of which nothing is known
	c.Fill(u, []rollcall.Session{addedSession(0)}, c.clock.word(u.ID).Load(), func(*rollcall.Session) bool { return true })
	var s rollcall.Session
	if c.Session(addedSession(1).ID, &s, &u) {
		t.Error("a session that may have ended is remembered")
	}
	if !c.Session(addedSession(0).ID, &s, &u) {
		t.Error("the other one is not")
	}
}

func TestASessionIsNotTakenForAnotherWhoseHashIsLikeIts(t *testing.T) {
	c, _ := added(t, 2)
	const other = "another-session-of-like-hash"
	there := c.owners.get(c.clock.hash(addedSession(0).ID))
	if there == 0 {
		t.Fatal("not known")
	}
	c.owners.put(c.clock.hash(other), there)
	var s rollcall.Session
	if c.Session(other, &s, &rollcall.User{}) {
		t.Errorf("%s is taken for it", s.ID)
	}
	if owner, _, known := c.Owner(other); known {
		t.Errorf("it is said to be of %s", owner)
	}
}

// spilledUses are the latest uses that left a memory, by session.
type spilledUses map[string]rollcall.Interaction

func (u spilledUses) add(t rollcall.Touch) { u[t.SessionID] = u[t.SessionID].Later(t.Interaction) }

// overlay shows in a stored session what is not yet written of it.
func (u spilledUses) overlay(s *rollcall.Session) { s.Last = s.Last.Later(u[s.ID]) }

func TestAUseThatAChangeDidNotKnowIsSeenUntilItIsWritten(t *testing.T) {
	for _, which := range []int{0, 1} {
		uses := spilledUses{}
		c := newMemoryThatSpills(uses.add)
		u := addTo(t, c, 2)
		last := addedSession(which).Last
		last.At = last.At.Add(time.Minute)
		var s rollcall.Session
		l := c.LookFor(addedSession(which).ID)
		if !l.Use(&s, func(*rollcall.User) (Verdict, rollcall.Interaction) { return Good, last }) {
			t.Fatal("not known")
		}
		commit(c, &rollcall.Change{UserID: u.ID, Sessions: []rollcall.PutSession{{Session: addedSession(which), Replaces: 1}}})
		if _, got, _ := recalled(c, u.ID); got[1-which].Last != last {
			t.Errorf("what is remembered shows a use at %v", got[1-which].Last.At)
		}
		s = addedSession(which) // as it is stored
		c.Overlay(&s)
		uses.overlay(&s)
		if s.Last != last {
			t.Errorf("what is read shows a use at %v", s.Last.At)
		}
	}
}

func TestAUserWithMoreSessionsThanAnImageHoldsIsRememberedAsSuch(t *testing.T) {
	for n, known := range map[int]bool{MaxSessions: true, MaxSessions + 1: false} {
		c, u := added(t, n)
		if _, _, got := recalled(c, u.ID); got != known {
			t.Errorf("%d sessions are remembered: %v", n, got)
		}
		if c.WorthFilling(u.ID) != known {
			t.Errorf("whether %d sessions are worth reading: %v", n, !known)
		}
	}
}

func TestAnImageIsNotWrittenAnewForEachAddition(t *testing.T) {
	c, u := added(t, MaxSessions)
	shard, hash := c.lock(u.ID)
	defer shard.mu.Unlock()
	written := 0
	for i := range shard.segments {
		written += len(shard.segments[i])
	}
	if image := shard.gather(nil, shard.index[hash]); written > 5*len(image) {
		t.Errorf("%d bytes were written of %d that are remembered", written, len(image))
	}
}
