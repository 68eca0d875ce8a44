package sessions_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/sessions"
)

// An observed store counts what is asked of an engine, and lets a test come between. The
// hooks, unless nil, are set before the store is used.
type observed struct {
	rollcall.Store

	// beforeRead is called before each Session and Sessions, with the number of such
	// reads before.
	beforeRead func(n int)
	// beforeCommit is called before each Commit.
	beforeCommit func(c *rollcall.Change)
	// touching is called instead of Touch, with what does the touch.
	touching func(touch func() error) error
	// standing changes what is read of a standing.
	standing func(st *rollcall.Standing)
	// read and commit are how long such a call takes, half as long or one and a half times
	// as long as it happens; the engine acts in the middle.
	read, commit time.Duration

	mu     sync.Mutex
	counts counts
}

// counts are how often a store was asked.
type counts struct {
	Reads, Commits, Touches int
	// MostRows is the largest Limit of a read, MostPuts the most sessions of a change.
	MostRows, MostPuts int
}

// asked returns the counts since the last call.
func (o *observed) asked() counts {
	o.mu.Lock()
	defer o.mu.Unlock()
	c := o.counts
	o.counts = counts{}
	return c
}

func (o *observed) counting(limit int) {
	o.mu.Lock()
	n := o.counts.Reads
	o.counts.Reads++
	o.counts.MostRows = max(o.counts.MostRows, limit)
	o.mu.Unlock()
	if o.beforeRead != nil {
		o.beforeRead(n)
	}
}

func (o *observed) seen(st rollcall.Standing) rollcall.Standing {
	if o.standing != nil {
		o.standing(&st)
	}
	return st
}

// slowly does what the engine does in the middle of about a time.
func slowly(d time.Duration, do func()) {
	if d > 0 {
		d = d/2 + rand.N(d)
		time.Sleep(d / 2)
		defer time.Sleep(d / 2)
	}
	do()
}

// Session implements rollcall.Store.
func (o *observed) Session(ctx context.Context, at rollcall.At) (s rollcall.Session, st rollcall.Standing, err error) {
	o.counting(1)
	slowly(o.read, func() { s, st, err = o.Store.Session(ctx, at) })
	return s, o.seen(st), err
}

// Sessions implements rollcall.Store.
func (o *observed) Sessions(ctx context.Context, q rollcall.SessionsOf) (st rollcall.Standing, all []rollcall.Session, err error) {
	o.counting(q.Limit)
	slowly(o.read, func() { st, all, err = o.Store.Sessions(ctx, q) })
	return o.seen(st), all, err
}

// Document implements rollcall.Store.
func (o *observed) Document(ctx context.Context, name string) (d rollcall.Document, err error) {
	o.counting(1)
	slowly(o.read, func() { d, err = o.Store.Document(ctx, name) })
	return d, err
}

// Walk implements rollcall.Store; it counts as a read.
func (o *observed) Walk(ctx context.Context, after string, visit func(rollcall.Walked) bool) (string, error) {
	o.counting(0)
	return o.Store.Walk(ctx, after, visit)
}

// Commit implements rollcall.Store.
func (o *observed) Commit(ctx context.Context, c rollcall.Change) (st rollcall.Standing, err error) {
	o.mu.Lock()
	o.counts.Commits++
	o.counts.MostPuts = max(o.counts.MostPuts, len(c.Sessions)+len(c.Ends))
	o.mu.Unlock()
	if o.beforeCommit != nil {
		o.beforeCommit(&c)
	}
	slowly(o.commit, func() { st, err = o.Store.Commit(ctx, c) })
	return st, err
}

// Touch implements rollcall.Store.
func (o *observed) Touch(ctx context.Context, touches []rollcall.Touch) error {
	o.mu.Lock()
	o.counts.Touches++
	o.mu.Unlock()
	touch := func() error { return o.Store.Touch(ctx, touches) }
	if o.touching != nil {
		return o.touching(touch)
	}
	return touch()
}

// limited is a policy with a limit of sessions.
func limited(n int, at rollcall.AtLimit) func(*sessions.Options) {
	return func(o *sessions.Options) {
		o.Policy = rollcall.DefaultPolicy()
		o.Policy.MaxSessionsPerUser, o.Policy.AtLimit = n, at
	}
}

// setAt sets a clock.
func (c *clock) setAt(at time.Time) { c.now.Store(at.UnixMilli()) }

// logOf returns all events that a store keeps, oldest first.
func logOf(t *testing.T, store rollcall.Store) (all []rollcall.Event) {
	t.Helper()
	for q := (rollcall.EventsAfter{Limit: 1000}); ; {
		page, err := store.Events(context.Background(), q)
		if err != nil {
			t.Fatal(err)
		}
		if len(page.Events) == 0 {
			return all
		}
		for _, e := range page.Events {
			all = append(all, e.Event)
		}
		q.After = page.Next
	}
}

// rowsOf returns all sessions that a store keeps, ended ones too.
func rowsOf(t *testing.T, store rollcall.Store) (all []rollcall.Session) {
	t.Helper()
	if _, err := store.Walk(context.Background(), "", func(w rollcall.Walked) bool {
		all = append(all, w.Session.Clone())
		return true
	}); err != nil {
		t.Fatal(err)
	}
	return all
}

// running starts a Manager with the time of the test's bubble, and runs it until stop is
// called or the test ends, which fails if Run does. ahead is by how much its clock is off. The intervals are long:
// tests wait for days.
func running(t *testing.T, store rollcall.Store, ahead time.Duration, configure ...func(*sessions.Options)) (n node, stop func()) {
	t.Helper()
	o := sessions.Options{Clock: func() time.Time { return time.Now().Add(ahead) }, TouchInterval: 10 * time.Minute, SweepInterval: 10 * time.Minute}
	for _, f := range configure {
		f(&o)
	}
	m, err := sessions.New(store, o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- m.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return node{Manager: m, t: t, store: store}, stop
}
