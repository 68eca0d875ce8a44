package rollcall

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"
)

// Options configure a [Manager]. The zero value of each field has a meaning.
type Options struct {
	// Policy is the limits. What it leaves out is DefaultPolicy's: both lifetimes,
	// the answer at the limit of sessions, the levels.
	Policy Policy
	// DerivationKey makes answers to repeated creations. Nodes that share a
	// store must share it. With the zero key, Idempotency-Key is refused.
	DerivationKey DerivationKey
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
	// CacheSize is the memory, in bytes, for what was read of users; 0 remembers
	// nothing. Only for a store that no other process writes: an ending by another
	// one would not be noticed. What is remembered leaves Version, RequestDigest and
	// UsedKeys of a session empty.
	CacheSize int64
	// Compressor makes the pages smaller that are remembered; nil remembers fewer.
	Compressor Compressor
}

// A Manager is the one way in: every act on sessions goes through it. It reads,
// decides with pure functions, commits, and tries again when another node was
// quicker. Its methods may be called at once from many goroutines; every error
// is an [Error].
type Manager struct {
	store   Store
	policy  Policy
	key     DerivationKey
	clock   func() time.Time
	log     *slog.Logger
	asn     func(ip string) string
	queue   userQueue
	touches pendingTouches
	writes  boundedWrites
	locator Locator // the store, nil if it is none
	cache   *cache  // nil remembers nothing

	touchInterval  time.Duration
	sweepInterval  time.Duration
	eventRetention time.Duration
}

// New returns a Manager on a store. It starts nothing: Run does.
func New(store Store, o Options) (*Manager, error) {
	o.Policy = o.Policy.filled()
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
	m.locator, _ = store.(Locator)
	if o.CacheSize > 0 {
		m.cache = newCache(o.CacheSize, o.Compressor, &m.touches)
	}
	return m, nil
}

// now is the present instant in the precision that is kept.
func (m *Manager) now() time.Time { return m.clock().UTC().Truncate(time.Millisecond) }

// maxAttempts bounds how often an act is decided anew. Within one process the
// queue lets no two acts on a user meet, so only other nodes and id claims can
// use attempts up.
const maxAttempts = 8

// act decides and commits a change to one user, deciding again when a version
// did not hold. decide runs alone among this process's acts on the user; a
// change without content commits nothing. When the store does not answer in time the
// turn is given up by its write, not by the act: the next one decides on what came of
// it.
func (m *Manager) act(ctx context.Context, userID string, decide func(ctx context.Context, now time.Time) (Change, error)) error {
	bounded := within(ctx, m.writes.timeout)
	defer bounded.end()
	ctx = bounded
	leave, err := m.queue.enter(ctx, userID)
	if err != nil {
		return failed(err)
	}
	defer func() {
		if !errors.Is(err, errOverdue) {
			leave()
		}
	}()
	for attempt := range maxAttempts {
		if attempt > 0 {
			if err = pause(ctx, attempt); err != nil {
				return failed(err)
			}
		}
		var change Change
		if change, err = decide(ctx, m.now()); err != nil {
			return failed(err)
		}
		if change.isEmpty() {
			return nil
		}
		if err = m.commit(ctx, change, leave); !errors.Is(err, ErrConflict) {
			return failed(err)
		}
	}
	return &Error{Code: CodeUnavailable, Message: "Too many acts on the same user at once; nothing was changed", RetryAfter: time.Second}
}

// commit makes a change. What is remembered of whom it concerns is no longer good
// from before the commit on until it has ended, also when its outcome is unknown. late
// is called when it has ended after all, if commit fails with errOverdue.
func (m *Manager) commit(ctx context.Context, c Change, late func()) error {
	write := func(ctx context.Context) error { return m.store.Commit(ctx, c) }
	if m.cache == nil {
		return m.writes.do(ctx, write, func() {}, late)
	}
	ended := m.cache.committing(c.UserID)
	return m.writes.do(ctx, func(ctx context.Context) error {
		err := write(ctx)
		if err == nil {
			m.cache.committed(&c)
		}
		return err
	}, ended, late)
}

func (c Change) isEmpty() bool {
	return c.User == nil && len(c.Sessions) == 0 && len(c.Documents) == 0 && len(c.Events) == 0
}

// pause waits a jittered time that grows with the attempt, a quarter of a
// second at most.
func pause(ctx context.Context, attempt int) error {
	t := time.NewTimer(rand.N(time.Millisecond << min(attempt, 8)))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// failed turns what an act met into the package's error, once.
func failed(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*Error](err); ok {
		return err
	}
	switch {
	case errors.Is(err, ErrNoSession):
		return &Error{Code: CodeNotFound, Message: "The session does not exist."}
	case errors.Is(err, errOverdue):
		return &Error{Code: CodeUnavailable, Message: "The store has not answered in time; the change may or may not have been made", Err: err, RetryAfter: 10 * time.Second}
	case errors.Is(err, ErrFull):
		return &Error{Code: CodeUnavailable, Message: "There is no room left to store the change; nothing was changed", Err: err, RetryAfter: 10 * time.Second}
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return &Error{Code: CodeUnavailable, Message: "The request was given up before it was done", Err: err, RetryAfter: time.Second}
	}
	return &Error{Code: CodeUnavailable, Message: "The store did not answer as it should; the change may or may not have been made", Err: err, RetryAfter: time.Second}
}

// event fills in what every event of a caller's act has.
func event(kind EventType, now time.Time, by Caller, s Session) Event {
	return Event{
		ID: newEventID(), Type: kind, At: now, UserID: s.UserID, SessionID: s.ID, Reason: s.EndReason,
		Actor: by.ID, IP: by.IP, UserAgent: by.UserAgent, CorrelationID: by.CorrelationID,
	}
}

// put makes a session's row what it has become.
func put(s Session) PutSession { return PutSession{Session: s, Replaces: s.Version} }

// moved puts a user's row as it is, which moves its version: every change of
// how many sessions a user has carries it.
func moved(u User) *PutUser { return &PutUser{User: u, Replaces: u.Version} }

// Ready returns nil when the store can serve.
func (m *Manager) Ready(ctx context.Context) error { return failed(m.store.Ready(ctx)) }

// Events returns up to limit events after a position; see [Store].
func (m *Manager) Events(ctx context.Context, after string, limit int) ([]StoredEvent, error) {
	events, err := m.store.Events(ctx, after, limit)
	return events, failed(err)
}
