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

// An ActorKind says what an actor is, and so how the server knows who acts.
type ActorKind string

const (
	// ActorClient is a client with a management token: what most actors are.
	ActorClient ActorKind = ""
	// ActorUser is a session's own user, by the session's token.
	ActorUser ActorKind = "user"
	// ActorProxy is a trusted proxy, under a name that the configuration allows it.
	ActorProxy ActorKind = "proxy"
)

// An Event is what an act leaves behind, written in the act's own commit. It
// never holds a secret. Fields that do not apply are empty.
type Event struct {
	ID        string
	Type      EventType
	At        time.Time
	UserID    string
	SessionID string
	// Except is the session that an ending of a user's sessions has left.
	Except   string
	ClientID string
	Reason   Reason
	// Count is how many sessions an ending of many ended, -1 when not known.
	Count int
	// Generation and TokenGeneration are the generations that an ending of many moved
	// to: the user's, or everybody's with EverybodyEnded; 0 where none moved.
	Generation      uint64
	TokenGeneration uint64
	// Actor and ActorKind are who acted: a party that has proved who it is. Actor is empty
	// when nobody acted, as at a limit. ClientID, by contrast, is what the actor has said.
	Actor     string
	ActorKind ActorKind
	// IP and UserAgent are the actor's, as far as they are known.
	IP        string
	UserAgent string
	// CorrelationID is the caller's own mark on the request.
	CorrelationID string
}

// A StoredEvent is an event at its position in the store's log.
type StoredEvent struct {
	// Position is opaque and not the event's id: hand the position back to read on.
	// Positions of one store rise as texts do, and begin with the store's incarnation.
	Position string
	// Number counts the user's events from 1 on, without a gap; 0 for an event of
	// nobody.
	Number uint64
	Event  Event
}

// NewEvent makes an event of an act of the caller on the session, with a new id.
func NewEvent(kind EventType, now time.Time, by Caller, s Session) Event {
	return Event{
		ID: newEventID(), Type: kind, At: now, UserID: s.UserID, SessionID: s.ID, Reason: s.EndReason,
		Actor: by.ID, ActorKind: by.Kind, IP: by.IP, UserAgent: by.UserAgent, CorrelationID: by.CorrelationID,
	}
}

func newEventID() string {
	var b [16]byte
	rand.Read(b[:])
	return "evt_" + strict.EncodeToString(b[:])
}
