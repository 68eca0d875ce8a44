package rollcall

import (
	"context"
	"encoding/json"
	"sync"
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

// overlay shows in a stored session what is not yet written of it. Uses go from the
// cache to what is pending, not back, so they are looked for in this order.
func (m *Manager) overlay(s *Session) {
	if m.cache != nil {
		m.cache.overlay(s)
	}
	m.touches.overlay(s)
}

// stored reads a session from the store, with what is not written yet.
func (m *Manager) stored(ctx context.Context, id string) (s Session, u User, err error) {
	return m.storedBy(ctx, m.store.Session, id)
}

// storedAt is stored for who knows whose the session is, and its CreatedAt.
func (m *Manager) storedAt(ctx context.Context, id, userID string, createdAt time.Time) (s Session, u User, err error) {
	if m.locator == nil {
		return m.stored(ctx, id)
	}
	return m.storedBy(ctx, func(ctx context.Context, id string) (Session, User, error) {
		return m.locator.SessionAt(ctx, id, userID, createdAt)
	}, id)
}

func (m *Manager) storedBy(ctx context.Context, read reading, id string) (s Session, u User, err error) {
	for range maxRereads {
		flushed := m.touches.flushed.Load()
		if s, u, err = read(ctx, id); err != nil {
			return Session{}, User{}, err
		}
		m.overlay(&s)
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
	moves, flushed := m.cache.clock.moves.Load(), m.touches.flushed.Load()
	if s, u, err = m.stored(ctx, id); err != nil || !s.EndedAt.IsZero() {
		return s, u, err
	}
	if m.cache.worthFilling(s.UserID) {
		return s, u, m.remember(ctx, s.UserID)
	}
	m.cache.fillSingle(&u, &s, moves, m.latest(flushed))
	return s, u, nil
}

// latest brings a session that was read since so many uses were written up to date with
// those that are not: what images held of it is pending by now, and their lock is taken.
func (m *Manager) latest(flushed uint64) func(*Session) bool {
	return func(s *Session) bool {
		m.touches.overlay(s)
		return m.touches.flushed.Load() == flushed
	}
}

// remember reads what an image holds of a user, and remembers it.
func (m *Manager) remember(ctx context.Context, userID string) error {
	word := m.cache.clock.word(userID).Load()
	flushed := m.touches.flushed.Load()
	u, sessions, err := m.store.Sessions(ctx, userID, Position{}, maxImageSessions+1)
	if err == nil && quiet(word) {
		m.cache.fill(u, sessions, word, m.latest(flushed))
	}
	return err
}

// storedPages reads a user's sessions as the store's Sessions does, with what is not
// written yet.
func (m *Manager) storedPages(ctx context.Context, userID string, after Position, limit int) (u User, sessions []Session, err error) {
	for range maxRereads {
		flushed := m.touches.flushed.Load()
		if u, sessions, err = m.store.Sessions(ctx, userID, after, limit); err != nil {
			return User{}, nil, err
		}
		for i := range sessions {
			m.overlay(&sessions[i])
		}
		if m.touches.flushed.Load() == flushed {
			break
		}
	}
	return u, sessions, nil
}

// eachStored calls visit with a user's live sessions that follow after, in order,
// until it returns false. Its first read asks for limit rows, and each is judged by
// the user's row of its own moment. It returns the user's row as of the first.
func (m *Manager) eachStored(ctx context.Context, userID string, limit int, now time.Time, after Position, everybody Everybody, visit func(*Session) bool) (first User, err error) {
	for reads := 0; ; reads++ {
		user, sessions, err := m.storedPages(ctx, userID, after, limit)
		if err != nil {
			return User{}, err
		}
		if reads == 0 {
			first = user
		}
		for i := range sessions {
			if s := &sessions[i]; !s.Over(now, user, everybody) && !visit(s) {
				return first, nil
			}
		}
		if len(sessions) < limit {
			return first, nil
		}
		after = sessions[len(sessions)-1].Position()
		limit = batch
	}
}

var recollections = sync.Pool{New: func() any { return new(recollection) }}

// eachLive is eachStored for those who only look: from memory when that is good. What
// visit is given holds during the call.
func (m *Manager) eachLive(ctx context.Context, userID string, limit int, now time.Time, after Position, everybody Everybody, visit func(*Session) bool) error {
	r := recollections.Get().(*recollection)
	defer recollections.Put(r)
	known, err := m.recollect(ctx, userID, r)
	if err != nil {
		return err
	}
	if !known {
		_, err := m.eachStored(ctx, userID, limit, now, after, everybody, visit)
		return err
	}
	user := r.image.user()
	r.sessions(user.ID, func(s *Session) bool {
		if after != (Position{}) && !after.Before(s.Position()) || s.Over(now, user, everybody) {
			return true
		}
		return visit(s)
	})
	return nil
}

// recollect finds what is remembered of a user, after reading it if that is worth it.
func (m *Manager) recollect(ctx context.Context, userID string, r *recollection) (known bool, err error) {
	if m.cache == nil {
		return false, nil
	}
	if m.cache.counted(m.cache.recall(userID, r)) {
		return true, nil
	}
	if !m.cache.worthFilling(userID) {
		return false, nil
	}
	if err := m.remember(ctx, userID); err != nil {
		return false, err
	}
	return m.cache.recall(userID, r), nil
}
