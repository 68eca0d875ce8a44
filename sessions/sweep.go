package sessions

import (
	"context"
	"time"

	"github.com/rollcall-id/rollcall"
)

// sweepMargin is how long a session has been over before its row goes: an id
// made elsewhere and an Idempotency-Key are remembered for that long.
const sweepMargin = idempotencyWindow

// sweepBite is how many rows one bite looks at.
const sweepBite = 200

// sweep removes what has been over for the margin, and events older than their
// retention, bite by bite until there is no more.
func (m *Manager) sweep(ctx context.Context) error {
	for ctx.Err() == nil {
		everybody, err := m.everybody(ctx)
		if err != nil {
			return err
		}
		more, err := m.bite(ctx, m.now(), everybody)
		if err != nil || !more {
			return err
		}
	}
	return ctx.Err()
}

// bite sweeps once. A removal is an act on the user to what is remembered: the id may
// be another user's session next.
func (m *Manager) bite(ctx context.Context, now time.Time, everybody rollcall.Everybody) (more bool, err error) {
	var removed []func()
	swept, err := m.store.Sweep(ctx, rollcall.Sweep{
		SessionsBefore: now.Add(-sweepMargin),
		EventsBefore:   now.Add(-m.eventRetention),
		Limit:          sweepBite,
		Decide: func(s rollcall.Session, u rollcall.User) rollcall.Verdict {
			m.overlay(&s)
			v := sweepVerdict(&s, now, u, everybody)
			if m.cache != nil && v.FileAt.IsZero() {
				removed = append(removed, m.cache.Removing(s.UserID))
			}
			return v
		},
	})
	for _, ended := range removed {
		ended()
	}
	return swept.More, err
}

// sweepVerdict decides about a row that a sweep meets at now. Only a session
// that came to its own end has an event still to come.
func sweepVerdict(s *rollcall.Session, now time.Time, u rollcall.User, everybody rollcall.Everybody) rollcall.Verdict {
	over := s.OverAt()
	outdated := s.Outdated(u, everybody)
	if outdated && s.EndedAt.IsZero() {
		// It was over when the generation moved, or before: the latest move that
		// can have ended it is what may be relied on.
		ended := u.GenerationAt
		if s.Generation.Everybody < everybody.Generation && everybody.GenerationAt.After(ended) {
			ended = everybody.GenerationAt
		}
		if ended.Before(over) {
			over = ended
		}
	}
	if over.After(now.Add(-sweepMargin)) {
		return rollcall.Verdict{FileAt: over}
	}
	if outdated || !s.EndedAt.IsZero() {
		return rollcall.Verdict{}
	}
	e := rollcall.NewEvent(rollcall.SessionExpired, now, rollcall.Caller{}, *s)
	e.Reason = rollcall.ReasonExpired
	if s.Last.IdleExpiresAt.Before(s.ExpiresAt) {
		e.Reason = rollcall.ReasonIdle
	}
	return rollcall.Verdict{Event: &e}
}
