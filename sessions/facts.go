package sessions

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/internal/recall"
)

// This file is the store as this node knows it: what is stored, the uses that are not
// written yet, and what is remembered. No other file of the package names the memory.
//
// A use goes from memory to the pending uses to the store, never back. Whoever reads the
// store therefore looks into memory next and at the pending uses last, and reads again
// when uses were written meanwhile.

// nodeMemory is what this node remembers.
type nodeMemory = recall.Memory

// newMemory returns memory of about as many bytes. What leaves memory with an unwritten
// use is handed over to handOver.
func newMemory(size int64, handOver func(rollcall.Touch)) *nodeMemory {
	return recall.New(size/10*9, handOver)
}

// A fact is a session with the standing that decides about the session, both of one
// moment.
type fact struct {
	rollcall.Session
	Standing rollcall.Standing
	// row is the interaction as the store has it; Last may hold a use that is not
	// written yet.
	row rollcall.Interaction
}

// maxRereads bounds how often a read is done anew because uses were written meanwhile:
// once an interval, and whenever a use is written before its answer. After so many the read
// fails: a use may be in none of them, and nothing may be decided without it.
const maxRereads = 100

var errReadOvertaken = errors.New("uses were written during each of many reads")

// overlay puts the uses that are not written yet into a session that was read from the
// store: Last becomes the latest use. Without memory other nodes may write to the store.
// Then a session whose stored idle end has passed is left as it was read: another node may
// have refused the session already.
func (m *Manager) overlay(s *rollcall.Session) {
	if m.memory == nil && !m.now().Before(s.Last.IdleExpiresAt) {
		return
	}
	m.memory.Unwritten(s)
	m.touches.overlay(s)
}

// stored reads a session from the store, and adds the uses that are not written yet.
// Errors: ErrNoSession, the store's.
func (m *Manager) stored(ctx context.Context, at rollcall.At) (f fact, err error) {
	if !rollcall.IsSessionID(at.ID) {
		return fact{}, rollcall.ErrNoSession
	}
	for range maxRereads {
		flushed := m.touches.flushed.Load()
		if f.Session, f.Standing, err = m.store.Session(ctx, at); err != nil {
			return fact{}, err
		}
		f.row = f.Last
		m.overlay(&f.Session)
		if m.touches.flushed.Load() == flushed {
			return f, nil // else a use may have left memory after the store was read
		}
	}
	return fact{}, errReadOvertaken
}

// live reads a session as stored does, and fails with ErrNoSession as well when the session
// is over at now. Creations and changes decide on what live returns.
func (m *Manager) live(ctx context.Context, at rollcall.At, now time.Time) (fact, error) {
	f, err := m.stored(ctx, at)
	if err == nil && f.Over(now, &f.Standing) {
		err = rollcall.ErrNoSession
	}
	if err != nil {
		return fact{}, err
	}
	return f, nil
}

// storedPages reads up to limit of a user's sessions that are not ended and follow after,
// from the store, and adds the uses that are not written yet. Errors: the store's.
func (m *Manager) storedPages(ctx context.Context, userID string, after rollcall.Position, limit int) (st rollcall.Standing, sessions []rollcall.Session, err error) {
	for range maxRereads {
		flushed := m.touches.flushed.Load()
		if st, sessions, err = m.store.Sessions(ctx, rollcall.SessionsOf{UserID: userID, After: after, Limit: limit}); err != nil {
			return rollcall.Standing{}, nil, err
		}
		for i := range sessions {
			m.overlay(&sessions[i])
		}
		if m.touches.flushed.Load() == flushed {
			return st, sessions, nil
		}
	}
	return rollcall.Standing{}, nil, errReadOvertaken
}

