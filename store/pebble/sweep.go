package pebble

import (
	"bytes"
	"context"
	"errors"
	"time"

	pebbledb "github.com/cockroachdb/pebble/v2"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/store/pebble/internal/codec"
)

// sweepLooks is how many times a bite's limit of filings it looks at, when most of them
// have nothing to decide.
const sweepLooks = 10

// A bite is one call of Sweep under way.
type bite struct {
	rollcall.Sweep
	swept   rollcall.Swept
	applied bool       // something is to be made durable
	events  []reserved // of its verdicts
	passed  passed
}

// postponed is how long after a bite's bound a row is looked at again that the bite could
// not read.
const postponed = 24 * time.Hour

// Sweep implements rollcall.Store. Each verdict is carried out under its user's
// stripe, which is held for no sync; one sync at the end makes all of them durable.
//
// A session whose row, user's row or pointer cannot be read, because it is damaged or of
// another format, stays as it is, and the others of the bite are swept. Cases:
//
//  1. a bite of all users: the session is filed under a day after the bite's bound, so
//     that the next bites do not begin with it. When the row is legible again by then, it
//     gets its own filing back
//  2. a bite of one user: the session is passed over
//
// A bite writes one line of log about all such rows. A disk that fails ends the bite with
// an error.
func (s *Store) Sweep(ctx context.Context, asked rollcall.Sweep) (rollcall.Swept, error) {
	if err := s.begin(ctx); err != nil {
		return rollcall.Swept{}, err
	}
	if err := s.roomForUpkeep(); err != nil {
		return rollcall.Swept{}, err
	}
	s.sweeping.Lock()
	defer s.sweeping.Unlock()
	b := &bite{Sweep: asked}
	b.swept.Next = asked.After
	err := s.sweep(b)
	s.logPassed("store: a sweep passed over rows that cannot be read", &b.passed)
	if b.applied { // else an idle store's disk is left alone
		// No event of the bite is read before the sync that makes it durable, also
		// when the bite fails midway: a position that was read must never be
		// given out again.
		synced := s.settle()
		s.log.finish(synced == nil, b.events...)
		err = errors.Join(err, synced)
	}
	return b.swept, err
}

func (s *Store) sweep(b *bite) (err error) {
	if b.swept.Events, err = s.removeEvents(b.EventsUpTo, b.Limit); err != nil {
		return err
	}
	b.applied = b.swept.Events > 0
	b.swept.More = b.applied && b.swept.Events == b.Limit
	if b.UserID != "" {
		return s.sweepUser(b)
	}
	return s.sweepFiled(b)
}

// sweepFiled looks at what is filed before the bite's bound.
func (s *Store) sweepFiled(b *bite) error {
	filings, err := s.due(nil, b.SessionsBefore, b.Limit)
	for left, looks := b.Limit, sweepLooks*b.Limit; err == nil && len(filings) > 0; {
		wanted := left
		for _, key := range filings {
			decided, err := s.sweepFiling(b, key)
			if _, id := readFiling(key); err != nil && b.passed.over("session", id, err) {
				err = s.postpone(b, key)
			}
			if err != nil {
				return err
			}
			if decided {
				left--
			}
		}
		if len(filings) < wanted {
			return nil
		}
		if looks -= len(filings); left == 0 || looks <= 0 {
			b.swept.More = true
			return nil
		}
		filings, err = s.due(filings[len(filings)-1], b.SessionsBefore, left)
	}
	return err
}

