package server

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// A counting listener counts the writes to its connections.
type counting struct {
	net.Listener
	writes *atomic.Int64
}

func (l counting) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return countingConn{c, l.writes}, nil
}

type countingConn struct {
	net.Conn
	writes *atomic.Int64
}

func (c countingConn) Write(b []byte) (int, error) {
	c.writes.Add(1)
	return c.Conn.Write(b)
}

// answering serves bodies as long as the path says, under a server's timeouts but for
// the write's.
func answering(t *testing.T, l net.Listener, timeout time.Duration) {
	t.Helper()
	d := &Doors{Logger: slog.New(slog.DiscardHandler)}
	s := newServer(d.observe(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		length, _ := strconv.Atoi(r.URL.Path[1:])
		w.Header().Set("Content-Length", strconv.Itoa(length))
		_, _ = w.Write(pattern(length))
	}), remote{}), d.Logger)
	s.WriteTimeout = timeout
	go func() { _ = s.Serve(l) }()
	t.Cleanup(func() { _ = s.Close() })
}

func pattern(length int) []byte {
	return bytes.Repeat([]byte("0123456789abcdef"), length/16+1)[:length]
}

func TestAnAnswerGoesOutInAsFewPiecesAsMayBe(t *testing.T) {
	for _, secure := range []bool{false, true} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		var writes atomic.Int64
		transport := &http.Transport{}
		address := "http://" + l.Addr().String()
		outermost := net.Listener(newConnections(counting{l, &writes}, newPlaces(10, 0, nil)))
		if secure {
			lent := httptest.NewTLSServer(nil) // for its certificate
			defer lent.Close()
			outermost = tls.NewListener(outermost, &tls.Config{Certificates: lent.TLS.Certificates})
			transport.TLSClientConfig = lent.Client().Transport.(*http.Transport).TLSClientConfig
			address = "https://" + l.Addr().String()
		}
		answering(t, outermost, writeTimeout)
		client := http.Client{Transport: transport}
		for i, length := range []int{0, 1, 2048, 2049, 3700, 4096, 4600, 8191, 8192, 8193, 46_000, 1 << 20} {
			before := writes.Load()
			answer, err := client.Get(address + "/" + strconv.Itoa(length))
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(answer.Body)
			answer.Body.Close()
			if err != nil || !bytes.Equal(body, pattern(length)) {
				t.Fatalf("secure %v, %d bytes: %d come, %v", secure, length, len(body), err)
			}
			// A counted connection does without writev, so what is too large to be
			// copied makes a write of its own.
			pieces, most := writes.Load()-before, int64(1)
			if length > maxKept-300 {
				most = 2 + int64(length/maxKept)
			}
			if pieces > most && (i > 0 || !secure) {
				t.Errorf("secure %v: %d bytes go out in %d pieces", secure, length, pieces)
			}
		}
		transport.CloseIdleConnections()
	}
}

// TestAClientThatDoesNotReadIsCutOff has a client ask again and again, and read
// nothing.
func TestAClientThatDoesNotReadIsCutOff(t *testing.T) {
	for _, length := range []int{0, 5000, 10 << 20} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		answering(t, newConnections(l, newPlaces(0, 0, nil)), 300*time.Millisecond)
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		request := strings.Repeat("GET /"+strconv.Itoa(length)+" HTTP/1.1\r\nHost: x\r\n\r\n", 100)
		began := time.Now()
		for err == nil && time.Since(began) < 20*time.Second {
			_ = c.SetWriteDeadline(time.Now().Add(20 * time.Second))
			_, err = io.WriteString(c, request)
		}
		if err == nil || errors.Is(err, context.DeadlineExceeded) || time.Since(began) > 15*time.Second {
			t.Errorf("answers of %d bytes that nobody reads: %v after %v", length, err, time.Since(began))
		}
	}
}

// TestAClientThatTricklesItsBodyIsCutOff has one send a byte of it now and again.
func TestAClientThatTricklesItsBodyIsCutOff(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	read := make(chan error, 1)
	s := newServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, err := io.Copy(io.Discard, r.Body)
		read <- err
	}), slog.New(slog.DiscardHandler))
	if s.ReadTimeout != readTimeout || s.ReadTimeout <= 0 {
		t.Fatalf("a body may take %v", s.ReadTimeout)
	}
	s.ReadTimeout = 300 * time.Millisecond
	go func() { _ = s.Serve(newConnections(l, newPlaces(0, 0, nil))) }()
	defer s.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, err = io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n")
	for began := time.Now(); err == nil && time.Since(began) < 10*time.Second; {
		select {
		case readErr := <-read:
			if !errors.Is(readErr, os.ErrDeadlineExceeded) {
				t.Errorf("the body is read until %v", readErr)
			}
			return
		case <-time.After(20 * time.Millisecond):
			_, err = io.WriteString(c, "x")
		}
	}
	t.Errorf("the body is still waited for, %v", err)
}

// A broken connection takes nothing.
type broken struct {
	net.Conn
	closed bool
}

func (*broken) LocalAddr() net.Addr  { return nil }
func (*broken) RemoteAddr() net.Addr { return nil }

func (*broken) Write([]byte) (int, error) { return 0, io.ErrShortWrite }

func (b *broken) Close() error {
	b.closed = true
	return nil
}

func TestNothingFollowsAnAnswerThatIsNotWhole(t *testing.T) {
	under := &broken{}
	c := newConnection(under, newConnections(nil, newPlaces(0, 0, nil)))
	err := c.together(func() error {
		_, err := c.Write([]byte("kept"))
		return err
	})
	if !errors.Is(err, io.ErrShortWrite) || !under.closed {
		t.Errorf("%v, closed %v", err, under.closed)
	}
}
