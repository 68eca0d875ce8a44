//go:build !race

package recall

import (
	"testing"
	"time"

	"github.com/rollcall-id/rollcall"
)

// TestALookFromMemoryAllocatesTheSessionAlone holds the objects that a look allocates: one
// for the texts, and one for each of the session's lists.
func TestALookFromMemoryAllocatesTheSessionAlone(t *testing.T) {
	m := newMemory()
	s := testSession("session")
	s.Metadata = nil
	fill(m, rollcall.User{ID: aUser, Version: 1}, s)
	const objects = 3 // texts, methods, clients
	last := s.Last
	for name, act := range map[string]func() bool{
		"a use": func() bool {
			l := m.Look("session")
			l.Nearer()
			var s rollcall.Session
			last.At = last.At.Add(time.Millisecond)
			return l.Use(&s, func(st *rollcall.Standing, durable time.Time) (rollcall.CheckVerdict, rollcall.Interaction) {
				if st.User.Version != 1 || durable.IsZero() {
					return rollcall.CheckRefused, rollcall.Interaction{}
				}
				return rollcall.CheckRecord, last
			})
		},
		"a refusal": func() bool {
			l := m.Look("session")
			l.Nearer()
			var s rollcall.Session
			return l.Use(&s, func(*rollcall.Standing, time.Time) (rollcall.CheckVerdict, rollcall.Interaction) {
				return rollcall.CheckRefused, rollcall.Interaction{}
			})
		},
		"a look": func() bool {
			l := m.Look("session")
			l.Nearer()
			var s rollcall.Session
			var st rollcall.Standing
			return l.Session(&s, &st)
		},
	} {
		if got := testing.AllocsPerRun(1000, func() {
			if !act() {
				t.Fatal("not known")
			}
		}); got > objects {
			t.Errorf("%s allocates %v objects, want %d", name, got, objects)
		}
	}
}

func TestAListFromMemoryAllocatesNothingTheSecondTime(t *testing.T) {
	m, _ := signedIn(t, 5) // some are appended
	var into Snapshot
	if got := testing.AllocsPerRun(1000, func() {
		if !m.Sessions(aUser, &into) {
			t.Fatal("not known")
		}
		into.Each(func(*rollcall.Session) bool { return true })
	}); got > 0 {
		t.Errorf("%v objects", got)
	}
}
