package pebble

import (
	"errors"
	"sync"
	"time"

	pebbledb "github.com/cockroachdb/pebble/v2"
)

// syncs let acts that settle at once share a sync of the log. After a sync that many acts
// have waited for, the log rests for logRest, so that more acts come together for the next
// sync: under load that halves the syncs, each of which wakes and holds up others. An act
// that comes alone waits for nobody.
type syncs struct {
	mu   sync.Mutex
	next *sharedSync // the one that has not begun; nil while nobody waits for one

	turn sync.Mutex // of the sync under way
	last time.Time  // when one that many waited for had ended, else zero
}

// A sharedSync is one that some acts wait for.
type sharedSync struct {
	acts int
	done chan struct{}
	err  error
}

const (
	manyActs = 16
	logRest  = 2 * time.Millisecond
)

// noWait leaves the sync to a later write of the same log: see settle.
var noWait = pebbledb.NoSync

// errNotSynced is what waiting gives if the sync ends in a panic.
var errNotSynced = errors.New("the log was not synced")

// settle makes durable whatever was applied before the call: the log is one sequence. All
// who settle at once share a sync.
func (s *Store) settle() error { return s.syncs.wait(s.syncLog) }

// syncLog syncs the log, by a record without content.
func (s *Store) syncLog() error {
	batch := s.db.NewBatch()
	defer closeQuietly(batch)
	if err := batch.LogData(nil, nil); err != nil {
		return err
	}
	return s.apply(batch, s.sync)
}

// wait returns when a sync has ended that began after wait was called. The first of those
// who share a sync does it.
func (x *syncs) wait(syncLog func() error) error {
	x.mu.Lock()
	mine := x.next
	if mine != nil {
		mine.acts++
		x.mu.Unlock()
		<-mine.done
		return mine.err
	}
	mine = &sharedSync{acts: 1, done: make(chan struct{}), err: errNotSynced}
	x.next = mine
	x.mu.Unlock()

	x.turn.Lock()
	defer x.turn.Unlock()
	defer close(mine.done)
	time.Sleep(time.Until(x.last.Add(logRest)))
	x.mu.Lock()
	x.next = nil
	many := mine.acts >= manyActs
	x.mu.Unlock()
	mine.err = syncLog()
	if x.last = (time.Time{}); many {
		x.last = time.Now()
	}
	return mine.err
}
