package recall

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-id/rollcall"
)

// sendsNewAgents checks a session so often, each time with another user agent: by a look
// in memory and, where that cannot answer, as who reads the store and writes the use there.
// It returns how many uses memory took.
func sendsNewAgents(m *Memory, s rollcall.Session, checks int, agent func(int) string) (taken int) {
	st := rollcall.Standing{User: rollcall.User{ID: s.UserID}}
	for i := range checks {
		last := rollcall.Interaction{
			At: t0.Add(time.Hour + time.Duration(i)*time.Second), IdleExpiresAt: t0.Add(90 * time.Hour), Origin: rollcall.Origin{UserAgent: agent(i)},
		}
		l := m.Look(s.ID)
		var got rollcall.Session
		if l.Use(&got, func(*rollcall.Standing, time.Time) (rollcall.CheckVerdict, rollcall.Interaction) {
			return rollcall.CheckRecord, last
		}) {
			taken++
			s.Last = last
			continue
		}
		if f := l.Begin(); f.Again(s.UserID) {
			fill(m, st.User, s)
		} else {
			f.KeepOne(&st, &s, upToDate)
		}
		m.Show(&rollcall.Touch{UserID: s.UserID, SessionID: s.ID, Interaction: last}, true)
		s.Last = last
	}
	return taken
}

func TestOneUserWithEverNewAgentsTakesNothingFromOthers(t *testing.T) {
	for name, agent := range map[string]func(int) string{
		"many": func(i int) string { return fmt.Sprint("agent ", i) },
		"long": func(i int) string { return fmt.Sprint(i, strings.Repeat("x", rollcall.MaxUserAgentLength-9)) },
	} {
		t.Run(name, func(t *testing.T) {
			m := newMemory()
			other, sender := testSession("another's"), testSession("the sender's")
			other.UserID = "another"
			fill(m, rollcall.User{ID: other.UserID}, other)
			fill(m, rollcall.User{ID: sender.UserID}, sender)
			taken := sendsNewAgents(m, sender, maxNumber+10, agent)
			if _, _, known := look(m, other.ID); !known {
				t.Error("the session of another user is forgotten")
			}
			if taken == 0 || taken > maxNumber/shares {
				t.Errorf("%d uses with a new agent were taken", taken)
			}
			other.Last.Origin.UserAgent = "an agent that is new"
			if !fill(m, rollcall.User{ID: other.UserID}, other) {
				t.Error("another user cannot have a new agent")
			}
		})
	}
}

// TestAUserWithASessionThatNoRecordCanHoldIsNotReadForAgain: what is read is not kept, so
// each miss would read all of the user's sessions.
func TestAUserWithASessionThatNoRecordCanHoldIsNotReadForAgain(t *testing.T) {
	odd, good := testSession("odd"), testSession("good")
	odd.Metadata = []rollcall.MetadataEntry{{Key: "k", Value: strings.Repeat("v", maxRecord)}}
	m := newMemory()
	if fill(m, rollcall.User{ID: aUser}, odd, good) {
		t.Fatal("kept")
	}
	for range 3 {
		for _, id := range []string{odd.ID, good.ID} {
			l := m.Look(id)
			if f := l.Begin(); f.Again(aUser) {
				t.Fatal("all sessions of the user are to be read once more")
			}
		}
	}
	fillOne(m, rollcall.User{ID: aUser}, good, upToDate)
	if _, _, known := look(m, good.ID); !known {
		t.Error("the session that a record can hold is not remembered by itself")
	}
}
