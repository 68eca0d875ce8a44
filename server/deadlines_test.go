package server

import (
	"errors"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

// pipes is a listener whose connections are pipes.
type pipes struct {
	net.Listener
	clients chan net.Conn
}

func (p pipes) Accept() (net.Conn, error) {
	ours, theirs := net.Pipe()
	p.clients <- theirs
	return ours, nil
}

// accepted is a watched connection, and its client's end.
func accepted(t *testing.T, l *connections) (ours, theirs net.Conn) {
	t.Helper()
	ours, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	return ours, <-l.Listener.(pipes).clients
}

func TestDeadlinesPassWithinASecond(t *testing.T) {
	for name, far := range map[string]time.Duration{"near": 200 * time.Millisecond, "far": 15 * time.Second} {
		for _, what := range []string{"read", "write"} {
			t.Run(name+"/"+what, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c, _ := accepted(t, newConnections(pipes{clients: make(chan net.Conn, 1)}, nil))
					defer c.Close()
					time.Sleep(300 * time.Millisecond) // between two looks
					began := time.Now()
					use := c.Read
					if err := c.SetDeadline(began.Add(far)); err != nil {
						t.Fatal(err)
					}
					if what == "write" {
						use = c.Write
					}
					if _, err := use(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
						t.Errorf("the %s ended with %v", what, err)
					}
					if took := time.Since(began); took < far || took > far+watchInterval {
						t.Errorf("a deadline in %v has passed after %v", far, took)
					}
				})
			})
		}
	}
}

func TestADeadlineThatIsMovedOrTakenBackDoesNotPass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, client := accepted(t, newConnections(pipes{clients: make(chan net.Conn, 1)}, nil))
		defer c.Close()
		for _, move := range []func() error{
			func() error { return c.SetReadDeadline(time.Now().Add(time.Hour)) },
			func() error { return c.SetReadDeadline(time.Time{}) },
		} {
			for _, first := range []time.Duration{-time.Hour, time.Second, 10 * time.Second} {
				if err := c.SetReadDeadline(time.Now().Add(first)); err != nil {
					t.Fatal(err)
				}
				if err := move(); err != nil {
					t.Fatal(err)
				}
				go func() {
					time.Sleep(time.Minute)
					_, _ = client.Write([]byte{1})
				}()
				if _, err := c.Read(make([]byte, 1)); err != nil {
					t.Errorf("after a deadline in %v that was moved: %v", first, err)
				}
			}
		}
	})
}

func TestADeadlineInThePastEndsAReadUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := accepted(t, newConnections(pipes{clients: make(chan net.Conn, 1)}, nil))
		defer c.Close()
		began := time.Now()
		time.AfterFunc(100*time.Millisecond, func() { _ = c.SetReadDeadline(time.Unix(1, 0)) })
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(began) != 100*time.Millisecond {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	})
}

// TestNobodyWatchesWhenNoConnectionIsOpen relies on synctest, which does not end while
// there are goroutines left.
func TestNobodyWatchesWhenNoConnectionIsOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newConnections(pipes{clients: make(chan net.Conn, 1)}, nil)
		for range 3 {
			first, _ := accepted(t, l)
			second, _ := accepted(t, l)
			for _, c := range []net.Conn{first, second, first} { // twice, as net/http does
				if err := c.Close(); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(time.Minute)
		}
		if len(l.watch.open) > 0 {
			t.Errorf("%d connections are watched", len(l.watch.open))
		}
	})
}
