package rollcall

import (
	"slices"
	"strings"
	"time"
)

// Bounds on what a session holds. Metadata bounds are the published API's
// (docs/published-api.md P48) and count UTF-16 units, as its validator does.
const (
	MaxMetadataEntries = 25
	MaxMetadataLength  = 255
	MaxMethods         = 32
	MaxClients         = 50
	MaxClientIDLength  = 64
	MaxUserIDLength    = 300
)

// A Session is one user's signed-in state on one device. The zero value is no
// session. Its methods never change it: they return what it would become, and
// a [Store] makes that true.
type Session struct {
	ID     string // public: it is the `sid` claim, and may be logged
	UserID string

	// Version is the store's: the number of times this row was put. Touches do
	// not move it.
	Version uint64
	// Generation is what the user's and everybody's generations were when the session was
	// created. An ending of all the user's sessions but this one sets the user's anew.
	Generation Generation
	// SecretHash is all that is kept of the secret.
	SecretHash SecretHash

	CreatedAt       time.Time
	UpdatedAt       time.Time // by acts; see Updated for what is shown
	AuthenticatedAt time.Time
	// ExpiresAt is the absolute end.
	ExpiresAt time.Time
	// RenewedAt is the instant that the absolute lifetime counts from: the
	// creation, or the latest full authentication.
	RenewedAt time.Time
	// Lifetimes are those the session was created with. Policy may shorten
	// them later, never lengthen them.
	Lifetimes Lifetimes

	CookieMode CookieMode
	Methods    []Method
	Clients    []string // client ids in the order they joined
	Metadata   []MetadataEntry

	Initial Origin
	Last    Interaction

	// RequestDigest is the digest of the request that made the present secret, if that
	// request carried an Idempotency-Key, else zero. The secret was derived with the digest.
	RequestDigest RequestDigest
	// UsedKeys mark the Idempotency-Keys of further authentications.
	UsedKeys []KeyMark

	// EndedAt is when the session ended, zero while no ending is written in the row. Two
	// ways to be over are written later, by a sweep: an ending of many, which shows in the
	// generations first, and a limit that has passed.
	EndedAt time.Time
	// EndReason and EndedBy are why and by whom; EndedBy is empty for a limit.
	EndReason Reason
	EndedBy   string
}

// An Ending is when, why and by whom a session ended.
type Ending struct {
	EndedAt   time.Time
	EndReason Reason
	EndedBy   string
}

// A Generation is a pair of numbers that a session has from the user's row and from
// everybody's. An ending of many moves the number in one of the two rows: every session
// that still has another number of the user's, or a smaller one of everybody's, is over.
// See [Session.Outdated].
type Generation struct {
	User      uint64
	Everybody uint64
}

// A Reason says why a session ended.
type Reason string

// The reasons of an ending, in rows and in events.
const (
	// ReasonDeleted: DELETE of the published API, of a session or of a user's sessions.
	ReasonDeleted Reason = "deleted"
	// ReasonRevoked: revoke of the published API, or /v1/users/{user_id}/sessions/end.
	ReasonRevoked Reason = "revoked"
	// ReasonLogout: by the session's own token, in /v1/sessions/end or by a client in
	// /v1/revoke.
	ReasonLogout Reason = "logout"
	// ReasonSelf: by the user, with the token of this or of another session, in
	// /v1/me/sessions/{id}.
	ReasonSelf Reason = "self"
	// ReasonReplaced: the same browser signed in anew.
	ReasonReplaced Reason = "replaced"
	// ReasonLimit: a sign-in of the user was one session too many.
	ReasonLimit Reason = "limit"
	// ReasonOthers: all sessions of the user but one were ended.
	ReasonOthers Reason = "end_others"
	// ReasonEverybody: everybody's sessions were ended.
	ReasonEverybody Reason = "everybody"
	// ReasonIdle: the idle limit has passed.
	ReasonIdle Reason = "idle"
	// ReasonExpired: the absolute limit has passed.
	ReasonExpired Reason = "expired"
)

// CookieMode says whether a session's cookie outlives the browser.
type CookieMode string

// The cookie modes of the published API.
const (
	Persistent    CookieMode = "persistent"
	NonPersistent CookieMode = "non-persistent"
)

// Valid reports whether m is one of the two modes.
func (m CookieMode) Valid() bool { return m == Persistent || m == NonPersistent }

// An Interaction is the latest use of a session that is known.
type Interaction struct {
	At            time.Time // `last_interacted_at`
	IdleExpiresAt time.Time
	Origin        Origin
}

// Later returns the one of two interactions that counts: the later, and on
// equal instants i itself. It is the rule that every [Store] applies to
// touches.
func (i Interaction) Later(other Interaction) Interaction {
	if other.At.After(i.At) {
		return other
	}
	return i
}

