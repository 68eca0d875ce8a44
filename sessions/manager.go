package sessions

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/rollcall-id/rollcall"
)

// Options configure a [Manager]. The zero value of each field has a meaning.
type Options struct {
	// Policy is the limits. What it leaves out is DefaultPolicy's: both lifetimes,
	// the answer at the limit of sessions, the levels.
	Policy rollcall.Policy
	// DerivationKeys make what a repeated creation or authentication is answered: the
	// current key first, then earlier ones; see SetDerivationKeys. Without any, an
	// Idempotency-Key is refused. New refuses a zero key.
	DerivationKeys []rollcall.DerivationKey
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
	// SweepInterval is how often the sweep looks for work; 0 is one minute. Nodes that share
	// a store share the number of live sessions twice as often.
	SweepInterval time.Duration
	// Retention is how long an ended session and an event are kept; 0 is 30 days. At
	// least MinRetention.
	Retention time.Duration
	// Networks finds the autonomous system number of an address, as digits, ""
	// when unknown; nil knows none.
	Networks func(ip string) string
	// Memory is how many bytes to remember users' sessions in; 0 remembers none. New
	// refuses memory on a store whose Traits say that others write to it: an ending by
	// another one would not be noticed.
	Memory int64
}

// A Manager is the one way in: every act on sessions goes through it. An act reads,
// decides with pure functions, commits, and is decided again when another node was
// quicker. Methods may be called at once from many goroutines. Every error that a method
// returns is a [rollcall.Error].
type Manager struct {
	store   rollcall.Store
	policy  atomic.Pointer[rollcall.Policy] // read once a call
	keys    atomic.Pointer[[]rollcall.DerivationKey]
	clock   func() time.Time
	log     *slog.Logger
	asn     func(ip string) string
	queue   userQueue
	touches pendingTouches
	writes  boundedWrites
	tidy    tidying
	counts  liveCount
	memory  *nodeMemory // nil remembers nothing
	shared  bool        // other nodes may write to the store

	touchInterval time.Duration
	sweepInterval time.Duration
	retention     time.Duration
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
	if o.Retention == 0 {
		o.Retention = 30 * 24 * time.Hour
	}
	if o.Retention < MinRetention {
		return nil, fmt.Errorf("a retention of %s is shorter than %s", o.Retention, MinRetention)
	}
	if o.Memory > 0 && store.Traits().Shared {
		return nil, errors.New("memory needs a store that nobody else writes to")
	}
	m := &Manager{
		store:         store,
		shared:        store.Traits().Shared,
		clock:         o.Clock,
		log:           o.Logger,
		asn:           o.Networks,
		touchInterval: o.TouchInterval,
		sweepInterval: o.SweepInterval,
		retention:     o.Retention,
	}
	m.policy.Store(&o.Policy)
	if err := m.SetDerivationKeys(o.DerivationKeys...); err != nil {
		return nil, err
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
	m.writes.init(o.ActTimeout)
	m.queue.init()
	m.touches.init()
	m.tidy.init()
	if o.Memory > 0 {
		m.memory = newMemory(o.Memory, m.touches.add)
	}
	return m, nil
}

// now is the present instant in the precision that is kept.
func (m *Manager) now() time.Time { return m.clock().UTC().Truncate(time.Millisecond) }

// Now returns the present instant by the Manager's clock, in the precision that is kept.
func (m *Manager) Now() time.Time { return m.now() }

// Events returns a page of the log of events; see [rollcall.Store]. Errors: CodeInvalid for
// a position that is none, CodeUnavailable.
func (m *Manager) Events(ctx context.Context, q rollcall.EventsAfter) (rollcall.EventPage, error) {
	page, err := m.store.Events(ctx, q)
	if errors.Is(err, rollcall.ErrBadPosition) {
		return rollcall.EventPage{}, rollcall.Errorf(rollcall.CodeInvalid, "Not a position of the events")
	}
	return page, failed(err)
}
