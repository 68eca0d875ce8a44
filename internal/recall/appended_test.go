package recall

import (
	"testing"
	"time"

	"github.com/rollcall-id/rollcall"
)

// signedIn is a memory with one user, whose sessions came one after the other: the first
// is in the user's block, the others may be appended.
func signedIn(t *testing.T, sessions int) (*Memory, rollcall.User) {
	t.Helper()
	m := newMemory()
	return m, signIn(t, m, sessions)
}

// signIn adds a user with so many sessions, one after the other.
func signIn(t *testing.T, m *Memory, sessions int) rollcall.User {
	t.Helper()
	u := rollcall.User{ID: aUser, Version: 1}
	for i := range sessions {
		change := rollcall.Change{UserID: u.ID, User: &rollcall.PutUser{User: u, Replaces: uint64(i)}}
		change.Sessions = []rollcall.PutSession{{Session: nthSession(i)}}
		commit(m, &change)
	}
	if _, got, known := remembered(m, u.ID); sessions <= MaxSessions && (!known || len(got) != sessions) {
		t.Fatalf("known %v, %d sessions", known, len(got))
	}
	return u
}

func TestASessionAppendedToAForgottenBlockIsNotPartOfTheNext(t *testing.T) {
	m, u := signedIn(t, 2)
	a := m.Committing(u.ID) // an act of which nothing is known
	a.Ended()
	fill(m, u, nthSession(0))
	if _, _, known := look(m, nthSession(1).ID); known {
		t.Error("a session that may have ended is remembered")
	}
	if _, _, known := look(m, nthSession(0).ID); !known {
		t.Error("the other one is not")
	}
}

func TestASessionIsNotTakenForAnotherWithALikeHash(t *testing.T) {
	m, _ := signedIn(t, 2)
	const other = "another-session-of-like-hash"
	there := m.index.get(m.epochs.hash(nthSession(0).ID))
	if there == 0 {
		t.Fatal("not known")
	}
	m.index.put(m.epochs.hash(other), there)
	if s, _, known := look(m, other); known {
		t.Errorf("%s is taken for it", s.ID)
	}
}

func TestAUseThatAChangeDidNotKnowIsSeenUntilItIsWritten(t *testing.T) {
	for _, which := range []int{0, 1} {
		uses := usesHanded{}
		m := newMemoryThatHandsTo(uses.add)
		u := signIn(t, m, 2)
		last := nthSession(which).Last
		last.At = last.At.Add(time.Minute)
		use(t, m, nthSession(which).ID, last)
		commit(m, &rollcall.Change{UserID: u.ID, Sessions: []rollcall.PutSession{{Session: nthSession(which), Replaces: 1}}})
		if _, got, _ := remembered(m, u.ID); got[1-which].Last != last {
			t.Errorf("what is remembered shows a use at %v", got[1-which].Last.At)
		}
		s := nthSession(which) // as it is stored
		m.Unwritten(&s)
		uses.show(&s)
		if s.Last != last {
			t.Errorf("what is read shows a use at %v", s.Last.At)
		}
	}
}

func TestAUserWithMoreSessionsThanABlockHoldsIsRememberedAsSuch(t *testing.T) {
	for n, known := range map[int]bool{MaxSessions: true, MaxSessions + 1: false} {
		m, u := signedIn(t, n)
		var into Snapshot
		if got := m.Sessions(u.ID, &into); got != known || into.TooMany == known {
			t.Errorf("%d sessions are remembered: %v; too many: %v", n, got, into.TooMany)
		}
		for i := range 3 {
			l := m.Look("not-known-" + string(rune('a'+i)))
			f := l.Begin()
			if again := f.Again(u.ID); again != (known && i > 0) {
				t.Errorf("whether %d sessions are worth reading at miss %d: %v", n, i, again)
			}
		}
	}
}

func TestABlockIsNotWrittenAnewForEachSession(t *testing.T) {
	m, u := signedIn(t, MaxSessions)
	user := m.epochs.hash(u.ID)
	s := m.shard(user)
	written := 0
	for i := range s.segments {
		written += len(s.segments[i])
	}
	if b := s.gather(nil, s.blocks[user]); written > 5*len(b) {
		t.Errorf("%d bytes were written of %d that are remembered", written, len(b))
	}
}
