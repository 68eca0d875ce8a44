package recall

import (
	"testing"

	"github.com/rollcall-id/rollcall"
)

// again looks for a session that is not known, and asks whether the user is worth reading.
func again(m *Memory, sessionID string) bool {
	l := m.Look(sessionID)
	var s rollcall.Session
	var st rollcall.Standing
	l.Session(&s, &st)
	f := l.Begin()
	return f.Again(aUser)
}

func TestAUserIsReadAsAWholeAtTheSecondSessionThatIsMissed(t *testing.T) {
	m := newMemory()
	for range 3 {
		if again(m, "first") {
			t.Error("one session that is missed again and again is none of many")
		}
	}
	if !again(m, "second") {
		t.Error("a second session was missed")
	}
}

func TestAUserIsReadAsAWholeWhenAnActOutdatesALoneSession(t *testing.T) {
	m := newMemory()
	again(m, "session-00")
	fillOne(m, rollcall.User{ID: aUser}, nthSession(0), upToDate)
	if _, _, known := look(m, "session-00"); !known {
		t.Fatal("not known")
	}
	a := m.Committing(aUser)
	a.Ended()
	if !again(m, "session-00") {
		t.Error("not read as a whole after an act")
	}
}

func TestALoneSessionIsNotKeptWhenAnActOvertakesItsRead(t *testing.T) {
	for name, c := range map[string]struct {
		happens func(m *Memory)
		kept    bool
	}{
		"an act of another user": {func(m *Memory) { a := m.Committing("another"); a.Ended() }, true},
		"an act":                 {func(m *Memory) { a := m.Committing(aUser); a.Ended() }, false},
		"a removal":              {func(m *Memory) { a := m.Removing(aUser); a.Ended() }, false},
		"an act under way":       {func(m *Memory) { m.Committing(aUser) }, false},
	} {
		m := newMemory()
		s := nthSession(0)
		l := m.Look(s.ID)
		f := l.Begin()
		c.happens(m)
		f.KeepOne(&rollcall.Standing{User: rollcall.User{ID: aUser}}, &s, upToDate)
		if _, _, known := look(m, s.ID); known != c.kept {
			t.Errorf("%s: known %v", name, known)
		}
	}
}

// TestAUseOfALoneSessionIsSeenAfterAFill lets a use be recorded in a lone block, and the
// user be read as a whole before the use is written.
func TestAUseOfALoneSessionIsSeenAfterAFill(t *testing.T) {
	uses := usesHanded{}
	m := newMemoryThatHandsTo(uses.add)
	u, stored := rollcall.User{ID: aUser}, nthSession(0)
	fillOne(m, u, stored, upToDate)
	use(t, m, stored.ID, usedAt(10))
	f := m.Begin(aUser)
	if !f.Keep(&rollcall.Standing{User: u}, []rollcall.Session{nthSession(1), stored}, func(s *rollcall.Session) bool { uses.show(s); return true }) {
		t.Fatal("not kept")
	}
	if s, _, _ := look(m, stored.ID); s.Last != usedAt(10) {
		t.Errorf("shows a use at %v", s.Last.At)
	}
	if got := use(t, m, stored.ID, usedAt(11)); !got.Equal(stored.Last.IdleExpiresAt) {
		t.Errorf("decided by %v", got)
	}
	blocks := 0
	for i := range m.shards {
		blocks += len(m.shards[i].blocks)
	}
	if blocks != 1 {
		t.Errorf("%d blocks of one user", blocks)
	}
}

// TestASessionThatTheIndexLostIsFoundAgain takes a session's entry of the index away, as a
// session does that finds no free one.
func TestASessionThatTheIndexLostIsFoundAgain(t *testing.T) {
	m, u := signedIn(t, 3)
	for i := range 3 {
		s := nthSession(i)
		hash := m.epochs.hash(s.ID)
		m.index.remove(hash, m.index.get(hash))
		if _, _, known := look(m, s.ID); known {
			t.Fatal("still known")
		}
		fillOne(m, u, s, upToDate)
		if _, _, known := look(m, s.ID); !known {
			t.Errorf("session %d is not known", i)
		}
	}
	blocks := 0
	for i := range m.shards {
		blocks += len(m.shards[i].blocks)
	}
	if blocks != 1 {
		t.Errorf("%d blocks of one user", blocks)
	}
}

func TestAFillThatTheCallerCannotBringUpToDateIsNotKept(t *testing.T) {
	m := newMemory()
	late := func(*rollcall.Session) bool { return false }
	f := m.Begin(aUser)
	if f.Keep(&rollcall.Standing{User: rollcall.User{ID: aUser}}, []rollcall.Session{nthSession(0)}, late) {
		t.Error("said to be kept")
	}
	fillOne(m, rollcall.User{ID: aUser}, nthSession(0), late)
	if _, _, known := look(m, nthSession(0).ID); known {
		t.Error("known")
	}
}

func TestAMemoryThatIsNoneKnowsNothing(t *testing.T) {
	var m *Memory
	l := m.Look("session")
	l.Nearer()
	var s rollcall.Session
	var st rollcall.Standing
	var into Snapshot
	one, whole, act, removal := l.Begin(), m.Begin(aUser), m.Committing(aUser), m.Removing(aUser)
	one.KeepOne(&st, &s, upToDate)
	act.Committed(&rollcall.Change{}, &st)
	act.Ended()
	removal.Ended()
	m.Show(&rollcall.Touch{}, true)
	m.Unwritten(&s)
	m.Written(true)
	err := m.Warm(nil, nil)
	if l.Session(&s, &st) || l.Use(&s, nil) || m.Sessions(aUser, &into) || one.Again(aUser) || whole.Keep(&st, nil, nil) ||
		len(m.Collect(nil)) != 0 || m.Counts() != (Counts{}) || err != nil {
		t.Error("something is known")
	}
}

func TestASessionThatMovesWhileItIsLookedForIsFound(t *testing.T) {
	m := newMemory()
	u, s := rollcall.User{ID: aUser}, nthSession(0)
	fill(m, u, s)
	l := m.Look(s.ID)
	l.Nearer()
	fill(m, u, s, nthSession(1))
	var got rollcall.Session
	if !l.Session(&got, &rollcall.Standing{}) {
		t.Error("not found")
	}
}

// TestAUseInABlockThatIsNotGoodIsSeenInALoneOne lets an act outdate a user's block with a
// use, and the session be read alone.
func TestAUseInABlockThatIsNotGoodIsSeenInALoneOne(t *testing.T) {
	uses := usesHanded{}
	m := newMemoryThatHandsTo(uses.add)
	u, stored := rollcall.User{ID: aUser}, nthSession(0)
	fill(m, u, stored)
	use(t, m, stored.ID, usedAt(10))
	a := m.Committing(aUser)
	a.Ended()
	fillOne(m, u, stored, func(s *rollcall.Session) bool { uses.show(s); return true })
	if s, _, known := look(m, stored.ID); !known || s.Last != usedAt(10) {
		t.Errorf("known %v, shows a use at %v", known, s.Last.At)
	}
}
