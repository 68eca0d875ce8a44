package storetest

import (
	"context"
	"errors"
	"sync"

	"github.com/rollcall-id/rollcall"
)

// ErrInjected is what a Faulty store fails with.
var ErrInjected = errors.New("injected")

// A Fault is one way in which a store can fail.
type Fault int

// The faults there are.
const (
	Before   Fault = iota + 1 // nothing happens, and the call fails
	After                     // it happens, and the call says that it failed
	Conflict                  // another node was quicker: ErrConflict, nothing happens
	Full                      // ErrFull, nothing happens
)

// Faulty is a store that fails when it is told to, for tests of what stands on a
// store: a plan, a pause and a count in front of a real engine. Without orders it is
// that engine. Its methods may be called at once from many goroutines.
//
// A call that has a fault planned uses it up, whether it would have succeeded or
// not.
type Faulty struct {
	rollcall.Store

	mu      sync.Mutex
	commits []Fault
	touches []Fault
	reads   error
	holds   []*hold
	calls   Calls
	// Loaded, unless nil, is called after each read of a session or of a user's
	// sessions, before the read returns. Set it before the store is used.
	Loaded func()
}

// Calls says how often a store was asked, failing calls included.
type Calls struct {
	Reads   int // Session, Sessions, Walk, Document and Events
	Commits int
	Touches int // calls, not interactions
	Sweeps  int
}

// Calls returns how often the store has been asked so far.
func (f *Faulty) Calls() Calls {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls
}

// FailCommits makes the next commits fail, one for each fault, instead of what was
// planned before. Without faults the next commits succeed.
func (f *Faulty) FailCommits(faults ...Fault) { f.set(&f.commits, faults) }

// FailTouches makes the next calls of Touch fail, one for each fault, instead of
// what was planned before.
func (f *Faulty) FailTouches(faults ...Fault) { f.set(&f.touches, faults) }

// FailReads makes all reads fail with err, until it is called with nil.
func (f *Faulty) FailReads(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reads = err
}

func (f *Faulty) set(list *[]Fault, faults []Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	*list = faults
}

// call counts a call and takes the fault that is planned for it.
func (f *Faulty) call(counter *int, plan *[]Fault) (fault Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	*counter++
	if len(*plan) > 0 {
		fault, *plan = (*plan)[0], (*plan)[1:]
	}
	return fault
}

func (f *Faulty) read() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls.Reads++
	return f.reads
}

func inject(fault Fault, do func() error) error {
	switch fault {
	case Before:
		return ErrInjected
	case Conflict:
		return rollcall.ErrConflict
	case Full:
		return rollcall.ErrFull
	case After:
		return errors.Join(do(), ErrInjected)
	}
	return do()
}

// Commit fails, or waits, as told.
func (f *Faulty) Commit(ctx context.Context, c rollcall.Change) (left rollcall.Standing, err error) {
	fault := f.call(&f.calls.Commits, &f.commits)
	h := f.nextHold()
	h.wait(Before)
	err = inject(fault, func() (err error) {
		left, err = f.Store.Commit(ctx, c)
		return err
	})
	h.wait(After)
	if err != nil {
		left = rollcall.Standing{}
	}
	return left, err
}

// Touch fails as told.
func (f *Faulty) Touch(ctx context.Context, touches []rollcall.Touch) error {
	return inject(f.call(&f.calls.Touches, &f.touches), func() error { return f.Store.Touch(ctx, touches) })
}

// Sweep is counted.
func (f *Faulty) Sweep(ctx context.Context, bite rollcall.Sweep) (rollcall.Swept, error) {
	f.call(&f.calls.Sweeps, new([]Fault))
	return f.Store.Sweep(ctx, bite)
}

// Session fails as told.
func (f *Faulty) Session(ctx context.Context, at rollcall.At) (rollcall.Session, rollcall.Standing, error) {
	if err := f.read(); err != nil {
		return rollcall.Session{}, rollcall.Standing{}, err
	}
	session, st, err := f.Store.Session(ctx, at)
	if f.Loaded != nil {
		f.Loaded()
	}
	return session, st, err
}

// Sessions fails as told.
func (f *Faulty) Sessions(ctx context.Context, q rollcall.SessionsOf) (rollcall.Standing, []rollcall.Session, error) {
	if err := f.read(); err != nil {
		return rollcall.Standing{}, nil, err
	}
	st, list, err := f.Store.Sessions(ctx, q)
	if f.Loaded != nil {
		f.Loaded()
	}
	return st, list, err
}

// Walk fails as told.
func (f *Faulty) Walk(ctx context.Context, after string, visit func(rollcall.Walked) bool) (string, error) {
	if err := f.read(); err != nil {
		return after, err
	}
	return f.Store.Walk(ctx, after, visit)
}

// Document fails as told.
func (f *Faulty) Document(ctx context.Context, name string) (rollcall.Document, error) {
	if err := f.read(); err != nil {
		return rollcall.Document{}, err
	}
	return f.Store.Document(ctx, name)
}

// Events fails as told.
func (f *Faulty) Events(ctx context.Context, q rollcall.EventsAfter) (rollcall.EventPage, error) {
	if err := f.read(); err != nil {
		return rollcall.EventPage{}, err
	}
	return f.Store.Events(ctx, q)
}
