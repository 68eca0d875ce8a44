package server

import (
	"errors"
	"net"
	"testing"
	"time"
)

func TestListenersShareARoom(t *testing.T) {
	l, err := Listen(ListenOptions{HTTP: "127.0.0.1:0", TLS: "127.0.0.1:0", Local: true, MaxConnections: 10, MaxOfAll: 3})
	if err != nil {
		t.Fatal(err)
	}
	taken := make(chan net.Conn, 10)
	take := func(l net.Listener) {
		for {
			c, err := l.Accept()
			if err != nil {
				if !errors.Is(err, net.ErrClosed) {
					t.Error(err)
				}
				taken <- nil
				return
			}
			taken <- c
		}
	}
	go take(l.HTTP)
	go take(l.TLS)
	dial := func(to net.Listener) {
		c, err := net.Dial("tcp", to.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
	}
	next := func() net.Conn {
		select {
		case c := <-taken:
			return c
		case <-time.After(10 * time.Second):
			t.Fatal("nothing is taken")
			return nil
		}
	}
	none := func(why string) {
		select {
		case <-taken:
			t.Fatal(why)
		case <-time.After(100 * time.Millisecond):
		}
	}
	// Each listener that waits for a connection has a place for it.
	dial(l.HTTP)
	first := next()
	dial(l.HTTP)
	second := next()
	dial(l.HTTP)
	none("a third is taken although the other listener waits with the last place")
	for range 2 { // the second close gives no place back
		_ = first.Close()
	}
	third := next()
	dial(l.HTTP)
	none("a fourth is taken")
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	for range 2 {
		if next() != nil {
			t.Error("a connection is taken after the end")
		}
	}
	_, _ = second.Close(), third.Close()
}
