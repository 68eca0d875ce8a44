package sessions

import (
	"context"
	"errors"
	"time"

	"github.com/rollcall-id/rollcall"
)

// A room is what a creation finds of its user's sessions.
type room struct {
	// standing is the user's row, which guards the creation.
	standing rollcall.Standing
	// over are the sessions as they end with the creation, in this order: those that
	// came to a limit of their own, which is not written down yet; the one that is
	// replaced; the oldest beyond the policy's limit.
	over []rollcall.Session
	// refused says that the user has as many sessions as the policy allows.
	refused bool
}

// takeRoom returns what the last part has left to do, else what makeRoom decides. What is
// left is guarded by the version that the part moved the user's row to, and is given out
// once: after a conflict the sessions are read anew.
func (c *creation) takeRoom(ctx context.Context, a attempt) (room, error) {
	if left := c.left; left != nil {
		c.left = nil
		return *left, nil
	}
	return c.makeRoom(ctx, a)
}

// makeRoom decides what ends with a creation. A session that is over for want of use is
// ended in writing: a use that is under way must not bring it back beside its successor.
func (c *creation) makeRoom(ctx context.Context, a attempt) (room, error) {
	if c.policy.MaxSessionsPerUser == 0 {
		return c.makeRoomUnlimited(ctx, a)
	}
	var r room
	var live []rollcall.Session
	ending := rollcall.Ending{EndedAt: a.now, EndedBy: c.by.ID}
	var err error
	var replaced []rollcall.Session
	r.standing, err = c.m.eachStored(ctx, c.n.UserID, batch, rollcall.Position{}, func(st *rollcall.Standing, s *rollcall.Session) bool {
		switch {
		case s.Outdated(st):
		case s.Over(a.now, st):
			r.over = append(r.over, s.Ended(limitReached(s)))
		case s.ID == c.replaced.ID:
			ending.EndReason = rollcall.ReasonReplaced
			replaced = append(replaced, s.Ended(ending))
		default:
			live = append(live, *s)
		}
		return true
	})
	if err != nil {
		return room{}, err
	}
	r.over = append(r.over, replaced...)
	if len(live) < c.policy.MaxSessionsPerUser {
		return r, nil
	}
	if c.policy.AtLimit == rollcall.Deny {
		return room{standing: r.standing, refused: true}, nil
	}
	ending.EndReason = rollcall.ReasonLimit
	for _, s := range live[c.policy.MaxSessionsPerUser-1:] {
		r.over = append(r.over, s.Ended(ending))
	}
	return r, nil
}

func (c *creation) makeRoomUnlimited(ctx context.Context, a attempt) (room, error) {
	if c.replaced.ID == "" {
		st, _, err := c.m.store.Sessions(ctx, rollcall.SessionsOf{UserID: c.n.UserID})
		return room{standing: st}, err
	}
	f, err := c.replaced, error(nil)
	if !a.first {
		f, err = c.m.stored(ctx, rollcall.At{ID: f.ID, UserID: f.UserID, CreatedAt: f.CreatedAt})
	}
	if err == nil && f.EndedAt.IsZero() && !f.Outdated(&f.Standing) {
		ending := rollcall.Ending{EndedAt: a.now, EndReason: rollcall.ReasonReplaced, EndedBy: c.by.ID}
		if f.Over(a.now, &f.Standing) {
			ending = limitReached(&f.Session)
		}
		return room{standing: f.Standing, over: []rollcall.Session{f.Session.Ended(ending)}}, nil
	}
	if err == nil || errors.Is(err, rollcall.ErrNoSession) { // somebody else has ended the session meanwhile
		st, _, err := c.m.store.Sessions(ctx, rollcall.SessionsOf{UserID: c.n.UserID})
		return room{standing: st}, err
	}
	return room{}, err
}

// limitReached is the ending of a session that came to the earlier of its two limits.
func limitReached(s *rollcall.Session) rollcall.Ending {
	e := rollcall.Ending{EndedAt: s.ExpiresAt, EndReason: rollcall.ReasonExpired}
	if s.Last.IdleExpiresAt.Before(s.ExpiresAt) {
		e = rollcall.Ending{EndedAt: s.Last.IdleExpiresAt, EndReason: rollcall.ReasonIdle}
	}
	return e
}

// lastEvent is the event of a session that has been ended, at the instant of its ending:
// session.expired, which is nobody's act, for a limit of its own, however late the limit is
// written down; else session.ended, by the caller.
func lastEvent(s rollcall.Session, by rollcall.Caller) rollcall.Event {
	if s.EndReason == rollcall.ReasonIdle || s.EndReason == rollcall.ReasonExpired {
		return rollcall.NewEvent(rollcall.SessionExpired, s.EndedAt, rollcall.Caller{}, s)
	}
	return rollcall.NewEvent(rollcall.SessionEnded, s.EndedAt, by, s)
}

// fileAt is when a sweep looks at a session's row next: shortly after the session can be
// over, or when the row of an ended one has been kept for its time.
func (m *Manager) fileAt(s *rollcall.Session) time.Time {
	if s.EndedAt.IsZero() {
		return s.OverAt().Add(overMargin)
	}
	return s.EndedAt.Add(m.rowRetention())
}
