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
	keys, err := m.keysFor(a.IdempotencyKey)
	if err != nil {
		return rollcall.Session{}, rollcall.Token{}, err
	}
	token, digest, mark := rollcall.Token{ID: id, Secret: rollcall.NewSecret()}, rollcall.RequestDigest{}, rollcall.KeyMark{}
	parts := []string{"authenticate", by.ID, id, a.IdempotencyKey}
	if a.IdempotencyKey != "" {
		digest, mark = rollcall.NewRequestDigest(a.Unkeyed()), rollcall.MarkKey(by.ID, id, a.IdempotencyKey)
		token.Secret = keys[0].Secret(digest, parts...)
	}
	policy := m.policy.Load()
	s, err := m.change(ctx, id, func(s rollcall.Session, now time.Time) (rollcall.Session, rollcall.Event, error) {
		if s.UserID != a.UserID {
			return s, rollcall.Event{}, rollcall.Errorf(rollcall.CodeInvalid, "The session belongs to another user")
		}
		if a.IdempotencyKey != "" && slices.Contains(s.UsedKeys, mark) {
			var err error
			token.Secret, err = repeats(&s, a, keys, parts)
			return s, rollcall.Event{}, err
		}
		if len(s.Methods)+len(a.Methods) > rollcall.MaxMethods {
			return s, rollcall.Event{}, rollcall.Errorf(rollcall.CodeInvalid, "A session holds at most %d authentication methods", rollcall.MaxMethods)
		}
		from := rollcall.NewOrigin(a.IP, a.UserAgent)
		from.ASN = m.asn(from.IP)
		s = s.Authenticated(policy, now, rollcall.Stamped(a.Methods, now), a.Full, token.Secret.Hash(), from)
		s.RequestDigest = digest
		if a.IdempotencyKey != "" {
			s.UsedKeys = append(slices.Clip(s.UsedKeys), mark)
		}
		return s, rollcall.NewEvent(rollcall.SessionAuthenticated, now, by, s), nil
	})
	if err != nil {
		return rollcall.Session{}, rollcall.Token{}, err
	}
	return s, token, nil
}

// repeats returns the secret that a repeated authentication is answered, with errUnchanged,
// when it is the authentication that made the present secret. Errors: CodeConflict otherwise.
func repeats(s *rollcall.Session, a rollcall.Authentication, keys []rollcall.DerivationKey, parts []string) (rollcall.Secret, error) {
	for _, key := range keys {
		secret := key.Secret(s.RequestDigest, parts...)
		switch {
		case !s.SecretHash.Matches(secret):
		case !s.RequestDigest.Of(a.Unkeyed()):
			return rollcall.Secret{}, errKeyReused
		default:
			return secret, errUnchanged
		}
	}
	return rollcall.Secret{}, rollcall.Errorf(rollcall.CodeConflict, "The session has a new token since this Idempotency-Key was used, or its derivation key is no longer kept")
}
