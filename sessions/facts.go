package sessions

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/internal/recall"
)

// everybody returns the generation of all users, from memory when that is good.
func (m *Manager) everybody(ctx context.Context) (rollcall.Everybody, error) {
	if m.cache == nil {
		e, _, err := m.storedEverybody(ctx)
		return e, err
	}
	if e, known := m.cache.KnownEverybody(); known {
		return e, nil
	}
	word := m.cache.Word("")
	e, _, err := m.storedEverybody(ctx)
	if err == nil {
		m.cache.RememberEverybody(e, word)
	}
	return e, err
}

// storedEverybody reads the generation of all users and the version of its document.
func (m *Manager) storedEverybody(ctx context.Context) (rollcall.Everybody, uint64, error) {
	d, err := m.store.Document(ctx, rollcall.EverybodyDocument)
	if err != nil || d.Version == 0 {
		return rollcall.Everybody{}, 0, err
	}
	var e rollcall.Everybody
	if err := json.Unmarshal(d.Body, &e); err != nil {
		return rollcall.Everybody{}, 0, err
	}
	return e, d.Version, nil
}

// A reading looks for a session: in the store, or in memory first.
type reading func(ctx context.Context, id string) (rollcall.Session, rollcall.User, error)

// live returns a session that is not over at now, as it is stored and as this node
// knows it: with the interactions that it has not written yet. Otherwise it fails
// with ErrNoSession. It is what acts decide on.
func (m *Manager) live(ctx context.Context, id string, now time.Time) (rollcall.Session, rollcall.User, error) {
	return m.liveBy(ctx, m.stored, id, now)
}

// recalled is live for those who only look: from memory when that is good.
func (m *Manager) recalled(ctx context.Context, id string, now time.Time) (rollcall.Session, error) {
	s, _, err := m.liveBy(ctx, m.remembered, id, now)
	return s, err
}

func (m *Manager) liveBy(ctx context.Context, read reading, id string, now time.Time) (rollcall.Session, rollcall.User, error) {
	if !rollcall.IsSessionID(id) {
		return rollcall.Session{}, rollcall.User{}, rollcall.ErrNoSession
	}
	everybody, err := m.everybody(ctx)
	if err != nil {
		return rollcall.Session{}, rollcall.User{}, err
	}
	s, u, err := read(ctx, id)
	if err != nil {
		return rollcall.Session{}, rollcall.User{}, err
	}
	if s.Over(now, u, everybody) {
		return rollcall.Session{}, rollcall.User{}, rollcall.ErrNoSession
	}
	return s, u, nil
}

// maxRereads bounds how often a read is done anew because interactions were written
// meanwhile. Each is a batch of its own, so more than one is a very slow read.
const maxRereads = 3

// overlay shows in a stored session what is not yet written of it. Uses go from the
// cache to what is pending, not back, so they are looked for in this order.
func (m *Manager) overlay(s *rollcall.Session) {
	if m.cache != nil {
		m.cache.Overlay(s)
	}
	m.touches.overlay(s)
}

// stored reads a session from the store, with what is not written yet.
func (m *Manager) stored(ctx context.Context, id string) (s rollcall.Session, u rollcall.User, err error) {
	return m.storedBy(ctx, m.store.Session, id)
}

// storedAt is stored for who knows whose the session is, and its CreatedAt.
func (m *Manager) storedAt(ctx context.Context, id, userID string, createdAt time.Time) (s rollcall.Session, u rollcall.User, err error) {
	if m.locator == nil {
		return m.stored(ctx, id)
	}
	return m.storedBy(ctx, func(ctx context.Context, id string) (rollcall.Session, rollcall.User, error) {
		return m.locator.SessionAt(ctx, id, userID, createdAt)
	}, id)
}

