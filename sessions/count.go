package sessions

import (
	"context"
	"errors"

	"github.com/rollcall-id/rollcall"
)

// CountLive counts the sessions that are not over, by looking at every one: for
// an hourly number, not for a request. What it sees it remembers while there is
// room, so that a server that has just started need not read it again. Errors: one
// that is errors.ErrUnsupported when the store cannot count; CodeUnavailable.
func (m *Manager) CountLive(ctx context.Context) (int, error) {
	c, ok := m.store.(rollcall.Counter)
	if !ok {
		return 0, &rollcall.Error{Code: rollcall.CodeUnavailable, Message: "The store cannot count sessions", Err: errors.ErrUnsupported}
	}
	everybody, err := m.everybody(ctx)
	if err != nil {
		return 0, failed(err)
	}
	now := m.now()
	warm := m.cache.Warm(func() error { return m.Flush(ctx) })
	n, err := c.CountSessions(ctx, func(s *rollcall.Session, u *rollcall.User) bool {
		warm.Add(s, u)
		return !s.Over(now, *u, everybody)
	})
	warm.Keep()
	return n, failed(err)
}

// CacheLookups is how often something was looked for in memory before the store was
// asked, and found or not; both 0 without a cache.
func (m *Manager) CacheLookups() (hits, misses uint64) {
	if m.cache == nil {
		return 0, 0
	}
	return m.cache.Lookups()
}

// Caches reports whether the Manager remembers what it reads.
func (m *Manager) Caches() bool { return m.cache != nil }

// PendingTouches is how many sessions have a use that is recorded and not yet
// written.
func (m *Manager) PendingTouches() int {
	n := m.touches.len()
	if m.cache != nil {
		n += m.cache.RecordedUses()
	}
	return n
}
