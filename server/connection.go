package server

import (
	"cmp"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/rollcall-id/rollcall/internal/request"
)

// connections makes a connection of each that a listener takes, and finds it a place.
type connections struct {
	net.Listener
	watch  *watch
	places *places

	// Of a listener whose connections begin with a PROXY protocol header:
	proxies *request.Addresses // who may send one; nil where none is read
	log     *slog.Logger       // set before the first connection
	warn    rate.Sometimes
	begin   sync.Once
	ready   chan net.Conn // those whose header has been read
	failed  chan error    // of taking a connection
	end     chan struct{} // closed with the listener
	closed  func()
}

func newConnections(l net.Listener, p *places) *connections {
	c := &connections{
		Listener: l, watch: &watch{}, places: p, log: slog.New(slog.DiscardHandler), warn: rate.Sometimes{Interval: time.Minute},
		ready: make(chan net.Conn), failed: make(chan error), end: make(chan struct{}),
	}
	c.closed = sync.OnceFunc(func() { close(c.end) })
	return c
}

// Accept waits for the next connection, and for a place for it.
func (l *connections) Accept() (net.Conn, error) {
	if l.proxies != nil {
		return l.acceptProxied()
	}
	for {
		c, err := l.take()
		if err != nil {
			return nil, err
		}
		if l.admit(c, peerOf(c.Conn)) {
			return c, nil
		}
	}
}

// acceptProxied waits for the next connection whose header has been read. No connection waits
// for another one's header.
func (l *connections) acceptProxied() (net.Conn, error) {
	l.begin.Do(func() { go l.takeAll() })
	select {
	case c := <-l.ready:
		return c, nil
	case err := <-l.failed:
		return nil, err
	case <-l.end:
		return nil, net.ErrClosed
	}
}

func (l *connections) takeAll() {
	for {
		c, err := l.take()
		if err == nil {
			go l.readHeader(c)
			continue
		}
		select {
		case l.failed <- err: // whoever accepts may try again
		case <-l.end:
			return
		}
	}
}

func (l *connections) readHeader(c *connection) {
	peer, err := l.proxied(c.Conn)
	if err != nil {
		left := errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) // said nothing, or gave way
		if !left {
			l.warn.Do(func() {
				l.log.Warn("a connection that should begin with a PROXY protocol header is closed", "address", c.Conn.RemoteAddr().String(), "error", err)
			})
		}
		_ = c.Close()
		return
	}
	if !l.admit(c, peer) {
		return
	}
	select {
	case l.ready <- c:
	case <-l.end:
		_ = c.Close()
	}
}

// take waits for a connection, and for a place for it.
func (l *connections) take() (*connection, error) {
	raw, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c := newConnection(raw, l)
	if !l.places.enter(c) {
		return nil, errors.Join(net.ErrClosed, raw.Close())
	}
	l.watch.add(c)
	return c, nil
}

// admit closes a connection whose peer has too many, and reports whether it did not.
func (l *connections) admit(c *connection, peer net.Addr) bool {
	c.remote = peer
	if l.places.admit(c, ipOf(peer)) {
		return true
	}
	_ = c.Close()
	return false
}

// Close closes the listener.
func (l *connections) Close() error {
	l.closed()
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
	remote net.Addr     // the peer, or where a proxy says that its peer is

	places *places
	placed bool         // has a place; this and what follows under the lock of places
	idle   bool         // no request is under way
	party  *party       // nil when the address has no bound
	queued [kinds]links // in the queues of those who are idle

	mu   sync.Mutex // TLS may have something to say while an answer is written
	kept *[]byte    // what is written together so far; nil sends at once
}

func newConnection(raw net.Conn, l *connections) *connection {
	c := &connection{Conn: raw, watch: l.watch, places: l.places, remote: raw.RemoteAddr()}
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

// RemoteAddr is where the connection comes from, as far as the PROXY protocol goes.
func (c *connection) RemoteAddr() net.Addr { return c.remote }

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
