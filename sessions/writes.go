package sessions

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rollcall-id/rollcall"
)

// errOverdue is what a write gives that has not ended in time. It goes on.
var errOverdue = errors.New("the store has not answered in time")

// maxOverdue bounds the writes that go on although nobody waits for them any more.
const maxOverdue = 1000

// boundedWrites call the store's writes, which last for as long as the disk does, and
// wait for them no longer than they may.
type boundedWrites struct {
	timeout time.Duration
	overdue atomic.Int64
	// idle is where goroutines wait for another write; nil while none are kept.
	idle atomic.Pointer[idleWriters]
	// running counts all writes, so that a stop can wait for those that nobody else
	// waits for.
	mu      sync.Mutex
	running int
	fewer   sync.Cond
}

func (w *boundedWrites) init(timeout time.Duration) {
	w.fewer.L = &w.mu
	if w.timeout = timeout; timeout == 0 {
		w.timeout = 10 * time.Second
	}
}

// idleWriters have grown the deep stack that a commit needs, which takes a new
// goroutine as long as the request around it.
type idleWriters struct {
	next chan func()
	end  chan struct{}
}

// idleWriter is how long a goroutine waits for another write.
const idleWriter = 5 * time.Second

// keep keeps goroutines for further writes until it is told to end.
func (w *boundedWrites) keep() (end func()) {
	kept := &idleWriters{next: make(chan func()), end: make(chan struct{})}
	w.idle.Store(kept)
	return func() {
		w.idle.Store(nil)
		close(kept.end)
	}
}

// start lets a goroutine do the write.
func (w *boundedWrites) start(write func()) {
	kept := w.idle.Load()
	if kept == nil {
		go write()
		return
	}
	select {
	case kept.next <- write:
	default:
		go kept.work(write)
	}
}

func (i *idleWriters) work(write func()) {
	enough := time.NewTimer(idleWriter)
	defer enough.Stop()
	for {
		write()
		enough.Reset(idleWriter)
		select {
		case write = <-i.next:
		case <-i.end:
			return
		case <-enough.C:
			return
		}
	}
}

// do calls write and waits for it until the context's deadline, or for the timeout
// when it has none: a request that is given up sooner does not stop a write that has
// begun. ended is called when write has returned, before do does if it is in time;
// late after it when nobody waited any more, and then do has returned errOverdue.
func (w *boundedWrites) do(ctx context.Context, write func(context.Context) error, ended, late func()) error {
	err := ctx.Err()
	if err == nil && w.overdue.Load() >= maxOverdue {
		err = &rollcall.Error{Code: rollcall.CodeUnavailable, Message: "The store does not keep up; nothing was changed", RetryAfter: 10 * time.Second}
	}
	if err != nil {
		ended()
		return err
	}
	left := w.timeout
	if deadline, ok := ctx.Deadline(); ok {
		left = time.Until(deadline)
	}
	done := make(chan error, 1)
	var settled atomic.Bool // by the write's end, or by having waited long enough
	w.count(1)
	w.start(func() {
		defer w.count(-1)
		err := guarded(context.WithoutCancel(ctx), write)
		ended()
		if settled.CompareAndSwap(false, true) {
			done <- err
			return
		}
		w.overdue.Add(-1)
		late()
	})
	enough := time.NewTimer(left)
	defer enough.Stop()
	select {
	case err := <-done:
		return err
	case <-enough.C:
		w.overdue.Add(1)
		if settled.CompareAndSwap(false, true) {
			return errOverdue
		}
		w.overdue.Add(-1)
		return <-done
	}
}

// guarded turns a panic into an error, as an http server would for one request: it
// is no reason to end the process because it happens beside the request.
func guarded(ctx context.Context, write func(context.Context) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("writing: %v", p)
		}
	}()
	return write(ctx)
}

func (w *boundedWrites) count(more int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.running += more; more < 0 {
		w.fewer.Broadcast()
	}
}

// settle waits until no write is under way.
func (w *boundedWrites) settle() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.running > 0 {
		w.fewer.Wait()
	}
}
