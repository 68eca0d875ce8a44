package sessions

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/internal/recall"
)

// Options configure a [Manager]. The zero value of each field has a meaning.
type Options struct {
	// Policy is the limits. What it leaves out is DefaultPolicy's: both lifetimes,
	// the answer at the limit of sessions, the levels.
	Policy rollcall.Policy
	// DerivationKey makes answers to repeated creations. Nodes that share a
	// store must share it. With the zero key, Idempotency-Key is refused.
	DerivationKey rollcall.DerivationKey
	// Clock is the one place that instants come from; nil is time.Now.
	Clock func() time.Time
	// Logger takes what an operator should know; nil discards it.
	Logger *slog.Logger
	// TouchInterval is how often interactions are written; 0 is one second.
	TouchInterval time.Duration
	// ActTimeout is how long an act waits for its turn and for the store; 0 is ten
	// seconds. Then it fails, its outcome unknown, and what it has begun to write goes
	// on. An act that ends several users' or everybody's sessions may wait twice.
	ActTimeout time.Duration
	// SweepInterval is how often the sweep looks for work; 0 is one minute.
	SweepInterval time.Duration
	// EventRetention is how long events are kept; 0 is 30 days.
	EventRetention time.Duration
	// Networks finds the autonomous system number of an address, as digits, ""
	// when unknown; nil knows none.
	Networks func(ip string) string
	// Memory is how many bytes to remember users' sessions in; 0 remembers none. Only
	// for a store that no other process writes: an ending by another one would not be
	// noticed. What is remembered leaves Version, RequestDigest and UsedKeys of a
	// session empty.
	Memory int64
}

// A Manager is the one way in: every act on sessions goes through it. It reads,
// decides with pure functions, commits, and tries again when another node was
// quicker. Its methods may be called at once from many goroutines; every error
// is an [Error].
type Manager struct {
	store   rollcall.Store
	policy  rollcall.Policy
	key     rollcall.DerivationKey
	clock   func() time.Time
	log     *slog.Logger
	asn     func(ip string) string
	queue   userQueue
	touches pendingTouches
	writes  boundedWrites
	locator rollcall.Locator // the store, nil if it is none
	cache   *recall.Memory   // nil remembers nothing

	touchInterval  time.Duration
	sweepInterval  time.Duration
	eventRetention time.Duration
}

// New returns a Manager on a store. It starts nothing: Run does.
func New(store rollcall.Store, o Options) (*Manager, error) {
	o.Policy = o.Policy.Filled()
	if err := o.Policy.Check(); err != nil {
		return nil, err
	}
	if o.ActTimeout < 0 {
		return nil, errors.New("the time that an act may take is negative")
	}
	m := &Manager{
		store:          store,
		policy:         o.Policy,
		key:            o.DerivationKey,
		clock:          o.Clock,
		log:            o.Logger,
		asn:            o.Networks,
		touchInterval:  o.TouchInterval,
		sweepInterval:  o.SweepInterval,
		eventRetention: o.EventRetention,
	}
	if m.clock == nil {
		m.clock = time.Now
	}
	if m.log == nil {
		m.log = slog.New(slog.DiscardHandler)
	}
	if m.asn == nil {
		m.asn = func(string) string { return "" }
	}
	if m.touchInterval == 0 {
		m.touchInterval = time.Second
	}
	if m.sweepInterval == 0 {
		m.sweepInterval = time.Minute
	}
	if m.eventRetention == 0 {
		m.eventRetention = 30 * 24 * time.Hour
	}
	m.writes.init(o.ActTimeout)
	m.queue.init()
	m.touches.init()
	m.locator, _ = store.(rollcall.Locator)
	if o.Memory > 0 {
		m.cache = recall.New(o.Memory/10*9, m.touches.add)
	}
	return m, nil
}

// now is the present instant in the precision that is kept.
func (m *Manager) now() time.Time { return m.clock().UTC().Truncate(time.Millisecond) }

// Now returns the present instant by the Manager's clock, in the precision that is kept.
func (m *Manager) Now() time.Time { return m.now() }

// Ready returns nil when the store can serve.
func (m *Manager) Ready(ctx context.Context) error { return failed(m.store.Ready(ctx)) }

// Events returns up to limit events after a position; see [Store].
func (m *Manager) Events(ctx context.Context, after string, limit int) ([]rollcall.StoredEvent, error) {
	events, err := m.store.Events(ctx, after, limit)
	return events, failed(err)
}
