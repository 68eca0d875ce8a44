package server

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-id/rollcall"
)

// readSample is how many reads go by for one that is timed: a check does
// one, and is to cost next to nothing.
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
// the sweep.
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
func (t *timedStore) Session(ctx context.Context, at rollcall.At) (rollcall.Session, rollcall.Standing, error) {
	start := begin()
	s, st, err := t.Store.Session(ctx, at)
	t.session.read(start, err)
	return s, st, err
}

// Sessions implements rollcall.Store.
func (t *timedStore) Sessions(ctx context.Context, q rollcall.SessionsOf) (rollcall.Standing, []rollcall.Session, error) {
	start := begin()
	st, found, err := t.Store.Sessions(ctx, q)
	t.sessions.read(start, err)
	return st, found, err
}

// Document implements rollcall.Store.
func (t *timedStore) Document(ctx context.Context, name string) (rollcall.Document, error) {
	start := begin()
	d, err := t.Store.Document(ctx, name)
	t.document.read(start, err)
	return d, err
}

// Events implements rollcall.Store.
func (t *timedStore) Events(ctx context.Context, q rollcall.EventsAfter) (rollcall.EventPage, error) {
	start := begin()
	page, err := t.Store.Events(ctx, q)
	t.events.read(start, err)
	return page, err
}

// Commit implements rollcall.Store.
func (t *timedStore) Commit(ctx context.Context, c rollcall.Change) (rollcall.Standing, error) {
	start := time.Now()
	left, err := t.Store.Commit(ctx, c)
	t.commit.wrote(start, err)
	if errors.Is(err, rollcall.ErrConflict) {
		t.metrics.store.conflicts.Inc()
	}
	return left, err
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

// sweepMetrics are the sweep's progress.
type sweepMetrics struct {
	removed, ended, events prometheus.Counter
	last                   prometheus.Gauge
}

func (m *sweepMetrics) init() {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	m.removed = counter("rollcall_sweep_removed_total", "Ended sessions whose rows the sweep removed, when they had been kept for the retention.")
	m.ended = counter("rollcall_sweep_ended_total", "Sessions that came to a limit of their own, or that an ending of many had ended, and that the sweep marked as ended.")
	m.events = counter("rollcall_sweep_events_total", "Events that the sweep removed.")
	m.last = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "rollcall_sweep_last_success_timestamp_seconds", Help: "When the sweep last did a bite without failing, in Unix time; 0 before the first.",
	})
}

func (m *sweepMetrics) bite(s rollcall.Swept, err error) {
	m.removed.Add(float64(s.Removed))
	m.ended.Add(float64(s.Ended))
	m.events.Add(float64(s.Events))
	if err == nil {
		m.last.SetToCurrentTime()
	}
}
