package pebble

import (
	"context"
	"encoding/binary"
	"fmt"
	"strconv"
	"sync"

	pebbledb "github.com/cockroachdb/pebble/v2"

	"github.com/rollcall-id/rollcall"
)

// An eventLog hands out positions and knows which of them belong to commits that
// have not ended: nothing at or past the oldest of those is read.
type eventLog struct {
	mu         sync.Mutex
	next       uint64
	unfinished map[uint64]struct{} // first positions of commits under way
}

// openLog finds where the log goes on: behind the last event, and behind those
// that a sweep has removed.
func (s *Store) openLog() error {
	swept, err := s.meta("swept")
	if err != nil {
		return err
	}
	s.log.next, s.log.unfinished = swept+1, map[uint64]struct{}{}
	v, err := s.view()
	if err != nil {
		return err
	}
	defer v.close()
	if v.it.SeekLT([]byte{spaceEvent + 1}) && v.it.Key()[0] == spaceEvent {
		s.log.next = max(s.log.next, binary.BigEndian.Uint64(v.it.Key()[1:])+1)
	}
	return v.it.Error()
}

func decodeSequence(value []byte) (uint64, error) {
	if len(value) != 8 {
		return 0, errCorrupt("a position")
	}
	return binary.BigEndian.Uint64(value), nil
}

// append writes events into a batch, at positions that are unfinished until
// finished is called with what append returns.
func (l *eventLog) append(batch *pebbledb.Batch, events []rollcall.Event) (first uint64, err error) {
	if len(events) == 0 {
		return 0, nil
	}
	l.mu.Lock()
	first = l.next
	l.next += uint64(len(events))
	l.unfinished[first] = struct{}{}
	l.mu.Unlock()
	for i := range events {
		if err := batch.Set(eventKey(first+uint64(i)), encodeEvent(events[i]), nil); err != nil {
			l.finished(first)
			return 0, err
		}
	}
	return first, nil
}

func (l *eventLog) finished(firsts ...uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, first := range firsts {
		delete(l.unfinished, first)
	}
}

// readable returns the position that reads stop before.
func (l *eventLog) readable() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	bound := l.next
	for first := range l.unfinished {
		bound = min(bound, first)
	}
	return bound
}

// Events implements rollcall.Store.
func (s *Store) Events(ctx context.Context, after string, limit int) ([]rollcall.StoredEvent, error) {
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	var from uint64
	if after != "" {
		var err error
		if from, err = strconv.ParseUint(after, 16, 64); err != nil {
			return nil, fmt.Errorf("reading an event position: %w", err)
		}
	}
	bound := s.log.readable() // before the view: all that is below it is in the view
	if from >= bound {
		return nil, nil
	}
	it, err := s.db.NewIter(&pebbledb.IterOptions{LowerBound: eventKey(from + 1), UpperBound: eventKey(bound)})
	if err != nil {
		return nil, err
	}
	defer closeQuietly(it)
	var found []rollcall.StoredEvent
	for ok := it.First(); ok && len(found) < limit; ok = it.Next() {
		value, err := it.ValueAndErr()
		if err != nil {
			return nil, err
		}
		e, err := decodeEvent(value)
		if err != nil {
			return nil, err
		}
		position := fmt.Sprintf("%016x", binary.BigEndian.Uint64(it.Key()[1:]))
		found = append(found, rollcall.StoredEvent{Position: position, Event: e})
	}
	return found, it.Error()
}
