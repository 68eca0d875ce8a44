package server

import (
	"cmp"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
)

// connections makes a connection of each that a listener takes.
type connections struct {
	net.Listener
	watch *watch
	room  room

	closed func()
	end    <-chan struct{}
}

func newConnections(l net.Listener, r room) *connections {
	end := make(chan struct{})
	return &connections{l, &watch{}, r, sync.OnceFunc(func() { close(end) }), end}
}

// Accept waits for room, and for the next one.
func (l *connections) Accept() (net.Conn, error) {
	if !l.room.enter(l.end) {
		return nil, net.ErrClosed
	}
	c, err := l.Listener.Accept()
	if err != nil {
		l.room.leave()
		return nil, err
	}
	watched := &connection{Conn: c, watch: l.watch, room: l.room}
	l.watch.add(watched)
	return watched, nil
}

// Close closes the listener.
func (l *connections) Close() error {
	l.closed()
	return l.Listener.Close()
}

// A connection can send a large answer at once. By itself net/http sends the header
// with what of the body fits into 4 KB, and then the rest; TLS cuts both into records.
// Each of them is a call of the kernel, and wakes the client.
type connection struct {
	net.Conn

	watch  *watch
	reads  reads
	writes deadline
	room   room         // has a place for it while it is watched
	in     atomic.Int64 // bytes that came since the last request, TLS's own among them

	mu   sync.Mutex // TLS may have something to say while an answer is written
	kept *[]byte    // what is written together so far; nil sends at once
}

// maxKept is how much is copied to be sent with what follows.
const maxKept = 8 << 10

var keeping = sync.Pool{New: func() any { b := make([]byte, 0, maxKept); return &b }}

// Write sends b, or keeps it.
func (c *connection) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.kept == nil {
		return c.Conn.Write(b)
	}
	before := len(*c.kept)
	if before+len(b) <= maxKept {
		*c.kept = append(*c.kept, b...)
		return len(b), nil
	}
	n, err := (&net.Buffers{*c.kept, b}).WriteTo(c.Conn)
	*c.kept = (*c.kept)[:0]
	return max(0, int(n)-before), err
}

// together sends what write writes in as few pieces as may be.
func (c *connection) together(write func() error) error {
	c.mu.Lock()
	c.kept = keeping.Get().(*[]byte)
	c.mu.Unlock()
	return cmp.Or(write(), c.sendKept())
}

func (c *connection) sendKept() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	kept := c.kept
	c.kept = nil
	defer keeping.Put(kept)
	if len(*kept) == 0 {
		return nil
	}
	_, err := c.Conn.Write(*kept)
	*kept = (*kept)[:0]
	if err != nil {
		_ = c.Close() // net/http takes it for sent, and nothing may follow
	}
	return err
}

// LocalAddr is also how a request finds its connection, whatever that is wrapped in:
// net/http puts it into the context.
func (c *connection) LocalAddr() net.Addr { return localAddr{c.Conn.LocalAddr(), c} }

type localAddr struct {
	net.Addr
	of *connection
}

// connectionOf is the connection that serves a request alone, or nil: HTTP/2 serves
// many on one.
func connectionOf(r *http.Request) *connection {
	if r.ProtoMajor != 1 {
		return nil
	}
	addr, _ := r.Context().Value(http.LocalAddrContextKey).(localAddr)
	return addr.of
}

// unsent is how large a body net/http keeps until the handler is done.
const unsent = 2 << 10

// writeTogether writes a part of a request's answer. One that net/http would not keep
// is sent at once, with the header if that is still to be sent.
func writeTogether(w http.ResponseWriter, r *http.Request, b []byte) (n int, err error) {
	if len(b) <= unsent {
		return w.Write(b)
	}
	c := connectionOf(r)
	if c == nil {
		return w.Write(b)
	}
	err = c.together(func() error {
		var err error
		n, err = w.Write(b)
		return cmp.Or(err, http.NewResponseController(w).Flush())
	})
	return n, err
}
