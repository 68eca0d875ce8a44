package sessions

import (
	"context"
	"sync"
	"time"
)

// A deadline is a context that ends at an instant. It has a timer only while somebody
// waits for its end, which hardly any act comes to.
type deadline struct {
	context.Context
	at time.Time

	mu     sync.Mutex
	err    error           // once it has ended
	timed  context.Context // nil until somebody waits
	cancel context.CancelFunc
}

// within returns a context that ends after a time, or with its parent. Whoever asks for
// one ends it.
func within(parent context.Context, d time.Duration) *deadline {
	at := time.Now().Add(d)
	if sooner, ok := parent.Deadline(); ok && sooner.Before(at) {
		at = sooner
	}
	return &deadline{Context: parent, at: at}
}

// Deadline implements context.Context.
func (d *deadline) Deadline() (time.Time, bool) { return d.at, true }

// Done implements context.Context.
func (d *deadline) Done() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timed == nil {
		d.timed, d.cancel = context.WithDeadline(d.Context, d.at)
	}
	return d.timed.Done()
}

// Err implements context.Context.
func (d *deadline) Err() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.err != nil:
	case d.timed != nil:
		d.err = d.timed.Err()
	case d.Context.Err() != nil:
		d.err = d.Context.Err()
	case !time.Now().Before(d.at):
		d.err = context.DeadlineExceeded
	}
	return d.err
}

// end gives up what waiting took.
func (d *deadline) end() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.cancel != nil {
		d.cancel()
	}
}
