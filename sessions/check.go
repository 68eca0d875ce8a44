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
// another node must learn of the use first. With use.NoTouch no use is recorded.
//
// Errors: CodeRefused; CodeInsufficient, and then no use is recorded; CodeInvalid for a
// client id that is none; CodeUnavailable.
func (m *Manager) Check(ctx context.Context, token string, use rollcall.Use) (rollcall.Session, error) {
	s, _, err := m.check(ctx, token, use, false)
	return s, err
}

// CheckLevel is Check, and returns the name of the strongest level as well that the
// session reached when the use came, "" when it reached none. The use itself does not
// count: a level's MaxIdle is measured up to the use before.
func (m *Manager) CheckLevel(ctx context.Context, token string, use rollcall.Use) (s rollcall.Session, level string, err error) {
	return m.check(ctx, token, use, true)
}

// Inspect is CheckLevel for who only looks: no use is recorded. Errors: CodeRefused,
// CodeInsufficient, CodeUnavailable.
func (m *Manager) Inspect(ctx context.Context, token string, require rollcall.Requirement) (s rollcall.Session, level string, err error) {
	return m.check(ctx, token, rollcall.Use{Require: require, NoTouch: true}, true)
}

// check is Check, and CheckLevel when the level is wanted.
func (m *Manager) check(ctx context.Context, token string, use rollcall.Use, wantsLevel bool) (rollcall.Session, string, error) {
	id, ok := rollcall.TokenID(token)
	if !ok {
		return rollcall.Session{}, "", errRefused
	}
	look := m.lookFor(id)
	t, ok := rollcall.ParseTokenOf(token, id)
	if !ok {
		return rollcall.Session{}, "", errRefused
	}
	look.Nearer()
	q := question{sum: t.Secret.Hash(), use: use, wantsLevel: wantsLevel, policy: m.policy.Load(), now: m.now()}

	s, v, err := m.checkOnce(ctx, &look, &q)
	for err == nil && v == rollcall.CheckJoins {
		if err = m.join(ctx, id, use); err == nil {
			look = m.lookFor(id)
			s, v, err = m.checkOnce(ctx, &look, &q)
		}
	}
	switch {
	case err != nil:
		return rollcall.Session{}, "", unknown(err)
	case v == rollcall.CheckRefused:
		return rollcall.Session{}, "", errRefused
	case v == rollcall.CheckInsufficient:
		return rollcall.Session{}, "", rollcall.NewInsufficient(use.Require)
	}
	return s, q.level, nil
}

// A question is what a check asks, and of what moment.
type question struct {
	sum        rollcall.SecretHash
	use        rollcall.Use // no pointer: the compiler would take the use for one that outlives the check
	wantsLevel bool
	policy     *rollcall.Policy
	now        time.Time
	level      string // is answered, if wanted: that of the session as it was before the use
}

// decide applies the rule to a session as it is before the use.
func (q *question) decide(s *rollcall.Session, st *rollcall.Standing, durable time.Time, interval time.Duration) rollcall.CheckVerdict {
	v := s.Check(st, q.policy, q.sum, &q.use, durable, interval, q.now)
	if q.wantsLevel && v != rollcall.CheckRefused && v != rollcall.CheckInsufficient {
		q.level = s.Level(q.policy, q.now)
	}
	return v
}

// checkOnce applies the rule to the session as memory has it, else as the store has it.
//
//   - CheckRecord: the use is recorded.
//   - CheckWriteFirst: the use is written, with NoTouch the latest use; the error is that of
//     the write.
//   - CheckRefused, CheckInsufficient, CheckNoUse, CheckJoins: nothing is done. check joins
//     the client and calls checkOnce again.
func (m *Manager) checkOnce(ctx context.Context, look *look, q *question) (rollcall.Session, rollcall.CheckVerdict, error) {
	var f fact
	var v rollcall.CheckVerdict
	if look.Use(&f.Session, func(st *rollcall.Standing, durable time.Time) (rollcall.CheckVerdict, rollcall.Interaction) {
		v = q.decide(&f.Session, st, durable, m.touchInterval)
		if v == rollcall.CheckRecord {
			return v, f.Touched(q.policy, q.now, m.origin(&f.Session, &q.use))
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
		v = q.decide(&f.Session, &f.Standing, f.row.IdleExpiresAt, m.touchInterval)
	}
	if v != rollcall.CheckRecord && v != rollcall.CheckWriteFirst {
		return f.Session, v, nil
	}
	touch := rollcall.Touch{UserID: f.UserID, SessionID: f.ID, Interaction: f.Last}
	if !q.use.NoTouch {
		touch.Interaction = f.Touched(q.policy, q.now, m.origin(&f.Session, &q.use))
	}
	if v == rollcall.CheckRecord {
		m.recordUse(&touch, f.row.IdleExpiresAt)
	} else if err := m.writeUse(ctx, touch); err != nil {
		return rollcall.Session{}, v, err
	}
	f.Last = f.Last.Later(touch.Interaction)
	return f.Session, v, nil
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
// uses the session. The actor is who named the client, or else the client itself; without an
// address of its own the actor has that of the use.
func (m *Manager) join(ctx context.Context, id string, use rollcall.Use) error {
	clientID := use.ClientID
	if err := rollcall.CheckClientID(clientID); err != nil {
		return err
	}
	by := rollcall.Caller{ID: clientID}
	if use.By != nil {
		by = *use.By
	}
	if by.IP == "" {
		from := rollcall.NewOrigin(use.IP, use.UserAgent)
		by.IP, by.UserAgent = from.IP, from.UserAgent
	}
	_, err := m.change(ctx, id, func(s rollcall.Session, now time.Time) (rollcall.Session, rollcall.Event, error) {
		s, joins := s.Joined(clientID, now)
		if !joins {
			return s, rollcall.Event{}, errUnchanged
		}
		e := rollcall.NewEvent(rollcall.SessionJoined, now, by, s)
		e.ClientID = clientID
		return s, e, nil
	})
	if rollcall.ErrorCode(err) == rollcall.CodeNotFound {
		err = errRefused
	}
	return err
}
