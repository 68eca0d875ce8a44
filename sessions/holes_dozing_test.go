package sessions_test

import (
	"context"
	"testing"
	"time"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/store/pebble"
)

// A dozing store is a Pebble store that is closed a second after the last call, and opened
// again by the next. An open Pebble looks for compactions ten times a second of the bubble's
// time, close to a million times a day.
type dozing struct {
	t   *testing.T
	dir string
	// turn holds one value, which is taken by whoever looks at the fields below. A mutex
	// would stop the bubble's time.
	turn  chan struct{}
	store *pebble.Store // nil while closed
	calls int           // under way
	doze  *time.Timer
}

func openDozing(t *testing.T) rollcall.Store {
	t.Helper()
	d := &dozing{t: t, dir: t.TempDir(), turn: make(chan struct{}, 1)}
	d.doze = time.AfterFunc(time.Second, d.rest)
	t.Cleanup(func() { _ = d.Close() })
	return d
}

// Close implements rollcall.Store; the test fails if the store cannot be closed.
func (d *dozing) Close() error {
	d.doze.Stop()
	d.rest()
	return nil
}

// rest closes the store unless a call is under way.
func (d *dozing) rest() {
	d.turn <- struct{}{}
	defer func() { <-d.turn }()
	if d.store == nil || d.calls > 0 {
		return
	}
	if err := d.store.Close(); err != nil {
		d.t.Error(err)
	}
	d.store = nil
}

// call calls the open store.
func (d *dozing) call(do func(store rollcall.Store) error) error {
	d.turn <- struct{}{}
	if d.store == nil {
		store, err := pebble.Open(d.dir, pebble.Options{})
		if err != nil {
			<-d.turn
			return err
		}
		d.store = store
	}
	store := d.store
	d.calls++
	<-d.turn
	defer func() {
		d.turn <- struct{}{}
		d.calls--
		d.doze.Reset(time.Second)
		<-d.turn
	}()
	return do(store)
}

// Traits implements rollcall.Store.
func (d *dozing) Traits() rollcall.Traits { return (*pebble.Store)(nil).Traits() }

// Session implements rollcall.Store.
func (d *dozing) Session(ctx context.Context, at rollcall.At) (s rollcall.Session, st rollcall.Standing, err error) {
	err = d.call(func(store rollcall.Store) (err error) {
		s, st, err = store.Session(ctx, at)
		return err
	})
	return s, st, err
}

// Sessions implements rollcall.Store.
func (d *dozing) Sessions(ctx context.Context, q rollcall.SessionsOf) (st rollcall.Standing, all []rollcall.Session, err error) {
	err = d.call(func(store rollcall.Store) (err error) {
		st, all, err = store.Sessions(ctx, q)
		return err
	})
	return st, all, err
}

// Walk implements rollcall.Store.
func (d *dozing) Walk(ctx context.Context, after string, visit func(rollcall.Walked) bool) (next string, err error) {
	err = d.call(func(store rollcall.Store) (err error) {
		next, err = store.Walk(ctx, after, visit)
		return err
	})
	return next, err
}

// Document implements rollcall.Store.
func (d *dozing) Document(ctx context.Context, name string) (doc rollcall.Document, err error) {
	err = d.call(func(store rollcall.Store) (err error) {
		doc, err = store.Document(ctx, name)
		return err
	})
	return doc, err
}

// Events implements rollcall.Store.
func (d *dozing) Events(ctx context.Context, q rollcall.EventsAfter) (page rollcall.EventPage, err error) {
	err = d.call(func(store rollcall.Store) (err error) {
		page, err = store.Events(ctx, q)
		return err
	})
	return page, err
}

// Commit implements rollcall.Store.
func (d *dozing) Commit(ctx context.Context, c rollcall.Change) (st rollcall.Standing, err error) {
	err = d.call(func(store rollcall.Store) (err error) {
		st, err = store.Commit(ctx, c)
		return err
	})
	return st, err
}

// Touch implements rollcall.Store.
func (d *dozing) Touch(ctx context.Context, touches []rollcall.Touch) error {
	return d.call(func(store rollcall.Store) error { return store.Touch(ctx, touches) })
}

// Sweep implements rollcall.Store.
func (d *dozing) Sweep(ctx context.Context, bite rollcall.Sweep) (swept rollcall.Swept, err error) {
	err = d.call(func(store rollcall.Store) (err error) {
		swept, err = store.Sweep(ctx, bite)
		return err
	})
	return swept, err
}

// Ready implements rollcall.Store.
func (d *dozing) Ready(ctx context.Context) (now time.Time, err error) {
	err = d.call(func(store rollcall.Store) (err error) {
		now, err = store.Ready(ctx)
		return err
	})
	return now, err
}
