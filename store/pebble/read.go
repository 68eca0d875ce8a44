package pebble

import (
	"bytes"
	"context"
	"errors"
	"slices"

	pebbledb "github.com/cockroachdb/pebble/v2"

	"github.com/rollcall-id/rollcall"
)

// A view is the store at one moment: several looks through one iterator, which is a
// snapshot, agree with each other.
type view struct{ it *pebbledb.Iterator }

func (s *Store) view() (view, error) {
	it, err := s.db.NewIter(nil)
	return view{it}, err
}

func (v view) close() { closeQuietly(v.it) }

// get returns the value under a key, nil when there is none. The value holds until the
// next look.
func (v view) get(key []byte) ([]byte, error) {
	// The prefix is the whole key: tables whose filter does not know it are passed
	// over.
	if !v.it.SeekPrefixGE(key) || !bytes.Equal(v.it.Key(), key) {
		return nil, v.it.Error()
	}
	return v.it.ValueAndErr()
}

func pointerIn(l looker, id string) (pointer, error) {
	value, err := l.get(pointerKey(id))
	if err != nil {
		return pointer{}, err
	}
	if value == nil {
		return pointer{}, rollcall.ErrNoSession
	}
	return decodePointer(value)
}

// rowIn returns a session's row by its id.
func rowIn(l looker, id string) (row, pointer, error) {
	p, err := pointerIn(l, id)
	if err != nil {
		return row{}, pointer{}, err
	}
	value, err := l.get(p.row(id))
	if err != nil {
		return row{}, pointer{}, err
	}
	r, ok, err := rowOf(value)
	if err == nil && !ok {
		err = rollcall.ErrNoSession // a pointer without its row is not found
	}
	return r, p, err
}

func userIn(l looker, id string) (userRow, error) {
	none := userRow{User: rollcall.User{ID: id}}
	if len(id) > maxUserID {
		return none, nil // no commit takes the id
	}
	value, err := l.get(userKey(id))
	if err != nil || value == nil {
		return none, err
	}
	return decodeUser(id, value)
}

// hasOtherSession reports whether the user has a row besides the one under key.
func (v view) hasOtherSession(userID string, key []byte) (bool, error) {
	prefix := appendUserPrefix(nil, userID)
	for ok := v.it.SeekGE(append(prefix, kindLive)); ok && bytes.HasPrefix(v.it.Key(), prefix); ok = v.it.Next() {
		if !bytes.Equal(v.it.Key(), key) {
			return true, nil
		}
	}
	return false, v.it.Error()
}

// found are sessions that were read through one view, with their rows' marks.
type found struct {
	sessions []rollcall.Session
	marks    []uint64
}

func (f *found) add(r *row) {
	f.sessions, f.marks = append(f.sessions, r.session), append(f.marks, r.mark)
}

func (f *found) grow(n int) {
	f.sessions, f.marks = slices.Grow(f.sessions, n), slices.Grow(f.marks, n)
}

// read gathers sessions through a view, and shows the latest uses in them. A use that
// came after the view, or was written to its row, would make that two moments: then read
// gathers once more, and keeps uses out meanwhile.
func (s *Store) read(gather func(view, *found) error) ([]rollcall.Session, error) {
	for hold := false; ; hold = true {
		var f found
		if ok, err := s.readOnce(gather, &f, hold); err != nil || ok {
			return f.sessions, err
		}
	}
}

func (s *Store) readOnce(gather func(view, *found) error, f *found, hold bool) (ok bool, err error) {
	s.uses.RLock()
	v, err := s.view()
	state := s.uses.State()
	if hold {
		defer s.uses.RUnlock()
	} else {
		s.uses.RUnlock()
	}
	if err != nil {
		return false, err
	}
	defer v.close()
	if err := gather(v, f); err != nil {
		return false, err
	}
	if !hold {
		s.uses.RLock()
		defer s.uses.RUnlock()
	}
	if s.uses.State().Settled != state.Settled {
		return false, nil
	}
	for i := range f.sessions {
		if born, _ := s.uses.Show(&f.sessions[i], f.marks[i]); born > state.Published && !hold {
			return false, nil
		}
	}
	return true, nil
}