// OverAt is the instant at which the session is over by its own facts: its
// ending, else the earlier of the two limits. Generations can only make it over
// sooner.
func (s *Session) OverAt() time.Time {
	if !s.EndedAt.IsZero() {
		return s.EndedAt
	}
	if s.Last.IdleExpiresAt.Before(s.ExpiresAt) {
		return s.Last.IdleExpiresAt
	}
	return s.ExpiresAt
}

// Over reports whether the session is over at now: ended, of a generation that was
// ended, or at or past one of its limits. What is over is not listed, not found and not
// accepted, whether or not a sweep has removed the row. An ending counts at any instant:
// a clock that was set back does not undo the ending.
func (s *Session) Over(now time.Time, st *Standing) bool {
	return !s.EndedAt.IsZero() || s.Outdated(st) || !now.Before(s.OverAt())
}

// Outdated reports whether an ending of many at once has ended this session.
//
// The user's generation must be equal: should a user's row ever be lost, that refuses the
// user's sessions. Everybody's row is never lost, and an engine may show it a little
// late: there only a smaller generation counts.
func (s *Session) Outdated(st *Standing) bool {
	return s.Generation.User != st.User.Generation || s.Generation.Everybody < st.Everybody.Generation
}

// Updated is `updated_at`: the later of the latest act and the latest
// interaction.
func (s *Session) Updated() time.Time {
	if s.Last.At.After(s.UpdatedAt) {
		return s.Last.At
	}
	return s.UpdatedAt
}

// Touched returns the interaction that a use at now makes of the session. The
// idle limit moves, never past the absolute one; a policy that has become
// stricter takes effect here, one that has become laxer does not. A use whose address is not
// known leaves the address and the network of the last one.
func (s *Session) Touched(p *Policy, now time.Time, from Origin) Interaction {
	idle := now.Add(min(s.Lifetimes.Idle, p.For(s.CookieMode).Idle))
	for _, limit := range []time.Time{s.ExpiresAt, s.RenewedAt.Add(p.For(s.CookieMode).Absolute)} {
		if limit.Before(idle) {
			idle = limit
		}
	}
	if from.IP == "" {
		from.IP, from.ASN = s.Last.Origin.IP, s.Last.Origin.ASN
	}
	return Interaction{At: now, IdleExpiresAt: idle, Origin: from}
}

// Ended returns the session as ended.
func (s Session) Ended(e Ending) Session {
	s.EndedAt, s.EndReason, s.EndedBy, s.UpdatedAt = e.EndedAt, e.EndReason, e.EndedBy, e.EndedAt
	return s
}

// Authenticated returns the session after a further authentication with methods
// at now: the secret is a new one, the idle limit is renewed, and so is the
// absolute one when the authentication was full, both within what the creator
// asked for and what policy now allows.
func (s Session) Authenticated(p *Policy, now time.Time, methods []Method, full bool, hash SecretHash, from Origin) Session {
	s.Methods = append(slices.Clip(s.Methods), methods...)
	s.AuthenticatedAt, s.UpdatedAt, s.SecretHash = now, now, hash
	if full {
		s.RenewedAt = now
		s.ExpiresAt = now.Add(min(s.Lifetimes.Absolute, p.For(s.CookieMode).Absolute))
	}
	s.Last = s.Touched(p, now, from)
	return s
}

// Joined returns the session with the client among its clients, and whether
// that changed it. A session that holds MaxClients takes no more.
func (s Session) Joined(clientID string, now time.Time) (Session, bool) {
	if !s.joins(clientID) {
		return s, false
	}
	s.Clients = append(slices.Clip(s.Clients), clientID)
	s.UpdatedAt = now
	return s, true
}

// Clone returns a copy that shares nothing with s, for who keeps what a visit was given.
func (s *Session) Clone() Session {
	c := *s
	c.ID, c.UserID, c.EndedBy = strings.Clone(s.ID), strings.Clone(s.UserID), strings.Clone(s.EndedBy)
	c.Initial.IP, c.Last.Origin.IP = strings.Clone(s.Initial.IP), strings.Clone(s.Last.Origin.IP)
	c.UsedKeys = append([]KeyMark(nil), s.UsedKeys...)
	c.Methods, c.Clients = append([]Method(nil), s.Methods...), append([]string(nil), s.Clients...)
	c.Metadata = append([]MetadataEntry(nil), s.Metadata...)
	for i, e := range c.Metadata {
		c.Metadata[i] = MetadataEntry{strings.Clone(e.Key), strings.Clone(e.Value)}
	}
	return c
}
