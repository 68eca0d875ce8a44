package sessions

import (
	"context"
	"slices"
	"time"

	"github.com/rollcall-id/rollcall"
)

// Authenticate records a further authentication of a session's user and gives
// the session a new secret; the old one is not accepted any more.
//
// Errors: CodeInvalid; CodeNotFound; CodeConflict when the Idempotency-Key was used
// with another request, or for a token that has been replaced since;
// CodeUnavailable.
func (m *Manager) Authenticate(ctx context.Context, by rollcall.Caller, id string, a rollcall.Authentication) (rollcall.Session, rollcall.Token, error) {
	if err := a.Check(); err != nil {
		return rollcall.Session{}, rollcall.Token{}, err
	}
	if err := m.checkKey(a.IdempotencyKey); err != nil {
		return rollcall.Session{}, rollcall.Token{}, err
	}
	token, mark := rollcall.Token{ID: id, Secret: rollcall.NewSecret()}, rollcall.KeyMark{}
	if a.IdempotencyKey != "" {
		token.Secret = m.key.Derive("authenticate secret", []string{by.ID, id, a.IdempotencyKey})
		sum := m.key.Derive("authenticate mark", []string{by.ID, id, a.IdempotencyKey})
		mark = rollcall.KeyMark(sum[:len(mark)])
	}
	policy := m.policy.Load()
	s, err := m.change(ctx, id, func(s rollcall.Session, now time.Time) (rollcall.Session, rollcall.Event, error) {
		if s.UserID != a.UserID {
			return s, rollcall.Event{}, rollcall.Errorf(rollcall.CodeInvalid, "The session belongs to another user")
		}
		if a.IdempotencyKey != "" && slices.Contains(s.UsedKeys, mark) {
			return s, rollcall.Event{}, repeats(&s, a, token)
		}
		if len(s.Methods)+len(a.Methods) > rollcall.MaxMethods {
			return s, rollcall.Event{}, rollcall.Errorf(rollcall.CodeInvalid, "A session holds at most %d authentication methods", rollcall.MaxMethods)
		}
		from := rollcall.NewOrigin(a.IP, a.UserAgent)
		from.ASN = m.asn(from.IP)
		s = s.Authenticated(policy, now, rollcall.Stamped(a.Methods, now), a.Full, token.Secret.Hash(), from)
		s.RequestDigest = [32]byte{}
		if a.IdempotencyKey != "" {
			s.RequestDigest = rollcall.Digest(a.Unkeyed())
			s.UsedKeys = append(slices.Clip(s.UsedKeys), mark)
		}
		return s, rollcall.NewEvent(rollcall.SessionAuthenticated, now, by, s), nil
	})
	if err != nil {
		return rollcall.Session{}, rollcall.Token{}, err
	}
	return s, token, nil
}

// repeats says what a repeated authentication is answered: errUnchanged when it is
// the one that made the present secret.
func repeats(s *rollcall.Session, a rollcall.Authentication, token rollcall.Token) error {
	switch {
	case !s.SecretHash.Matches(token.Secret):
		return rollcall.Errorf(rollcall.CodeConflict, "The session has a new token since this Idempotency-Key was used")
	case s.RequestDigest != rollcall.Digest(a.Unkeyed()):
		return errKeyReused
	}
	return errUnchanged
}
