package server

import (
	"errors"
	"net"
	"net/http"
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
					c, _ := accepted(t, newConnections(pipes{clients: make(chan net.Conn, 1)}, newPlaces(0, 0, nil)))
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
		c, client := accepted(t, newConnections(pipes{clients: make(chan net.Conn, 1)}, newPlaces(0, 0, nil)))
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

func TestADeadlineInThePastEndsAReadAtOnce(t *testing.T) {
	for name, c := range map[string]struct {
		bytes int
		after time.Duration
	}{
		"under way": {2, 100 * time.Millisecond}, "waiting to begin": {1, 100 * time.Millisecond}, "begun by the watch": {1, 1500 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ours, client := accepted(t, newConnections(pipes{clients: make(chan net.Conn, 1)}, newPlaces(0, 0, nil)))
				defer ours.Close()
				for range 3 {
					began := time.Now()
					time.AfterFunc(c.after, func() { _ = ours.SetReadDeadline(time.Unix(1, 0)) })
					if _, err := ours.Read(make([]byte, c.bytes)); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(began) != c.after {
						t.Errorf("%v after %v", err, time.Since(began))
					}
					if _, err := ours.Read(make([]byte, c.bytes)); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(began) != c.after {
						t.Errorf("the next one: %v after %v", err, time.Since(began))
					}
					if err := ours.SetReadDeadline(time.Time{}); err != nil {
						t.Fatal(err)
					}
					go func() { _, _ = client.Write([]byte{1}) }()
					if n, err := ours.Read(make([]byte, 8)); n != 1 || err != nil {
						t.Errorf("without the deadline: %d, %v", n, err)
					}
				}
			})
		})
	}
}

// A told connection counts the deadlines of reads that it is told of.
type told struct {
	net.Conn
	deadlines int
}

func (c *told) SetReadDeadline(t time.Time) error {
	c.deadlines++
	return c.Conn.SetReadDeadline(t)
}

func TestAQuickRequestLeavesTheConnectionAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, _ := accepted(t, newConnections(pipes{clients: make(chan net.Conn, 1)}, newPlaces(0, 0, nil)))
		defer ours.Close()
		c := ours.(*connection)
		under := &told{Conn: c.Conn}
		c.Conn = under
		for _, wait := range []time.Duration{0, 10 * time.Millisecond} {
			ended := make(chan error)
			if err := c.SetReadDeadline(time.Time{}); err != nil {
				t.Fatal(err)
			}
			go func() { _, err := c.Read(make([]byte, 1)); ended <- err }()
			time.Sleep(wait)
			if err := c.SetReadDeadline(time.Unix(1, 0)); err != nil {
				t.Fatal(err)
			}
			if err, ok := (<-ended).(net.Error); !ok || !err.Timeout() {
				t.Errorf("the read ended with %v", err)
			}
		}
		if under.deadlines != 0 {
			t.Errorf("it was told %d deadlines", under.deadlines)
		}
	})
}

func TestWhatIsClosedKeepsNoReadWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := accepted(t, newConnections(pipes{clients: make(chan net.Conn, 1)}, newPlaces(0, 0, nil)))
		time.AfterFunc(100*time.Millisecond, func() { _ = c.Close() })
		for _, when := range []string{"while it is closed", "afterwards"} {
			began := time.Now()
			if _, err := c.Read(make([]byte, 1)); err == nil || time.Since(began) > 100*time.Millisecond {
				t.Errorf("%s: %v after %v", when, err, time.Since(began))
			}
		}
	})
}

func TestARequestIsGivenUpWhenItsClientHangsUp(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	handling, gone := make(chan struct{}), make(chan struct{})
	s := &http.Server{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(handling)
		<-r.Context().Done()
		close(gone)
	})}
	go func() { _ = s.Serve(newConnections(l, newPlaces(0, 0, nil))) }()
	defer s.Close()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Write([]byte("GET / HTTP/1.1\r\nHost: a\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	<-handling
	if err := client.Close(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-gone:
	case <-time.After(10 * time.Second):
		t.Error("the request goes on")
	}
}

// TestNobodyWatchesWhenNoConnectionIsOpen relies on synctest, which does not end while
// there are goroutines left.
func TestNobodyWatchesWhenNoConnectionIsOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newConnections(pipes{clients: make(chan net.Conn, 1)}, newPlaces(0, 0, nil))
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
