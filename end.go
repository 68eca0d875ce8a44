package rollcall

import (
	"context"
	"encoding/json"
	"time"
)

// When an ending returns nil it is durable, and nothing of this store accepts
// the session any more.

// End ends one session. Errors: CodeNotFound when there is no live session with
// the id, CodeUnavailable.
func (m *Manager) End(ctx context.Context, by Caller, id string, why Reason) error {
	return m.endIf(ctx, id, why, func(Session) (Caller, error) { return by, nil })
}

// EndByToken ends the session whose token this is: a log-out. A caller without an
// id is the session's own user. Errors: CodeRefused when the token is not good,
// CodeUnavailable.
func (m *Manager) EndByToken(ctx context.Context, by Caller, token string) (Session, error) {
	t, ok := ParseToken(token)
	if !ok {
		return Session{}, errRefused
	}
	var ended Session
	err := m.endIf(ctx, t.ID, ReasonLogout, func(s Session) (Caller, error) {
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
	if ErrorCode(err) == CodeNotFound {
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
func (m *Manager) endIf(ctx context.Context, id string, why Reason, who func(Session) (Caller, error)) error {
	if !IsSessionID(id) {
		return failed(ErrNoSession)
	}
	userID, createdAt, err := m.owner(ctx, id)
	if err != nil {
		return failed(err)
	}
	var lapsed bool
	err = m.act(ctx, userID, func(ctx context.Context, now time.Time) (_ Change, err error) {
		var s Session
		var user User
		known := m.cache != nil && m.cache.session(id, &s, &user) && s.UserID == userID
		if known {
			if user, _, err = m.store.Sessions(ctx, userID, Position{}, 0); err != nil {
				return Change{}, err
			}
			lapsed, err = m.endable(ctx, &s, user, now)
			known = err == nil && !lapsed
		}
		if !known {
			if s, user, err = m.storedAt(ctx, id, userID, createdAt); err != nil {
				return Change{}, err
			}
			if lapsed, err = m.endable(ctx, &s, user, now); err != nil {
				return Change{}, err
			}
		}
		by, err := who(s)
		if err != nil {
			return Change{}, err
		}
		kind, actor, reason := SessionEnded, by, why
		if lapsed {
			kind, actor, reason = SessionExpired, Caller{}, ReasonIdle
		}
		s = s.Ended(now, reason)
		e := event(kind, now, actor, s)
		ended := put(s)
		ended.Ending = known
		return Change{UserID: s.UserID, User: moved(user), Sessions: []PutSession{ended}, Events: []Event{e}}, nil
	})
	if err == nil && lapsed {
		err = failed(ErrNoSession)
	}
	if ErrorCode(err) == CodeNotFound {
		if unsettled := m.settle(ctx); unsettled != nil {
			return unsettled
		}
	}
	return err
}

// owner returns whose session it is, and since when it is: both never change.
func (m *Manager) owner(ctx context.Context, id string) (userID string, createdAt time.Time, err error) {
	if m.cache != nil {
		if userID, createdAt, known := m.cache.owner(id); known {
			return userID, createdAt, nil
		}
	}
	s, _, err := m.store.Session(ctx, id)
	return s.UserID, s.CreatedAt, err
}

// endable fails with ErrNoSession unless the session is live, or has lapsed.
func (m *Manager) endable(ctx context.Context, s *Session, u User, now time.Time) (lapsed bool, err error) {
	everybody, err := m.everybody(ctx)
	if err != nil {
		return false, err
	}
	if lapsed = s.lapsed(now, u, everybody); !lapsed && s.Over(now, u, everybody) {
		err = ErrNoSession
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

// EndAll ends all sessions of a user, in one commit of the same size whatever
// their number. A user without sessions is no error. Errors: CodeInvalid,
// CodeUnavailable.
func (m *Manager) EndAll(ctx context.Context, by Caller, userID string, why Reason) error {
	return m.endMany(ctx, by, userID, "", why)
}

// EndOthers ends all sessions of a user but one. Errors: CodeInvalid,
// CodeNotFound when that one is not live or not the user's, CodeUnavailable.
func (m *Manager) EndOthers(ctx context.Context, by Caller, userID, keepID string) error {
	if !IsSessionID(keepID) {
		return failed(ErrNoSession)
	}
	return m.endMany(ctx, by, userID, keepID, ReasonOthers)
}

func (m *Manager) endMany(ctx context.Context, by Caller, userID, keepID string, why Reason) error {
	if err := CheckUserID(userID); err != nil {
		return err
	}
	err := m.act(ctx, userID, func(ctx context.Context, now time.Time) (Change, error) {
		everybody, err := m.everybody(ctx)
		if err != nil {
			return Change{}, err
		}
		user, count, lapsed, err := m.countKnown(ctx, now, userID, everybody)
		if err != nil {
			return Change{}, err
		}
		change := Change{UserID: userID}
		if keepID != "" {
			kept, u, err := m.live(ctx, keepID, now)
			if err == nil && kept.UserID != userID {
				err = ErrNoSession
			}
			if err != nil {
				return Change{}, err
			}
			user = u
			kept.Generation.User = user.Generation + 1
			change.Sessions = []PutSession{put(kept)}
			count = max(count-1, -1)
		}
		if count == 0 && !lapsed {
			return Change{}, nil // nothing to end, nothing to write
		}
		user.Generation, user.GenerationAt = user.Generation+1, now
		change.User = moved(user)
		e := event(UserSessionsEnded, now, by, Session{UserID: userID, ID: keepID, EndReason: why})
		e.Count = count
		change.Events = []Event{e}
		return change, nil
	})
	if err != nil {
		return err
	}
	return m.settle(ctx)
}

// countKnown returns the user's row and the number of the user's live sessions
// when one read finds it out, else -1: an ending of many must stay cheap. lapsed is
// true when others have lapsed.
func (m *Manager) countKnown(ctx context.Context, now time.Time, userID string, everybody Everybody) (user User, count int, lapsed bool, err error) {
	user, sessions, err := m.storedPages(ctx, userID, Position{}, batch)
	if err != nil {
		return User{}, 0, false, err
	}
	for i := range sessions {
		switch s := &sessions[i]; {
		case !s.Over(now, user, everybody):
			count++
		case s.lapsed(now, user, everybody):
			lapsed = true
		}
	}
	if len(sessions) == batch {
		count = -1
	}
	return user, count, lapsed, nil
}

// EndEverybody ends all sessions of all users in one small commit. Errors:
// CodeUnavailable.
func (m *Manager) EndEverybody(ctx context.Context, by Caller) error {
	// The document belongs to no user; "" is no user's id.
	return m.act(ctx, "", func(ctx context.Context, now time.Time) (Change, error) {
		everybody, version, err := m.storedEverybody(ctx)
		if err != nil {
			return Change{}, err
		}
		everybody.Generation, everybody.GenerationAt = everybody.Generation+1, now
		body, err := json.Marshal(everybody)
		if err != nil {
			return Change{}, err
		}
		e := event(EverybodyEnded, now, by, Session{EndReason: ReasonEverybody})
		e.Count = -1
		return Change{
			Documents: []PutDocument{{Name: EverybodyDocument, Body: body, Replaces: version}},
			Events:    []Event{e},
		}, nil
	})
}
