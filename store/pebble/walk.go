package pebble

import (
	"bytes"
	"context"
	"slices"
	"time"

	pebbledb "github.com/cockroachdb/pebble/v2"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/store/pebble/uselog"
)

// A walk rests after so many rows, so that it takes no more than a part of one processor
// from requests, and then goes on through another iterator: an old one would keep tables
// on the disk that nobody else needs.
const (
	walkBite = 1000
	walkRest = 2 * time.Millisecond
)

// Walk implements rollcall.Store. Users are visited in the order of their keys, which is
// by the length of the id and then by its bytes; a position is the id of the user that
// comes next. All sessions of a user are in memory while they are visited. Users that are
// passed by are known from then on, while there is room.
//
// A row that cannot be read, because it is damaged or of another format, is passed over:
// a session's row alone, a user's row with all of the user's sessions. A walk writes one
// line of log about all such rows. A disk that fails ends the walk with an error.
func (s *Store) Walk(ctx context.Context, after string, visit func(rollcall.Walked) bool) (next string, err error) {
	if err := s.begin(ctx); err != nil {
		return after, err
	}
	w := walk{s: s, from: []byte{spaceUser}}
	if after != "" && len(after) <= maxUserID {
		w.from = appendUserPrefix(nil, after)
	}
	defer w.close()
	defer func() { s.logPassed("store: a walk passed over rows that cannot be read", &w.passed) }()
	for next = after; ; {
		standing, sessions, ok, err := w.user(ctx)
		if err != nil {
			return next, err
		}
		if !ok {
			return "", nil
		}
		next = standing.User.ID
		for i := range sessions {
			if !visit(rollcall.Walked{Standing: standing, Session: &sessions[i]}) {
				return next, nil
			}
		}
	}
}

// A walk is one call of Walk under way.
type walk struct {
	s    *Store
	from []byte             // no key of a user that was not visited is smaller
	it   *pebbledb.Iterator // nil when there is none
	rows int                // looked at through it

	// What there was when the iterator was opened.
	everybody *everybodyRow
	uses      uselog.State
	pauses    []pause

	passed     passed
	passedLast []byte // key of the last row counted in passed: a user may be read twice
}

func (w *walk) close() {
	if w.it != nil {
		closeQuietly(w.it)
		w.it = nil
	}
}

// open opens an iterator that stands at the next user's first key. The caller holds the
// lock of uses.
func (w *walk) open() (err error) {
	w.close()
	w.everybody, w.uses, w.rows = w.s.everybody.row.Load(), w.s.uses.State(), 0
	w.pauses = w.s.users.pauses(w.pauses[:0])
	w.it, err = w.s.db.NewIter(&pebbledb.IterOptions{LowerBound: w.from, UpperBound: []byte{spaceUser + 1}})
	if err == nil {
		w.it.First()
	}
	return err
}

// user returns the sessions of the next user who has any, with the user's standing, all of
// one moment. ok is false when no user is left.
func (w *walk) user(ctx context.Context) (_ rollcall.Standing, _ []rollcall.Session, ok bool, err error) {
	if err := ctx.Err(); err != nil {
		return rollcall.Standing{}, nil, false, err
	}
	if w.rows >= walkBite {
		w.close()
		if err := rest(ctx, walkRest); err != nil {
			return rollcall.Standing{}, nil, false, err
		}
	}
	for hold := false; ; hold = true {
		u, sessions, same, err := w.gather(hold)
		if err != nil {
			return rollcall.Standing{}, nil, false, err
		}
		if same {
			return rollcall.Standing{User: u.User, Everybody: w.everybody.shown()}, sessions, len(sessions) > 0, nil
		}
	}
}

// gather reads the next user's sessions and shows the latest uses in them. It reports
// false when that was not one moment, as read does; with hold, uses are kept out meanwhile.
func (w *walk) gather(hold bool) (u userRow, _ []rollcall.Session, same bool, err error) {
	uses := &w.s.uses
	uses.RLock()
	if w.it == nil {
		err = w.open()
	}
	if !hold {
		uses.RUnlock()
	}
	var f found
	if err == nil {
		u, f, err = w.read()
	}
	if !hold {
		uses.RLock()
	}
	defer uses.RUnlock()
	if err != nil {
		return userRow{}, nil, false, err
	}
	same = uses.State().Settled == w.uses.Settled && w.s.everybody.row.Load() == w.everybody
	for i := range f.sessions {
		born, _ := uses.Show(&f.sessions[i], f.marks[i])
		same = same && (born <= w.uses.Published || hold)
	}
	if !same {
		w.close()
		return userRow{}, nil, false, nil
	}
	w.from = append(w.from, 0xff) // behind all of the user's keys
	// Of the user's rows, those of sessions that ended come last.
	slices.SortFunc(f.sessions, func(a, b rollcall.Session) int {
		switch {
		case a.Position().Before(b.Position()):
			return -1
		case b.Position().Before(a.Position()):
			return 1
		}
		return 0
	})
	return u, f.sessions, true, nil
}

// read reads the rows of the next user who has a session. Then w.from is the prefix of the
// user's keys.
func (w *walk) read() (u userRow, f found, err error) {
	for w.it.Valid() && len(f.sessions) == 0 {
		var userID string
		userID, w.from = userOf(w.it.Key())
		u = userRow{User: rollcall.User{ID: userID}}
		legible := true // the user's row is
		for ; w.it.Valid() && bytes.HasPrefix(w.it.Key(), w.from); w.it.Next() {
			w.rows++
			value, err := w.it.ValueAndErr()
			if err != nil {
				return u, f, err
			}
			if kind, _ := readRowKey(w.it.Key()); kind == kindUser {
				if u, err = decodeUser(userID, value); err != nil {
					if !w.passOver(userID, err) {
						return u, f, err
					}
					legible = false
					continue
				}
				w.s.known.offer(u, w.pauses[w.s.users.of(userID)].lasts)
				continue
			}
			if !legible {
				continue
			}
			r, ok, err := rowOf(value)
			if err != nil && !w.passOver(userID, err) {
				return u, f, err
			}
			if ok {
				f.add(&r)
			}
		}
	}
	return u, f, w.it.Error()
}

// passOver counts the row that the iterator stands at, once, and reports whether the walk
// can go on without it.
func (w *walk) passOver(userID string, err error) bool {
	if bytes.Compare(w.it.Key(), w.passedLast) <= 0 {
		return true
	}
	if !w.passed.over("a row of user", userID, err) {
		return false
	}
	w.passedLast = append(w.passedLast[:0], w.it.Key()...)
	return true
}

func rest(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
