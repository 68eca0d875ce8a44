package pebble

import (
	"errors"
	"slices"
	"time"

	pebbledb "github.com/cockroachdb/pebble/v2"

	"github.com/rollcall-id/rollcall"
)

// mark returns the mark for rows that are written from now on. Uses born up to it are
// shown in the stored rows by whoever looks; a use that is born later counts as one that
// follows the put.
func (s *Store) mark() uint64 { return s.uses.Now().Published }

// putSession holds a put against the stored row and writes it. Cases:
//
//  1. no session has the id, or the id is fresh: the put claims it, if it replaces none
//  2. the session is the user's, of the same creation and the version that is replaced:
//     the later interaction of the two stays
//  3. rollcall.ErrConflict
func (s *Store) putSession(m *made, p *rollcall.PutSession, mark uint64) error {
	next := row{session: p.Session, mark: mark}
	next.session.Version = p.Replaces + 1
	if p.Stamped {
		next.session.Generation = rollcall.Generation{User: m.user.Generation, Everybody: m.stamp.Generation}
	}
	if p.Replaces == 0 {
		free := p.Fresh
		if !free {
			var err error
			if free, err = s.isFree(p.Session.ID); err != nil {
				return err
			}
		}
		if free {
			next.file(p.FileAt)
			return errors.Join(writeRow(m.batch, &next), writePointer(m.batch, &next.session))
		}
	}
	stored, at, err := s.replaced(p.Session.UserID, p.Session.ID)
	if errors.Is(err, rollcall.ErrNoSession) && p.Replaces == 0 {
		next.file(p.FileAt) // a pointer without its row claims nothing
		return errors.Join(writeRow(m.batch, &next), writePointer(m.batch, &next.session))
	}
	if errors.Is(err, rollcall.ErrNoSession) {
		return rollcall.ErrConflict
	}
	if err != nil {
		return err
	}
	if at.userID != p.Session.UserID || stored.session.Version != p.Replaces || at.createdAt.UnixMilli() != p.Session.CreatedAt.UnixMilli() {
		return rollcall.ErrConflict
	}
	s.showIn(&stored)
	next.session.Last = p.Session.Last.Later(stored.session.Last)
	next.further = stored.further
	next.file(p.FileAt)
	return replace(m.batch, at, &stored, &next)
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

// file files a row under an instant, or, without one, under the instant at which the
// session is over.
func (r *row) file(at time.Time) {
	if at.IsZero() {
		at = r.session.OverAt()
	}
	r.filed = filedAt(at)
}

// replace writes a row in the place of the stored one, which lies at a pointer: the row
// moves when the session has ended since, or is live again.
func replace(batch *pebbledb.Batch, at pointer, stored, next *row) error {
	if err := deleteFilings(batch, stored); err != nil {
		return err
	}
	if id := next.session.ID; at.kind != kindOf(&next.session) {
		if err := errors.Join(batch.Delete(at.row(id), nil), writePointer(batch, &next.session)); err != nil {
			return err
		}
	}
	return writeRow(batch, next)
}

// deleteFilings takes a row's filings away.
func deleteFilings(batch *pebbledb.Batch, r *row) error {
	err := batch.Delete(filingKey(r.filed, r.session.ID), nil)
	if !r.filedBefore.IsZero() {
		err = errors.Join(err, batch.Delete(filingKey(r.filedBefore, r.session.ID), nil))
	}
	return err
}

// writeRow writes a row and its filing.
func writeRow(batch *pebbledb.Batch, r *row) error {
	id := r.session.ID
	return errors.Join(
		batch.Set(pointerTo(&r.session).row(id), r.encode(), nil),
		batch.Set(filingKey(r.filed, id), nil, nil),
	)
}

// writePointer writes where a session's row lies, which claims the session's id, too.
func writePointer(batch *pebbledb.Batch, s *rollcall.Session) error {
	return batch.Set(pointerKey(s.ID), pointerTo(s).encode(), nil)
}

func pointerTo(s *rollcall.Session) pointer {
	return pointer{kind: kindOf(s), createdAt: s.CreatedAt, userID: s.UserID}
}

func kindOf(s *rollcall.Session) byte {
	if s.EndedAt.IsZero() {
		return kindLive
	}
	return kindEnded
}

// putEnd puts an ending behind the row of a session that nobody has read. The row stays
// where it is, among those of live sessions, until tidy moves it.
func putEnd(batch *pebbledb.Batch, e *rollcall.End) error {
	at := pointer{kind: kindLive, createdAt: e.CreatedAt, userID: e.UserID}
	return errors.Join(
		batch.Merge(at.row(e.ID), encodeEnding(e), nil),
		batch.Set(filingKey(filedAt(e.FileAt), e.ID), nil, nil),
	)
}

// Each defaultTidyEvery-th act on a user moves sessions that have ended out of the way of
// live ones. It looks at the user's tidyRows newest rows among those of live sessions,
// all of which the act waits for.
const (
	defaultTidyEvery = 128
	tidyRows         = 2 * defaultTidyEvery
)

// tidy moves the user's sessions that have endings behind their rows to the rows of ended
// ones, so that a list passes by few of them, however often the user signs in and out.
// Sessions that the change itself puts or ends stay where they are. A row that cannot be
// read does not keep the change from being made.
func (s *Store) tidy(m *made) {
	if err := s.moveEnded(m); err != nil {
		s.last.log.Error("store: sessions that have ended could not be moved", "user", m.UserID, "error", err)
	}
}

func (s *Store) moveEnded(m *made) error {
	v, err := s.view()
	if err != nil {
		return err
	}
	defer v.close()
	looked := 0
	return v.each(m.UserID, rollcall.Position{}, func(r *row) (bool, error) {
		looked++
		more := looked < tidyRows
		if r.session.EndedAt.IsZero() || m.changes(r.session.ID) {
			return more, nil
		}
		at := pointer{kind: kindLive, createdAt: r.session.CreatedAt, userID: r.session.UserID}
		return more, replace(m.batch, at, r, r)
	})
}

// changes reports whether the change puts or ends a session.
func (m *made) changes(id string) bool {
	return slices.ContainsFunc(m.Sessions, func(p rollcall.PutSession) bool { return p.Session.ID == id }) ||
		slices.ContainsFunc(m.Ends, func(e rollcall.End) bool { return e.ID == id })
}
