package storetest

import (
	"cmp"
	"context"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/store/memory"
)

// tornReads is an engine whose reads see sessions and user at two moments.
type tornReads struct{ *memory.Store }

func (s tornReads) Session(ctx context.Context, id string) (rollcall.Session, rollcall.User, error) {
	session, _, err := s.Store.Session(ctx, id)
	if err != nil {
		return rollcall.Session{}, rollcall.User{}, err
	}
	time.Sleep(time.Millisecond) // long enough for a commit
	user, _, err := s.Store.Sessions(ctx, session.UserID, rollcall.Position{}, 0)
	return session, user, err
}

func (s tornReads) Sessions(ctx context.Context, userID string, after rollcall.Position, limit int) (rollcall.User, []rollcall.Session, error) {
	user, _, err := s.Store.Sessions(ctx, userID, rollcall.Position{}, 0)
	if err != nil {
		return rollcall.User{}, nil, err
	}
	time.Sleep(time.Millisecond) // long enough for a commit
	_, list, err := s.Store.Sessions(ctx, userID, after, limit)
	return user, list, err
}

// shuffledTies is an engine that lists sessions of one instant by descending id.
type shuffledTies struct{ *memory.Store }

func (s shuffledTies) Sessions(ctx context.Context, userID string, after rollcall.Position, limit int) (rollcall.User, []rollcall.Session, error) {
	user, list, err := s.Store.Sessions(ctx, userID, rollcall.Position{}, math.MaxInt)
	order := func(a, b rollcall.Position) int {
		return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), strings.Compare(b.ID, a.ID))
	}
	slices.SortFunc(list, func(a, b rollcall.Session) int { return order(a.Position(), b.Position()) })
	if (after != rollcall.Position{}) {
		list = slices.DeleteFunc(list, func(session rollcall.Session) bool { return order(session.Position(), after) <= 0 })
	}
	return user, list[:min(limit, len(list))], err
}

// rowCursors is an engine that looks a position up among the rows, and finds
// nothing after one that is gone.
type rowCursors struct{ *memory.Store }

func (s rowCursors) Sessions(ctx context.Context, userID string, after rollcall.Position, limit int) (rollcall.User, []rollcall.Session, error) {
	user, list, err := s.Store.Sessions(ctx, userID, after, limit)
	if after.ID != "" {
		if _, _, gone := s.Store.Session(ctx, after.ID); gone != nil {
			list = nil
		}
	}
	return user, list, err
}

// shortMemory is an engine that finds no session that has ended.
type shortMemory struct{ *memory.Store }

func (s shortMemory) Session(ctx context.Context, id string) (rollcall.Session, rollcall.User, error) {
	session, user, err := s.Store.Session(ctx, id)
	if err == nil && !session.EndedAt.IsZero() {
		return rollcall.Session{}, rollcall.User{}, rollcall.ErrNoSession
	}
	return session, user, err
}

// abroad is an engine that gives instants as they are written somewhere else.
type abroad struct{ *memory.Store }

// take rewrites the instants of what p points to.
func (abroad) take(p any) {
	zone := time.FixedZone("abroad", -3*3600)
	eachInstant(p, func(_ string, at *time.Time) { *at = at.In(zone) })
}

func (s abroad) Session(ctx context.Context, id string) (rollcall.Session, rollcall.User, error) {
	session, user, err := s.Store.Session(ctx, id)
	s.take(&session)
	s.take(&user)
	return session, user, err
}

func (s abroad) Sessions(ctx context.Context, userID string, after rollcall.Position, limit int) (rollcall.User, []rollcall.Session, error) {
	user, list, err := s.Store.Sessions(ctx, userID, after, limit)
	s.take(&user)
	s.take(&list)
	return user, list, err
}

func (s abroad) Events(ctx context.Context, after string, limit int) ([]rollcall.StoredEvent, error) {
	events, err := s.Store.Events(ctx, after, limit)
	s.take(&events)
	return events, err
}

// shared is an engine that returns the lists that it keeps, and not copies.
type shared struct {
	*memory.Store

	mu   sync.Mutex
	kept map[string]rollcall.Session
}

func (s *shared) Commit(ctx context.Context, c rollcall.Change) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.Store.Commit(ctx, c)
	if err != nil {
		return err
	}
	for _, p := range c.Sessions {
		if s.kept[p.Session.ID], _, err = s.Store.Session(background, p.Session.ID); err != nil {
			return err
		}
	}
	return nil
}

func (s *shared) Session(ctx context.Context, id string) (rollcall.Session, rollcall.User, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	session, user, err := s.Store.Session(ctx, id)
	if err == nil {
		k := s.kept[id]
		session.Methods, session.Clients, session.Metadata, session.UsedKeys = k.Methods, k.Clients, k.Metadata, k.UsedKeys
	}
	return session, user, err
}
