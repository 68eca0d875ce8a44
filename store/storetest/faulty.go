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
// store. Its methods may be called at once from many goroutines.
type Faulty struct {
	rollcall.Store

	mu      sync.Mutex
	commits []Fault
	touches []Fault
	reads   error
	// Loaded, unless nil, is called after each read of a session or of a user's
	// sessions, before the read returns.
	Loaded func()
}

// FailCommits makes the next commits fail, one for each fault.
func (f *Faulty) FailCommits(faults ...Fault) { f.set(&f.commits, faults) }

// FailTouches makes the next calls of Touch fail, one for each fault.
func (f *Faulty) FailTouches(faults ...Fault) { f.set(&f.touches, faults) }

// FailReads makes all reads fail, until it is called with nil.
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

func (f *Faulty) next(list *[]Fault) Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(*list) == 0 {
		return 0
	}
	fault := (*list)[0]
	*list = (*list)[1:]
	return fault
}

func (f *Faulty) readError() error {
	f.mu.Lock()
	defer f.mu.Unlock()
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

// Commit fails as told.
func (f *Faulty) Commit(ctx context.Context, c rollcall.Change) error {
	return inject(f.next(&f.commits), func() error { return f.Store.Commit(ctx, c) })
}

// Touch fails as told.
func (f *Faulty) Touch(ctx context.Context, touches []rollcall.Touch) error {
	return inject(f.next(&f.touches), func() error { return f.Store.Touch(ctx, touches) })
}

// Session fails as told.
func (f *Faulty) Session(ctx context.Context, id string) (rollcall.Session, rollcall.User, error) {
	if err := f.readError(); err != nil {
		return rollcall.Session{}, rollcall.User{}, err
	}
	s, u, err := f.Store.Session(ctx, id)
	if f.Loaded != nil {
		f.Loaded()
	}
	return s, u, err
}

// Sessions fails as told.
func (f *Faulty) Sessions(ctx context.Context, userID string, after rollcall.Position, limit int) (rollcall.User, []rollcall.Session, error) {
	if err := f.readError(); err != nil {
		return rollcall.User{}, nil, err
	}
	u, s, err := f.Store.Sessions(ctx, userID, after, limit)
	if f.Loaded != nil {
		f.Loaded()
	}
	return u, s, err
}

// Document fails as told.
func (f *Faulty) Document(ctx context.Context, name string) (rollcall.Document, error) {
	if err := f.readError(); err != nil {
		return rollcall.Document{}, err
	}
	return f.Store.Document(ctx, name)
}