// eachStored calls visit with a user's sessions that are not ended and follow after, in
// order, each with the standing of its own moment, until visit returns false. The first
// read asks for limit rows, each further one for twice as many, up to a batch. It returns the
// standing of the first read.
func (m *Manager) eachStored(ctx context.Context, userID string, limit int, after rollcall.Position, visit func(*rollcall.Standing, *rollcall.Session) bool) (first rollcall.Standing, err error) {
	for reads := 0; ; reads++ {
		st, sessions, err := m.storedPages(ctx, userID, after, limit)
		if err != nil {
			return rollcall.Standing{}, err
		}
		if reads == 0 {
			first = st
		}
		for i := range sessions {
			if !visit(&st, &sessions[i]) {
				return first, nil
			}
		}
		if len(sessions) < limit {
			return first, nil
		}
		after = sessions[len(sessions)-1].Position()
		limit = min(2*limit, batch)
	}
}

// known returns what an ending of one session begins with: the session as memory has it,
// and then unread is true; else as stored reads it. The session may be over. Errors: those
// of stored.
func (m *Manager) known(ctx context.Context, id string) (f fact, unread bool, err error) {
	l := m.memory.Look(id)
	if l.Session(&f.Session, &f.Standing) {
		return f, true, nil
	}
	f, err = m.stored(ctx, rollcall.At{ID: id})
	return f, false, err
}

// looked reads the session of a look that memory did not answer, and remembers what was
// read, for checks and reads of one session. Cases:
//
//  1. the session has ended: nothing is remembered
//  2. sessions of this user were missed before (Fill.Again): all of the user's sessions are
//     read and remembered
//  3. else, and when 2 could not be kept: this one session is remembered
//
// Errors: those of stored.
func (m *Manager) looked(ctx context.Context, l *look) (f fact, err error) {
	fill, latest := l.Begin(), m.latest()
	if f, err = m.stored(ctx, rollcall.At{ID: l.id}); err != nil || !f.EndedAt.IsZero() {
		return f, err
	}
	if fill.Again(f.UserID) {
		if kept, err := m.remember(ctx, f.UserID); err != nil || kept {
			return f, err
		}
	}
	row := f.Session
	row.Last = f.row
	fill.KeepOne(&f.Standing, &row, latest)
	return f, nil
}

// latest is called before sessions are read that are to be remembered. The func that it
// returns is called with each session that was read, adds the pending use to the session,
// and reports false if uses were written since latest was called: a use may then be neither
// in the row that was read nor among the pending ones. The func does not look into memory:
// its caller holds the lock there, and has handed the uses in memory over to the pending
// ones.
func (m *Manager) latest() recall.Latest {
	flushed := m.touches.flushed.Load()
	return func(s *rollcall.Session) bool {
		m.touches.overlay(s)
		return m.touches.flushed.Load() == flushed
	}
}

// remember reads all of a user's sessions from the store and puts them into memory. kept
// is false when the user has more than recall.MaxSessions sessions, and when an act or a
// use of the user came during the read.
func (m *Manager) remember(ctx context.Context, userID string) (kept bool, err error) {
	fill, latest := m.memory.Begin(userID), m.latest()
	st, sessions, err := m.store.Sessions(ctx, rollcall.SessionsOf{UserID: userID, Limit: recall.MaxSessions + 1})
	if err != nil {
		return false, err
	}
	return fill.Keep(&st, sessions, latest), nil
}

// A look is a search in memory for the session with an id. Without memory a look finds
// nothing.
type look struct {
	recall.Look
	id string
}

// lookFor begins to look for the session in memory.
func (m *Manager) lookFor(id string) look { return look{m.memory.Look(id), id} }

var snapshots = sync.Pool{New: func() any { return new(recall.Snapshot) }}

// eachLive calls visit with a user's sessions that are not over at now and follow after,
// from memory when that is good; a session holds during the call. A read of the store
// asks for limit rows first.
func (m *Manager) eachLive(ctx context.Context, userID string, limit int, now time.Time, after rollcall.Position, visit func(*rollcall.Session) bool) error {
	known := snapshots.Get().(*recall.Snapshot)
	defer snapshots.Put(known)
	found, err := m.recall(ctx, userID, known)
	if err != nil {
		return err
	}
	if !found {
		_, err := m.eachStored(ctx, userID, limit, after, func(st *rollcall.Standing, s *rollcall.Session) bool {
			return s.Over(now, st) || visit(s)
		})
		return err
	}
	known.Each(func(s *rollcall.Session) bool {
		if after != (rollcall.Position{}) && !after.Before(s.Position()) || s.Over(now, &known.Standing) {
			return true
		}
		return visit(s)
	})
	return nil
}

