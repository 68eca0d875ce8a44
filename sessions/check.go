package sessions

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/internal/recall"
)

// errRefused is the one answer to every token that is not good: malformed, of an
// unknown session, of one that is over, or with a wrong secret.
var errRefused = rollcall.Errorf(rollcall.CodeRefused, "The session token is not accepted.")

// Check says whether a session token is good now, and records the use. The
// session it returns shows the use.
//
// The use is written soon, not before the answer, unless little idle time was
// left: then another node must learn of it first.
//
// Errors: CodeRefused; CodeInsufficient, and then no use is recorded;
// CodeInvalid for a client id that is none; CodeUnavailable.
func (m *Manager) Check(ctx context.Context, token string, use rollcall.Use) (rollcall.Session, error) {
	now := m.now()
	id, ok := rollcall.TokenID(token)
	if !ok {
		return rollcall.Session{}, errRefused
	}
	l := m.cache.LookFor(id)
	t, ok := rollcall.ParseTokenOf(token, id)
	if !ok {
		return rollcall.Session{}, errRefused
	}
	l.Approach()
	sum := t.Secret.Hash()
	if s, err, known := m.checkRemembered(&l, sum, use, now); known {
		return s, err
	}
	s, err := m.inspect(ctx, t.ID, sum, use.Require, now)
	if err != nil {
		return rollcall.Session{}, err
	}
	if use.ClientID != "" {
		if s, err = m.join(ctx, s, use.ClientID); err != nil {
			return rollcall.Session{}, err
		}
	}
	if err := m.touch(ctx, &s, now, use); err != nil {
		return rollcall.Session{}, failed(err)
	}
	return s, nil
}

// Inspect says whether a session token is good now, and records nothing. It also
// returns the name of the strongest level that the session reaches. Errors:
// CodeRefused, CodeInsufficient, CodeUnavailable.
func (m *Manager) Inspect(ctx context.Context, token string, require rollcall.Requirement) (s rollcall.Session, level string, err error) {
	now := m.now()
	t, ok := rollcall.ParseToken(token)
	if !ok {
		return rollcall.Session{}, "", errRefused
	}
	s, err = m.inspect(ctx, t.ID, t.Secret.Hash(), require, now)
	if err != nil {
		return rollcall.Session{}, "", err
	}
	return s, s.Level(m.policy, now), nil
}

// checkRemembered is Check from memory alone: most checks need no more than one look
// at what is remembered of a user, where the use is recorded as well. known is false
// when it takes more.
func (m *Manager) checkRemembered(l *recall.Look, sum rollcall.SecretHash, use rollcall.Use, now time.Time) (s rollcall.Session, err error, known bool) {
	if m.cache == nil {
		return s, nil, false
	}
	everybody, known := m.cache.KnownEverybody()
	if !known {
		return s, nil, false
	}
	known = l.Use(&s, func(u *rollcall.User) (recall.Verdict, rollcall.Interaction) {
		if s.Over(now, *u, everybody) {
			err = errRefused
		} else {
			err = m.judge(&s, sum, use.Require, now)
		}
		switch {
		case err != nil:
			return recall.Refused, rollcall.Interaction{}
		case use.ClientID != "" && !slices.Contains(s.Clients, use.ClientID), !m.mayWriteLater(&s, now):
			return recall.Undecided, rollcall.Interaction{}
		}
		return recall.Good, s.Touched(m.policy, now, m.origin(&s, use))
	})
	if known {
		m.cache.Counted(true)
	}
	if err != nil {
		s = rollcall.Session{}
	}
	return s, err, known
}

// judge says whether a token whose secret has the hash is that of the session, and good
// enough.
func (m *Manager) judge(s *rollcall.Session, sum rollcall.SecretHash, require rollcall.Requirement, now time.Time) error {
	if !s.SecretHash.MatchesHash(sum) {
		return errRefused
	}
	if !s.Meets(m.policy, require, now) {
		return rollcall.NewInsufficient(require)
	}
	return nil
}

// origin is where a use comes from: mostly from where the last one came.
func (m *Manager) origin(s *rollcall.Session, use rollcall.Use) rollcall.Origin {
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

func (m *Manager) inspect(ctx context.Context, id string, sum rollcall.SecretHash, require rollcall.Requirement, now time.Time) (rollcall.Session, error) {
	s, err := m.recalled(ctx, id, now)
	if errors.Is(err, rollcall.ErrNoSession) {
		return rollcall.Session{}, errRefused
	}
	if err != nil {
		return rollcall.Session{}, failed(err)
	}
	if err := m.judge(&s, sum, require, now); err != nil {
		return rollcall.Session{}, err
	}
	return s, nil
}

// mayWriteLater reports whether a use of the session at now may be written after the
// answer: enough idle time is left for every node to learn of it.
func (m *Manager) mayWriteLater(s *rollcall.Session, now time.Time) bool {
	return s.Last.IdleExpiresAt.Sub(now) >= 3*m.touchInterval
}

// join adds a client to a session, in a commit of its own, the first time that
// it uses it.
func (m *Manager) join(ctx context.Context, s rollcall.Session, clientID string) (rollcall.Session, error) {
	if err := rollcall.CheckClientID(clientID); err != nil {
		return rollcall.Session{}, err
	}
	if _, joins := s.Joined(clientID, s.UpdatedAt); !joins {
		return s, nil
	}
	joined, err := m.change(ctx, s.ID, func(s rollcall.Session, now time.Time) (rollcall.Session, rollcall.Event, error) {
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
	return joined, err
}