// due returns up to limit filings that follow after, nil being before the first, and lie
// before an instant, oldest first.
func (s *Store) due(after []byte, before time.Time, limit int) ([][]byte, error) {
	if before.UnixMilli() < 0 {
		return nil, nil // nothing is filed so early
	}
	from := []byte{spaceFiling}
	if after != nil {
		from = append(after, 0)
	}
	it, err := s.db.NewIter(&pebbledb.IterOptions{LowerBound: from, UpperBound: filingKey(before, "")})
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

// sweepFiling looks at the session of a filing. It reports false when there is nothing to
// decide: the session is filed elsewhere, or gone.
func (s *Store) sweepFiling(b *bite, filing []byte) (decided bool, err error) {
	due, id := readFiling(filing)
	userID, err := s.ownerOf(id)
	if errors.Is(err, rollcall.ErrNoSession) {
		return false, s.dropFiling(b, filing, id)
	}
	if err != nil {
		return false, err
	}
	return s.sweepOne(b, userID, id, func(r *row) (bool, error) {
		if r.filed.Equal(due) {
			return true, nil
		}
		return false, s.dropStray(b, filing, r.filed, id)
	})
}

// postpone moves a filing whose session cannot be read.
func (s *Store) postpone(b *bite, filing []byte) error {
	_, id := readFiling(filing)
	return s.moveFiling(b, filing, b.SessionsBefore.Add(postponed), id)
}

// sweepUser looks at sessions of one user that are not ended.
func (s *Store) sweepUser(b *bite) error {
	positions, err := s.positionsOf(b.UserID, b.After, b.Limit+1, &b.passed)
	if err != nil {
		return err
	}
	if len(positions) > b.Limit {
		positions, b.swept.More = positions[:b.Limit], true
	}
	for _, p := range positions {
		_, err := s.sweepOne(b, b.UserID, p.ID, func(r *row) (bool, error) { return r.session.EndedAt.IsZero(), nil })
		if err != nil && !b.passed.over("session", p.ID, err) {
			return err
		}
		b.swept.Next = p
	}
	return nil
}

// positionsOf returns up to limit positions of a user's sessions that are not ended, can be
// read and follow after.
func (s *Store) positionsOf(userID string, after rollcall.Position, limit int, p *passed) (found []rollcall.Position, err error) {
	if len(userID) > maxUserID {
		return nil, nil
	}
	v, err := s.view()
	if err != nil {
		return nil, err
	}
	defer v.close()
	err = v.eachReadable(userID, after, p, func(r *row) (bool, error) {
		if r.session.EndedAt.IsZero() {
			found = append(found, r.session.Position())
		}
		return len(found) < limit, nil
	})
	return found, err
}

// sweepOne asks for a verdict on a user's session and carries the verdict out, if asks
// says so of the row. It reports false when there is nothing to decide.
func (s *Store) sweepOne(b *bite, userID, id string, asks func(*row) (bool, error)) (decided bool, err error) {
	defer s.users.lock(userID)()
	defer s.uses.Decide(s.uses.Key(userID, id))()
	v, err := s.view()
	if err != nil {
		return false, err
	}
	defer v.close()
	r, at, err := rowIn(v, id)
	if errors.Is(err, rollcall.ErrNoSession) || err == nil && at.userID != userID {
		return false, nil // changed since the bite found the session
	}
	if err != nil {
		return false, err
	}
	if asked, err := asks(&r); err != nil || !asked {
		return false, err
	}
	u, err := userIn(v, userID)
	if err != nil {
		return false, err
	}
	s.showIn(&r)
	verdict := b.Decide(rollcall.Walked{
		Standing: rollcall.Standing{User: u.User, Everybody: s.everybody.now()}, Session: &r.session,
	})
	b.swept.Looked++
	stored, at, err := rowIn(v, id) // the row that was shown is the decider's now
	if err != nil {
		return false, err
	}
	return true, s.carryOut(b, v, u, stored, at, &verdict)
}

// carryOut does what a verdict says of the session whose row lies at a place. The caller
// holds the user's stripe and keeps uses of the session out. Cases:
//
//  1. FileAt is not zero: the row is filed anew, after it was ended if that is asked
//  2. the user has another session: the row goes
//  3. the log of events keeps an event of the user, or would with the verdict's: the row
//     is filed under an hour after the bite's bound, and that is all
//  4. the row goes, and the user's row with it
func (s *Store) carryOut(b *bite, v view, u userRow, r row, at pointer, verdict *rollcall.Verdict) error {
	batch := s.db.NewBatch()
	defer closeQuietly(batch)
	writesUser := verdict.Event != nil
	if verdict.FileAt.IsZero() {
		others, err := v.hasOtherSession(at.userID, at.row(r.session.ID))
		if err != nil {
			return err
		}
		if !others && (u.latestEvent > s.log.sweptUpTo() || verdict.Event != nil) {
			return s.keepLast(b, batch, at, &r)
		}
		if !others {
			writesUser = false
			if err := batch.Delete(userKey(at.userID), nil); err != nil {
				return err
			}
		}
		if err := remove(batch, at, &r); err != nil {
			return err
		}
		b.swept.Removed++
	} else {
		ends := verdict.Ending != nil && r.session.EndedAt.IsZero()
		if err := s.refile(batch, at, r, verdict); err != nil {
			return err
		}
		if ends {
			u.Version++
			writesUser = true
			b.swept.Ended++
		}
	}
	s.known.drop(at.userID)
	var events []rollcall.Event
	if verdict.Event != nil {
		events = append(events, *verdict.Event)
	}
	numbers := s.log.reserve(len(events))
	err := writeEvents(batch, &u, numbers, events)
	if err == nil {
		err = setUser(batch, &u, writesUser)
	}
	if err == nil {
		err = s.applyOf(b, batch)
	}
	if err != nil {
		s.log.finish(false, numbers)
		return err
	}
	b.events = append(b.events, numbers)
	return nil
}

// refile files a row under a verdict's instant, and ends it first if the verdict says so.
// A use that was shown to the decider counts: the ended row holds it.
func (s *Store) refile(batch *pebbledb.Batch, at pointer, stored row, verdict *rollcall.Verdict) error {
	next := stored
	if verdict.Ending != nil && stored.session.EndedAt.IsZero() {
		s.showIn(&stored)
		e := *verdict.Ending
		e.EndedAt = codec.Milli(e.EndedAt.UnixMilli())
		next.session = stored.session.Ended(e)
		next.session.Version++
	}
	next.file(verdict.FileAt)
	return replace(batch, at, &stored, &next)
}

// keepLast files a user's last session under later. A bite of one user may have no bound:
// then the filing stays as it is.
func (s *Store) keepLast(b *bite, batch *pebbledb.Batch, at pointer, r *row) error {
	if b.SessionsBefore.IsZero() {
		return nil
	}
	later := &rollcall.Verdict{FileAt: b.SessionsBefore.Add(time.Hour)}
	if err := s.refile(batch, at, *r, later); err != nil {
		return err
	}
	return s.applyOf(b, batch)
}

// remove takes a session's row, filings and pointer away.
func remove(batch *pebbledb.Batch, at pointer, r *row) error {
	id := r.session.ID
	return errors.Join(deleteFilings(batch, r), batch.Delete(at.row(id), nil), batch.Delete(pointerKey(id), nil))
}

// applyOf applies what the bite writes. One sync at its end makes that durable.
func (s *Store) applyOf(b *bite, batch *pebbledb.Batch) error {
	b.applied = true
	return s.apply(batch, noWait)
}

func (s *Store) ownerOf(id string) (string, error) {
	l := latest{db: s.db}
	defer l.close()
	p, err := pointerIn(&l, id)
	return p.userID, err
}

// dropFiling takes away a filing whose session is gone, so that no bite meets the filing
// again. A commit that claims the id meanwhile would file the session anew, perhaps under
// the same key: the id's stripe keeps the two apart.
func (s *Store) dropFiling(b *bite, filing []byte, id string) error {
	defer s.ids.lock(id)()
	if _, err := s.ownerOf(id); !errors.Is(err, rollcall.ErrNoSession) {
		return err
	}
	return s.deleteFiling(b, filing)
}

// dropStray takes away a filing under which the session's row does not say it is filed. If
// the row's own filing is missing, a bite that could not read the row has moved the filing:
// then the filing goes back. The caller holds the user's stripe.
func (s *Store) dropStray(b *bite, filing []byte, filed time.Time, id string) error {
	_, closer, err := s.db.Get(filingKey(filed, id))
	if errors.Is(err, pebbledb.ErrNotFound) {
		return s.moveFiling(b, filing, filed, id)
	}
	if err != nil {
		return err
	}
	closeQuietly(closer)
	return s.deleteFiling(b, filing)
}

// moveFiling puts a filing under another instant.
func (s *Store) moveFiling(b *bite, filing []byte, to time.Time, id string) error {
	batch := s.db.NewBatch()
	defer closeQuietly(batch)
	if err := errors.Join(batch.Delete(filing, nil), batch.Set(filingKey(to, id), nil, nil)); err != nil {
		return err
	}
	return s.applyOf(b, batch)
}

func (s *Store) deleteFiling(b *bite, filing []byte) error {
	batch := s.db.NewBatch()
	defer closeQuietly(batch)
	if err := batch.Delete(filing, nil); err != nil {
		return err
	}
	return s.applyOf(b, batch)
}
