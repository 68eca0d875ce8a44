package pebble

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"time"

	pebbledb "github.com/cockroachdb/pebble/v2"

	"github.com/rollcall-id/rollcall"
)

// sweepLooks is how many times a bite's limit of filings it looks at, when most of them
// have nothing to decide.
const sweepLooks = 10

// Sweep implements rollcall.Store. Each session is removed under its user's
// stripe, which is held for no sync; one sync at the end makes all durable.
func (s *Store) Sweep(ctx context.Context, bite rollcall.Sweep) (swept rollcall.Swept, err error) {
	if err := s.begin(ctx); err != nil {
		return rollcall.Swept{}, err
	}
	if err := s.roomForUpkeep(); err != nil {
		return rollcall.Swept{}, err
	}
	s.sweeping.Lock()
	defer s.sweeping.Unlock()
	filings, err := s.due(nil, bite, bite.Limit)
	if err != nil {
		return rollcall.Swept{}, err
	}
	if swept.Events, err = s.sweepEvents(bite); err != nil {
		return swept, err
	}
	if len(filings) == 0 && swept.Events == 0 {
		return swept, nil // an idle store's disk is left alone
	}
	var positions []uint64
	defer func() {
		// No event of the bite is read before the sync that makes it durable, also
		// when the bite fails midway: a position that was read must never be
		// given out again.
		err = errors.Join(err, s.settle())
		s.log.finished(positions...)
	}()
	swept.More = swept.Events == bite.Limit
	for left, looks := bite.Limit, sweepLooks*bite.Limit; len(filings) > 0; {
		wanted := left
		for _, key := range filings {
			decided, err := s.sweepOne(key, bite, &swept, &positions)
			if err != nil {
				return swept, err
			}
			if decided {
				left--
			}
		}
		if len(filings) < wanted {
			return swept, nil
		}
		if looks -= len(filings); left == 0 || looks <= 0 {
			swept.More = true
			return swept, nil
		}
		if filings, err = s.due(filings[len(filings)-1], bite, left); err != nil {
			return swept, err
		}
	}
	return swept, nil
}

// due returns up to limit filings that follow after, nil being before the first, and lie
// before the bite's bound, oldest first.
func (s *Store) due(after []byte, bite rollcall.Sweep, limit int) ([][]byte, error) {
	from := []byte{spaceFiling}
	if after != nil {
		from = append(after, 0)
	}
	it, err := s.db.NewIter(&pebbledb.IterOptions{LowerBound: from, UpperBound: filingKey(bite.SessionsBefore, "")})
	if err != nil {
		return nil, err
	}
	defer closeQuietly(it)
	var keys [][]byte
	for ok := it.First(); ok && len(keys) < limit; ok = it.Next() {
		keys = append(keys, bytes.Clone(it.Key()))
	}
	return keys, it.Error()
}

