package storetest

import (
	"context"
	"sync"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/store/memory"
)

// interactions is an engine that keeps the latest interactions beside the one in
// memory, which has the rules built in, and breaks those that it is told to.
type interactions struct {
	*memory.Store
	olderTouches, touchesOfEnded, olderPuts bool // that count, and must not

	mu   sync.Mutex
	last map[string]rollcall.Interaction
}

// lastTouchWins is an engine to which the last touch is the latest.
func lastTouchWins(s *memory.Store) rollcall.Store {
	return &interactions{Store: s, last: map[string]rollcall.Interaction{}, olderTouches: true}
}

// touchesEnded is an engine that touches ended sessions, too.
func touchesEnded(s *memory.Store) rollcall.Store {
	return &interactions{Store: s, last: map[string]rollcall.Interaction{}, touchesOfEnded: true}
}

// putInteractions is an engine whose puts replace later interactions, too.
func putInteractions(s *memory.Store) rollcall.Store {
	return &interactions{Store: s, last: map[string]rollcall.Interaction{}, olderPuts: true}
}

// keep keeps the later of two interactions, or the given one whatever it is.
func (s *interactions) keep(id string, given rollcall.Interaction, whatever bool) {
	given.At, given.IdleExpiresAt = given.At.UTC(), given.IdleExpiresAt.UTC()
	if stored := s.last[id]; whatever || given.At.After(stored.At) {
		s.last[id] = given
	}
}

func (s *interactions) Touch(ctx context.Context, touches []rollcall.Touch) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range touches {
		session, _, err := s.Store.Session(ctx, t.SessionID)
		if err == nil && session.UserID == t.UserID && (session.EndedAt.IsZero() || s.touchesOfEnded) {
			s.keep(t.SessionID, t.Interaction, s.olderTouches)
		}
	}
	return ctx.Err()
}

func (s *interactions) Commit(ctx context.Context, c rollcall.Change) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.Store.Commit(ctx, c); err != nil {
		return err
	}
	for _, p := range c.Sessions {
		id, given := p.Session.ID, p.Session.Last
		s.keep(id, given, s.olderPuts || p.Replaces == 0 || given.At.Equal(s.last[id].At))
	}
	return nil
}

func (s *interactions) Session(ctx context.Context, id string) (rollcall.Session, rollcall.User, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	session, user, err := s.Store.Session(ctx, id)
	if err == nil {
		session.Last = s.last[id]
	}
	return session, user, err
}

func (s *interactions) Sessions(ctx context.Context, userID string, after rollcall.Position, limit int) (rollcall.User, []rollcall.Session, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	user, list, err := s.Store.Sessions(ctx, userID, after, limit)
	for i := range list {
		list[i].Last = s.last[list[i].ID]
	}
	return user, list, err
}

func (s *interactions) Sweep(ctx context.Context, bite rollcall.Sweep) (rollcall.Swept, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	decide := bite.Decide
	bite.Decide = func(session rollcall.Session, user rollcall.User) rollcall.Verdict {
		session.Last = s.last[session.ID]
		return decide(session, user)
	}
	return s.Store.Sweep(ctx, bite)
}
