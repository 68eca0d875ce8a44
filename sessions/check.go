package sessions

import (
	"context"
	"errors"
	"time"

	"github.com/rollcall-id/rollcall"
)

// errRefused is the one answer to every token that is not good: malformed, of an unknown
// session, of one that is over, or with a wrong secret.
var errRefused = rollcall.Errorf(rollcall.CodeRefused, "The session token is not accepted.")

// Check says whether a session token is good now, and records the use. The session that
// it returns shows the use. The rule is [rollcall.Session.Check].
//
// The use is written soon, not before the answer, unless little idle time was left: then
// another node must learn of the use first.
//
// Errors: CodeRefused; CodeInsufficient, and then no use is recorded; CodeInvalid for a
// client id that is none; CodeUnavailable.
func (m *Manager) Check(ctx context.Context, token string, use rollcall.Use) (rollcall.Session, error) {
	now, policy := m.now(), m.policy.Load()
	id, ok := rollcall.TokenID(token)
	if !ok {
		return rollcall.Session{}, errRefused
	}
	look := m.lookFor(id)
	t, ok := rollcall.ParseTokenOf(token, id)
	if !ok {
		return rollcall.Session{}, errRefused
	}
	look.Nearer()
	sum := t.Secret.Hash()

	s, v, err := m.checkOnce(ctx, &look, id, policy, sum, &use, now)
	for err == nil && v == rollcall.CheckJoins {
		if err = m.join(ctx, id, use.ClientID); err == nil {
			look = m.lookFor(id)
			s, v, err = m.checkOnce(ctx, &look, id, policy, sum, &use, now)
		}
	}
	if err != nil {
		return rollcall.Session{}, unknown(err)
	}
	return checked(s, v, &use)
}

// checkOnce applies the rule to the session as memory has it, else as the store has it.
//
//   - CheckRecord: the use is recorded.
//   - CheckWriteFirst: the use is written; the error is that of the write.
//   - CheckRefused, CheckInsufficient, CheckJoins: nothing is done. Check joins the client
//     and calls checkOnce again.
func (m *Manager) checkOnce(ctx context.Context, look *look, id string, policy *rollcall.Policy, sum rollcall.SecretHash, use *rollcall.Use, now time.Time) (rollcall.Session, rollcall.CheckVerdict, error) {
	var f fact
	var v rollcall.CheckVerdict
	if look.Use(&f.Session, func(st *rollcall.Standing, durable time.Time) (rollcall.CheckVerdict, rollcall.Interaction) {
		v = f.Check(st, policy, sum, use, durable, m.touchInterval, now)
		if v == rollcall.CheckRecord {
			return v, f.Touched(policy, now, m.origin(&f.Session, use))
		}
		return v, rollcall.Interaction{}
	}) {
		return f.Session, v, nil
	}
	if v != rollcall.CheckJoins && v != rollcall.CheckWriteFirst { // else the verdict is right, and only the store can do it
		var err error
		if f, err = m.looked(ctx, look); err != nil {
			return rollcall.Session{}, v, err
		}
		v = f.Check(&f.Standing, policy, sum, use, f.row.IdleExpiresAt, m.touchInterval, now)
	}
	if v != rollcall.CheckRecord && v != rollcall.CheckWriteFirst {
		return f.Session, v, nil
	}
	touch := rollcall.Touch{UserID: f.UserID, SessionID: f.ID, Interaction: f.Touched(policy, now, m.origin(&f.Session, use))}
	if v == rollcall.CheckRecord {
		m.recordUse(&touch, f.row.IdleExpiresAt)
	} else if err := m.writeUse(ctx, touch); err != nil {
		return rollcall.Session{}, v, err
	}
	f.Last = f.Last.Later(touch.Interaction)
	return f.Session, v, nil
}