// recall puts what is remembered of a user into a snapshot. What memory does not have is
// read from the store and remembered first, unless the user has too many sessions. known is
// false when the snapshot cannot answer; the store must then be asked. Errors: the store's.
func (m *Manager) recall(ctx context.Context, userID string, into *recall.Snapshot) (known bool, err error) {
	if m.memory.Sessions(userID, into) {
		return true, nil
	}
	if m.memory == nil || into.TooMany {
		return false, nil
	}
	if kept, err := m.remember(ctx, userID); err != nil || !kept {
		return false, err
	}
	return m.memory.Sessions(userID, into), nil
}

// recordUse records a use that Flush writes later. durable is the session's idle end as the
// store has it.
func (m *Manager) recordUse(t *rollcall.Touch, durable time.Time) {
	if m.memory == nil {
		m.touches.addUntil(*t, durable)
		return
	}
	m.touches.add(*t)
	m.memory.Show(t, false)
}

// writeUse writes a use to the store, and returns when the use is durable or the write has
// failed.
func (m *Manager) writeUse(ctx context.Context, t rollcall.Touch) error {
	return m.writes.do(ctx, func(ctx context.Context) error {
		err := m.touches.write(ctx, m.store, t)
		if err == nil {
			m.memory.Show(&t, true) // also when nobody waits for the use any more
		}
		return err
	}, func() {}, func() {})
}

// Flush writes the uses that are recorded and not yet written. Error: CodeUnavailable.
func (m *Manager) Flush(ctx context.Context) error {
	return failed(m.touches.flush(ctx, m.store, m.now(), m.memory.Collect, m.memory.Written))
}

// PendingTouches is how many sessions have a use that is recorded and not yet written.
func (m *Manager) PendingTouches() int { return m.touches.len() + m.memory.Counts().Uses }

// A memoryAct is an act on one user as memory sees the act.
type memoryAct = recall.Act

// committing tells memory that an act on the user begins to commit; "" is everybody. The
// caller ends the act that is returned, whatever came of the commit.
func (m *Manager) committing(userID string) memoryAct { return m.memory.Committing(userID) }

// removing tells memory that a sweep is about to mark or remove a row of the user. The
// caller ends the act that is returned.
func (m *Manager) removing(userID string) memoryAct { return m.memory.Removing(userID) }

// warm reads the store into memory, as far as there is room, and counts the live sessions.
func (m *Manager) warm(ctx context.Context) error {
	walk := func(visit func(rollcall.Walked) bool) error {
		room := true
		_, err := m.count(ctx, func(w *rollcall.Walked) { room = room && visit(*w) })
		return err
	}
	if m.memory == nil {
		return walk(func(rollcall.Walked) bool { return false })
	}
	return m.memory.Warm(func() error { return m.Flush(ctx) }, walk)
}

// A Stamp stands for the state of a user that lists show. An act or a use of the user, and
// an ending of everybody, change it; the passing of a session's limit does not: a page says
// in its Until when it is outdated by that.
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
	if m.memory == nil {
		return Stamp{}, false
	}
	return Stamp{m.memory.Stamp(userID)}, true
}

// Holds reports whether what Each has shown since the Stamp was taken, and until now, is
// what the Stamp stands for: nothing was done meanwhile, or was under way.
func (m *Manager) Holds(s Stamp) bool { return m.memory != nil && m.memory.Holds(s.of) }

// MemoryLookups is how often something was looked for in memory before the store was
// asked, and found or not; both 0 without memory.
func (m *Manager) MemoryLookups() (hits, misses uint64) {
	c := m.memory.Counts()
	return c.Hits, c.Misses
}

// Remembers reports whether the Manager remembers what it reads.
func (m *Manager) Remembers() bool { return m.memory != nil }
