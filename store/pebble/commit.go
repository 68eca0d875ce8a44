package pebble

import (
	"context"
	"errors"
	"slices"
	"time"

	pebbledb "github.com/cockroachdb/pebble/v2"

	"github.com/rollcall-id/rollcall"
)

// batchRoom is what most commits write: a row of half a kilobyte, an event, and keys.
const batchRoom = 2 << 10

// Commit implements rollcall.Store.
func (s *Store) Commit(ctx context.Context, c rollcall.Change) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	if err := wellFormed(c); err != nil {
		return err
	}
	if err := s.roomForAct(); err != nil {
		return err
	}
	if c.UserID != "" {
		defer s.users.lock(c.UserID)()
	} else {
		s.docs.Lock()
		defer s.docs.Unlock()
	}
	if ids := claimed(c); len(ids) > 0 {
		defer s.ids.lock(ids...)()
	}

	batch := s.db.NewBatchWithSize(batchRoom)
	defer closeQuietly(batch)
	if err := s.fill(batch, c); err != nil {
		return err
	}
	position, err := s.log.append(batch, c.Events)
	if err != nil {
		return err
	}
	defer s.log.finished(position)
	if s.hold != nil {
		s.hold(c)
	}
	if err = s.apply(batch, noWait); err == nil {
		err = s.settle()
	}
	if err != nil {
		s.known.drop(c.UserID) // whether it is made is unknown
		return err
	}
	if c.User != nil {
		u := c.User.User
		u.Version = c.User.Replaces + 1
		s.known.put(u, nil)
	}
	return nil
}

// wellFormed refuses what is the caller's mistake. That includes a row that is put
// twice: each put is held against what is stored, so the second would replace
// the first unseen.
func wellFormed(c rollcall.Change) error {
	switch {
	case c.UserID != "" && len(c.Documents) > 0, c.UserID == "" && (c.User != nil || len(c.Sessions) > 0):
		return errors.New("a change belongs to one user, or puts documents")
	case c.User != nil && c.User.User.ID != c.UserID:
		return errors.New("a change puts another user's row")
	case len(c.UserID) > maxUserID:
		return errors.New("a user id is longer than the store can keep")
	}
	for i := range c.Sessions {
		if c.Sessions[i].Session.UserID != c.UserID {
			return errors.New("a change puts another user's session")
		}
		if c.Sessions[i].Ending && (c.User == nil || c.Sessions[i].Session.EndedAt.IsZero()) {
			return errors.New("an ending comes without the user's row, or ends nothing")
		}
		if slices.ContainsFunc(c.Sessions[:i], func(p rollcall.PutSession) bool { return p.Session.ID == c.Sessions[i].Session.ID }) {
			return errors.New("a change puts a session twice")
		}
	}
	for i, d := range c.Documents {
		if slices.ContainsFunc(c.Documents[:i], func(p rollcall.PutDocument) bool { return p.Name == d.Name }) {
			return errors.New("a change puts a document twice")
		}
	}
	return nil
}

// claimed lists the ids that a change puts for the first time.
func claimed(c rollcall.Change) (ids []string) {
	for i := range c.Sessions {
		if c.Sessions[i].IsNew() {
			ids = append(ids, c.Sessions[i].Session.ID)
		}
	}
	return ids
}

// fill holds a change against what is stored and writes it into the batch. The
// stripes that the commit holds keep that from changing.
func (s *Store) fill(batch *pebbledb.Batch, c rollcall.Change) error {
	if c.User != nil {
		stored, err := s.user(c.UserID)
		if err != nil {
			return err
		}
		if stored.Version != c.User.Replaces {
			return rollcall.ErrConflict
		}
		u := c.User.User
		u.Version = c.User.Replaces + 1
		if err := batch.Set(userKey(c.UserID), encodeUser(u), nil); err != nil {
			return err
		}
	}
	if c.User != nil && (c.User.Replaces+1)%s.tidyEvery == 0 {
		s.tidy(batch, c)
	}
	mark := s.mark()
	for i := range c.Sessions {
		if err := s.putSession(batch, &c.Sessions[i], mark); err != nil {
			return err
		}
	}
	for _, d := range c.Documents {
		stored, err := s.Document(context.Background(), d.Name)
		if err != nil {
			return err
		}
		if stored.Version != d.Replaces {
			return rollcall.ErrConflict
		}
		if err := batch.Set(documentKey(d.Name), encodeDocument(d.Replaces+1, d.Body), nil); err != nil {
			return err
		}
	}
	return nil
}

// mark returns the mark for rows that are put by what is read from now on. Uses up
// to it are shown in what is stored by whoever looks; a use that comes later counts
// as one that follows the put.
func (s *Store) mark() uint64 {
	x := &s.useLog.uses
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.published
}

