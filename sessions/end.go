package sessions

import (
	"context"
	"time"

	"github.com/rollcall-id/rollcall"
)

// When an ending returns nil it is durable, and nothing of this store accepts
// the session any more.

// End ends one session. Errors: CodeNotFound when there is no live session with
// the id, CodeUnavailable.
func (m *Manager) End(ctx context.Context, by rollcall.Caller, id string, why rollcall.Reason) error {
	return m.endIf(ctx, id, why, func(rollcall.Session) (rollcall.Caller, error) { return by, nil })
}

// EndByToken ends the session whose token this is: a log-out. A caller without an
// id is the session's own user. Errors: CodeRefused when the token is not good,
// CodeUnavailable.
func (m *Manager) EndByToken(ctx context.Context, by rollcall.Caller, token string) (rollcall.Session, error) {
	t, ok := rollcall.ParseToken(token)
	if !ok {
		return rollcall.Session{}, errRefused
	}
	var ended rollcall.Session
	err := m.endIf(ctx, t.ID, rollcall.ReasonLogout, func(s rollcall.Session) (rollcall.Caller, error) {
		if !s.SecretHash.Matches(t.Secret) {
			return by, errRefused
		}
		ended = s
		actor := by
		if actor.ID == "" {
			actor.ID = s.UserID
		}
		return actor, nil
	})
	if rollcall.ErrorCode(err) == rollcall.CodeNotFound {
		err = errRefused
	}
	return ended, err
}

// endIf ends a session unless who refuses it; otherwise who says whose act it is.
//
// That a session is over already is as much of an answer as its ending: it is
// given only when what ended it is durable, so it waits for whatever act on the
// user, or on everybody, is under way, and writes down that a session has lapsed.
//
// What is remembered of a session, in an act on its user, is as it is stored, but for
// what only other acts look at: the ending of a live one need not read it. That one is over
// is for the store to say, which may know of a use that failed after it was written.
// Nothing is remembered after a commit that failed, so what the store refuses is read.
func (m *Manager) endIf(ctx context.Context, id string, why rollcall.Reason, who func(rollcall.Session) (rollcall.Caller, error)) error {
	if !rollcall.IsSessionID(id) {
		return failed(rollcall.ErrNoSession)
	}
	userID, createdAt, err := m.owner(ctx, id)
	if err != nil {
		return failed(err)
	}
	var lapsed bool
	err = m.act(ctx, userID, func(ctx context.Context, now time.Time) (_ rollcall.Change, err error) {
		var s rollcall.Session
		var user rollcall.User
		known := m.cache != nil && m.cache.Session(id, &s, &user) && s.UserID == userID
		if known {
			if user, _, err = m.store.Sessions(ctx, userID, rollcall.Position{}, 0); err != nil {
				return rollcall.Change{}, err
			}
			lapsed, err = m.endable(ctx, &s, user, now)
			known = err == nil && !lapsed
		}
		if !known {
			if s, user, err = m.storedAt(ctx, id, userID, createdAt); err != nil {
				return rollcall.Change{}, err
			}
			if lapsed, err = m.endable(ctx, &s, user, now); err != nil {
				return rollcall.Change{}, err
			}
		}
		by, err := who(s)
		if err != nil {
			return rollcall.Change{}, err
		}
		kind, actor, reason := rollcall.SessionEnded, by, why
		if lapsed {
			kind, actor, reason = rollcall.SessionExpired, rollcall.Caller{}, rollcall.ReasonIdle
		}
		s = s.Ended(now, reason)
		e := rollcall.NewEvent(kind, now, actor, s)
		ended := put(s)
		ended.Ending = known
		return rollcall.Change{UserID: s.UserID, User: moved(user), Sessions: []rollcall.PutSession{ended}, Events: []rollcall.Event{e}}, nil
	})
	if err == nil && lapsed {
		err = failed(rollcall.ErrNoSession)
	}
	if rollcall.ErrorCode(err) == rollcall.CodeNotFound {
		if unsettled := m.settle(ctx); unsettled != nil {
			return unsettled
		}
	}
	return err
}

// owner returns whose session it is, and since when it is: both never change.
func (m *Manager) owner(ctx context.Context, id string) (userID string, createdAt time.Time, err error) {
	if m.cache != nil {
		if userID, createdAt, known := m.cache.Owner(id); known {
			return userID, createdAt, nil
		}
	}
	s, _, err := m.store.Session(ctx, id)
	return s.UserID, s.CreatedAt, err
}

// endable fails with ErrNoSession unless the session is live, or has lapsed.
func (m *Manager) endable(ctx context.Context, s *rollcall.Session, u rollcall.User, now time.Time) (lapsed bool, err error) {
	everybody, err := m.everybody(ctx)
	if err != nil {
		return false, err
	}
	if lapsed = s.Lapsed(now, u, everybody); !lapsed && s.Over(now, u, everybody) {
		err = rollcall.ErrNoSession
	}
	return lapsed, err
}

// settle waits until no ending of everybody is under way.
func (m *Manager) settle(ctx context.Context) error {
	bounded := within(ctx, m.writes.timeout)
	defer bounded.end()
	leave, err := m.queue.enter(bounded, "")
	if err != nil {
		return failed(err)
	}
	leave()
	return nil
}
