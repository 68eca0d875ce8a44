package server

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-id/rollcall"
)

// readSample is how many reads go by for one that is timed: checks do two each, and
// are to cost next to nothing.
const readSample = 16

// storeMetrics time the store's calls and count its failures.
type storeMetrics struct {
	seconds   *prometheus.HistogramVec
	failures  *prometheus.CounterVec
	conflicts prometheus.Counter
}

func (m *storeMetrics) init() {
	m.seconds = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "rollcall_store_call_duration_seconds", Help: "Time that calls of the store take, until durable where they write. Of the reads one in 16 is timed.",
		Buckets: latencyBuckets,
	}, []string{"call"})
	m.failures = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "rollcall_store_failures_total", Help: "Calls of the store that failed otherwise than by conflict, absence or a request that was given up; with a full disk, too.",
	}, []string{"call"})
	m.conflicts = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "rollcall_store_conflicts_total", Help: "Commits that met another and were decided anew.",
	})
}

// A timedCall is one kind of call, resolved once.
type timedCall struct {
	seconds  prometheus.Observer
	failures prometheus.Counter
}

func (m *storeMetrics) call(name string) timedCall {
	return timedCall{m.seconds.WithLabelValues(name), m.failures.WithLabelValues(name)}
}

// wrote notes a call that began at start.
func (c timedCall) wrote(start time.Time, err error) {
	c.seconds.Observe(time.Since(start).Seconds())
	c.failed(err)
}

func (c timedCall) failed(err error) {
	if err == nil || errors.Is(err, rollcall.ErrNoSession) || errors.Is(err, rollcall.ErrConflict) ||
		errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return
	}
	c.failures.Inc()
}

// begin is when a read begins, zero for one that is not timed.
func begin() time.Time {
	if rand.Uint32()%readSample != 0 {
		return time.Time{}
	}
	return time.Now()
}

func (c timedCall) read(start time.Time, err error) {
	if !start.IsZero() {
		c.seconds.Observe(time.Since(start).Seconds())
	}
	if err != nil {
		c.failed(err)
	}
}

// A timedStore is a store whose calls are timed, and watched for what they say of
// the number of sessions and of the sweep.
type timedStore struct {
	rollcall.Store
	metrics *Metrics

	session, sessions, document, events, commit, touch, sweep timedCall
}

// Store returns a store that does what the given one does, and times it.
func (m *Metrics) Store(s rollcall.Store) rollcall.Store {
	call := m.store.call
	return &timedStore{
		Store: s, metrics: m,
		session: call("session"), sessions: call("sessions"), document: call("document"), events: call("events"),
		commit: call("commit"), touch: call("touch"), sweep: call("sweep"),
	}
}

// Session implements rollcall.Store.
func (t *timedStore) Session(ctx context.Context, id string) (rollcall.Session, rollcall.User, error) {
	start := begin()
	s, u, err := t.Store.Session(ctx, id)
	t.session.read(start, err)
	return s, u, err
}

// SessionAt implements rollcall.Locator, if need be without the help of the store.
func (t *timedStore) SessionAt(ctx context.Context, id, userID string, createdAt time.Time) (rollcall.Session, rollcall.User, error) {
	locator, ok := t.Store.(rollcall.Locator)
	if !ok {
		return t.Session(ctx, id)
	}
	start := begin()
	s, u, err := locator.SessionAt(ctx, id, userID, createdAt)
	t.session.read(start, err)
	return s, u, err
}

// Sessions implements rollcall.Store.
func (t *timedStore) Sessions(ctx context.Context, userID string, after rollcall.Position, limit int) (rollcall.User, []rollcall.Session, error) {
	start := begin()
	u, found, err := t.Store.Sessions(ctx, userID, after, limit)
	t.sessions.read(start, err)
	return u, found, err
}

// Document implements rollcall.Store.
func (t *timedStore) Document(ctx context.Context, name string) (rollcall.Document, error) {
	start := begin()
	d, err := t.Store.Document(ctx, name)
	t.document.read(start, err)
	return d, err
}

// Events implements rollcall.Store.
func (t *timedStore) Events(ctx context.Context, after string, limit int) ([]rollcall.StoredEvent, error) {
	start := begin()
	events, err := t.Store.Events(ctx, after, limit)
	t.events.read(start, err)
	return events, err
}

// Commit implements rollcall.Store.
func (t *timedStore) Commit(ctx context.Context, c rollcall.Change) error {
	start := time.Now()
	err := t.Store.Commit(ctx, c)
	t.commit.wrote(start, err)
	switch {
	case err == nil:
		t.metrics.live.committed(c)
	case errors.Is(err, rollcall.ErrConflict):
		t.metrics.store.conflicts.Inc()
	}
	return err
}

// Touch implements rollcall.Store.
func (t *timedStore) Touch(ctx context.Context, touches []rollcall.Touch) error {
	start := time.Now()
	err := t.Store.Touch(ctx, touches)
	t.touch.wrote(start, err)
	return err
}

// Sweep implements rollcall.Store.
func (t *timedStore) Sweep(ctx context.Context, bite rollcall.Sweep) (rollcall.Swept, error) {
	start := time.Now()
	swept, err := t.Store.Sweep(ctx, bite)
	t.sweep.wrote(start, err)
	t.metrics.sweep.bite(swept, err)
	return swept, err
}

// CountSessions implements rollcall.Counter, if the store does.
func (t *timedStore) CountSessions(ctx context.Context, counts func(*rollcall.Session, *rollcall.User) bool) (int, error) {
	c, ok := t.Store.(rollcall.Counter)
	if !ok {
		return 0, errors.ErrUnsupported
	}
	return c.CountSessions(ctx, counts)
}

// sweepMetrics are the sweep's progress.
type sweepMetrics struct {
	removed, refiled, events prometheus.Counter
	last                     prometheus.Gauge
}

func (m *sweepMetrics) init() {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	m.removed = counter("rollcall_sweep_removed_total", "Sessions that the sweep removed, a day or more after they were over.")
	m.refiled = counter("rollcall_sweep_refiled_total", "Sessions that the sweep looked at and that live longer.")
	m.events = counter("rollcall_sweep_events_total", "Events that the sweep removed.")
	m.last = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "rollcall_sweep_last_success_timestamp_seconds", Help: "When the sweep last did a bite without failing, in Unix time; 0 before the first.",
	})
}

func (m *sweepMetrics) bite(s rollcall.Swept, err error) {
	m.removed.Add(float64(s.Removed))
	m.refiled.Add(float64(s.Refiled))
	m.events.Add(float64(s.Events))
	if err == nil {
		m.last.SetToCurrentTime()
	}
}
