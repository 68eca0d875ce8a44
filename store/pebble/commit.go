package pebble

import (
	"context"
	"errors"

	pebbledb "github.com/cockroachdb/pebble/v2"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/store/pebble/internal/codec"
)

// batchRoom is what most commits write: a row of half a kilobyte, an event, and keys.
const batchRoom = 2 << 10

// Commit implements rollcall.Store. Everybody's row in the standing is, by case:
//
//  1. a session was stamped: the row whose generation the session has, also when
//     everybody's row changed while the commit waited for its sync
//  2. none was: the row of the instant at which the commit is durable
func (s *Store) Commit(ctx context.Context, c rollcall.Change) (rollcall.Standing, error) {
	if err := s.begin(ctx); err != nil {
		return rollcall.Standing{}, err
	}
	if err := c.Check(); err != nil {
		return rollcall.Standing{}, err
	}
	if len(c.UserID) > maxUserID {
		return rollcall.Standing{}, errors.New("a user id is longer than the store can keep")
	}
	if err := s.roomFor(&c); err != nil {
		return rollcall.Standing{}, err
	}
	defer s.lockFor(&c)()
	if ids := claimed(&c); len(ids) > 0 {
		defer s.ids.lock(ids...)()
	}
	batch := s.db.NewBatchWithSize(batchRoom)
	defer closeQuietly(batch)
	made := made{Change: &c, batch: batch}
	defer func() { s.log.finish(made.durable, made.events) }()
	err := s.make(&made)
	if err == nil {
		err = s.settle()
	}
	if err != nil {
		if made.applied {
			s.known.drop(c.UserID) // whether the row was written is unknown
		}
		return rollcall.Standing{}, err
	}
	made.durable = true
	if made.everybody != nil {
		s.everybody.set(made.everybody)
	}
	if made.writesUser() {
		s.known.put(made.user, nil)
	}
	st := rollcall.Standing{User: made.user.User}
	if made.stamp != nil {
		st.Everybody = made.stamp.shown()
	} else {
		st.Everybody = s.everybody.now()
	}
	return st, nil
}

// lockFor keeps other changes of the same rows out until unlock is called. Cases:
//
//  1. the change is a user's: the user's stripe
//  2. it puts documents and everybody's row: documents are visible as soon as they are
//     applied, and everybody's row when it is durable, so that reads of documents wait
//  3. it puts others of nobody's rows
func (s *Store) lockFor(c *rollcall.Change) (unlock func()) {
	if c.UserID != "" {
		return s.users.lock(c.UserID)
	}
	s.nobody.Lock()
	if c.Everybody == nil || len(c.Documents) == 0 {
		return s.nobody.Unlock
	}
	s.documents.Lock()
	return func() {
		s.documents.Unlock()
		s.nobody.Unlock()
	}
}

// A made is a change on its way into the store.
type made struct {
	*rollcall.Change
	batch *pebbledb.Batch
	// user is the row that the change leaves, of the change's user.
	user userRow
	// everybody is the row that the change puts, nil if it puts none.
	everybody *everybodyRow
	// stamp is everybody's row as the stamped sessions have its generation, nil if no
	// session is stamped.
	stamp  *everybodyRow
	events reserved
	// applied says that the change may be visible, durable that it is kept for good.
	applied, durable bool
}

// writesUser reports whether the user's row changes: also when the change only leaves
// events, which the row counts.
func (m *made) writesUser() bool {
	return m.UserID != "" && (m.User != nil || len(m.Events) > 0)
}

// stamps reports whether a session takes its generation as the commit finds it.
func (m *made) stamps() bool {
	for i := range m.Sessions {
		if m.Sessions[i].Stamped {
			return true
		}
	}
	return false
}

// claimed lists the ids that a change puts for the first time.
func claimed(c *rollcall.Change) (ids []string) {
	for i := range c.Sessions {
		if c.Sessions[i].Replaces == 0 {
			ids = append(ids, c.Sessions[i].Session.ID)
		}
	}
	return ids
}

