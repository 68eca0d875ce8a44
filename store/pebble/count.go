package pebble

import (
	"context"
	"encoding/binary"
	"errors"
	"time"

	pebbledb "github.com/cockroachdb/pebble/v2"

	"github.com/rollcall-id/rollcall"
)

var _ rollcall.Counter = (*Store)(nil)

// A count rests after so many rows, so that it takes no more than a part of one
// processor from requests.
const (
	countBite = 1000
	countRest = 2 * time.Millisecond
)

// CountSessions implements rollcall.Counter. The rows are read through one
// iterator, which is a snapshot: all users lie in one range, each with its row first,
// then its sessions. The latest uses are shown in them; once some have left the log
// for their rows, which the snapshot does not have, sessions are read one by one. Users
// that are passed by are known from then on, while there is room, if nobody has acted on
// them meanwhile.
func (s *Store) CountSessions(ctx context.Context, counts func(*rollcall.Session, *rollcall.User) bool) (int, error) {
	if err := s.begin(ctx); err != nil {
		return 0, err
	}
	pauses := s.users.pauses()
	x := &s.useLog.uses
	x.mu.RLock()
	settled := x.settled
	it, err := s.db.NewIter(&pebbledb.IterOptions{LowerBound: []byte{spaceUser}, UpperBound: []byte{spaceUser + 1}})
	x.mu.RUnlock()
	if err != nil {
		return 0, err
	}
	defer closeQuietly(it)
	var user rollcall.User
	n, looked := 0, 0
	for ok := it.First(); ok; ok = it.Next() {
		if looked++; looked%countBite == 0 {
			if err := rest(ctx, countRest); err != nil {
				return 0, err
			}
		}
		kind, userID := readRowKey(it.Key())
		if kind == kindEnded {
			continue
		}
		value, err := it.ValueAndErr()
		if err != nil {
			return 0, err
		}
		if kind == kindUser {
			if user, err = decodeUser(string(userID), value); err != nil {
				return 0, err
			}
			s.known.offer(user, pauses[s.users.of(user.ID)].lasts)
			continue
		}
		r, ok, err := rowOf(value)
		if err != nil {
			return 0, err
		}
		if !ok || !r.session.EndedAt.IsZero() {
			continue
		}
		if !x.showUnlessSettled(&r, settled) {
			if r.session, _, err = s.Session(ctx, r.session.ID); errors.Is(err, rollcall.ErrNoSession) {
				continue
			} else if err != nil {
				return 0, err
			}
		}
		if user.ID != r.session.UserID {
			user = rollcall.User{ID: r.session.UserID}
		}
		if counts(&r.session, &user) {
			n++
		}
	}
	return n, it.Error()
}

// showUnlessSettled shows the latest use in a row, if none has left the log since the
// number of those that have was read.
func (x *uses) showUnlessSettled(r *row, settled uint64) bool {
	x.mu.RLock()
	defer x.mu.RUnlock()
	if x.settled != settled {
		return false
	}
	x.show(&r.session, r.mark)
	return true
}

// readRowKey returns what kind of row a key of the users' space is of, and whose.
func readRowKey(key []byte) (kind byte, userID []byte) {
	end := 3 + int(binary.BigEndian.Uint16(key[1:]))
	return key[end], key[3:end]
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
