package rollcall

import (
	"fmt"
	"testing"
	"time"
)

// added is a cache with one user, whose sessions came one after the other: the first
// is in the user's image, the others may be additions.
func added(t *testing.T, sessions int) (*cache, User) {
	t.Helper()
	c := newCache(8<<20, nil, newTouches())
	u := User{ID: "auth0|ünï", Version: 1}
	for i := range sessions {
		change := Change{UserID: u.ID, User: &PutUser{User: u, Replaces: uint64(i)}}
		change.Sessions = []PutSession{{Session: addedSession(i)}}
		commit(c, &change)
	}
	if _, got, known := recalled(c, u.ID); sessions <= maxImageSessions && (!known || len(got) != sessions) {
		t.Fatalf("known %v, %d sessions", known, len(got))
	}
	return c, u
}

func addedSession(i int) Session {
	s := imageSession(fmt.Sprintf("session-%02d", i))
	s.CreatedAt = s.CreatedAt.Add(time.Duration(i) * time.Second)
	s.Last.At = s.CreatedAt
	return s
}

func commit(c *cache, change *Change) {
	ended := c.committing(change.UserID)
	c.committed(change)
	ended()
}

func TestWhatWasAddedToAForgottenImageIsNotPartOfTheNext(t *testing.T) {
	c, u := added(t, 2)
	c.committing(u.ID)() // an act of which nothing is known
	c.fill(u, []Session{addedSession(0)}, c.clock.word(u.ID).Load(), func(*Session) bool { return true })
	var s Session
	if c.session(addedSession(1).ID, &s, &u) {
		t.Error("a session that may have ended is remembered")
	}
	if !c.session(addedSession(0).ID, &s, &u) {
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
	var s Session
	if c.session(other, &s, &User{}) {
		t.Errorf("%s is taken for it", s.ID)
	}
	if owner, _, known := c.owner(other); known {
		t.Errorf("it is said to be of %s", owner)
	}
}

func TestAUseThatAChangeDidNotKnowIsSeenUntilItIsWritten(t *testing.T) {
	for _, which := range []int{0, 1} {
		c, u := added(t, 2)
		last := addedSession(which).Last
		last.At = last.At.Add(time.Minute)
		var s Session
		l := c.lookFor(addedSession(which).ID)
		if !l.use(&s, func(*User) (verdict, Interaction) { return good, last }) {
			t.Fatal("not known")
		}
		commit(c, &Change{UserID: u.ID, Sessions: []PutSession{{Session: addedSession(which), Replaces: 1}}})
		if _, got, _ := recalled(c, u.ID); got[1-which].Last != last {
			t.Errorf("what is remembered shows a use at %v", got[1-which].Last.At)
		}
		s = addedSession(which) // as it is stored
		c.overlay(&s)
		c.touches.overlay(&s)
		if s.Last != last {
			t.Errorf("what is read shows a use at %v", s.Last.At)
		}
	}
}

func TestAUserWithMoreSessionsThanAnImageHoldsIsRememberedAsSuch(t *testing.T) {
	for n, known := range map[int]bool{maxImageSessions: true, maxImageSessions + 1: false} {
		c, u := added(t, n)
		if _, _, got := recalled(c, u.ID); got != known {
			t.Errorf("%d sessions are remembered: %v", n, got)
		}
		if c.worthFilling(u.ID) != known {
			t.Errorf("whether %d sessions are worth reading: %v", n, !known)
		}
	}
}

func TestAnImageIsNotWrittenAnewForEachAddition(t *testing.T) {
	c, u := added(t, maxImageSessions)
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
