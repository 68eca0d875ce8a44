package rollcall

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"time"
)

// MaxIdempotencyKeyLength bounds an Idempotency-Key, in bytes.
const MaxIdempotencyKeyLength = 255

// idempotencyWindow is how long a key counts.
const idempotencyWindow = 24 * time.Hour

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

func (n NewSession) check() error {
	if err := CheckUserID(n.UserID); err != nil {
		return err
	}
	if err := CheckClientID(n.ClientID); err != nil {
		return err
	}
	if n.IP != "" {
		if _, err := ParseIP(n.IP); err != nil {
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

// build makes the session that a creation at now gives.
func (n NewSession) build(p Policy, now time.Time, g Generation, t Token, asn func(ip string) string) Session {
	origin := NewOrigin(n.IP, n.UserAgent)
	origin.ASN = asn(origin.IP)
	s := Session{
		ID: t.ID, UserID: n.UserID, Generation: g, SecretHash: t.Secret.Hash(),
		CreatedAt: now, UpdatedAt: now, AuthenticatedAt: now, RenewedAt: now,
		Lifetimes: p.Shorten(n.CookieMode, n.Asked), CookieMode: n.CookieMode,
		Methods: stamped(n.Methods, now), Metadata: n.Metadata, Initial: origin,
	}
	if n.ClientID != "" {
		s.Clients = []string{n.ClientID}
	}
	s.ExpiresAt = now.Add(s.Lifetimes.Absolute)
	s.Last = s.Touched(p, now, origin)
	if n.IdempotencyKey != "" {
		s.RequestDigest = digest(n.unkeyed())
	}
	return s
}

func stamped(methods []Method, now time.Time) []Method {
	methods = slices.Clone(methods)
	for i := range methods {
		if methods[i].At.IsZero() {
			methods[i].At = now
		}
	}
	return methods
}

// unkeyed is the creation as its digest sees it.
func (n NewSession) unkeyed() NewSession {
	n.IdempotencyKey = ""
	return n
}

// digest tells two requests under one Idempotency-Key apart.
func digest(request any) [32]byte {
	b, err := json.Marshal(request)
	if err != nil {
		panic("rollcall: a request is always JSON: " + err.Error())
	}
	return sha256.Sum256(b)
}

var errKeyReused = Errorf(CodeConflict, "The Idempotency-Key was used with another request")

// Create makes a session and returns it with its token, whose secret is given
// out here and never again.
//
// With an IdempotencyKey, repeating the same creation returns the same session
// and token.
//
// Errors: CodeInvalid; CodeConflict when the id, or the key with another body, is
// taken, or when what the key made has ended or changed its secret; CodeLimit;
// CodeUnavailable.
func (m *Manager) Create(ctx context.Context, by Caller, n NewSession) (Session, Token, error) {
	if n.CookieMode == "" {
		n.CookieMode = Persistent
	}
	if err := n.check(); err != nil {
		return Session{}, Token{}, err
	}
	if err := m.checkKey(n.IdempotencyKey); err != nil {
		return Session{}, Token{}, err
	}
	replaced, err := m.replaced(ctx, n)
	if err != nil {
		return Session{}, Token{}, failed(err)
	}
	if replaced.ID != "" && replaced.UserID != n.UserID {
		if err := m.End(ctx, by, replaced.ID, ReasonReplaced); err != nil && ErrorCode(err) != CodeNotFound {
			return Session{}, Token{}, err
		}
		replaced = Session{}
	}
	var made Session
	var token Token
	var refusal error
	err = m.act(ctx, n.UserID, func(ctx context.Context, now time.Time) (change Change, err error) {
		refusal = nil
		change, made, token, err = m.create(ctx, now, by, n, replaced.ID)
		if ErrorCode(err) == CodeLimit { // the refusal leaves an event, which is committed
			refusal, err = err, nil
		}
		return change, err
	})
	if err == nil {
		err = refusal
	}
	if err != nil {
		return Session{}, Token{}, failed(err)
	}
	return made, token, nil
}

// checkKey holds an Idempotency-Key against what can be done with it.
func (m *Manager) checkKey(key string) error {
	switch {
	case len(key) > MaxIdempotencyKeyLength:
		return Errorf(CodeInvalid, "An Idempotency-Key has at most %d characters", MaxIdempotencyKeyLength)
	case key != "" && m.key == (DerivationKey{}):
		return Errorf(CodeInvalid, "An Idempotency-Key needs a derivation key, and none is configured")
	}
	return nil
}

// create decides one creation.
func (m *Manager) create(ctx context.Context, now time.Time, by Caller, n NewSession, replacedID string) (Change, Session, Token, error) {
	token, earlier, err := m.tokenFor(ctx, now, by, n)
	if err != nil {
		return Change{}, Session{}, Token{}, err
	}
	if earlier.ID != "" {
		return Change{}, earlier, token, nil
	}
	everybody, err := m.everybody(ctx)
	if err != nil {
		return Change{}, Session{}, Token{}, err
	}
	user, ended, refused, err := m.makeRoom(ctx, now, n.UserID, replacedID, everybody)
	if err != nil {
		return Change{}, Session{}, Token{}, err
	}
	change := Change{UserID: n.UserID}
	if refused {
		e := event(SessionRefused, now, by, Session{UserID: n.UserID, EndReason: ReasonLimit})
		e.ClientID = n.ClientID
		change.Events = []Event{e}
		return change, Session{}, Token{}, Errorf(CodeLimit, "The user already has %d sessions", m.policy.MaxSessionsPerUser)
	}
	s := n.build(m.policy, now, Generation{User: user.Generation, Everybody: everybody.Generation}, token, m.asn)
	change.User = moved(user)
	created := put(s)
	created.Fresh = n.ID == "" && n.IdempotencyKey == ""
	change.Sessions = []PutSession{created}
	for _, old := range ended {
		change.Sessions = append(change.Sessions, put(old))
		change.Events = append(change.Events, event(SessionEnded, now, by, old))
	}
	e := event(SessionCreated, now, by, s)
	e.ClientID = n.ClientID
	change.Events = append(change.Events, e)
	s.Version = 1
	return change, s, token, nil
}

// tokenFor returns the token of a new session. When the creation repeats an
// earlier one it returns that one's session as well.
func (m *Manager) tokenFor(ctx context.Context, now time.Time, by Caller, n NewSession) (Token, Session, error) {
	switch {
	case n.ID != "":
		// Row and claim are the store's to guard; asking first makes the answer
		// a clear one.
		if _, _, err := m.store.Session(ctx, n.ID); !errors.Is(err, ErrNoSession) {
			if err == nil {
				err = Errorf(CodeConflict, "A session with this id exists or has existed lately")
			}
			return Token{}, Session{}, err
		}
		return Token{ID: n.ID, Secret: NewSecret()}, Session{}, nil
	case n.IdempotencyKey == "":
		return Token{ID: NewSessionID(), Secret: NewSecret()}, Session{}, nil
	}
	return m.derivedToken(ctx, now, by, n)
}

// derivedToken finds what the key made within its window. The window's number is
// part of the derivation, so a key is free again when it no longer counts: what
// it made in this window or in the one before is what can still count; and in the
// one after, when the clock was set back since.
func (m *Manager) derivedToken(ctx context.Context, now time.Time, by Caller, n NewSession) (Token, Session, error) {
	window := now.UnixMilli() / idempotencyWindow.Milliseconds()
	for _, w := range []int64{window, window - 1, window + 1} {
		t := m.key.token("create", by.ID, n.UserID, n.IdempotencyKey, strconv.FormatInt(w, 10))
		s, _, err := m.store.Session(ctx, t.ID)
		if errors.Is(err, ErrNoSession) {
			continue
		}
		if err != nil {
			return Token{}, Session{}, err
		}
		if now.Sub(s.CreatedAt) >= idempotencyWindow {
			continue
		}
		if !s.SecretHash.Matches(t.Secret) {
			return Token{}, Session{}, Errorf(CodeConflict, "The session that this Idempotency-Key made has a new token since")
		}
		if s.RequestDigest != digest(n.unkeyed()) {
			return Token{}, Session{}, errKeyReused
		}
		s, _, err = m.live(ctx, t.ID, now)
		if errors.Is(err, ErrNoSession) {
			err = Errorf(CodeConflict, "The session that this Idempotency-Key made is over")
		}
		return t, s, err
	}
	t := m.key.token("create", by.ID, n.UserID, n.IdempotencyKey, strconv.FormatInt(window, 10))
	return t, Session{}, nil
}

// makeRoom returns the user's row and the sessions that end to make room for
// one more: the one that is replaced, and the oldest beyond policy's limit; or
// that there is no room.
func (m *Manager) makeRoom(ctx context.Context, now time.Time, userID, replacedID string, everybody Everybody) (u User, ended []Session, refused bool, err error) {
	if m.policy.MaxSessionsPerUser == 0 {
		return m.makeRoomUnlimited(ctx, now, userID, replacedID, everybody)
	}
	var live []Session
	u, err = m.eachStored(ctx, userID, batch, now, Position{}, everybody, func(s *Session) bool {
		if s.ID == replacedID {
			ended = append(ended, s.Ended(now, ReasonReplaced))
		} else {
			live = append(live, *s)
		}
		return true
	})
	if err != nil || len(live) < m.policy.MaxSessionsPerUser {
		return u, ended, false, err
	}
	if m.policy.AtLimit == Deny {
		return u, nil, true, nil
	}
	for _, s := range live[m.policy.MaxSessionsPerUser-1:] {
		ended = append(ended, s.Ended(now, ReasonLimit))
	}
	return u, ended, false, nil
}

func (m *Manager) makeRoomUnlimited(ctx context.Context, now time.Time, userID, replacedID string, everybody Everybody) (User, []Session, bool, error) {
	if replacedID != "" {
		s, u, err := m.store.Session(ctx, replacedID)
		if err != nil {
			return User{}, nil, false, err
		}
		if s.UserID == userID && !s.Over(now, u, everybody) {
			return u, []Session{s.Ended(now, ReasonReplaced)}, false, nil
		}
	}
	u, _, err := m.store.Sessions(ctx, userID, Position{}, 0)
	return u, nil, false, err
}

// replaced returns the live session whose good token the creation names, or the
// zero Session.
func (m *Manager) replaced(ctx context.Context, n NewSession) (Session, error) {
	t, ok := ParseToken(n.Replaces)
	if !ok {
		return Session{}, nil
	}
	s, _, err := m.live(ctx, t.ID, m.now())
	if errors.Is(err, ErrNoSession) || err == nil && !s.SecretHash.Matches(t.Secret) {
		return Session{}, nil
	}
	return s, err
}
