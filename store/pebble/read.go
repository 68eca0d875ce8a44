package pebble

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"time"

	pebbledb "github.com/cockroachdb/pebble/v2"

	"github.com/rollcall-id/rollcall"
)

// A view is the store at one moment. An iterator is a snapshot, so several looks
// through one agree with each other.
type view struct{ it *pebbledb.Iterator }

func (s *Store) view() (view, error) {
	it, err := s.db.NewIter(nil)
	return view{it}, err
}

func (v view) close() { closeQuietly(v.it) }

// get returns the value under a key, nil when there is none. It holds until the
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

func userIn(l looker, id string) (rollcall.User, error) {
	if len(id) > maxUserID {
		return rollcall.User{ID: id}, nil // no commit takes it
	}
	value, err := l.get(userKey(id))
	if err != nil || value == nil {
		return rollcall.User{ID: id}, err
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

// read gathers sessions through a view, and shows the latest uses in them. Uses that
// came after the view, or left for their rows, would make it two moments: then it
// reads once more and keeps them out meanwhile.
func (s *Store) read(gather func(view, *found) error) ([]rollcall.Session, error) {
	for hold := false; ; hold = true {
		var f found
		if ok, err := s.readOnce(gather, &f, hold); err != nil || ok {
			return f.sessions, err
		}
	}
}

func (s *Store) readOnce(gather func(view, *found) error, f *found, hold bool) (ok bool, err error) {
	x := &s.useLog.uses
	x.mu.RLock()
	v, err := s.view()
	published, settled := x.published, x.settled
	if hold {
		defer x.mu.RUnlock()
	} else {
		x.mu.RUnlock()
	}
	if err != nil {
		return false, err
	}
	defer v.close()
	if err := gather(v, f); err != nil {
		return false, err
	}
	if !hold {
		x.mu.RLock()
		defer x.mu.RUnlock()
	}
	if x.settled != settled {
		return false, nil
	}
	for i := range f.sessions {
		if born, _ := x.show(&f.sessions[i], f.marks[i]); born > published && !hold {
			return false, nil
		}
	}
	return true, nil
}

// Session implements rollcall.Store.
func (s *Store) Session(ctx context.Context, id string) (rollcall.Session, rollcall.User, error) {
	if err := s.begin(ctx); err != nil {
		return rollcall.Session{}, rollcall.User{}, err
	}
	l := latest{db: s.db}
	defer l.close()
	at, err := pointerIn(&l, id)
	if err != nil {
		return rollcall.Session{}, rollcall.User{}, err
	}
	if session, u, ok, err := s.sessionNow(&l, id, at); ok || err != nil {
		return session, u, err
	}
	return s.sessionOfOneMoment(id)
}

// SessionAt implements rollcall.Locator: it looks for a live session's row where the
// caller believes it to be, which spares the look for its pointer.
func (s *Store) SessionAt(ctx context.Context, id, userID string, createdAt time.Time) (rollcall.Session, rollcall.User, error) {
	if err := s.begin(ctx); err != nil {
		return rollcall.Session{}, rollcall.User{}, err
	}
	l := latest{db: s.db}
	defer l.close()
	session, u, ok, err := s.sessionNow(&l, id, pointer{kind: kindLive, createdAt: createdAt, userID: userID})
	if ok || err != nil {
		return session, u, err
	}
	return s.Session(ctx, id)
}

// sessionOfOneMoment is Session by a snapshot.
func (s *Store) sessionOfOneMoment(id string) (rollcall.Session, rollcall.User, error) {
	var u rollcall.User
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
		return rollcall.Session{}, rollcall.User{}, err
	}
	return sessions[0], u, nil
}

// pageRoom is how many sessions a page has room for from the beginning.
const pageRoom = 64

// Sessions implements rollcall.Store.
func (s *Store) Sessions(ctx context.Context, userID string, after rollcall.Position, limit int) (rollcall.User, []rollcall.Session, error) {
	if err := s.begin(ctx); err != nil {
		return rollcall.User{}, nil, err
	}
	if limit == 0 {
		l := latest{db: s.db}
		defer l.close()
		u, err := s.userWhile(s.users.pause(userID), &l, userID)
		return u, nil, err
	}
	var u rollcall.User
	sessions, err := s.read(func(v view, f *found) (err error) {
		if u, err = userIn(v, userID); err != nil || len(userID) > maxUserID {
			return err
		}
		return v.page(f, userID, after, limit)
	})
	if err != nil {
		return rollcall.User{}, nil, err
	}
	return u, sessions, nil
}

// page gathers up to limit of a user's sessions that follow after.
func (v view) page(f *found, userID string, after rollcall.Position, limit int) error {
	return v.each(userID, after, func(r *row) (bool, error) {
		if !r.session.EndedAt.IsZero() {
			return true, nil
		}
		if len(f.sessions) == 1 && limit > 1 {
			f.grow(min(limit, pageRoom)) // most users have one
		}
		f.add(r)
		return len(f.sessions) < limit, nil
	})
}

// each visits the rows that follow after among those of a user's live sessions, until
// visit returns false. Some have an ending behind them.
func (v view) each(userID string, after rollcall.Position, visit func(*row) (more bool, err error)) error {
	prefix := append(appendUserPrefix(nil, userID), kindLive)
	v.it.SetBounds(prefix, append(appendUserPrefix(nil, userID), kindEnded)) // looks at nobody else's rows
	start := prefix
	if after != (rollcall.Position{}) {
		start = append(sessionKey(kindLive, userID, after), 0)
	}
	for ok := v.it.SeekGE(start); ok; ok = v.it.Next() {
		value, err := v.it.ValueAndErr()
		if err != nil {
			return err
		}
		r, ok, err := rowOf(value)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		if more, err := visit(&r); err != nil || !more {
			return err
		}
	}
	return v.it.Error()
}

// Document implements rollcall.Store.
func (s *Store) Document(ctx context.Context, name string) (rollcall.Document, error) {
	if err := s.begin(ctx); err != nil {
		return rollcall.Document{}, err
	}
	value, closer, err := s.db.Get(documentKey(name))
	if errors.Is(err, pebbledb.ErrNotFound) {
		return rollcall.Document{Name: name}, nil
	}
	if err != nil {
		return rollcall.Document{}, err
	}
	defer closeQuietly(closer)
	return decodeDocument(name, value)
}
