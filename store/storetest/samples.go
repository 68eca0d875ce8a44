package storetest

import (
	"fmt"
	"time"

	"github.com/rollcall-id/rollcall"
)

var t0 = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// firstVersion is what the rows of new users begin at, as if drawn from a clock.
const firstVersion = 1_772_366_400_000

// newSession is a session with something in every field but those of the ending.
func newSession(userID, id string, at time.Time) rollcall.Session {
	origin := rollcall.Origin{IP: "192.0.2.1", UserAgent: "Mozilla/5.0 (Ünïcode)", ASN: "64496"}
	return rollcall.Session{
		ID: id, UserID: userID, Generation: rollcall.Generation{User: 3, Everybody: 4},
		SecretHash: rollcall.SecretHash{1, 2, 255}, RequestDigest: [32]byte{9, 31: 8},
		CreatedAt: at, UpdatedAt: at.Add(1 * time.Millisecond), AuthenticatedAt: at.Add(2 * time.Millisecond),
		ExpiresAt: at.Add(168 * time.Hour), RenewedAt: at.Add(3 * time.Millisecond),
		Lifetimes:  rollcall.Lifetimes{Absolute: 168 * time.Hour, Idle: 72*time.Hour + time.Nanosecond},
		CookieMode: rollcall.NonPersistent,
		Methods:    []rollcall.Method{{Name: "pwd", At: at}, {Name: "mfa", Type: "otp", At: at.Add(time.Second)}},
		Clients:    []string{"web", "app"},
		Metadata:   []rollcall.MetadataEntry{{Key: "b", Value: "2"}, {Key: "a", Value: ""}},
		UsedKeys:   []rollcall.KeyMark{{1, 15: 2}},
		Initial:    origin,
		Last:       rollcall.Interaction{At: at.Add(4 * time.Millisecond), IdleExpiresAt: at.Add(72 * time.Hour), Origin: origin},
	}
}

// newEnding is an ending with something in every field.
func newEnding(at time.Time) rollcall.Ending {
	return rollcall.Ending{EndedAt: at, EndReason: rollcall.ReasonRevoked, EndedBy: "backend"}
}

// newUser is a user's row with something in every field.
func newUser(id string) rollcall.User {
	return rollcall.User{
		ID: id, Version: firstVersion, Generation: 1 << 60, GenerationAt: t0, GenerationReason: rollcall.ReasonOthers, GenerationBy: "backend",
		TokenGeneration: 7, TokenGenerationAt: t0.Add(time.Second), Events: 99,
	}
}

// newEverybody is everybody's row with something in every field.
func newEverybody() rollcall.Everybody {
	return rollcall.Everybody{
		Version: 99, Generation: 1 << 60, GenerationAt: t0, GenerationBy: "operator", Settings: 5, Clients: map[string]uint64{"web": 1, "app": 1 << 60},
	}
}

func sessionID(i int) string { return fmt.Sprintf("session-%016d", i) }

// newEvent is an event with something in every field.
func newEvent(userID string, i int) rollcall.Event {
	return rollcall.Event{
		ID: fmt.Sprintf("evt-%d", i), Type: rollcall.SessionCreated, At: t0.Add(time.Duration(i) * time.Second), UserID: userID,
		SessionID: sessionID(i), Except: sessionID(i + 1), ClientID: "web", Reason: rollcall.ReasonLogout, Count: -1,
		Generation: firstVersion + 1, TokenGeneration: firstVersion + 2, Actor: "backend", ActorKind: rollcall.ActorUser,
		IP: "2001:db8::1", UserAgent: "curl/8", CorrelationID: "c-1",
	}
}

// interaction is a use some time after t0.
func interaction(after time.Duration, ip string) rollcall.Interaction {
	return rollcall.Interaction{
		At: t0.Add(after), IdleExpiresAt: t0.Add(after + 72*time.Hour),
		Origin: rollcall.Origin{IP: ip, UserAgent: "agent " + ip, ASN: "1"},
	}
}

// moved puts a user's row as it is, a new one if there is none.
func moved(u rollcall.User) *rollcall.PutUser {
	if u.Version == 0 {
		u.Version = firstVersion
		return &rollcall.PutUser{User: u}
	}
	return &rollcall.PutUser{User: u, Replaces: u.Version}
}

// movedAny puts the user's row whatever its version.
func movedAny(userID string) *rollcall.PutUser {
	return &rollcall.PutUser{User: rollcall.User{ID: userID, Version: firstVersion}, Replaces: rollcall.AnyVersion}
}

// creation is the change that creates a session for a user whose row is u.
func creation(u rollcall.User, s rollcall.Session, events ...rollcall.Event) rollcall.Change {
	return rollcall.Change{UserID: u.ID, User: moved(u), Sessions: []rollcall.PutSession{{Session: s}}, Events: events}
}

// stamped is the change that creates a session whatever the user's row is.
func stamped(s rollcall.Session, events ...rollcall.Event) rollcall.Change {
	return rollcall.Change{
		UserID: s.UserID, User: movedAny(s.UserID),
		Sessions: []rollcall.PutSession{{Session: s, Fresh: true, Stamped: true}}, Events: events,
	}
}

// replacement is the change that puts a session over the one of its version.
func replacement(s rollcall.Session, events ...rollcall.Event) rollcall.Change {
	return rollcall.Change{UserID: s.UserID, Sessions: []rollcall.PutSession{{Session: s, Replaces: s.Version}}, Events: events}
}

// told is the change that leaves events and nothing else.
func told(userID string, events ...rollcall.Event) rollcall.Change {
	return rollcall.Change{UserID: userID, Events: events}
}

// nextGeneration is the change that ends all sessions of a user whose row is u.
func nextGeneration(u rollcall.User, events ...rollcall.Event) rollcall.Change {
	u.Generation++
	return rollcall.Change{UserID: u.ID, User: &rollcall.PutUser{User: u, Replaces: rollcall.AnyVersion, NextGeneration: true}, Events: events}
}

// unread is the end of a session that the caller knows.
func unread(s rollcall.Session, e rollcall.Ending) rollcall.End {
	return rollcall.End{
		At:     rollcall.At{ID: s.ID, UserID: s.UserID, CreatedAt: s.CreatedAt},
		Ending: e, Last: s.Last, Initial: s.Initial, FileAt: e.EndedAt.Add(24 * time.Hour),
	}
}