func (s *Store) putSession(batch *pebbledb.Batch, p *rollcall.PutSession, mark uint64) error {
	if p.Ending {
		return putEnding(batch, &p.Session)
	}
	if p.Replaces == 0 {
		if p.Fresh {
			return claim(batch, p, mark)
		}
		if free, err := s.isFree(p.Session.ID); err != nil || free {
			return errors.Join(err, claim(batch, p, mark))
		}
	}
	stored, at, err := s.replaced(p.Session.UserID, p.Session.ID)
	if errors.Is(err, rollcall.ErrNoSession) {
		if p.Replaces != 0 {
			return rollcall.ErrConflict
		}
		return claim(batch, p, mark)
	}
	if err != nil {
		return err
	}
	if at.userID != p.Session.UserID || stored.session.Version != p.Replaces {
		return rollcall.ErrConflict
	}
	if !at.createdAt.Equal(p.Session.CreatedAt) {
		return errors.New("a put moves a session to another created_at")
	}
	s.useLog.uses.showIn(&stored)
	next := row{session: p.Session, mark: mark}
	next.session.Last = p.Session.Last.Later(stored.session.Last)
	if err := deleteFilings(batch, &stored); err != nil {
		return err
	}
	if at.kind != kindOf(&p.Session) {
		if err := errors.Join(batch.Delete(at.row(p.Session.ID), nil), writePointer(batch, &p.Session)); err != nil {
			return err
		}
	}
	return writeSession(batch, next, p.Replaces+1)
}

// replaced returns as much of a session's row as a put needs, for a caller who holds
// the stripe of the put's user.
func (s *Store) replaced(userID, id string) (row, pointer, error) {
	if r, at, ok := s.recent.take(userID, id); ok {
		return r, at, nil
	}
	l := latest{db: s.db}
	defer l.close()
	return rowIn(&l, id)
}

// putEnding puts an ending behind a row that nobody reads for it. The row is not moved:
// see tidy.
func putEnding(batch *pebbledb.Batch, s *rollcall.Session) error {
	at := pointer{kind: kindLive, createdAt: s.CreatedAt, userID: s.UserID}
	return errors.Join(
		batch.Merge(at.row(s.ID), encodeEnding(s), nil),
		batch.Set(filingKey(s.OverAt(), s.ID), nil, nil),
	)
}

// defaultTidyEvery is after how many acts on a user the sessions that have ended are moved
// out of the way of those that are live, and tidyRows how many of the user's newest rows
// are looked at for it, all of which such an act waits for.
const (
	defaultTidyEvery = 128
	tidyRows         = 2 * defaultTidyEvery
)

// tidy moves the user's sessions that have endings behind their rows to where ended ones
// lie, so that a list passes by few of them, however often the user signs in and out. What
// the change itself puts is left where it is, and what cannot be read does not keep the
// change from being made.
func (s *Store) tidy(batch *pebbledb.Batch, c rollcall.Change) {
	if err := s.moveEnded(batch, c); err != nil {
		s.last.log.Error("store: sessions that have ended could not be moved", "user", c.UserID, "error", err)
	}
}

func (s *Store) moveEnded(batch *pebbledb.Batch, c rollcall.Change) error {
	v, err := s.view()
	if err != nil {
		return err
	}
	defer v.close()
	looked := 0
	return v.each(c.UserID, rollcall.Position{}, func(r *row) (bool, error) {
		looked++
		ended, more := &r.session, looked < tidyRows
		if ended.EndedAt.IsZero() || slices.ContainsFunc(c.Sessions, func(p rollcall.PutSession) bool { return p.Session.ID == ended.ID }) {
			return more, nil
		}
		live := pointer{kind: kindLive, createdAt: ended.CreatedAt, userID: ended.UserID}
		return more, errors.Join(
			batch.Delete(live.row(ended.ID), nil),
			deleteFilings(batch, r),
			writeRow(batch, r),
			writePointer(batch, ended),
		)
	})
}

// deleteFilings takes a row's filings away.
func deleteFilings(batch *pebbledb.Batch, r *row) error {
	err := batch.Delete(filingKey(r.filed, r.session.ID), nil)
	if !r.filedBefore.IsZero() {
		err = errors.Join(err, batch.Delete(filingKey(r.filedBefore, r.session.ID), nil))
	}
	return err
}

// claim writes a session that is new.
func claim(batch *pebbledb.Batch, p *rollcall.PutSession, mark uint64) error {
	return errors.Join(writeSession(batch, row{session: p.Session, mark: mark}, 1), writePointer(batch, &p.Session))
}

func kindOf(s *rollcall.Session) byte {
	if s.EndedAt.IsZero() {
		return kindLive
	}
	return kindEnded
}

// writeSession writes a session's row as the version, and its filing.
func writeSession(batch *pebbledb.Batch, r row, version uint64) error {
	r.session.Version = version
	r.filed = r.session.OverAt().UTC().Truncate(time.Millisecond)
	return writeRow(batch, &r)
}

// writeRow writes a row and its filing.
func writeRow(batch *pebbledb.Batch, r *row) error {
	id := r.session.ID
	return errors.Join(
		batch.Set(pointerTo(&r.session).row(id), r.encode(), nil),
		batch.Set(filingKey(r.filed, id), nil, nil),
	)
}

// writePointer writes where a session lies, which is claiming its id, too.
func writePointer(batch *pebbledb.Batch, s *rollcall.Session) error {
	return batch.Set(pointerKey(s.ID), pointerTo(s).encode(), nil)
}

func pointerTo(s *rollcall.Session) pointer {
	return pointer{kind: kindOf(s), createdAt: s.CreatedAt, userID: s.UserID}
}
