package sessions

import (
	"context"
	"time"

	"github.com/rollcall-id/rollcall"
)

// makeRoom returns the user's row and the sessions that end to make room for
// one more: the one that is replaced, and the oldest beyond policy's limit; or
// that there is no room.
func (m *Manager) makeRoom(ctx context.Context, now time.Time, userID, replacedID string, everybody rollcall.Everybody) (u rollcall.User, ended []rollcall.Session, refused bool, err error) {
	if m.policy.MaxSessionsPerUser == 0 {
		return m.makeRoomUnlimited(ctx, now, userID, replacedID, everybody)
	}
	var live []rollcall.Session
	u, err = m.eachStored(ctx, userID, batch, now, rollcall.Position{}, everybody, func(s *rollcall.Session) bool {
		if s.ID == replacedID {
			ended = append(ended, s.Ended(now, rollcall.ReasonReplaced))
		} else {
			live = append(live, *s)
		}
		return true
	})
	if err != nil || len(live) < m.policy.MaxSessionsPerUser {
		return u, ended, false, err
	}
	if m.policy.AtLimit == rollcall.Deny {
		return u, nil, true, nil
	}
	for _, s := range live[m.policy.MaxSessionsPerUser-1:] {
		ended = append(ended, s.Ended(now, rollcall.ReasonLimit))
	}
	return u, ended, false, nil
}

func (m *Manager) makeRoomUnlimited(ctx context.Context, now time.Time, userID, replacedID string, everybody rollcall.Everybody) (rollcall.User, []rollcall.Session, bool, error) {
	if replacedID != "" {
		s, u, err := m.store.Session(ctx, replacedID)
		if err != nil {
			return rollcall.User{}, nil, false, err
		}
		if s.UserID == userID && !s.Over(now, u, everybody) {
			return u, []rollcall.Session{s.Ended(now, rollcall.ReasonReplaced)}, false, nil
		}
	}
	u, _, err := m.store.Sessions(ctx, userID, rollcall.Position{}, 0)
	return u, nil, false, err
}
