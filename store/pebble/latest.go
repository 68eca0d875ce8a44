package pebble

import (
	"bytes"
	"errors"
	"io"

	pebbledb "github.com/cockroachdb/pebble/v2"

	"github.com/rollcall-id/rollcall"
)

// A looker finds the value under a key, nil when the key is not there. The value holds
// until the looker's next look.
type looker interface {
	get(key []byte) ([]byte, error)
}

// latest looks at the store as the store is at the instant of the look. A look goes from
// the newest level of tables down and ends at the first level that has the key, which
// spares the levels below. But two looks are of two moments.
type latest struct {
	db     *pebbledb.DB
	closer io.Closer
}

func (l *latest) get(key []byte) ([]byte, error) {
	l.close()
	value, closer, err := l.db.Get(key)
	if errors.Is(err, pebbledb.ErrNotFound) {
		return nil, nil
	}
	l.closer = closer
	return value, err
}

func (l *latest) close() {
	if l.closer != nil {
		closeQuietly(l.closer)
		l.closer = nil
	}
}

// isFree reports that an id has no pointer. Most ids that are asked for have none, which
// the filters of all levels say without a look into tables. Other looks leave the last
// level's filters alone, since most keys that are looked for lie in that level.
func (s *Store) isFree(id string) (bool, error) {
	it, err := s.db.NewIter(&pebbledb.IterOptions{UseL6Filters: true})
	if err != nil {
		return false, err
	}
	defer closeQuietly(it)
	key := pointerKey(id)
	if it.SeekPrefixGE(key) && bytes.Equal(it.Key(), key) {
		return false, nil
	}
	return true, it.Error()
}

// user returns a user's row for a caller who holds the user's stripe.
func (s *Store) user(id string) (userRow, error) {
	if u, ok := s.known.get(id); ok {
		return u, nil
	}
	l := latest{db: s.db}
	defer l.close()
	u, err := userIn(&l, id)
	if err == nil {
		s.known.put(u, nil)
	}
	return u, err
}

// userWhile returns a user's row for a caller who has no stripe. Cases:
//
//  1. nobody has had the user's stripe since the pause began: the known row is the
//     stored one
//  2. somebody has: a commit under way may be visible in the store already, so the store
//     is looked at, that no later read sees less
func (s *Store) userWhile(p pause, l looker, id string) (userRow, error) {
	if u, ok := s.known.get(id); ok && p.lasts() {
		return u, nil
	}
	u, err := userIn(l, id)
	if err == nil {
		s.known.put(u, p.lasts)
	}
	return u, err
}

// sessionNow reads a session whose row is believed to lie at a place, without a snapshot.
// It reports false when no row lies there, or when a write to the user or a use of the
// session came between its looks.
func (s *Store) sessionNow(l *latest, id string, at pointer) (_ rollcall.Session, _ userRow, ok bool, err error) {
	state := s.uses.Now()
	quiet := s.users.pause(at.userID)
	value, err := l.get(at.row(id))
	if err != nil {
		return rollcall.Session{}, userRow{}, false, err
	}
	r, ok, err := rowOf(value)
	if err != nil || !ok {
		return rollcall.Session{}, userRow{}, false, err
	}
	u, err := s.userWhile(quiet, l, at.userID)
	if err != nil {
		return rollcall.Session{}, userRow{}, false, err
	}
	s.uses.RLock()
	defer s.uses.RUnlock()
	born, _ := s.uses.Show(&r.session, r.mark)
	if ok = quiet.lasts() && s.uses.State().Settled == state.Settled && born <= state.Published; ok && r.filedBefore.IsZero() && r.further == "" {
		s.recent.put(quiet, at, &r)
	}
	return r.session, u, ok, nil
}
