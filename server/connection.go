package server

import (
	"cmp"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
)

// connections makes a connection of each that a listener takes, and finds it a place.
type connections struct {
	net.Listener
	watch  *watch
	places *places
}

func newConnections(l net.Listener, p *places) *connections { return &connections{l, &watch{}, p} }

// Accept waits for the next connection, and for a place for it.
func (l *connections) Accept() (net.Conn, error) {
	for {
		raw, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		c := newConnection(raw, l)
		if !l.places.enter(c) {
			_ = raw.Close()
			return nil, net.ErrClosed
		}
		l.watch.add(c)
		if l.places.admit(c, ipOf(raw.RemoteAddr())) {
			return c, nil
		}
		_ = c.Close()
	}
}

// Close closes the listener.
func (l *connections) Close() error {
	l.places.close()
	return l.Listener.Close()
}

// ipOf is the address of a peer, invalid when it has none.
func ipOf(addr net.Addr) netip.Addr {
	if tcp, ok := addr.(*net.TCPAddr); ok {
		return tcp.AddrPort().Addr().Unmap().WithZone("")
	}
	return netip.Addr{}
}

// A connection can send a large answer at once. By itself net/http sends the header
// with what of the body fits into 4 KB, and then the rest; TLS cuts both into records.
// Each of them is a call of the kernel, and wakes the client.
type connection struct {
	net.Conn

	watch  *watch
	reads  reads
	writes deadline
	in     atomic.Int64 // bytes that came since the last request, TLS's own among them
	local  net.Addr     // a localAddr

	places *places
	placed bool         // has a place; this and what follows under the lock of places
	idle   bool         // no request is under way
	party  *party       // nil when the address has no bound
	queued [kinds]links // in the queues of those who are idle

	mu   sync.Mutex // TLS may have something to say while an answer is written
	kept *[]byte    // what is written together so far; nil sends at once
}

func newConnection(raw net.Conn, l *connections) *connection {
	c := &connection{Conn: raw, watch: l.watch, places: l.places}
	c.local = localAddr{raw.LocalAddr(), c}
	return c
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
func (c *connection) LocalAddr() net.Addr { return c.local }

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

// noteState is a http.Server's ConnState: it notes whether a connection is idle.
func noteState(of net.Conn, state http.ConnState) {
	addr, ok := of.LocalAddr().(localAddr)
	if ok && (state == http.StateActive || state == http.StateIdle) {
		addr.of.places.setIdle(addr.of, state == http.StateIdle)
	}
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
