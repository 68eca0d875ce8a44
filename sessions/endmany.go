package sessions

import (
	"context"
	"encoding/json"
	"time"

	"github.com/rollcall-id/rollcall"
)

// EndAll ends all sessions of a user, in one commit of the same size whatever
// their number. A user without sessions is no error. Errors: CodeInvalid,
// CodeUnavailable.
func (m *Manager) EndAll(ctx context.Context, by rollcall.Caller, userID string, why rollcall.Reason) error {
	return m.endMany(ctx, by, userID, "", why)
}

// EndOthers ends all sessions of a user but one. Errors: CodeInvalid,
// CodeNotFound when that one is not live or not the user's, CodeUnavailable.
func (m *Manager) EndOthers(ctx context.Context, by rollcall.Caller, userID, keepID string) error {
	if !rollcall.IsSessionID(keepID) {
		return failed(rollcall.ErrNoSession)
	}
	return m.endMany(ctx, by, userID, keepID, rollcall.ReasonOthers)
}

func (m *Manager) endMany(ctx context.Context, by rollcall.Caller, userID, keepID string, why rollcall.Reason) error {
	if err := rollcall.CheckUserID(userID); err != nil {
		return err
	}
	err := m.act(ctx, userID, func(ctx context.Context, now time.Time) (rollcall.Change, error) {
		everybody, err := m.everybody(ctx)
		if err != nil {
			return rollcall.Change{}, err
		}
		user, count, lapsed, err := m.countKnown(ctx, now, userID, everybody)
		if err != nil {
			return rollcall.Change{}, err
		}
		change := rollcall.Change{UserID: userID}
		if keepID != "" {
			kept, u, err := m.live(ctx, keepID, now)
			if err == nil && kept.UserID != userID {
				err = rollcall.ErrNoSession
			}
			if err != nil {
				return rollcall.Change{}, err
			}
			user = u
			kept.Generation.User = user.Generation + 1
			change.Sessions = []rollcall.PutSession{put(kept)}
			count = max(count-1, -1)
		}
		if count == 0 && !lapsed {
			return rollcall.Change{}, nil // nothing to end, nothing to write
		}
		user.Generation, user.GenerationAt = user.Generation+1, now
		change.User = moved(user)
		e := rollcall.NewEvent(rollcall.UserSessionsEnded, now, by, rollcall.Session{UserID: userID, ID: keepID, EndReason: why})
		e.Count = count
		change.Events = []rollcall.Event{e}
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
func (m *Manager) countKnown(ctx context.Context, now time.Time, userID string, everybody rollcall.Everybody) (user rollcall.User, count int, lapsed bool, err error) {
	user, sessions, err := m.storedPages(ctx, userID, rollcall.Position{}, batch)
	if err != nil {
		return rollcall.User{}, 0, false, err
	}
	for i := range sessions {
		switch s := &sessions[i]; {
		case !s.Over(now, user, everybody):
			count++
		case s.Lapsed(now, user, everybody):
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
func (m *Manager) EndEverybody(ctx context.Context, by rollcall.Caller) error {
	// The document belongs to no user; "" is no user's id.
	return m.act(ctx, "", func(ctx context.Context, now time.Time) (rollcall.Change, error) {
		everybody, version, err := m.storedEverybody(ctx)
		if err != nil {
			return rollcall.Change{}, err
		}
		everybody.Generation, everybody.GenerationAt = everybody.Generation+1, now
		body, err := json.Marshal(everybody)
		if err != nil {
			return rollcall.Change{}, err
		}
		e := rollcall.NewEvent(rollcall.EverybodyEnded, now, by, rollcall.Session{EndReason: rollcall.ReasonEverybody})
		e.Count = -1
		return rollcall.Change{
			Documents: []rollcall.PutDocument{{Name: rollcall.EverybodyDocument, Body: body, Replaces: version}},
			Events:    []rollcall.Event{e},
		}, nil
	})
}
