package rollcall

import (
	"crypto/rand"
	"time"
)

// An EventType names an act.
type EventType string

// Everything that can have happened.
const (
	SessionCreated       EventType = "session.created"
	SessionAuthenticated EventType = "session.authenticated"
	SessionUpdated       EventType = "session.updated"
	SessionJoined        EventType = "session.client_joined"
	SessionEnded         EventType = "session.ended"
	SessionExpired       EventType = "session.expired"
	SessionRefused       EventType = "session.refused" // a limit was hit
	UserSessionsEnded    EventType = "user.sessions_ended"
	EverybodyEnded       EventType = "everybody.sessions_ended"
)

// An Event is what an act leaves behind, written in the act's own commit. It
// never holds a secret. Fields that do not apply are empty.
type Event struct {
	ID        string
	Type      EventType
	At        time.Time
	UserID    string
	SessionID string
	ClientID  string
	Reason    Reason
	// Count is how many sessions an ending of many ended, -1 when not known.
	Count int
	// Actor is who acted: a client id, or the session's own user.
	Actor string
	// IP and UserAgent are the actor's, as far as they are known.
	IP        string
	UserAgent string
	// CorrelationID is the caller's own mark on the request.
	CorrelationID string
}

// A StoredEvent is an event at its position in the store's log.
type StoredEvent struct {
	// Position is opaque and not the event's id: hand it back to read on.
	Position string
	Event    Event
}

// event fills in what every event of a caller's act has.
func NewEvent(kind EventType, now time.Time, by Caller, s Session) Event {
	return Event{
		ID: newEventID(), Type: kind, At: now, UserID: s.UserID, SessionID: s.ID, Reason: s.EndReason,
		Actor: by.ID, IP: by.IP, UserAgent: by.UserAgent, CorrelationID: by.CorrelationID,
	}
}

func newEventID() string {
	var b [16]byte
	rand.Read(b[:])
	return "evt_" + strict.EncodeToString(b[:])
}
