package rollcall

import (
	"context"
	"encoding/json"
	"sort"
	"time"
)

// everybody returns the generation of all users, from memory when that is good.
func (m *Manager) everybody(ctx context.Context) (Everybody, error) {
	if m.cache == nil {
		e, _, err := m.storedEverybody(ctx)
		return e, err
	}
	if e, known := m.cache.knownEverybody(); known {
		return e, nil
	}
	word := m.cache.clock.everybody.Load()
	e, _, err := m.storedEverybody(ctx)
	if err == nil {
		m.cache.rememberEverybody(e, word)
	}
	return e, err
}

// storedEverybody reads the generation of all users and the version of its document.
func (m *Manager) storedEverybody(ctx context.Context) (Everybody, uint64, error) {
	d, err := m.store.Document(ctx, EverybodyDocument)
	if err != nil || d.Version == 0 {
		return Everybody{}, 0, err
	}
	var e Everybody
	if err := json.Unmarshal(d.Body, &e); err != nil {
		return Everybody{}, 0, err
	}
	return e, d.Version, nil
}

// A reading looks for a session: in the store, or in memory first.
type reading func(ctx context.Context, id string) (Session, User, error)

// live returns a session that is not over at now, as it is stored and as this node
// knows it: with the interactions that it has not written yet. Otherwise it fails
// with ErrNoSession. It is what acts decide on.
func (m *Manager) live(ctx context.Context, id string, now time.Time) (Session, User, error) {
	return m.liveBy(ctx, m.stored, id, now)
}

// recalled is live for those who only look: from memory when that is good.
func (m *Manager) recalled(ctx context.Context, id string, now time.Time) (Session, error) {
	s, _, err := m.liveBy(ctx, m.remembered, id, now)
	return s, err
}

func (m *Manager) liveBy(ctx context.Context, read reading, id string, now time.Time) (Session, User, error) {
	if !IsSessionID(id) {
		return Session{}, User{}, ErrNoSession
	}
	everybody, err := m.everybody(ctx)
	if err != nil {
		return Session{}, User{}, err
	}
	s, u, err := read(ctx, id)
	if err != nil {
		return Session{}, User{}, err
	}
	if s.Over(now, u, everybody) {
		return Session{}, User{}, ErrNoSession
	}
	return s, u, nil
}

// maxRereads bounds how often a read is done anew because interactions were written
// meanwhile. Each is a batch of its own, so more than one is a very slow read.
const maxRereads = 3

// stored reads a session from the store, with what is not written yet.
func (m *Manager) stored(ctx context.Context, id string) (s Session, u User, err error) {
	for range maxRereads {
		flushed := m.touches.flushed.Load()
		if s, u, err = m.store.Session(ctx, id); err != nil {
			return Session{}, User{}, err
		}
		m.touches.overlay(&s)
		if m.touches.flushed.Load() == flushed {
			break // else an interaction may have left memory after the store was read
		}
	}
	return s, u, nil
}

// remembered finds a session in memory, else in the store, and then remembers its
// user.
func (m *Manager) remembered(ctx context.Context, id string) (s Session, u User, err error) {
	if m.cache == nil {
		return m.stored(ctx, id)
	}
	if m.cache.counted(m.cache.session(id, &s, &u)) {
		return s, u, nil
	}
	if s, u, err = m.stored(ctx, id); err != nil || !s.EndedAt.IsZero() {
		return s, u, err
	}
	if m.cache.worthFilling(s.UserID) {
		_, _, err = m.remember(ctx, s.UserID)
	}
	return s, u, err
}

// remember reads what an image holds of a user, and remembers it.
func (m *Manager) remember(ctx context.Context, userID string) (User, []Session, error) {
	word := m.cache.clock.word(userID).Load()
	flushed := m.touches.flushed.Load()
	u, sessions, err := m.store.Sessions(ctx, userID, Position{}, maxImageSessions+1)
	if err == nil && quiet(word) {
		m.cache.fill(u, sessions, word, func(s *Session) bool {
			m.touches.overlay(s)
			return m.touches.flushed.Load() == flushed
		})
	}
	return u, sessions, err
}

// A pageReader reads a user's sessions as the store's Sessions does.
type pageReader func(ctx context.Context, after Position, limit int) (User, []Session, error)

// storedPages reads a user's sessions from the store, with what is not written yet.
func (m *Manager) storedPages(userID string) pageReader {
	return func(ctx context.Context, after Position, limit int) (u User, sessions []Session, err error) {
		for range maxRereads {
			flushed := m.touches.flushed.Load()
			if u, sessions, err = m.store.Sessions(ctx, userID, after, limit); err != nil {
				return User{}, nil, err
			}
			for i := range sessions {
				m.touches.overlay(&sessions[i])
			}
			if m.touches.flushed.Load() == flushed {
				break
			}
		}
		return u, sessions, nil
	}
}

// pages reads a user's sessions from memory when that is good.
func (m *Manager) pages(ctx context.Context, userID string) (pageReader, error) {
	if m.cache == nil {
		return m.storedPages(userID), nil
	}
	u, sessions, known := m.cache.sessions(userID)
	if !m.cache.counted(known) {
		if !m.cache.worthFilling(userID) {
			return m.storedPages(userID), nil
		}
		if _, _, err := m.remember(ctx, userID); err != nil {
			return nil, err
		}
		if u, sessions, known = m.cache.sessions(userID); !known {
			return m.storedPages(userID), nil
		}
	}
	return func(_ context.Context, after Position, limit int) (User, []Session, error) {
		from := 0
		if after != (Position{}) {
			from = sort.Search(len(sessions), func(i int) bool { return after.Before(sessions[i].Position()) })
		}
		return u, sessions[from:min(from+limit, len(sessions))], nil
	}, nil
}
