package server

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/sessions"
)

// recountInterval is how often live sessions are counted anew.
const recountInterval = time.Hour

// A liveCount estimates how many sessions are live: as many as were counted last,
// moved by every commit since. Scrapes read a number.
type liveCount struct {
	known   atomic.Bool // since the first count; until then there is nothing to show
	counted atomic.Int64
	moved   atomic.Int64 // by commits, since the start
	base    atomic.Int64 // moved as of the last count
}

var liveDesc = prometheus.NewDesc("rollcall_sessions_live",
	"Live sessions, an estimate: counted in the background at the start and every hour, and moved by each creation and ending that this node commits. "+
		"Those that come to their own end leave it with the next count.", nil, nil)

// Describe implements prometheus.Collector.
func (l *liveCount) Describe(to chan<- *prometheus.Desc) { to <- liveDesc }

// Collect implements prometheus.Collector.
func (l *liveCount) Collect(to chan<- prometheus.Metric) {
	if l.known.Load() {
		to <- prometheus.MustNewConstMetric(liveDesc, prometheus.GaugeValue, float64(l.estimate()))
	}
}

func (l *liveCount) estimate() int64 {
	return max(0, l.counted.Load()+l.moved.Load()-l.base.Load())
}

// committed moves the number by what a change did.
func (l *liveCount) committed(c rollcall.Change) {
	for i := range c.Sessions {
		switch {
		case c.Sessions[i].IsNew():
			l.moved.Add(1)
		case !c.Sessions[i].Session.EndedAt.IsZero():
			l.moved.Add(-1)
		}
	}
	for i := range c.Events {
		switch e := &c.Events[i]; e.Type {
		case rollcall.UserSessionsEnded:
			l.moved.Add(-int64(max(0, e.Count)))
		case rollcall.EverybodyEnded:
			l.counted.Store(0)
			l.base.Store(l.moved.Load())
		}
	}
}

// run counts at the start and every hour, until ctx is done. A store that cannot
// count leaves the number out.
func (l *liveCount) run(ctx context.Context, m *sessions.Manager, log *slog.Logger) {
	t := time.NewTicker(recountInterval)
	defer t.Stop()
	for {
		base := l.moved.Load()
		n, err := m.CountLive(ctx)
		switch {
		case err == nil:
			l.base.Store(base)
			l.counted.Store(int64(n))
			l.known.Store(true)
		case errors.Is(err, errors.ErrUnsupported):
			return
		case ctx.Err() == nil:
			log.Warn("could not count live sessions, trying again in an hour", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
}
