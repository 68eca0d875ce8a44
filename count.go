package rollcall

import (
	"context"
	"errors"
)

// A Counter is a [Store] that can count. Engines may do without.
type Counter interface {
	// CountSessions asks about every session whose EndedAt is not set, with its
	// user's row, and returns how many were to be counted, all as of one moment at
	// or after the call. A user's sessions come one after the other, in the order of
	// Position. counts must not keep what it is given, nor change it. It takes time
	// that grows with the store, keeps nobody waiting, and ends early with the
	// context.
	CountSessions(ctx context.Context, counts func(*Session, *User) bool) (int, error)
}

// CountLive counts the sessions that are not over, by looking at every one: for
// an hourly number, not for a request. What it sees it remembers while there is
// room, so that a server that has just started need not read it again. Errors: one
// that is errors.ErrUnsupported when the store cannot count; CodeUnavailable.
func (m *Manager) CountLive(ctx context.Context) (int, error) {
	c, ok := m.store.(Counter)
	if !ok {
		return 0, &Error{Code: CodeUnavailable, Message: "The store cannot count sessions", Err: errors.ErrUnsupported}
	}
	everybody, err := m.everybody(ctx)
	if err != nil {
		return 0, failed(err)
	}
	now := m.now()
	warm := m.warming(ctx)
	n, err := c.CountSessions(ctx, func(s *Session, u *User) bool {
		warm.add(s, u)
		return !s.Over(now, *u, everybody)
	})
	warm.keep()
	return n, failed(err)
}

// CacheLookups is how often something was looked for in memory before the store was
// asked, and found or not; both 0 without a cache.
func (m *Manager) CacheLookups() (hits, misses uint64) {
	if m.cache == nil {
		return 0, 0
	}
	return m.cache.hits.Load(), m.cache.misses.Load()
}

// Caches reports whether the Manager remembers what it reads.
func (m *Manager) Caches() bool { return m.cache != nil }

// PendingTouches is how many sessions have a use that is recorded and not yet
// written.
func (m *Manager) PendingTouches() int {
	n := m.touches.len()
	if m.cache != nil {
		n += m.cache.recordedUses()
	}
	return n
}
