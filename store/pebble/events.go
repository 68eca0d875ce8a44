package pebble

import (
	"context"
	"encoding/binary"
	"errors"
	"slices"
	"sync"

	pebbledb "github.com/cockroachdb/pebble/v2"

	"github.com/rollcall-id/rollcall"
)

// An eventLog hands out the numbers of events, and knows which of them belong to commits
// that have not ended: no number from the oldest of those on is read.
//
// Numbers rise by one. A number that was handed out for a commit that failed stays empty,
// and is handed out again after the next opening if no later one was made durable: so
// nothing but positions up to latest leaves the store.
type eventLog struct {
	mu         sync.Mutex
	next       uint64
	unfinished map[uint64]struct{} // first numbers of commits under way
	latest     uint64              // the largest number that is durable, or was removed
	swept      uint64              // number of the newest event that was removed, 0 for none

	incarnation incarnation
}

// openLog finds where the log goes on: behind the last event, and behind those
// that a sweep has removed.
func (s *Store) openLog() error {
	swept, err := s.meta(metaSwept)
	if err != nil {
		return err
	}
	v, err := s.view()
	if err != nil {
		return err
	}
	defer v.close()
	l := &s.log
	l.swept, l.latest, l.unfinished = swept, swept, map[uint64]struct{}{}
	if v.it.SeekLT([]byte{spaceEvent + 1}) && v.it.Key()[0] == spaceEvent {
		l.latest = max(l.latest, eventNumber(v.it.Key()))
	}
	l.next = l.latest + 1
	return v.it.Error()
}

func eventNumber(key []byte) uint64 { return binary.BigEndian.Uint64(key[1:]) }

// A reserved is the numbers of a commit's events, unfinished until finish is called.
type reserved struct {
	first uint64
	n     int
}

// last is the number of the latest event.
func (r reserved) last() uint64 { return r.first + uint64(r.n) - 1 }

func (l *eventLog) reserve(n int) reserved {
	if n == 0 {
		return reserved{}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	r := reserved{l.next, n}
	l.next += uint64(n)
	l.unfinished[r.first] = struct{}{}
	return r
}

// finish lets events be read, if they are durable, and passes their numbers by, if not.
func (l *eventLog) finish(durable bool, all ...reserved) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range all {
		if r.n == 0 {
			continue
		}
		delete(l.unfinished, r.first)
		if durable {
			l.latest = max(l.latest, r.last())
		}
	}
}

// writeEvents writes the events of a user, or of nobody, under the numbers that were
// reserved. The user's row counts them; it is the caller who writes the row.
func writeEvents(batch *pebbledb.Batch, u *userRow, r reserved, events []rollcall.Event) error {
	for i := range events {
		e := loggedEvent{Event: events[i]}
		if u.ID != "" {
			u.Events++
			u.latestEvent = r.first + uint64(i)
			e.number = u.Events
		}
		if err := batch.Set(eventKey(r.first+uint64(i)), e.encode(), nil); err != nil {
			return err
		}
	}
	return nil
}

// bounds returns the largest number that can be read, and the largest number of an event
// that is durable: events between the two wait for a commit under way.
func (l *eventLog) bounds() (readable, latest uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	readable = l.latest
	for first := range l.unfinished {
		readable = min(readable, first-1)
	}
	return readable, l.latest
}

func (l *eventLog) sweptUpTo() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.swept
}

// eventLooks is how many events one page looks at, when most are left out.
const eventLooks = 10_000

// Events implements rollcall.Store. A position of this incarnation that lies behind the
// latest event is one of a store that was set back to an older state since: events were
// missed then, too.
func (s *Store) Events(ctx context.Context, q rollcall.EventsAfter) (rollcall.EventPage, error) {
	if err := s.begin(ctx); err != nil {
		return rollcall.EventPage{}, err
	}
	l, ours := &s.log, s.log.incarnation.Load()
	from, mine, err := readPosition(q.After, ours)
	if err != nil {
		return rollcall.EventPage{}, err
	}
	readable, latest := l.bounds() // before the view: all that can be read is in the view
	it, err := s.db.NewIter(&pebbledb.IterOptions{LowerBound: eventKey(0), UpperBound: eventKey(readable + 1)})
	if err != nil {
		return rollcall.EventPage{}, err
	}
	defer closeQuietly(it)
	swept := l.sweptUpTo() // after the view: all that is not in the view any more counts
	page := rollcall.EventPage{Head: writePosition(ours, latest), Missed: !mine || from < swept || from > latest}
	if page.Missed {
		from = swept
	}
	next := max(from, readable) // when all is looked at
	looked := 0
	for ok := it.SeekGE(eventKey(from + 1)); ok; ok = it.Next() {
		if len(page.Events) >= q.Limit || looked >= eventLooks {
			next = from
			break
		}
		looked++
		from = eventNumber(it.Key())
		value, err := it.ValueAndErr()
		if err != nil {
			return rollcall.EventPage{}, err
		}
		e, err := decodeEvent(value)
		if err != nil {
			return rollcall.EventPage{}, err
		}
		if q.UserID != "" && e.UserID != q.UserID || len(q.Types) > 0 && !slices.Contains(q.Types, e.Type) {
			continue
		}
		page.Events = append(page.Events, rollcall.StoredEvent{Position: writePosition(ours, from), Number: e.number, Event: e.Event})
	}
	page.Next = writePosition(ours, next)
	return page, it.Error()
}

// removeEvents removes up to limit events at or before a position, the oldest first, and
// remembers how far, so that numbers are never handed out twice. A position of another
// incarnation removes none.
func (s *Store) removeEvents(upTo string, limit int) (removed int, err error) {
	number, mine, err := readPosition(upTo, s.log.incarnation.Load())
	if err != nil || !mine || upTo == "" {
		return 0, err
	}
	readable, _ := s.log.bounds()
	it, err := s.db.NewIter(&pebbledb.IterOptions{LowerBound: eventKey(0), UpperBound: eventKey(min(number, readable) + 1)})
	if err != nil {
		return 0, err
	}
	defer closeQuietly(it)
	var first, last uint64
	for ok := it.First(); ok && removed < limit; ok = it.Next() {
		if last = eventNumber(it.Key()); removed == 0 {
			first = last
		}
		removed++
	}
	if err := it.Error(); err != nil || removed == 0 {
		return 0, err
	}
	batch := s.db.NewBatch()
	defer closeQuietly(batch)
	err = errors.Join(
		batch.DeleteRange(eventKey(first), eventKey(last+1), nil),
		batch.Set(metaKey(metaSwept), binary.BigEndian.AppendUint64(nil, last), nil),
	)
	if err != nil {
		return 0, err
	}
	s.log.mu.Lock()
	s.log.swept = last // before readers can miss what is removed
	s.log.mu.Unlock()
	return removed, s.apply(batch, noWait)
}
