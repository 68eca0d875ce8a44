// Package uselog keeps the uses of sessions that are not in the sessions' rows yet: on the
// disk as records of many uses each, one behind the other, and in memory as the latest use
// of each session. So a row is not touched for a use of its session. See
// docs/design/0003-uses-are-a-log.md.
//
// A row carries a mark: uses born with that number or a smaller one are in the row, or had
// no effect.
package uselog

import (
	"math"
	"sync"
	"sync/atomic"

	"github.com/rollcall-id/rollcall"
)

// A Disk is where a log lies. What is written is applied when a method returns nil, and
// durable with the next sync of the store: all writes of a store are one sequence, of which
// a power loss takes back the end.
type Disk interface {
	// Write writes a record under its number.
	Write(number uint64, record []byte) error
	// Read visits the records from a number on, in their order, until visit returns
	// false or an error.
	Read(from uint64, visit func(number uint64, record []byte) (more bool, err error)) error
	// Remove removes a record, and keeps its number as the result of Removed.
	Remove(number uint64) error
	// Removed returns the number of the latest record that was removed, 0 for none.
	Removed() (uint64, error)
	// Settle writes uses to the rows of their sessions, where the uses have an effect,
	// and then calls settled with them. It returns the uses whose rows could not be
	// read: a damaged row is an error of its readers, and must not stop everybody's uses.
	Settle(uses []*Use, settled func([]*Use)) (left []*Use, err error)
}

// Bounds of what a log holds.
const (
	DefaultBytes    = 128 << 20 // on the disk
	DefaultSessions = 1 << 20   // in memory
)

// A Log is the log of one store.
type Log struct {
	Index
	disk Disk

	// MaxBytes bounds the records on the disk, MaxSessions the sessions in memory. Both
	// are set before Open, and may change while no other method is called.
	MaxBytes, MaxSessions int64

	// appending guards next and queue, and keeps records in the log in the order of
	// their numbers.
	appending sync.Mutex
	next      uint64
	queue     []*record // in the log, not yet durable, seen by nobody

	// publishing is held by whoever changes what is known of uses, and while a
	// record is retired. The lock is taken before a user's stripe.
	publishing sync.Mutex
	oldest     uint64  // no record has a smaller number
	tail       *record // the record that is being retired
	retired    int     // how many uses of the tail are

	bytes atomic.Int64 // of all records
}

// Open reads the log that lies on a disk. Open is called once, before all other methods.
func (l *Log) Open(disk Disk) error {
	l.disk = disk
	l.init(l.MaxSessions)
	removed, err := disk.Removed()
	if err != nil {
		return err
	}
	l.next, l.oldest = removed+1, removed+1
	err = disk.Read(l.oldest, func(number uint64, b []byte) (bool, error) {
		r, err := decodeRecord(&l.Index, number, b)
		if err != nil {
			return false, err
		}
		l.bytes.Add(r.size)
		l.next = number + 1
		return true, l.enterAll(r)
	})
	l.publish(l.next - 1)
	return err
}

// Bytes is the size of all records.
func (l *Log) Bytes() int64 { return l.bytes.Load() }

// Round is how many uses are made durable together, and then seen.
const Round = 1 << 16

// recordUses is how many uses one record holds: enough that its texts are shared
// by many, and few enough to be retired in one go.
const recordUses = 2048

// Append writes uses into the log, where one sync makes all of them durable, and
// returns the number of the last record, for Publish. At most Round uses.
func (l *Log) Append(touches []rollcall.Touch) (last uint64, err error) {
	for len(touches) > 0 {
		n := min(len(touches), recordUses)
		r := newRecord(&l.Index, touches[:n])
		touches = touches[n:]
		b := r.encode()
		if err := l.appendNew(r, b); err != nil {
			return 0, err
		}
		last = r.number
	}
	return last, nil
}

func (l *Log) appendNew(r *record, b []byte) error {
	l.appending.Lock()
	defer l.appending.Unlock()
	r.bear(l.next)
	if err := l.write(r.number, b); err != nil {
		return err
	}
	l.next++
	l.queue = append(l.queue, r)
	return nil
}

func (l *Log) write(number uint64, b []byte) error {
	l.bytes.Add(recordSize(b))
	return l.disk.Write(number, b)
}

// recordSize is what a record counts for, in bytes.
func recordSize(b []byte) int64 { return int64(len(b)) + 32 }

// Publish shows all records up to last, which are durable: the log is one
// sequence. Records are shown in their order, whoever made them durable.
func (l *Log) Publish(last uint64) error {
	l.publishing.Lock()
	defer l.publishing.Unlock()
	for {
		r := l.dequeue(last)
		if r == nil {
			return nil
		}
		if err := l.enterAll(r); err != nil {
			return err
		}
		l.publish(r.number)
	}
}

func (l *Log) dequeue(last uint64) *record {
	l.appending.Lock()
	defer l.appending.Unlock()
	if len(l.queue) == 0 || l.queue[0].number > last {
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
func (l *Log) firstHidden() uint64 {
	l.appending.Lock()
	defer l.appending.Unlock()
	if len(l.queue) > 0 {
		return l.queue[0].number
	}
	return math.MaxUint64
}

// enterBite is how many uses are entered under one taking of the lock that readers
// share: readers wait that long at most.
const enterBite = 256

// enterAll notes a record's uses in memory. A use that is not later than the known use of
// its session is rare, and whether the known one has an effect only the row tells: so the
// known one is settled there first.
func (l *Log) enterAll(r *record) error {
	texts := r.textNumbers()
	for from := 0; from < len(r.uses); {
		bite := r.uses[from:min(from+enterBite, len(r.uses))]
		stuck, wait := l.enter(r, bite, texts)
		switch {
		case wait != nil:
			<-wait // a sweep decides on one of the sessions
		case len(stuck) > 0:
			for _, u := range stuck {
				left, err := l.disk.Settle([]*Use{u}, l.forget)
				if err != nil {
					return err
				}
				u.void = len(left) > 0 // the session's row cannot be read, and the later use stays
			}
		default:
			from += len(bite)
		}
	}
	return nil
}
