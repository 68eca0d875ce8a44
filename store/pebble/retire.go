package pebble

import (
	"encoding/binary"
	"errors"

	pebbledb "github.com/cockroachdb/pebble/v2"

	"github.com/rollcall-id/rollcall"
)

// maxLaps is how often a use is written anew at the log's end, before it is written
// to its session's row: whoever is active has been seen again by then.
const maxLaps = 3

// settleBite is how many uses are written to rows under one taking of stripes, and
// retireBite how many are looked at while new ones wait.
const (
	settleBite = 64
	retireBite = 256
)

// retire keeps the log within its bounds after n uses were added: from the oldest on,
// what is still the latest use of a session is written anew or to the session's
// row. It does little more than was added, so that no touch pays for many others.
func (s *Store) retire(n int) error {
	l := &s.useLog
	for budget := n + settleBite; budget > 0; {
		if l.size.Load() <= l.maxSize && !l.uses.full(l.maxCount) {
			return nil
		}
		looked, err := s.retireSome(min(budget, retireBite))
		if err != nil || looked == 0 {
			return err
		}
		budget -= looked
	}
	return nil
}

// retireSome looks at up to n uses of the oldest record, and drops the record after
// its last. All of it is written behind what it stands on in the same log, so
// that a power loss takes back the end of it at most, and it can be done again.
func (s *Store) retireSome(n int) (looked int, err error) {
	l := &s.useLog
	l.publishing.Lock()
	defer l.publishing.Unlock()
	if l.tail == nil {
		if l.tail, err = s.oldestRecord(); err != nil || l.tail == nil {
			return 0, err
		}
		l.retired = 0
	}
	bite := l.tail.uses[l.retired:min(l.retired+n, len(l.tail.uses))]
	settle, again := l.uses.standing(l.tail.seq, bite, l.uses.full(l.maxCount))
	for len(settle) > 0 {
		few := settle[:min(settleBite, len(settle))]
		left, err := s.settleUses(few)
		if err != nil {
			return 0, err
		}
		again = append(again, left...)
		settle = settle[len(few):]
	}
	if err := s.writeAgain(again); err != nil {
		return 0, err
	}
	if l.retired += len(bite); l.retired < len(l.tail.uses) {
		return len(bite), nil
	}
	return len(bite) + 1, s.dropTail()
}

func (s *Store) oldestRecord() (*useRecord, error) {
	l := &s.useLog
	it, err := s.db.NewIter(useBounds(l.oldest))
	if err != nil {
		return nil, err
	}
	defer closeQuietly(it)
	if !it.First() || binary.BigEndian.Uint64(it.Key()[1:]) >= l.firstHidden() {
		return nil, it.Error()
	}
	return readRecord(&l.uses, it)
}

// standing finds those of a record's uses that are the latest of their sessions, and
// parts those that go to the rows from those that are written anew.
func (x *uses) standing(seq uint64, bite []use, full bool) (settle, again []*use) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	for i := range bite {
		u := &bite[i]
		sl, _ := x.find(u.key)
		switch {
		case sl == nil || sl.where != uint32(seq) || sl.born != u.born || sl.at != u.at:
		case full || sl.laps >= maxLaps:
			settle = append(settle, u)
		default:
			again = append(again, u)
		}
	}
	return settle, again
}

// settleUses writes the latest uses of sessions to their rows, where they have an
// effect, and forgets them. It returns those whose row could not be read: a
// damaged row is its readers' error, and must not stop everybody's uses.
func (s *Store) settleUses(us []*use) (left []*use, err error) {
	users := make([]string, len(us))
	for i, u := range us {
		users[i] = u.userID
	}
	defer s.users.lock(users...)()
	v, err := s.view()
	if err != nil {
		return nil, err
	}
	defer v.close()
	batch := s.db.NewBatch()
	defer closeQuietly(batch)
	var settled []*use
	for _, u := range us {
		if err := s.settleOne(batch, v, u); err != nil {
			s.last.log.Error("store: a use could not be written to its session", "session", u.sessionID, "error", err)
			left = append(left, u)
			continue
		}
		settled = append(settled, u)
	}
	if err := s.apply(batch, noWait); err != nil {
		return nil, err
	}
	s.useLog.uses.forget(settled)
	return left, nil
}

func (s *Store) settleOne(batch *pebbledb.Batch, v view, u *use) error {
	r, at, err := rowIn(v, u.sessionID)
	if errors.Is(err, rollcall.ErrNoSession) || err == nil && at.userID != u.userID {
		return nil
	}
	if err != nil {
		return err
	}
	if !s.useLog.uses.showIn(&r) {
		return nil
	}
	return batch.Set(at.row(u.sessionID), r.encode(), nil)
}

func (x *uses) forget(settled []*use) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.settled++
	for _, u := range settled {
		if sl, place := x.find(u.key); sl != nil {
			x.remove(place)
		}
	}
}

// writeAgain writes uses of the tail anew, at the log's end.
func (s *Store) writeAgain(again []*use) error {
	if len(again) == 0 {
		return nil
	}
	l := &s.useLog
	r := l.tail.again(again)
	l.appending.Lock()
	r.seq = l.next
	err := s.writeRecord(r.seq, r.encode())
	l.next++
	l.appending.Unlock()
	if err != nil {
		return err
	}
	return s.enter(r)
}

// dropTail takes the oldest record away, and remembers its number: it must never be
// given out again.
func (s *Store) dropTail() error {
	l := &s.useLog
	batch := s.db.NewBatch()
	defer closeQuietly(batch)
	err := errors.Join(
		batch.Delete(useKey(l.tail.seq), nil),
		batch.Set(metaKey("uses"), binary.BigEndian.AppendUint64(nil, l.tail.seq), nil),
	)
	if err == nil {
		err = s.apply(batch, noWait)
	}
	if err != nil {
		return err
	}
	l.size.Add(-l.tail.size)
	l.oldest, l.tail = l.tail.seq+1, nil
	return nil
}