// Session implements rollcall.Store. A live session's row is looked for where the caller
// believes it to be, which spares the look for its pointer.
func (s *Store) Session(ctx context.Context, at rollcall.At) (rollcall.Session, rollcall.Standing, error) {
	if err := s.begin(ctx); err != nil {
		return rollcall.Session{}, rollcall.Standing{}, err
	}
	var session rollcall.Session
	var u userRow
	everybody, err := s.everybody.while(func() (err error) {
		session, u, err = s.session(at)
		return err
	})
	if err != nil {
		return rollcall.Session{}, rollcall.Standing{}, err
	}
	return session, rollcall.Standing{User: u.User, Everybody: everybody}, nil
}

// session reads a session and the row of the session's user, of one moment.
func (s *Store) session(at rollcall.At) (rollcall.Session, userRow, error) {
	l := latest{db: s.db}
	defer l.close()
	if at.UserID != "" && len(at.UserID) <= maxUserID && !at.CreatedAt.IsZero() {
		session, u, ok, err := s.sessionNow(&l, at.ID, pointer{kind: kindLive, createdAt: at.CreatedAt, userID: at.UserID})
		if ok || err != nil {
			return session, u, err
		}
	}
	place, err := pointerIn(&l, at.ID)
	if err != nil {
		return rollcall.Session{}, userRow{}, err
	}
	session, u, ok, err := s.sessionNow(&l, at.ID, place)
	if ok || err != nil {
		return session, u, err
	}
	return s.sessionOfOneMoment(at.ID)
}

// sessionOfOneMoment reads a session by a snapshot.
func (s *Store) sessionOfOneMoment(id string) (rollcall.Session, userRow, error) {
	var u userRow
	sessions, err := s.read(func(v view, f *found) error {
		r, p, err := rowIn(v, id)
		if err != nil {
			return err
		}
		f.add(&r)
		u, err = userIn(v, p.userID)
		return err
	})
	if err != nil {
		return rollcall.Session{}, userRow{}, err
	}
	return sessions[0], u, nil
}

// Sessions implements rollcall.Store.
func (s *Store) Sessions(ctx context.Context, q rollcall.SessionsOf) (rollcall.Standing, []rollcall.Session, error) {
	if err := s.begin(ctx); err != nil {
		return rollcall.Standing{}, nil, err
	}
	var sessions []rollcall.Session
	var u userRow
	everybody, err := s.everybody.while(func() (err error) {
		u, sessions, err = s.sessions(q)
		return err
	})
	if err != nil {
		return rollcall.Standing{}, nil, err
	}
	return rollcall.Standing{User: u.User, Everybody: everybody}, sessions, nil
}

func (s *Store) sessions(q rollcall.SessionsOf) (u userRow, _ []rollcall.Session, err error) {
	if q.Limit == 0 {
		l := latest{db: s.db}
		defer l.close()
		u, err = s.userWhile(s.users.pause(q.UserID), &l, q.UserID)
		return u, nil, err
	}
	sessions, err := s.read(func(v view, f *found) (err error) {
		if u, err = userIn(v, q.UserID); err != nil || len(q.UserID) > maxUserID {
			return err
		}
		return v.page(f, q)
	})
	return u, sessions, err
}

// pageRoom is how many sessions a page has room for from the beginning.
const pageRoom = 64

// page gathers up to q.Limit of a user's sessions that follow q.After.
func (v view) page(f *found, q rollcall.SessionsOf) error {
	visit := func(r *row) (bool, error) {
		if !q.Ended && !r.session.EndedAt.IsZero() {
			return true, nil
		}
		if len(f.sessions) == 1 && q.Limit > 1 {
			f.grow(min(q.Limit, pageRoom)) // most users have one
		}
		f.add(r)
		return len(f.sessions) < q.Limit, nil
	}
	if q.Ended {
		return v.eachOfAll(q.UserID, q.After, visit)
	}
	return v.each(q.UserID, q.After, visit)
}

// Document implements rollcall.Store.
func (s *Store) Document(ctx context.Context, name string) (rollcall.Document, error) {
	if err := s.begin(ctx); err != nil {
		return rollcall.Document{}, err
	}
	s.documents.RLock()
	defer s.documents.RUnlock()
	doc, err := s.document(name)
	return doc.Document, err
}

func (s *Store) document(name string) (documentRow, error) {
	value, closer, err := s.db.Get(documentKey(name))
	if errors.Is(err, pebbledb.ErrNotFound) {
		return documentRow{Document: rollcall.Document{Name: name}}, nil
	}
	if err != nil {
		return documentRow{}, err
	}
	defer closeQuietly(closer)
	return decodeDocument(name, value)
}
