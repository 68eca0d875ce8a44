package sessions

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/rollcall-id/rollcall"
)

// recountInterval is how often Run counts the live sessions anew.
const recountInterval = time.Hour

// A liveCount estimates how many sessions are live: as many as were counted last, moved
// by every commit of this node since.
type liveCount struct {
	known   atomic.Bool // since the first count
	counted atomic.Int64
	moved   atomic.Int64 // by commits, since the start
	base    atomic.Int64 // moved as of the last count
}

// Live estimates how many sessions are live: counted when Run begins and every hour, and
// moved by each creation and ending of this Manager. Sessions that come to a limit of
// their own leave the number with the next count. known is false before the first count.
func (m *Manager) Live() (n int64, known bool) {
	l := &m.counts
	return max(0, l.counted.Load()+l.moved.Load()-l.base.Load()), l.known.Load()
}

// committed moves the number by what a change did.
func (l *liveCount) committed(c *rollcall.Change) {
	moved := -int64(len(c.Ends))
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
			l.counted.Store(0)
			l.base.Store(l.moved.Load())
		}
	}
	l.moved.Add(moved)
}

// CountLive counts the sessions that are not over, by looking at every one: for an hourly
// number, not for a request. Rows that an ending of many has left as they were are noted,
// for Run to tidy. Error: CodeUnavailable.
func (m *Manager) CountLive(ctx context.Context) (int, error) {
	n, err := m.walk(ctx, func(*rollcall.Walked) {})
	return n, failed(err)
}

// walk visits every session, and counts those that are not over.
func (m *Manager) walk(ctx context.Context, visit func(*rollcall.Walked)) (live int, err error) {
	now, base := m.now(), m.counts.moved.Load()
	_, err = m.store.Walk(ctx, "", func(w rollcall.Walked) bool {
		if isUntidy(&w, now) {
			m.tidy.user(w.Session.UserID)
		}
		if visit(&w); !w.Session.Over(now, &w.Standing) {
			live++
		}
		return true
	})
	if err == nil {
		m.counts.base.Store(base)
		m.counts.counted.Store(int64(live))
		m.counts.known.Store(true)
	}
	return live, err
}