// make holds a change against the stored rows and applies it. The stripes that the commit
// holds keep the rows as they are until then.
func (s *Store) make(m *made) error {
	if err := s.guardUser(m); err != nil {
		return err
	}
	if m.stamps() {
		s.everybody.mu.RLock() // until what is stamped is visible
		defer s.everybody.mu.RUnlock()
		m.stamp = s.everybody.row.Load()
	}
	if err := s.putAll(m); err != nil {
		return err
	}
	m.events = s.log.reserve(len(m.Events))
	if err := writeEvents(m.batch, &m.user, m.events, m.Events); err != nil {
		return err
	}
	if err := setUser(m.batch, &m.user, m.writesUser()); err != nil {
		return err
	}
	if s.hold != nil {
		s.hold(*m.Change)
	}
	m.applied = true
	return s.apply(m.batch, noWait)
}

// guardUser holds the put of a user's row against the stored row, and makes the next one.
// See [rollcall.PutUser] for the cases.
func (s *Store) guardUser(m *made) (err error) {
	if m.UserID == "" {
		return nil
	}
	stored, err := s.user(m.UserID)
	if err != nil {
		return err
	}
	m.user = stored
	exists := stored.Version != 0
	p := m.User
	switch {
	case p == nil:
		if !exists {
			return rollcall.ErrConflict
		}
		return nil
	case p.NextGeneration:
		if !exists || stored.Generation+1 != p.User.Generation {
			return rollcall.ErrConflict
		}
		m.user.Generation, m.user.GenerationAt = p.User.Generation, codec.Milli(p.User.GenerationAt.UnixMilli())
		m.user.GenerationReason, m.user.GenerationBy = p.User.GenerationReason, p.User.GenerationBy
	case p.Replaces != rollcall.AnyVersion:
		if stored.Version != p.Replaces {
			return rollcall.ErrConflict
		}
		m.user.User = given(&p.User, &stored)
	case !exists:
		m.user.User = given(&p.User, &stored)
	}
	if exists {
		m.user.Version = stored.Version + 1
	} else {
		m.user.Version, m.user.Generation, m.user.TokenGeneration = p.User.Version, p.User.Version, p.User.Version
	}
	return nil
}

// given is a user's row as a put gives it: what the engine counts comes from the stored
// row.
func given(u *rollcall.User, stored *userRow) rollcall.User {
	g := *u
	g.Events = stored.Events
	g.GenerationAt, g.TokenGenerationAt = codec.Milli(g.GenerationAt.UnixMilli()), codec.Milli(g.TokenGenerationAt.UnixMilli())
	return g
}

// putAll holds the other puts and the ends of a change against the stored rows, and writes
// them into the batch.
func (s *Store) putAll(m *made) error {
	if m.User != nil && m.user.Version%s.tidyEvery == 0 {
		s.tidy(m)
	}
	mark := s.mark()
	for i := range m.Sessions {
		if err := s.putSession(m, &m.Sessions[i], mark); err != nil {
			return err
		}
	}
	for i := range m.Ends {
		if err := putEnd(m.batch, &m.Ends[i]); err != nil {
			return err
		}
	}
	if m.Everybody != nil {
		stored := s.everybody.row.Load()
		if stored.Version != m.Everybody.Replaces {
			return rollcall.ErrConflict
		}
		m.everybody = stored.next(m.Everybody)
		if err := m.batch.Set([]byte{spaceEverybody}, m.everybody.encode(), nil); err != nil {
			return err
		}
	}
	for i := range m.Documents {
		if err := s.putDocument(m.batch, &m.Documents[i]); err != nil {
			return err
		}
	}
	return nil
}

// setUser writes a user's row, if the change writes it.
func setUser(batch *pebbledb.Batch, u *userRow, writes bool) error {
	if !writes {
		return nil
	}
	return batch.Set(userKey(u.ID), u.encode(), nil)
}

func (s *Store) putDocument(batch *pebbledb.Batch, p *rollcall.PutDocument) error {
	stored, err := s.document(p.Name)
	if err != nil {
		return err
	}
	if stored.Version != p.Replaces {
		return rollcall.ErrConflict
	}
	next := documentRow{Document: rollcall.Document{Version: p.Replaces + 1, Body: p.Body}, further: stored.further}
	return batch.Set(documentKey(p.Name), next.encode(), nil)
}
