package memory

import (
	"context"

	"github.com/rollcall-id/rollcall"
)

var _ rollcall.Counter = (*Store)(nil)

// CountSessions implements rollcall.Counter. The lock is held all the while.
func (s *Store) CountSessions(ctx context.Context, counts func(*rollcall.Session, *rollcall.User) bool) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	n := 0
	for userID, rows := range s.byUser {
		u := s.user(userID)
		for _, r := range rows {
			if r.session.EndedAt.IsZero() && counts(&r.session, &u) {
				n++
			}
		}
	}
	return n, nil
}
