package rollcall

import (
	"slices"
	"time"
)

const (
	// MaxIdempotencyKeyLength bounds an Idempotency-Key, in bytes.
	MaxIdempotencyKeyLength = 255
	// IdempotencyWindow is how long the Idempotency-Key of a creation counts.
	IdempotencyWindow = 24 * time.Hour
)

// A NewSession is what a creator says of a sign-in.
type NewSession struct {
	UserID   string
	ClientID string
	Methods  []Method // a zero At stands for now
	IP       string
	// UserAgent is the user's, cut at MaxUserAgentLength.
	UserAgent  string
	CookieMode CookieMode // "" is Persistent
	Metadata   []MetadataEntry
	// Asked shortens policy's lifetimes; zero asks for nothing.
	Asked Lifetimes
	// ID is one made elsewhere, "" for a new one.
	ID string
	// Replaces is the text of the token that the same browser held before. Its
	// session ends with this creation; a token that is not good is ignored.
	Replaces string
	// IdempotencyKey makes the creation repeatable for 24 hours, for the same
	// caller and user.
	IdempotencyKey string
}

// Check holds a creation against the rules. Error: CodeInvalid.
func (n NewSession) Check() error {
	if err := CheckUserID(n.UserID); err != nil {
		return err
	}
	if err := CheckClientID(n.ClientID); err != nil {
		return err
	}
	if n.IP != "" {
		if _, err := ParseAddr(n.IP); err != nil {
			return err
		}
	}
	if !n.CookieMode.Valid() {
		return Errorf(CodeInvalid, "A cookie mode is %s or %s", Persistent, NonPersistent)
	}
	if n.ID != "" {
		if err := CheckSessionID(n.ID); err != nil {
			return err
		}
		if n.IdempotencyKey != "" {
			return Errorf(CodeInvalid, "An id of your own and an Idempotency-Key exclude one another: the id already makes the creation repeatable")
		}
	}
	if n.Asked.Absolute < 0 || n.Asked.Idle < 0 {
		return Errorf(CodeInvalid, "A lifetime must be positive")
	}
	if err := CheckMethods(n.Methods); err != nil {
		return err
	}
	return CheckMetadata(n.Metadata)
}

// CheckClientID holds the id of an application against the rule: at most 64
// printable ASCII characters; "" is none.
func CheckClientID(id string) error {
	if len(id) > MaxClientIDLength || !isPlain(id) {
		return Errorf(CodeInvalid, "A client id has at most %d printable ASCII characters", MaxClientIDLength)
	}
	return nil
}

// Build returns the session that the creation makes at now, under a policy, with the
// generations g and the token t, whose secret was derived with the digest d, zero for a
// random one. asn finds the network of an address, "" when unknown.
func (n NewSession) Build(p *Policy, now time.Time, g Generation, t Token, d RequestDigest, asn func(ip string) string) Session {
	origin := NewOrigin(n.IP, n.UserAgent)
	origin.ASN = asn(origin.IP)
	s := Session{
		ID: t.ID, UserID: n.UserID, Generation: g, SecretHash: t.Secret.Hash(), RequestDigest: d,
		CreatedAt: now, UpdatedAt: now, AuthenticatedAt: now, RenewedAt: now,
		Lifetimes: p.Shorten(n.CookieMode, n.Asked), CookieMode: n.CookieMode,
		Methods: Stamped(n.Methods, now), Metadata: n.Metadata, Initial: origin,
	}
	if n.ClientID != "" {
		s.Clients = []string{n.ClientID}
	}
	s.ExpiresAt = now.Add(s.Lifetimes.Absolute)
	s.Last = s.Touched(p, now, origin)
	return s
}

// Stamped returns a copy of methods, each with an instant: now where At is zero.
func Stamped(methods []Method, now time.Time) []Method {
	methods = slices.Clone(methods)
	for i := range methods {
		if methods[i].At.IsZero() {
			methods[i].At = now
		}
	}
	return methods
}

// Unkeyed returns the creation without its IdempotencyKey: what its [RequestDigest] is made of.
func (n NewSession) Unkeyed() NewSession {
	n.IdempotencyKey = ""
	return n
}

// An Authentication is a further one within a session.
type Authentication struct {
	UserID    string // must be the session's
	Methods   []Method
	Full      bool // renews the absolute limit as well
	IP        string
	UserAgent string
	// IdempotencyKey makes it repeatable while its token is the session's latest.
	IdempotencyKey string
}

// Check holds an authentication against the rules. Error: CodeInvalid.
func (a Authentication) Check() error {
	if len(a.Methods) == 0 {
		return Errorf(CodeInvalid, "An authentication names at least one method")
	}
	if a.IP != "" {
		if _, err := ParseAddr(a.IP); err != nil {
			return err
		}
	}
	return CheckMethods(a.Methods)
}

// Unkeyed returns the authentication without its IdempotencyKey: what its
// [RequestDigest] is made of.
func (a Authentication) Unkeyed() Authentication {
	a.IdempotencyKey = ""
	return a
}

// A Use is one request that a session is used for.
type Use struct {
	IP        string
	UserAgent string
	// ClientID is the application that asks, "" when it is not known. It joins
	// the session's clients: who hands it in has made sure of it.
	ClientID string
	// By is who named ClientID, for the event of the joining; nil is the application itself.
	By *Caller
	// Require is what the authentication must be for the session to be good enough.
	Require Requirement
	// NoTouch asks for a check that records no use: the idle end does not move, and
	// neither the address nor the agent nor ClientID is kept. It is for requests that no
	// person makes, such as a page that polls.
	NoTouch bool
}
