package recall

import (
	"testing"
	"time"

	"github.com/rollcall-id/rollcall"
)

// flush makes a round of writing uses, which succeeds or not.
func flush(m *Memory, durable bool) {
	m.Collect(nil)
	m.Written(durable)
}

// usedAt is the use of a session so many minutes after t0, and the idle end that it gives.
func usedAt(minutes int) rollcall.Interaction {
	at := t0.Add(time.Duration(minutes) * time.Minute)
	return rollcall.Interaction{At: at, IdleExpiresAt: at.Add(time.Hour), Origin: testSession("").Last.Origin}
}

// TestAUseDecidesByTheIdleEndThatIsStored lets a session be used twice, with something in
// between, and holds the idle end that the decision about the second use is given.
func TestAUseDecidesByTheIdleEndThatIsStored(t *testing.T) {
	stored, first := nthSession(0), usedAt(10)
	stored.Last = usedAt(0)
	u := rollcall.User{ID: aUser, Version: 5}
	for name, c := range map[string]struct {
		between func(t *testing.T, m *Memory)
		want    rollcall.Interaction
	}{
		"nothing":             {func(*testing.T, *Memory) {}, stored.Last},
		"a written round":     {func(t *testing.T, m *Memory) { flush(m, true) }, first},
		"a round that failed": {func(t *testing.T, m *Memory) { flush(m, false) }, stored.Last},
		"a round that failed, then one that did not": {func(t *testing.T, m *Memory) { flush(m, false); flush(m, true) }, first},
		"rounds that failed, with uses": {func(t *testing.T, m *Memory) {
			for i := range 5 {
				flush(m, false)
				use(t, m, stored.ID, usedAt(11+i))
			}
		}, stored.Last},
		"a written round, then a use": {func(t *testing.T, m *Memory) { flush(m, true); use(t, m, stored.ID, usedAt(15)) }, first},
		"a use after more failed rounds than a record can count": {func(t *testing.T, m *Memory) {
			for range 1<<15 + 100 {
				flush(m, false)
			}
			use(t, m, stored.ID, usedAt(15))
		}, stored.Last},
		"more failed rounds than a record can count": {func(t *testing.T, m *Memory) {
			for range 1<<15 + 100 {
				flush(m, false)
			}
		}, stored.Last},
		"an act that puts the session without the use": {func(t *testing.T, m *Memory) {
			commit(m, &rollcall.Change{UserID: aUser, Sessions: []rollcall.PutSession{{Session: stored, Replaces: 1}}})
		}, stored.Last},
		"an act that puts the session with the use": {func(t *testing.T, m *Memory) {
			s := stored
			s.Last = first
			commit(m, &rollcall.Change{UserID: aUser, Sessions: []rollcall.PutSession{{Session: s, Replaces: 1}}})
		}, first},
		"an act that makes a new block": {func(t *testing.T, m *Memory) {
			next := u
			next.Version, next.Generation = 6, 9
			commit(m, &rollcall.Change{UserID: aUser, User: &rollcall.PutUser{User: next, Replaces: 5}})
		}, stored.Last},
		"a new block, then a written round": {func(t *testing.T, m *Memory) {
			next := u
			next.Version, next.Generation = 6, 9
			commit(m, &rollcall.Change{UserID: aUser, User: &rollcall.PutUser{User: next, Replaces: 5}})
			flush(m, true)
		}, first},
		"a later use that the caller holds": {func(t *testing.T, m *Memory) {
			m.Show(&rollcall.Touch{UserID: aUser, SessionID: stored.ID, Interaction: usedAt(12)}, false)
		}, stored.Last},
		"a written round, then a later use that the caller holds": {func(t *testing.T, m *Memory) {
			flush(m, true)
			m.Show(&rollcall.Touch{UserID: aUser, SessionID: stored.ID, Interaction: usedAt(12)}, false)
		}, first},
		"a later use that is stored": {func(t *testing.T, m *Memory) {
			m.Show(&rollcall.Touch{UserID: aUser, SessionID: stored.ID, Interaction: usedAt(12)}, true)
		}, usedAt(12)},
		"a later use that is stored, after more failed rounds than a record can count": {func(t *testing.T, m *Memory) {
			for range 1<<15 + 100 {
				flush(m, false)
			}
			m.Show(&rollcall.Touch{UserID: aUser, SessionID: stored.ID, Interaction: usedAt(12)}, true)
		}, usedAt(12)},
		"an earlier use that is stored": {func(t *testing.T, m *Memory) {
			m.Show(&rollcall.Touch{UserID: aUser, SessionID: stored.ID, Interaction: usedAt(5)}, true)
		}, usedAt(5)},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMemory()
			fill(m, u, stored, nthSession(1))
			if got := use(t, m, stored.ID, first); !got.Equal(stored.Last.IdleExpiresAt) {
				t.Fatalf("the first use is decided by %v", got)
			}
			c.between(t, m)
			if got := use(t, m, stored.ID, usedAt(20)); !got.Equal(c.want.IdleExpiresAt) {
				t.Errorf("decided by %v, want %v", got, c.want.IdleExpiresAt)
			}
		})
	}
}

// TestAUseThatTheCallerHoldsIsNotDurableByAFill lets a session be read while a use of it
// waits to be written.
func TestAUseThatTheCallerHoldsIsNotDurableByAFill(t *testing.T) {
	stored := nthSession(0)
	stored.Last = usedAt(0)
	latest := func(s *rollcall.Session) bool { s.Last = usedAt(10); return true }
	for name, remember := range map[string]func(m *Memory){
		"whole": func(m *Memory) {
			f := m.Begin(aUser)
			f.Keep(&rollcall.Standing{User: rollcall.User{ID: aUser}}, []rollcall.Session{stored}, latest)
		},
		"alone": func(m *Memory) { fillOne(m, rollcall.User{ID: aUser}, stored, latest) },
	} {
		m := newMemory()
		remember(m)
		if s, _, _ := look(m, stored.ID); s.Last != usedAt(10) {
			t.Errorf("%s: shows a use at %v", name, s.Last.At)
		}
		if got := use(t, m, stored.ID, usedAt(11)); !got.Equal(stored.Last.IdleExpiresAt) {
			t.Errorf("%s: decided by %v", name, got)
		}
		if n := len(m.Collect(nil)); n != 1 {
			t.Errorf("%s: %d uses are collected", name, n)
		}
		m.Written(true)
		if got := use(t, m, stored.ID, usedAt(12)); !got.Equal(usedAt(11).IdleExpiresAt) {
			t.Errorf("%s: decided by %v after a round", name, got)
		}
	}
}

func TestNoUseIsRecordedThatIsNotDecided(t *testing.T) {
	for verdict, known := range map[rollcall.CheckVerdict]bool{
		rollcall.CheckRefused: true, rollcall.CheckInsufficient: true, rollcall.CheckNoUse: true, rollcall.CheckJoins: false, rollcall.CheckWriteFirst: false,
	} {
		m := newMemory()
		stored := nthSession(0)
		fill(m, rollcall.User{ID: aUser}, stored)
		var s rollcall.Session
		l := m.Look(stored.ID)
		if got := l.Use(&s, func(*rollcall.Standing, time.Time) (rollcall.CheckVerdict, rollcall.Interaction) {
			return verdict, usedAt(1)
		}); got != known {
			t.Errorf("verdict %d: known %v", verdict, got)
		}
		if n := len(m.Collect(nil)); n != 0 {
			t.Errorf("verdict %d: %d uses", verdict, n)
		}
	}
}
