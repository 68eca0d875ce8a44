package server

import (
	"bufio"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

// A fakeConn has an address, and knows whether it was closed.
type fakeConn struct {
	net.Conn
	closed bool
}

func (*fakeConn) LocalAddr() net.Addr  { return &net.TCPAddr{} }
func (*fakeConn) RemoteAddr() net.Addr { return &net.TCPAddr{} }
func (c *fakeConn) Close() error       { c.closed = true; return nil }

// take finds a place for a new connection of an address.
func take(t *testing.T, p *places, address string) (c *connection, admitted bool) {
	t.Helper()
	l := newConnections(nil, p)
	c = newConnection(&fakeConn{}, l)
	if !p.enter(c) {
		t.Fatal("no place is found")
	}
	l.watch.add(c)
	t.Cleanup(func() { _ = c.Close() })
	var addr netip.Addr
	if address != "" {
		addr = netip.MustParseAddr(address)
	}
	return c, p.admit(c, addr)
}

func isClosed(c *connection) bool { return c.Conn.(*fakeConn).closed }

func TestAtTheLimitTheLongestIdleConnectionGivesWay(t *testing.T) {
	p := newPlaces(3, 0, nil)
	a, _ := take(t, p, "192.0.2.1")
	b, _ := take(t, p, "192.0.2.2")
	c, _ := take(t, p, "192.0.2.3")
	p.setIdle(a, false)
	p.setIdle(a, true) // b has been idle the longest now
	d, _ := take(t, p, "192.0.2.4")
	if isClosed(a) || !isClosed(b) || isClosed(c) {
		t.Errorf("closed: %v %v %v", isClosed(a), isClosed(b), isClosed(c))
	}
	p.setIdle(c, false) // under way: it is not closed
	e, _ := take(t, p, "192.0.2.5")
	if !isClosed(a) || isClosed(c) || isClosed(d) || isClosed(e) || p.open != 3 || p.closed.Load() != 2 {
		t.Errorf("closed: %v %v %v %v; %d are open", isClosed(a), isClosed(c), isClosed(d), isClosed(e), p.open)
	}
}

func TestAConnectionWaitsWhileAllOthersAreBusy(t *testing.T) {
	for name, release := range map[string]func(*places, *connection){
		"one is idle": func(p *places, c *connection) { p.setIdle(c, true) }, "one is closed": func(p *places, c *connection) { p.leave(c) },
		"the end": func(p *places, _ *connection) { p.close() },
	} {
		synctest.Test(t, func(t *testing.T) {
			p := newPlaces(1, 0, nil)
			l := newConnections(nil, p)
			busy, next := newConnection(&fakeConn{}, l), newConnection(&fakeConn{}, l)
			p.enter(busy)
			p.setIdle(busy, false)
			var entered, done bool
			go func() { entered = p.enter(next); done = true }()
			synctest.Wait()
			if done {
				t.Errorf("%s: it does not wait", name)
			}
			release(p, busy)
			synctest.Wait()
			if !done || entered != (name != "the end") || p.open != 1 {
				t.Errorf("%s: entered %v, %d are open", name, entered, p.open)
			}
		})
	}
}

func TestAnAddressHasABoundOfItsOwn(t *testing.T) {
	trusted := netip.MustParsePrefix("10.0.0.0/8")
	p := newPlaces(100, 2, trusted.Contains)
	a, _ := take(t, p, "2001:db8::1")
	b, _ := take(t, p, "2001:db8::2") // of one /64
	other, _ := take(t, p, "2001:db8:0:1::1")
	c, ok := take(t, p, "2001:db8::3")
	if !ok || !isClosed(a) || isClosed(b) || isClosed(other) {
		t.Errorf("a third: %v, closed %v %v, another network's %v", ok, isClosed(a), isClosed(b), isClosed(other))
	}
	p.setIdle(b, false)
	p.setIdle(c, false)
	if d, ok := take(t, p, "2001:db8::4"); ok {
		t.Error("a third beside two that are busy is taken")
	} else {
		_ = d.Close()
	}
	for _, excepted := range []string{"10.0.0.1", ""} {
		for range 5 {
			if _, ok := take(t, p, excepted); !ok {
				t.Errorf("%q has a bound", excepted)
			}
		}
	}
	for _, c := range []*connection{a, b, c, other} {
		_ = c.Close()
		_ = c.Close() // gives no second place back
	}
	if p.open != 10 || len(p.parties) != 0 {
		t.Errorf("%d are open, %d addresses counted", p.open, len(p.parties))
	}
}

func TestNoListenerIsShutOutByAnothersConnections(t *testing.T) {
	l, err := Listen(ListenOptions{HTTP: "127.0.0.1:0", TLS: "127.0.0.1:0", Local: true, MaxConnections: 10, MaxOfAll: 4})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	taken := make(chan net.Conn)
	go func() {
		for {
			c, err := l.TLS.Accept()
			if err != nil {
				if !errors.Is(err, net.ErrClosed) {
					t.Error(err)
				}
				return
			}
			taken <- c
		}
	}()
	for range 2 { // as many as the plain listener has
		if _, err := net.Dial("tcp", l.HTTP.Addr().String()); err != nil {
			t.Fatal(err)
		}
		c, err := l.HTTP.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		noteState(c, http.StateActive)
	}
	for range 2 {
		if _, err := net.Dial("tcp", l.TLS.Addr().String()); err != nil {
			t.Fatal(err)
		}
		select {
		case c := <-taken:
			defer c.Close()
		case <-time.After(10 * time.Second):
			t.Fatal("nothing is taken")
		}
	}
}

// TestAStrangersIdleConnectionsShutNobodyOut has a host hold all connections that it can, and
// another one ask.
func TestAStrangersIdleConnectionsShutNobodyOut(t *testing.T) {
	raw, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := newPlaces(20, 0, nil)
	s := newServer(http.HandlerFunc(healthz), slog.New(slog.DiscardHandler))
	go func() { _ = s.Serve(newConnections(raw, p)) }()
	defer s.Close()
	ask := func(c net.Conn) error {
		_ = c.SetDeadline(time.Now().Add(5 * time.Second))
		if _, err := io.WriteString(c, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			return err
		}
		answer, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err == nil {
			_, err = io.Copy(io.Discard, answer.Body)
		}
		return err
	}
	dial := func() net.Conn {
		c, err := net.Dial("tcp", raw.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	kept := dial()
	for i := range 60 {
		if c := dial(); i%2 == 0 { // used once, or never
			if err := ask(c); err != nil {
				t.Fatalf("connection %d: %v", i, err)
			}
		}
		if err := ask(kept); err != nil {
			t.Fatalf("a connection that is used all the time, beside %d others: %v", i, err)
		}
	}
	if err := ask(dial()); err != nil {
		t.Errorf("a new connection: %v", err)
	}
}