// sweepOne asks for a verdict on the session of a filing and carries it out. It reports
// false when there is nothing to decide: the session is filed elsewhere, or gone.
func (s *Store) sweepOne(filing []byte, bite rollcall.Sweep, swept *rollcall.Swept, positions *[]uint64) (decided bool, err error) {
	due, id := readFiling(filing)
	userID, err := s.ownerOf(id)
	if errors.Is(err, rollcall.ErrNoSession) {
		return false, s.dropFiling(filing, id)
	}
	if err != nil {
		return false, err
	}
	defer s.users.lock(userID)()
	defer s.useLog.uses.decide(s.useLog.uses.key(userID, id))()
	v, err := s.view()
	if err != nil {
		return false, err
	}
	defer v.close()
	r, at, err := rowIn(v, id)
	if errors.Is(err, rollcall.ErrNoSession) || err == nil && at.userID != userID {
		return false, nil // changed since the filing was read
	}
	if err != nil {
		return false, err
	}
	user, err := userIn(v, userID)
	if err != nil {
		return false, err
	}
	batch := s.db.NewBatch()
	defer closeQuietly(batch)
	if !r.filed.Equal(due) {
		return false, errors.Join(batch.Delete(filing, nil), s.apply(batch, noWait))
	}
	s.useLog.uses.showIn(&r)
	verdict := bite.Decide(r.session, user)
	if !verdict.FileAt.IsZero() {
		if r, at, err = rowIn(v, id); err != nil { // what was decided on is the decider's now
			return false, err
		}
		if err := deleteFilings(batch, &r); err != nil {
			return false, err
		}
		r.filed = verdict.FileAt.UTC().Truncate(time.Millisecond)
		if err := errors.Join(batch.Set(at.row(id), r.encode(), nil), batch.Set(filingKey(r.filed, id), nil, nil)); err != nil {
			return false, err
		}
		swept.Refiled++
		return true, s.apply(batch, noWait)
	}
	if err := errors.Join(deleteFilings(batch, &r), s.remove(batch, v, id, at)); err != nil {
		return false, err
	}
	s.known.drop(userID) // which may go with its last session
	if verdict.Event != nil {
		position, err := s.log.append(batch, []rollcall.Event{*verdict.Event})
		if err != nil {
			return false, err
		}
		*positions = append(*positions, position)
	}
	swept.Removed++
	return true, s.apply(batch, noWait)
}

func (s *Store) ownerOf(id string) (string, error) {
	v, err := s.view()
	if err != nil {
		return "", err
	}
	defer v.close()
	p, err := pointerIn(v, id)
	return p.userID, err
}

// dropFiling takes away a filing whose session is gone, so that no bite meets it
// again. A commit that claims the id meanwhile would file it anew, perhaps under
// the same key: the id's stripe keeps the two apart.
func (s *Store) dropFiling(filing []byte, id string) error {
	defer s.ids.lock(id)()
	if _, err := s.ownerOf(id); !errors.Is(err, rollcall.ErrNoSession) {
		return err
	}
	batch := s.db.NewBatch()
	defer closeQuietly(batch)
	if err := batch.Delete(filing, nil); err != nil {
		return err
	}
	return s.apply(batch, noWait)
}

// remove takes a session's row and its pointer away, and the user's row with the
// last of them.
func (s *Store) remove(batch *pebbledb.Batch, v view, id string, at pointer) error {
	key := at.row(id)
	others, err := v.hasOtherSession(at.userID, key)
	if err != nil {
		return err
	}
	err = errors.Join(batch.Delete(key, nil), batch.Delete(pointerKey(id), nil))
	if !others {
		err = errors.Join(err, batch.Delete(userKey(at.userID), nil))
	}
	return err
}

// sweepEvents removes the events before the bite's bound, from the oldest on, and
// remembers how far, so that positions are never given out twice.
func (s *Store) sweepEvents(bite rollcall.Sweep) (int, error) {
	it, err := s.db.NewIter(&pebbledb.IterOptions{LowerBound: eventKey(0), UpperBound: eventKey(s.log.readable())})
	if err != nil {
		return 0, err
	}
	defer closeQuietly(it)
	n, first, last := 0, uint64(0), uint64(0)
	for ok := it.First(); ok && n < bite.Limit; ok = it.Next() {
		value, err := it.ValueAndErr()
		if err != nil {
			return 0, err
		}
		e, err := decodeEvent(value)
		if err != nil {
			return 0, err
		}
		if !e.At.Before(bite.EventsBefore) {
			break
		}
		if last = binary.BigEndian.Uint64(it.Key()[1:]); n == 0 {
			first = last
		}
		n++
	}
	if err := it.Error(); err != nil || n == 0 {
		return 0, err
	}
	batch := s.db.NewBatch()
	defer closeQuietly(batch)
	err = errors.Join(
		batch.DeleteRange(eventKey(first), eventKey(last+1), nil),
		batch.Set(metaKey("swept"), binary.BigEndian.AppendUint64(nil, last), nil),
	)
	if err != nil {
		return 0, err
	}
	return n, s.apply(batch, noWait)
}
