package pebble

import (
	"math"
	"sync"
	"sync/atomic"

	pebbledb "github.com/cockroachdb/pebble/v2"

	"github.com/rollcall-id/rollcall"
)

// A useLog holds the uses of sessions that are not in the sessions' rows yet: on
// the disk as records of many uses each, one behind the other, and in memory
// as the latest use of each session. A row is not touched for a use of its
// session. See docs/design/0003-uses-are-a-log.md.
//
// A row carries a mark: uses of that number and before are in it, or had no effect.
type useLog struct {
	uses uses

	// appending guards next and queue, and keeps records in the log in the order of
	// their numbers.
	appending sync.Mutex
	next      uint64
	queue     []*useRecord // in the log, not yet durable, seen by nobody

	// publishing is held by whoever changes what is known of uses, and while a
	// record is retired. It is taken before a user's stripe.
	publishing sync.Mutex
	oldest     uint64     // no record has a smaller number
	tail       *useRecord // the record that is being retired
	retired    int        // how many of its uses are

	size              atomic.Int64 // bytes of all records
	maxSize, maxCount int64
}

// Bounds of what is held in the log: bytes on the disk, and sessions in memory.
const (
	defaultUseBytes    = 128 << 20
	defaultUseSessions = 1 << 20
)

// useRound is how many uses are made durable together, and then seen.
const useRound = 1 << 16

// recordUses is how many uses one record holds: enough that its texts are shared
// by many, and few enough to be retired in one go.
const recordUses = 2048

// append writes uses into the log, where one sync makes all of them durable, and
// returns the number of the last record.
func (s *Store) append(touches []rollcall.Touch) (last uint64, err error) {
	l := &s.useLog
	for len(touches) > 0 {
		n := min(len(touches), recordUses)
		r := newUseRecord(&l.uses, touches[:n])
		touches = touches[n:]
		value := r.encode()
		l.appending.Lock()
		r.number(l.next)
		if err := s.writeRecord(r.seq, value); err != nil {
			l.appending.Unlock()
			return 0, err
		}
		l.next++
		l.queue = append(l.queue, r)
		l.appending.Unlock()
		last = r.seq
	}
	return last, nil
}

func (s *Store) writeRecord(seq uint64, value []byte) error {
	batch := s.db.NewBatchWithSize(len(value) + 64)
	defer closeQuietly(batch)
	if err := batch.Set(useKey(seq), value, nil); err != nil {
		return err
	}
	s.useLog.size.Add(recordSize(value))
	return s.apply(batch, noWait)
}

// recordSize is what a record counts for.
func recordSize(value []byte) int64 { return int64(len(value)) + 32 }

// publish shows all records up to last, which are durable: the log is one
// sequence. They are shown in their order, whoever made them durable.
func (s *Store) publish(last uint64) error {
	l := &s.useLog
	l.publishing.Lock()
	defer l.publishing.Unlock()
	for {
		r := l.dequeue(last)
		if r == nil {
			return nil
		}
		if err := s.enter(r); err != nil {
			return err
		}
		l.uses.publish(r.seq)
	}
}

func (l *useLog) dequeue(last uint64) *useRecord {
	l.appending.Lock()
	defer l.appending.Unlock()
	if len(l.queue) == 0 || l.queue[0].seq > last {
		return nil
	}
	r := l.queue[0]
	l.queue[0] = nil
	if l.queue = l.queue[1:]; len(l.queue) == 0 {
		l.queue = nil
	}
	return r
}

// firstHidden returns the number of the oldest record that nobody sees yet.
func (l *useLog) firstHidden() uint64 {
	l.appending.Lock()
	defer l.appending.Unlock()
	if len(l.queue) > 0 {
		return l.queue[0].seq
	}
	return math.MaxUint64
}

// enterBite is how many uses are entered under one taking of the lock that readers
// share: they wait that long at most.
const enterBite = 256

// enter notes a record's uses in memory. A use that is not later than the
// one that is known of its session is rare, and whether the known one has an effect
// only the row tells: it is settled there first.
func (s *Store) enter(r *useRecord) error {
	texts := r.textNumbers()
	for from := 0; from < len(r.uses); {
		bite := r.uses[from:min(from+enterBite, len(r.uses))]
		stuck, wait := s.useLog.uses.enter(r, bite, texts)
		switch {
		case wait != nil:
			<-wait // a sweep decides on one of the sessions
		case len(stuck) > 0:
			for _, u := range stuck {
				left, err := s.settleUses([]*use{u})
				if err != nil {
					return err
				}
				u.void = len(left) > 0 // its session's row cannot be read, and the later use stays
			}
		default:
			from += len(bite)
		}
	}
	return nil
}

// openUses reads what the log holds.
func (s *Store) openUses() error {
	l := &s.useLog
	retired, err := s.meta("uses")
	if err != nil {
		return err
	}
	l.next, l.oldest = retired+1, retired+1
	it, err := s.db.NewIter(useBounds(l.oldest))
	if err != nil {
		return err
	}
	defer closeQuietly(it)
	for ok := it.First(); ok; ok = it.Next() {
		r, err := readRecord(&l.uses, it)
		if err != nil {
			return err
		}
		if err := s.enter(r); err != nil {
			return err
		}
		l.size.Add(r.size)
		l.next = r.seq + 1
	}
	l.uses.publish(l.next - 1)
	return it.Error()
}

func useBounds(from uint64) *pebbledb.IterOptions {
	return &pebbledb.IterOptions{LowerBound: useKey(from), UpperBound: []byte{spaceUse + 1}}
}
