package recall

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-id/rollcall"
)

// aUser is the user of the tests' sessions.
const aUser = "auth0|ünï"

// t0 is when the sessions of tests begin.
var t0 = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// newMemory is a memory of a few MiB that knows everybody's row, without which nothing is
// answered. Nobody looks at the uses that the memory hands over.
func newMemory() *Memory { return newMemoryThatHandsTo(func(rollcall.Touch) {}) }

func newMemoryThatHandsTo(handOver func(rollcall.Touch)) *Memory {
	return knowingEverybody(New(8<<20/20*9, handOver))
}

func knowingEverybody(m *Memory) *Memory {
	m.rememberEverybody(&rollcall.Standing{}, m.epochs.everybody.Load())
	return m
}

// testSession is a session with something in most fields.
func testSession(id string) rollcall.Session {
	at := func(n int) time.Time { return t0.Add(time.Duration(n) * time.Millisecond) }
	return rollcall.Session{
		ID: id, UserID: aUser, Version: 1, SecretHash: rollcall.SecretHash{1, 31: 2}, Generation: rollcall.Generation{User: 3, Everybody: 4},
		CreatedAt: at(1), UpdatedAt: at(2), AuthenticatedAt: at(3), ExpiresAt: at(4), RenewedAt: at(5),
		Lifetimes: rollcall.Lifetimes{Absolute: 168*time.Hour + 1, Idle: 72*time.Hour + 2}, CookieMode: rollcall.NonPersistent,
		Methods: []rollcall.Method{{Name: "pwd", At: at(6)}, {Name: "mfa", Type: "otp", At: at(7)}}, Clients: []string{"web", "app"},
		Metadata: []rollcall.MetadataEntry{{Key: "a", Value: strings.Repeat("ü", 255)}, {Key: "b"}},
		Initial:  rollcall.Origin{IP: "192.0.2.1", UserAgent: "Firefox", ASN: "64496"},
		Last:     rollcall.Interaction{At: at(8), IdleExpiresAt: at(9), Origin: rollcall.Origin{IP: "2001:db8::1", UserAgent: "Safari"}},
	}
}

// nthSession is one of sessions that were created one after the other.
func nthSession(i int) rollcall.Session {
	s := testSession(fmt.Sprintf("session-%02d", i))
	s.CreatedAt = s.CreatedAt.Add(time.Duration(i) * time.Second)
	s.Last.At = s.CreatedAt
	return s
}

// upToDate is the Latest of a caller who holds no uses.
func upToDate(*rollcall.Session) bool { return true }

// fill remembers a user as read from the store.
func fill(m *Memory, u rollcall.User, sessions ...rollcall.Session) (kept bool) {
	f := m.Begin(u.ID)
	return f.Keep(&rollcall.Standing{User: u}, sessions, upToDate)
}

// fillOne remembers a session as read from the store after a look.
func fillOne(m *Memory, u rollcall.User, s rollcall.Session, latest Latest) {
	l := m.Look(s.ID)
	f := l.Begin()
	f.KeepOne(&rollcall.Standing{User: u}, &s, latest)
}

// commit makes an act of a change.
func commit(m *Memory, change *rollcall.Change) {
	st := rollcall.Standing{User: rollcall.User{ID: change.UserID}}
	if change.User != nil {
		st.User = change.User.User
	}
	a := m.Committing(change.UserID)
	a.Committed(change, &st)
	a.Ended()
}

// remembered is what is remembered of a user.
func remembered(m *Memory, userID string) (u rollcall.User, sessions []rollcall.Session, known bool) {
	var into Snapshot
	if !m.Sessions(userID, &into) {
		return rollcall.User{}, nil, false
	}
	into.Each(func(s *rollcall.Session) bool { sessions = append(sessions, s.Clone()); return true })
	return into.Standing.User, sessions, true
}

// look looks for a session.
func look(m *Memory, id string) (s rollcall.Session, st rollcall.Standing, known bool) {
	l := m.Look(id)
	known = l.Session(&s, &st)
	return s, st, known
}

// use records a use of a session, and returns the idle end that was durable.
func use(t *testing.T, m *Memory, id string, last rollcall.Interaction) (durable time.Time) {
	t.Helper()
	var s rollcall.Session
	l := m.Look(id)
	if !l.Use(&s, func(_ *rollcall.Standing, d time.Time) (rollcall.CheckVerdict, rollcall.Interaction) {
		durable = d
		return rollcall.CheckRecord, last
	}) {
		t.Fatalf("%s is not known", id)
	}
	return durable
}

// usesHanded are the latest uses that a memory handed over, by session.
type usesHanded map[string]rollcall.Interaction

func (u usesHanded) add(t rollcall.Touch) { u[t.SessionID] = u[t.SessionID].Later(t.Interaction) }

// show shows in a stored session what is not yet written.
func (u usesHanded) show(s *rollcall.Session) { s.Last = s.Last.Later(u[s.ID]) }
