package sessions

import (
	"context"
	"sync"
	"time"

	"github.com/rollcall-id/rollcall"
)

// recountInterval is how often the live sessions are counted anew.
const recountInterval = time.Hour

// A tally is a number of live sessions: as many as were counted last, moved by commits since.
type tally struct {
	// Counted is what the last count found, Base what Moved was when that count began.
	Counted int64 `json:"counted"`
	Base    int64 `json:"base"`
	// Moved is by how much commits have moved the number, all taken together.
	Moved int64 `json:"moved"`
	// Ended is how often everybody's sessions were ended.
	Ended int64 `json:"ended"`
	// Known says that the sessions were counted, or everybody's were ended.
	Known bool `json:"known"`
}

func (t *tally) live() int64 { return max(0, t.Counted+t.Moved-t.Base) }

// endEverybody notes that no session is live.
func (t *tally) endEverybody(times int64) {
	t.Counted, t.Base, t.Known = 0, t.Moved, true
	t.Ended += times
}

// add adds what another tally, which began as the zero tally, was moved by.
func (t *tally) add(more tally) {
	if more.Ended > 0 {
		t.endEverybody(more.Ended)
	}
	t.Moved += more.Moved - more.Base
}

// without returns the part of t that came after it was as earlier, as a tally that began as
// the zero tally.
func (t *tally) without(earlier tally) tally {
	if t.Ended > earlier.Ended {
		return tally{Moved: t.Moved - t.Base, Ended: t.Ended - earlier.Ended, Known: true}
	}
	return tally{Moved: t.Moved - earlier.Moved}
}

// take takes over a count that began when the tally was as began. When everybody's sessions
// were ended meanwhile, the count says nothing: some were counted before.
func (t *tally) take(began tally, counted int64) {
	if t.Ended == began.Ended {
		t.Counted, t.Base, t.Known = counted, began.Moved, true
	}
}

// A liveCount is the number of live sessions as this node knows it.
type liveCount struct {
	mu sync.Mutex
	// own is what this node's commits have moved: on a shared store, since they were last
	// added to the document that nodes share; else since the Manager was made.
	own tally
	// shared is the document as it was last read or written; zero without a shared store.
	shared tally
}

// Live estimates how many sessions are live: as many as were counted when Run began or at the
// latest hourly count, moved by each creation and ending since. On a store that several nodes
// share one of them counts for all, and the others' creations and endings are in the number
// within a minute. Sessions that come to a limit of their own leave the number with the next
// count. known is false before the first count.
func (m *Manager) Live() (n int64, known bool) {
	l := &m.counts
	l.mu.Lock()
	defer l.mu.Unlock()
	if !m.shared {
		return l.own.live(), l.own.Known
	}
	t := l.shared
	t.add(l.own)
	return t.live(), t.Known
}

// committed moves the number by what a change did.
func (l *liveCount) committed(c *rollcall.Change) {
	moved, everybody := -int64(len(c.Ends)), int64(0)
	for i := range c.Sessions {
		switch p := &c.Sessions[i]; {
		case p.Replaces == 0:
			moved++
		case !p.Session.EndedAt.IsZero():
			moved--
		}
	}
	for i := range c.Events {
		switch e := &c.Events[i]; e.Type {
		case rollcall.UserSessionsEnded:
			moved -= int64(max(0, e.Count))
		case rollcall.EverybodyEnded:
			everybody++
		}
	}
	if moved == 0 && everybody == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if everybody > 0 {
		l.own.endEverybody(everybody)
	}
	l.own.Moved += moved
}

// CountLive counts the sessions that are not over, by looking at every one: for an hourly
// number, not for a request. Rows that an ending of many has left as they were are noted,
// for Run to tidy. Error: CodeUnavailable.
func (m *Manager) CountLive(ctx context.Context) (int, error) {
	if m.shared {
		n, err := m.countForAll(ctx, true)
		return n, failed(err)
	}
	n, err := m.count(ctx, func(*rollcall.Walked) {})
	return n, failed(err)
}

// count visits every session, and counts those that are not over.
func (m *Manager) count(ctx context.Context, visit func(*rollcall.Walked)) (live int, err error) {
	l := &m.counts
	l.mu.Lock()
	began := l.own
	l.mu.Unlock()
	if live, err = m.walk(ctx, visit); err != nil {
		return live, err
	}
	l.mu.Lock()
	l.own.take(began, int64(live))
	l.mu.Unlock()
	return live, nil
}

// walk visits every session, notes rows that are to be tidied, and returns how many sessions
// are not over.
func (m *Manager) walk(ctx context.Context, visit func(*rollcall.Walked)) (live int, err error) {
	now := m.now()
	_, err = m.store.Walk(ctx, "", func(w rollcall.Walked) bool {
		if isUntidy(&w, now) {
			m.tidy.user(w.Session.UserID)
		}
		if visit(&w); !w.Session.Over(now, &w.Standing) {
			live++
		}
		return true
	})
	return live, err
}

// runCounts keeps the number of live sessions until ctx is done. Where no other node writes
// to the store the first count fills memory.
func (m *Manager) runCounts(ctx context.Context) {
	if m.shared {
		m.runShared(ctx)
		return
	}
	if err := m.warm(ctx); err != nil && ctx.Err() == nil {
		m.log.Error("could not read the store into memory", "error", err)
	}
	every(ctx, recountInterval, func() {
		if _, err := m.CountLive(ctx); err != nil && ctx.Err() == nil {
			m.log.Warn("could not count live sessions, trying again in an hour", "error", err)
		}
	})
}
