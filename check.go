package rollcall

import (
	"context"
	"errors"
	"slices"
	"time"
)

// errRefused is the one answer to every token that is not good: malformed, of an
// unknown session, of one that is over, or with a wrong secret.
var errRefused = Errorf(CodeRefused, "The session token is not accepted.")

// A Use is one request that a session is used for.
type Use struct {
	IP        string
	UserAgent string
	// ClientID is the application that asks, "" when it is not known. It joins
	// the session's clients.
	ClientID string
	// Require is what the authentication must be for the session to be good enough.
	Require Requirement
}

// Check says whether a session token is good now, and records the use. The
// session it returns shows the use.
//
// The use is written soon, not before the answer, unless little idle time was
// left: then another node must learn of it first.
//
// Errors: CodeRefused; CodeInsufficient, and then no use is recorded;
// CodeInvalid for a client id that is none; CodeUnavailable.
func (m *Manager) Check(ctx context.Context, token string, use Use) (Session, error) {
	now := m.now()
	id, ok := tokenID(token)
	if !ok {
		return Session{}, errRefused
	}
	l := m.cache.lookFor(id)
	t, ok := parseToken(token, id)
	if !ok {
		return Session{}, errRefused
	}
	l.approach()
	sum := t.Secret.Hash()
	if s, err, known := m.checkRemembered(&l, sum, use, now); known {
		return s, err
	}
	s, err := m.inspect(ctx, t.ID, sum, use.Require, now)
	if err != nil {
		return Session{}, err
	}
	if use.ClientID != "" {
		if s, err = m.join(ctx, s, use.ClientID); err != nil {
			return Session{}, err
		}
	}
	if err := m.touch(ctx, &s, now, use); err != nil {
		return Session{}, failed(err)
	}
	return s, nil
}

// Inspect says whether a session token is good now, and records nothing. It also
// returns the name of the strongest level that the session reaches. Errors:
// CodeRefused, CodeInsufficient, CodeUnavailable.
func (m *Manager) Inspect(ctx context.Context, token string, require Requirement) (s Session, level string, err error) {
	now := m.now()
	t, ok := ParseToken(token)
	if !ok {
		return Session{}, "", errRefused
	}
	s, err = m.inspect(ctx, t.ID, t.Secret.Hash(), require, now)
	if err != nil {
		return Session{}, "", err
	}
	return s, s.Level(m.policy, now), nil
}

// checkRemembered is Check from memory alone: most checks need no more than one look
// at what is remembered of a user, where the use is recorded as well. known is false
// when it takes more.
func (m *Manager) checkRemembered(l *look, sum SecretHash, use Use, now time.Time) (s Session, err error, known bool) {
	if m.cache == nil {
		return s, nil, false
	}
	everybody, known := m.cache.knownEverybody()
	if !known {
		return s, nil, false
	}
	known = l.use(&s, func(u *User) (verdict, Interaction) {
		if s.Over(now, *u, everybody) {
			err = errRefused
		} else {
			err = m.judge(&s, sum, use.Require, now)
		}
		switch {
		case err != nil:
			return refused, Interaction{}
		case use.ClientID != "" && !slices.Contains(s.Clients, use.ClientID), !m.mayWriteLater(&s, now):
			return undecided, Interaction{}
		}
		return good, s.Touched(m.policy, now, m.origin(&s, use))
	})
	if known {
		m.cache.counted(true)
	}
	if err != nil {
		s = Session{}
	}
	return s, err, known
}

// judge says whether a token whose secret has the hash is that of the session, and good
// enough.
func (m *Manager) judge(s *Session, sum SecretHash, require Requirement, now time.Time) error {
	if !s.SecretHash.equal(sum) {
		return errRefused
	}
	if !s.meets(m.policy, require, now) {
		return insufficient(require)
	}
	return nil
}

// origin is where a use comes from: mostly from where the last one came.
func (m *Manager) origin(s *Session, use Use) Origin {
	if use.IP == s.Last.Origin.IP && use.UserAgent == s.Last.Origin.UserAgent {
		return s.Last.Origin
	}
	from := NewOrigin(use.IP, use.UserAgent)
	if from.IP == s.Last.Origin.IP {
		from.ASN = s.Last.Origin.ASN
	} else {
		from.ASN = m.asn(from.IP)
	}
	return from
}

func (m *Manager) inspect(ctx context.Context, id string, sum SecretHash, require Requirement, now time.Time) (Session, error) {
	s, err := m.recalled(ctx, id, now)
	if errors.Is(err, ErrNoSession) {
		return Session{}, errRefused
	}
	if err != nil {
		return Session{}, failed(err)
	}
	if err := m.judge(&s, sum, require, now); err != nil {
		return Session{}, err
	}
	return s, nil
}

// mayWriteLater reports whether a use of the session at now may be written after the
// answer: enough idle time is left for every node to learn of it.
func (m *Manager) mayWriteLater(s *Session, now time.Time) bool {
	return s.Last.IdleExpiresAt.Sub(now) >= 3*m.touchInterval
}

// touch records a use of a session and shows it in s.
func (m *Manager) touch(ctx context.Context, s *Session, now time.Time, use Use) error {
	later := m.mayWriteLater(s, now)
	touch := Touch{UserID: s.UserID, SessionID: s.ID, Interaction: s.Touched(m.policy, now, m.origin(s, use))}
	s.Last = s.Last.Later(touch.Interaction)
	if later {
		m.touches.add(touch)
		m.show(&touch)
		return nil
	}
	write := func(ctx context.Context) error {
		err := m.touches.write(ctx, m.store, touch)
		if err == nil {
			m.show(&touch) // also when nobody waits for it any more
		}
		return err
	}
	return m.writes.do(ctx, write, func() {}, func() {})
}

// show shows a use in what is remembered.
func (m *Manager) show(t *Touch) {
	if m.cache != nil {
		m.cache.touch(t)
	}
}

// join adds a client to a session, in a commit of its own, the first time that
// it uses it.
func (m *Manager) join(ctx context.Context, s Session, clientID string) (Session, error) {
	if err := CheckClientID(clientID); err != nil {
		return Session{}, err
	}
	if _, joins := s.Joined(clientID, s.UpdatedAt); !joins {
		return s, nil
	}
	joined, err := m.change(ctx, s.ID, func(s Session, now time.Time) (Session, Event, error) {
		s, joins := s.Joined(clientID, now)
		if !joins {
			return s, Event{}, errUnchanged
		}
		e := event(SessionJoined, now, Caller{ID: clientID}, s)
		e.ClientID = clientID
		return s, e, nil
	})
	if ErrorCode(err) == CodeNotFound {
		err = errRefused
	}
	return joined, err
}
