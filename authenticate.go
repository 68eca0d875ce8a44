package rollcall

import (
	"context"
	"slices"
	"time"
)

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

func (a Authentication) check() error {
	if len(a.Methods) == 0 {
		return Errorf(CodeInvalid, "An authentication names at least one method")
	}
	if a.IP != "" {
		if _, err := ParseIP(a.IP); err != nil {
			return err
		}
	}
	return CheckMethods(a.Methods)
}

// unkeyed is the authentication as its digest sees it.
func (a Authentication) unkeyed() Authentication {
	a.IdempotencyKey = ""
	return a
}

// Authenticate records a further authentication of a session's user and gives
// the session a new secret; the old one is not accepted any more.
//
// Errors: CodeInvalid; CodeNotFound; CodeConflict when the Idempotency-Key was used
// with another request, or for a token that has been replaced since;
// CodeUnavailable.
func (m *Manager) Authenticate(ctx context.Context, by Caller, id string, a Authentication) (Session, Token, error) {
	if err := a.check(); err != nil {
		return Session{}, Token{}, err
	}
	if err := m.checkKey(a.IdempotencyKey); err != nil {
		return Session{}, Token{}, err
	}
	token, mark := Token{ID: id, Secret: NewSecret()}, KeyMark{}
	if a.IdempotencyKey != "" {
		token.Secret = m.key.derive("authenticate secret", []string{by.ID, id, a.IdempotencyKey})
		sum := m.key.derive("authenticate mark", []string{by.ID, id, a.IdempotencyKey})
		mark = KeyMark(sum[:len(mark)])
	}
	s, err := m.change(ctx, id, func(s Session, now time.Time) (Session, Event, error) {
		if s.UserID != a.UserID {
			return s, Event{}, Errorf(CodeInvalid, "The session belongs to another user")
		}
		if a.IdempotencyKey != "" && slices.Contains(s.UsedKeys, mark) {
			return s, Event{}, s.repeats(a, token)
		}
		if len(s.Methods)+len(a.Methods) > MaxMethods {
			return s, Event{}, Errorf(CodeInvalid, "A session holds at most %d authentication methods", MaxMethods)
		}
		from := NewOrigin(a.IP, a.UserAgent)
		from.ASN = m.asn(from.IP)
		s = s.Authenticated(m.policy, now, stamped(a.Methods, now), a.Full, token.Secret.Hash(), from)
		s.RequestDigest = [32]byte{}
		if a.IdempotencyKey != "" {
			s.RequestDigest = digest(a.unkeyed())
			s.UsedKeys = append(slices.Clip(s.UsedKeys), mark)
		}
		return s, event(SessionAuthenticated, now, by, s), nil
	})
	if err != nil {
		return Session{}, Token{}, err
	}
	return s, token, nil
}

// repeats says what a repeated authentication is answered: errUnchanged when it is
// the one that made the present secret.
func (s *Session) repeats(a Authentication, token Token) error {
	switch {
	case !s.SecretHash.Matches(token.Secret):
		return Errorf(CodeConflict, "The session has a new token since this Idempotency-Key was used")
	case s.RequestDigest != digest(a.unkeyed()):
		return errKeyReused
	}
	return errUnchanged
}
