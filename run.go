package rollcall

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// sweepMargin is how long a session has been over before its row goes: an id
// made elsewhere and an Idempotency-Key are remembered for that long.
const sweepMargin = idempotencyWindow

// sweepBite is how many rows one bite looks at.
const sweepBite = 200

// Run writes interactions and sweeps until ctx is done, then writes what is left
// to write, waits for writes that nobody else waits for any more, and returns. It is
// called once.
func (m *Manager) Run(ctx context.Context) error {
	defer m.writes.keep()()
	var loops sync.WaitGroup
	loops.Go(func() {
		every(ctx, m.touchInterval, func() {
			if err := m.touches.flush(ctx, m.store, m.cache); err != nil && ctx.Err() == nil {
				m.log.Error("could not write interactions, trying again", "error", err)
			}
		})
	})
	loops.Go(func() {
		guard := newClockGuard(m.clock())
		every(ctx, m.sweepInterval, func() {
			if !guard.steady(m.clock(), m.log) {
				return
			}
			if err := m.sweep(ctx); err != nil && ctx.Err() == nil {
				m.log.Error("could not sweep, trying again", "error", err)
			}
		})
	})
	loops.Wait()
	err := m.Flush(context.WithoutCancel(ctx))
	m.writes.settle()
	return err
}

func every(ctx context.Context, interval time.Duration, do func()) {
	t := time.NewTicker(interval)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			do()
		}
	}
}

// Flush writes the interactions that are recorded and not yet written.
func (m *Manager) Flush(ctx context.Context) error {
	return failed(m.touches.flush(ctx, m.store, m.cache))
}

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
func (m *Manager) bite(ctx context.Context, now time.Time, everybody Everybody) (more bool, err error) {
	var removed []func()
	swept, err := m.store.Sweep(ctx, Sweep{
		SessionsBefore: now.Add(-sweepMargin),
		EventsBefore:   now.Add(-m.eventRetention),
		Limit:          sweepBite,
		Decide: func(s Session, u User) Verdict {
			m.overlay(&s)
			v := s.sweepVerdict(now, u, everybody)
			if m.cache != nil && v.FileAt.IsZero() {
				removed = append(removed, m.cache.removing(s.UserID))
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
func (s *Session) sweepVerdict(now time.Time, u User, everybody Everybody) Verdict {
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
		return Verdict{FileAt: over}
	}
	if outdated || !s.EndedAt.IsZero() {
		return Verdict{}
	}
	e := event(SessionExpired, now, Caller{}, *s)
	e.Reason = ReasonExpired
	if s.Last.IdleExpiresAt.Before(s.ExpiresAt) {
		e.Reason = ReasonIdle
	}
	return Verdict{Event: &e}
}

// A clockGuard notices when the Manager's clock jumps, by holding it against the
// machine's monotonic one: a clock that jumps must delete nothing.
type clockGuard struct {
	started time.Time     // with its monotonic reading
	base    time.Time     // what the Manager's clock said then
	skew    time.Duration // by which the two had parted when they were last seen
	since   time.Time     // when the skew was first seen, by the monotonic clock
}

// clockJump is the parting that counts as a jump; after clockSettled without
// another, the clock is trusted again.
const (
	clockJump    = time.Minute
	clockSettled = sweepMargin
)

func newClockGuard(now time.Time) *clockGuard {
	return &clockGuard{started: time.Now(), base: now.Round(0)}
}

// steady reports whether the clock agrees with the monotonic one, or has settled
// since it jumped.
func (g *clockGuard) steady(now time.Time, log *slog.Logger) bool {
	monotonic := time.Since(g.started)
	wall := now.Round(0).Sub(g.base) // without its monotonic reading
	return g.observe(wall-monotonic, g.started.Add(monotonic), log)
}

func (g *clockGuard) observe(skew time.Duration, at time.Time, log *slog.Logger) bool {
	if (skew - g.skew).Abs() > clockJump {
		log.Warn("the clock has jumped, sweeping pauses for a day", "by", skew-g.skew)
		g.skew, g.since = skew, at
	}
	return g.since.IsZero() || at.Sub(g.since) >= clockSettled
}
