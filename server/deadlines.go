package server

import (
	"os"
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
		c.reads.letBegin(false)
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
	return d.putLocked(t, looked, set)
}

// putLocked is put for a caller who holds the lock.
func (d *deadline) putLocked(t time.Time, looked int64, set func(time.Time) error) error {
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

// reads are a connection's reads and their deadline.
//
// While a request is handled, net/http reads one byte to learn that the client has hung
// up, and ends that read, for each request, by a deadline that is long past. Nearly all
// requests are handled before that tells anything, so such a read begins only when the
// watch looks: until then the end of it is told to nobody but whoever waits to begin.
type reads struct {
	deadline
	begin    sync.Cond // of mu: for who waits to begin
	waits    bool
	underWay bool // in the connection, which is told of every deadline
	overdue  bool // the deadline is long past, and the connection need not know
	closed   bool // nobody looks any more
}

// Read reads into p. One byte alone is read a second later than it is there, at most.
func (c *connection) Read(p []byte) (int, error) {
	if !c.reads.enter(len(p) == 1) {
		return 0, os.ErrDeadlineExceeded
	}
	defer c.reads.leave()
	n, err := c.Conn.Read(p)
	c.in.Add(int64(n))
	return n, err
}

// enter reports false when the deadline has passed. late lets the read begin when the
// watch looks.
func (r *reads) enter(late bool) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.begin.L = &r.mu
	for r.waits = late && !r.closed; r.waits && !r.overdue; {
		r.begin.Wait()
	}
	r.waits, r.underWay = false, !r.overdue
	return r.underWay
}

func (r *reads) leave() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.underWay = false
}

// letBegin lets a read begin that waits; closed, every later one as well.
func (r *reads) letBegin(closed bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = closed
	if r.waits {
		r.waits = false
		r.begin.Signal()
	}
}

func (r *reads) put(t time.Time, looked int64, set func(time.Time) error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.overdue = !t.IsZero() && sinceStart(t) <= looked; !r.overdue || r.underWay {
		return r.putLocked(t, looked, set)
	}
	r.at = 0
	if r.waits {
		r.begin.Signal()
	}
	return nil
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
		defer c.places.leave(c)
	}
	defer c.reads.letBegin(true)
	return c.Conn.Close()
}