func (m *Manager) storedBy(ctx context.Context, read reading, id string) (s rollcall.Session, u rollcall.User, err error) {
	for range maxRereads {
		flushed := m.touches.flushed.Load()
		if s, u, err = read(ctx, id); err != nil {
			return rollcall.Session{}, rollcall.User{}, err
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
func (m *Manager) remembered(ctx context.Context, id string) (s rollcall.Session, u rollcall.User, err error) {
	if m.cache == nil {
		return m.stored(ctx, id)
	}
	if m.cache.Counted(m.cache.Session(id, &s, &u)) {
		return s, u, nil
	}
	moves, flushed := m.cache.Moves(), m.touches.flushed.Load()
	if s, u, err = m.stored(ctx, id); err != nil || !s.EndedAt.IsZero() {
		return s, u, err
	}
	if m.cache.WorthFilling(s.UserID) {
		return s, u, m.remember(ctx, s.UserID)
	}
	m.cache.FillSingle(&u, &s, moves, m.latest(flushed))
	return s, u, nil
}

// latest brings a session that was read since so many uses were written up to date with
// those that are not: what images held of it is pending by now, and their lock is taken.
func (m *Manager) latest(flushed uint64) func(*rollcall.Session) bool {
	return func(s *rollcall.Session) bool {
		m.touches.overlay(s)
		return m.touches.flushed.Load() == flushed
	}
}

// remember reads what an image holds of a user, and remembers it.
func (m *Manager) remember(ctx context.Context, userID string) error {
	word := m.cache.Word(userID)
	flushed := m.touches.flushed.Load()
	u, sessions, err := m.store.Sessions(ctx, userID, rollcall.Position{}, recall.MaxSessions+1)
	if err == nil {
		m.cache.Fill(u, sessions, word, m.latest(flushed))
	}
	return err
}

// storedPages reads a user's sessions as the store's Sessions does, with what is not
// written yet.
func (m *Manager) storedPages(ctx context.Context, userID string, after rollcall.Position, limit int) (u rollcall.User, sessions []rollcall.Session, err error) {
	for range maxRereads {
		flushed := m.touches.flushed.Load()
		if u, sessions, err = m.store.Sessions(ctx, userID, after, limit); err != nil {
			return rollcall.User{}, nil, err
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
func (m *Manager) eachStored(ctx context.Context, userID string, limit int, now time.Time, after rollcall.Position, everybody rollcall.Everybody, visit func(*rollcall.Session) bool) (first rollcall.User, err error) {
	for reads := 0; ; reads++ {
		user, sessions, err := m.storedPages(ctx, userID, after, limit)
		if err != nil {
			return rollcall.User{}, err
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

var recollections = sync.Pool{New: func() any { return new(recall.Recollection) }}

// eachLive is eachStored for those who only look: from memory when that is good. What
// visit is given holds during the call.
func (m *Manager) eachLive(ctx context.Context, userID string, limit int, now time.Time, after rollcall.Position, everybody rollcall.Everybody, visit func(*rollcall.Session) bool) error {
	r := recollections.Get().(*recall.Recollection)
	defer recollections.Put(r)
	known, err := m.recollect(ctx, userID, r)
	if err != nil {
		return err
	}
	if !known {
		_, err := m.eachStored(ctx, userID, limit, now, after, everybody, visit)
		return err
	}
	user := r.User()
	r.Sessions(user.ID, func(s *rollcall.Session) bool {
		if after != (rollcall.Position{}) && !after.Before(s.Position()) || s.Over(now, user, everybody) {
			return true
		}
		return visit(s)
	})
	return nil
}

// recollect finds what is remembered of a user, after reading it if that is worth it.
func (m *Manager) recollect(ctx context.Context, userID string, r *recall.Recollection) (known bool, err error) {
	if m.cache == nil {
		return false, nil
	}
	if m.cache.Counted(m.cache.Recall(userID, r)) {
		return true, nil
	}
	if !m.cache.WorthFilling(userID) {
		return false, nil
	}
	if err := m.remember(ctx, userID); err != nil {
		return false, err
	}
	return m.cache.Recall(userID, r), nil
}

// touch records a use of a session and shows it in s.
func (m *Manager) touch(ctx context.Context, s *rollcall.Session, now time.Time, use rollcall.Use) error {
	later := m.mayWriteLater(s, now)
	touch := rollcall.Touch{UserID: s.UserID, SessionID: s.ID, Interaction: s.Touched(m.policy, now, m.origin(s, use))}
	s.Last = s.Last.Later(touch.Interaction)
	if later {
		m.touches.add(touch)
		m.show(&touch)
		return nil
	}
	write := func(ctx context.Context) error {
		err := m.touches.write(ctx, m.store, touch)
		if err == nil {
			m.show(&touch) // also when nobody waits for it any more
		}
		return err
	}
	return m.writes.do(ctx, write, func() {}, func() {})
}

// show shows a use in what is remembered.
func (m *Manager) show(t *rollcall.Touch) {
	if m.cache != nil {
		m.cache.Touch(t)
	}
}

// A Stamp stands for what a user's list shows at a moment, but for sessions that come to
// their own end.
type Stamp struct{ of recall.Stamp }

// UserHash is a hash of the user's id, the same one for the life of the Manager.
func (s Stamp) UserHash() uint64 { return s.of.User }

// State is equal for two Stamps of a user exactly if nothing was done between them that
// the list shows.
func (s Stamp) State() [3]uint64 {
	return [3]uint64{s.of.Acts, s.of.Touches, s.of.Everybody}
}

// Stamp returns the Stamp of the present moment. ok is false without memory: then nobody
// notices what others do.
func (m *Manager) Stamp(userID string) (s Stamp, ok bool) {
	if m.cache == nil {
		return Stamp{}, false
	}
	return Stamp{m.cache.Seen(userID)}, true
}

// Holds reports whether what Each has shown since the Stamp was taken, and until now, is
// what the Stamp stands for: nothing was done meanwhile, or was under way.
func (m *Manager) Holds(s Stamp) bool { return m.cache != nil && m.cache.Holds(s.of) }
