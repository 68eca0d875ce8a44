package server

import (
	"sync"
	"sync/atomic"
	"time"
)

// A watch holds connections to their deadlines. net/http sets half a dozen of them for
// each request, and hardly one ever passes: to look at all connections once a second
// costs less than to have the runtime's timers know of each. Deadlines that are near
// are left to the timers.
type watch struct {
	mu   sync.Mutex
	open map[*connection]struct{}
	end  chan struct{} // closed when the last connection is

	looked atomic.Int64 // when all were last looked at: see sinceStart
}

const (
	watchInterval = time.Second
	// near is how soon a deadline is that a watch would not keep well.
	near = 3 * watchInterval
)

// began is about when the process did.
var began = time.Now()

// sinceStart is an instant as the time since the process began, by the clock that is
// never set.
func sinceStart(t time.Time) int64 { return int64(t.Sub(began)) }

// add begins to watch a connection, and to look if it is the first.
func (w *watch) add(c *connection) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.open) == 0 {
		w.open, w.end = map[*connection]struct{}{}, make(chan struct{})
		w.looked.Store(sinceStart(time.Now()))
		go w.run(w.end)
	}
	w.open[c] = struct{}{}
}

// remove reports whether the connection was watched.
func (w *watch) remove(c *connection) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, ok := w.open[c]; !ok {
		return false
	}
	if delete(w.open, c); len(w.open) == 0 {
		close(w.end)
	}
	return true
}

func (w *watch) run(end <-chan struct{}) {
	t := time.NewTicker(watchInterval)
	defer t.Stop()
	for {
		select {
		case <-end:
			return
		case now := <-t.C:
			w.look(now)
		}
	}
}

// look lets the deadlines pass that have come.
func (w *watch) look(now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	at := sinceStart(now)
	w.looked.Store(at)
	for c := range w.open {
		c.reads.pass(at, now, c.Conn.SetReadDeadline)
		c.writes.pass(at, now, c.Conn.SetWriteDeadline)
	}
}

// A deadline is that of a connection's reads, or writes.
type deadline struct {
	mu    sync.Mutex
	at    int64 // kept by the watch; 0 is none
	known bool  // the connection has one
}

// put sets a deadline. set tells the connection.
func (d *deadline) put(t time.Time, looked int64, set func(time.Time) error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.at = 0
	if !t.IsZero() {
		at := sinceStart(t)
		if at-looked <= int64(near) {
			d.known = true
			return set(t)
		}
		d.at = at
	}
	if !d.known {
		return nil
	}
	d.known = false
	return set(time.Time{})
}

// pass lets the deadline pass if it has come.
func (d *deadline) pass(at int64, now time.Time, set func(time.Time) error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.at != 0 && d.at <= at {
		d.at, d.known = 0, true
		_ = set(now)
	}
}

// SetReadDeadline lets reads that take until then fail, up to a second later.
func (c *connection) SetReadDeadline(t time.Time) error {
	return c.reads.put(t, c.watch.looked.Load(), c.Conn.SetReadDeadline)
}

// SetWriteDeadline lets writes that take until then fail, up to a second later.
func (c *connection) SetWriteDeadline(t time.Time) error {
	return c.writes.put(t, c.watch.looked.Load(), c.Conn.SetWriteDeadline)
}

// SetDeadline is both.
func (c *connection) SetDeadline(t time.Time) error {
	if err := c.SetReadDeadline(t); err != nil {
		return err
	}
	return c.SetWriteDeadline(t)
}

// Close closes the connection, which nobody need watch any more.
func (c *connection) Close() error {
	if c.watch.remove(c) {
		defer c.room.leave()
	}
	return c.Conn.Close()
}