// Inspect says whether a session token is good now, and records nothing. It also returns
// the name of the strongest level that the session reaches. Errors: CodeRefused,
// CodeInsufficient, CodeUnavailable.
func (m *Manager) Inspect(ctx context.Context, token string, require rollcall.Requirement) (s rollcall.Session, level string, err error) {
	now, policy := m.now(), m.policy.Load()
	t, ok := rollcall.ParseToken(token)
	if !ok {
		return rollcall.Session{}, "", errRefused
	}
	sum, use := t.Secret.Hash(), rollcall.Use{Require: require}
	look := m.lookFor(t.ID)
	var v rollcall.CheckVerdict
	if !look.Use(&s, func(st *rollcall.Standing, durable time.Time) (rollcall.CheckVerdict, rollcall.Interaction) {
		v = s.Check(st, policy, sum, &use, durable, m.touchInterval, now)
		if v == rollcall.CheckRecord {
			return rollcall.CheckInsufficient, rollcall.Interaction{} // good, and no use to record
		}
		return v, rollcall.Interaction{}
	}) {
		f, err := m.looked(ctx, &look)
		if err != nil {
			return rollcall.Session{}, "", unknown(err)
		}
		v = f.Check(&f.Standing, policy, sum, &use, f.row.IdleExpiresAt, m.touchInterval, now)
		if v == rollcall.CheckWriteFirst && f.row.IdleExpiresAt.Before(f.Last.IdleExpiresAt) {
			// The token is good only by a use that is not written yet: another node, which
			// does not know that use, refuses the token.
			if err := m.writeUse(ctx, rollcall.Touch{UserID: f.UserID, SessionID: f.ID, Interaction: f.Last}); err != nil {
				return rollcall.Session{}, "", failed(err)
			}
		}
		s = f.Session
	}
	if s, err = checked(s, v, &use); err != nil {
		return rollcall.Session{}, "", err
	}
	return s, s.Level(policy, now), nil
}

// checked turns a verdict into the answer of a check.
//
//   - CheckRefused: errRefused.
//   - CheckInsufficient: CodeInsufficient, with the requirement.
//   - All others: the session.
func checked(s rollcall.Session, v rollcall.CheckVerdict, use *rollcall.Use) (rollcall.Session, error) {
	switch v {
	case rollcall.CheckRefused:
		return rollcall.Session{}, errRefused
	case rollcall.CheckInsufficient:
		return rollcall.Session{}, rollcall.NewInsufficient(use.Require)
	}
	return s, nil
}

// unknown turns the error of reading a token's session into the answer of a check:
// errRefused when there is no such session, else what failed makes of the error.
func unknown(err error) error {
	if errors.Is(err, rollcall.ErrNoSession) {
		return errRefused
	}
	return failed(err)
}

// origin returns where a use comes from. The network is looked up only for an address that
// is not the last one's.
func (m *Manager) origin(s *rollcall.Session, use *rollcall.Use) rollcall.Origin {
	if use.IP == s.Last.Origin.IP && use.UserAgent == s.Last.Origin.UserAgent {
		return s.Last.Origin
	}
	from := rollcall.NewOrigin(use.IP, use.UserAgent)
	if from.IP == s.Last.Origin.IP {
		from.ASN = s.Last.Origin.ASN
	} else {
		from.ASN = m.asn(from.IP)
	}
	return from
}

// join adds a client to a session, in a commit of its own, the first time that the client
// uses the session.
func (m *Manager) join(ctx context.Context, id, clientID string) error {
	if err := rollcall.CheckClientID(clientID); err != nil {
		return err
	}
	_, err := m.change(ctx, id, func(s rollcall.Session, now time.Time) (rollcall.Session, rollcall.Event, error) {
		s, joins := s.Joined(clientID, now)
		if !joins {
			return s, rollcall.Event{}, errUnchanged
		}
		e := rollcall.NewEvent(rollcall.SessionJoined, now, rollcall.Caller{ID: clientID}, s)
		e.ClientID = clientID
		return s, e, nil
	})
	if rollcall.ErrorCode(err) == rollcall.CodeNotFound {
		err = errRefused
	}
	return err
}
