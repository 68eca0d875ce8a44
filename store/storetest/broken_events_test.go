package storetest

import (
	"context"
	"math"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/store/memory"
)

// impatientLog is an engine whose commits are held between the positions of their
// events and the events, and that shows those that are there. It sweeps none.
type impatientLog struct {
	*memory.Store
	hold func(rollcall.Change)

	mu     sync.Mutex
	taken  uint64 // the last position
	events map[uint64]rollcall.Event
}

func (s *impatientLog) Commit(ctx context.Context, c rollcall.Change) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	before := s.taken
	s.taken += uint64(len(c.Events))
	s.mu.Unlock()
	s.hold(c)
	s.mu.Lock()
	defer s.mu.Unlock()
	events := c.Events
	c.Events = nil
	if err := s.Store.Commit(context.WithoutCancel(ctx), c); err != nil {
		return err
	}
	for i, e := range events {
		s.events[before+uint64(i)+1] = e
	}
	return nil
}

func (s *impatientLog) Events(ctx context.Context, after string, limit int) (found []rollcall.StoredEvent, err error) {
	var from uint64
	if after != "" {
		if from, err = strconv.ParseUint(after, 10, 64); err != nil {
			return nil, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for p := from + 1; p <= s.taken && len(found) < limit; p++ {
		if e, ok := s.events[p]; ok {
			found = append(found, rollcall.StoredEvent{Position: strconv.FormatUint(p, 10), Event: e})
		}
	}
	return found, ctx.Err()
}

// backwards is an engine that gives each page of events from its end.
type backwards struct{ *memory.Store }

func (s backwards) Events(ctx context.Context, after string, limit int) ([]rollcall.StoredEvent, error) {
	events, err := s.Store.Events(ctx, after, limit)
	slices.Reverse(events)
	return events, err
}

// movingPositions is an engine whose positions are how many events there are up to
// it: sweeping moves them.
type movingPositions struct{ *memory.Store }

func (s movingPositions) Events(ctx context.Context, after string, limit int) ([]rollcall.StoredEvent, error) {
	events, err := s.Store.Events(ctx, "", math.MaxInt)
	if err != nil {
		return nil, err
	}
	for i := range events {
		events[i].Position = strconv.Itoa(i + 1)
	}
	if after != "" {
		from, err := strconv.ParseUint(after, 10, 32)
		if err != nil {
			return nil, err
		}
		events = events[min(int(from), len(events)):]
	}
	return events[:min(limit, len(events))], nil
}

// forgetfulEvents is an engine that keeps all of an event but its last field.
type forgetfulEvents struct{ *memory.Store }

func (s forgetfulEvents) Events(ctx context.Context, after string, limit int) ([]rollcall.StoredEvent, error) {
	events, err := s.Store.Events(ctx, after, limit)
	for i := range events {
		events[i].Event.CorrelationID = ""
	}
	return events, err
}

// eventsFirst is an engine that tells of an act before it makes it, and also when it
// then does not make it.
type eventsFirst struct{ *memory.Store }

func (s eventsFirst) Commit(ctx context.Context, c rollcall.Change) error {
	if err := s.Store.Commit(ctx, rollcall.Change{UserID: c.UserID, Events: c.Events}); err != nil {
		return err
	}
	time.Sleep(time.Millisecond) // long enough for whoever follows the log
	c.Events = nil
	return s.Store.Commit(ctx, c)
}
