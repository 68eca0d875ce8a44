package pebble

import (
	"bytes"
	"errors"
	"io"

	pebbledb "github.com/cockroachdb/pebble/v2"

	"github.com/rollcall-id/rollcall"
)

// A looker finds what lies under a key, nil when there is nothing. What it returns
// holds until its next look.
type looker interface {
	get(key []byte) ([]byte, error)
}

// latest looks at the store as it is. A look goes from the newest level down and
// ends where it finds something, which spares those below it, but two looks are of
// two moments.
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

// isFree reports that an id has no pointer. Most that are asked for have none, and
// the filters say so of all levels; other looks do without the last level's, since
// most of what they look for lies there.
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
func (s *Store) user(id string) (rollcall.User, error) {
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

// userWhile returns a user's row for a caller who has no stripe. While nobody has it,
// the known row is the stored one; a commit under way may be seen in the store
// already, and who looks later must not see less.
func (s *Store) userWhile(p pause, l looker, id string) (rollcall.User, error) {
	if u, ok := s.known.get(id); ok && p.lasts() {
		return u, nil
	}
	u, err := userIn(l, id)
	if err == nil {
		s.known.put(u, p.lasts)
	}
	return u, err
}

// sessionNow is Session without a snapshot, of one that lies at a place. It reports false
// when it does not, or when somebody has changed what it looked at.
func (s *Store) sessionNow(l *latest, id string, at pointer) (_ rollcall.Session, _ rollcall.User, ok bool, err error) {
	x := &s.useLog.uses
	x.mu.RLock()
	published, settled := x.published, x.settled
	x.mu.RUnlock()
	quiet := s.users.pause(at.userID)
	value, err := l.get(at.row(id))
	if err != nil {
		return rollcall.Session{}, rollcall.User{}, false, err
	}
	r, ok, err := rowOf(value)
	if err != nil || !ok { // it has moved, or was never there
		return rollcall.Session{}, rollcall.User{}, false, err
	}
	u, err := s.userWhile(quiet, l, at.userID)
	if err != nil {
		return rollcall.Session{}, rollcall.User{}, false, err
	}
	x.mu.RLock()
	defer x.mu.RUnlock()
	born, _ := x.show(&r.session, r.mark)
	if ok = quiet.lasts() && x.settled == settled && born <= published; ok && r.filedBefore.IsZero() {
		s.recent.put(quiet, at, &r)
	}
	return r.session, u, ok, nil
}
