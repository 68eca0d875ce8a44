package rollcall

import (
	"slices"
	"strings"
	"time"
)

// Bounds on what a session holds. Metadata bounds are the published API's
// (wire.md 2.3) and count UTF-16 units, as its validator does.
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
	// Generation is what the user's and everybody's generations were when the
	// session was created, or kept by an "all but this one".
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

	// RequestDigest is the digest of the request that made the present secret, if
	// that carried an Idempotency-Key, else zero.
	RequestDigest [32]byte
	// UsedKeys mark the Idempotency-Keys of further authentications.
	UsedKeys []KeyMark

	// EndedAt is when an act ended this session by name; zero while none has.
	// Endings of many at once show in the generations instead.
	EndedAt   time.Time
	EndReason Reason
}

// A Generation pair says which endings of many a session has outlived.
type Generation struct {
	User      uint64
	Everybody uint64
}

// A KeyMark tells that an Idempotency-Key was used, without saying which.
type KeyMark [16]byte

// A Reason says why a session ended.
type Reason string

// The reasons an event can give for an ending.
const (
	ReasonDeleted   Reason = "deleted"    // DELETE of the published API
	ReasonRevoked   Reason = "revoked"    // revoke of the published API
	ReasonLogout    Reason = "logout"     // by the session's own token
	ReasonSelf      Reason = "self"       // by the user, from another session
	ReasonReplaced  Reason = "replaced"   // the same browser signed in anew
	ReasonLimit     Reason = "limit"      // too many sessions of one user
	ReasonOthers    Reason = "end_others" // all but one were ended
	ReasonEverybody Reason = "everybody"  // everybody's sessions were ended
	ReasonIdle      Reason = "idle"       // idle limit reached
	ReasonExpired   Reason = "expired"    // absolute limit reached
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

// Over reports whether the session is over at now: ended, of a generation that
// was ended, or at or past one of its limits. What is over is not listed, not
// found and not accepted, whether or not it has been swept. An ending counts at any
// instant: a clock that was set back does not undo it.
func (s *Session) Over(now time.Time, user User, everybody Everybody) bool {
	return !s.EndedAt.IsZero() || s.Outdated(user, everybody) || !now.Before(s.OverAt())
}

// maxUse is the longest that a use may take from the look at the session until it is
// recorded.
const maxUse = time.Minute

// lapsed reports whether the session is over at now for want of use alone, and so
// lately that a use may be under way which began in time. Recorded, it would make the
// session live again: whoever says that the session is over must end it first.
func (s *Session) Lapsed(now time.Time, user User, everybody Everybody) bool {
	return s.EndedAt.IsZero() && !s.Outdated(user, everybody) && now.Before(s.ExpiresAt) &&
		!now.Before(s.Last.IdleExpiresAt) && now.Before(s.Last.IdleExpiresAt.Add(maxUse))
}

// Outdated reports whether an ending of many at once has ended this session.
func (s *Session) Outdated(user User, everybody Everybody) bool {
	return s.Generation.User < user.Generation || s.Generation.Everybody < everybody.Generation
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
// stricter takes effect here, one that has become laxer does not.
func (s *Session) Touched(p Policy, now time.Time, from Origin) Interaction {
	idle := now.Add(min(s.Lifetimes.Idle, p.For(s.CookieMode).Idle))
	for _, limit := range []time.Time{s.ExpiresAt, s.RenewedAt.Add(p.For(s.CookieMode).Absolute)} {
		if limit.Before(idle) {
			idle = limit
		}
	}
	return Interaction{At: now, IdleExpiresAt: idle, Origin: from}
}

// Ended returns the session as ended at now.
func (s Session) Ended(now time.Time, why Reason) Session {
	s.EndedAt, s.EndReason, s.UpdatedAt = now, why, now
	return s
}

// Authenticated returns the session after a further authentication with methods
// at now: the secret is a new one, the idle limit is renewed, and so is the
// absolute one when the authentication was full, both within what the creator
// asked for and what policy now allows.
func (s Session) Authenticated(p Policy, now time.Time, methods []Method, full bool, hash SecretHash, from Origin) Session {
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
	if clientID == "" || slices.Contains(s.Clients, clientID) || len(s.Clients) >= MaxClients {
		return s, false
	}
	s.Clients = append(slices.Clip(s.Clients), clientID)
	s.UpdatedAt = now
	return s, true
}

// clone holds for longer than what a visit was given.
func (s *Session) Clone() Session {
	c := *s
	c.ID, c.Initial.IP, c.Last.Origin.IP = strings.Clone(s.ID), strings.Clone(s.Initial.IP), strings.Clone(s.Last.Origin.IP)
	c.Methods, c.Clients = append([]Method(nil), s.Methods...), append([]string(nil), s.Clients...)
	c.Metadata = append([]MetadataEntry(nil), s.Metadata...)
	for i, e := range c.Metadata {
		c.Metadata[i] = MetadataEntry{strings.Clone(e.Key), strings.Clone(e.Value)}
	}
	return c
}
