package server

import (
	"context"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rollcall-id/rollcall/internal/request"
)

func TestAUnixSocketHasItsModeAndReplacesOnlyAStaleOne(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	for address, want := range map[string]fs.FileMode{unixAddress + path: 0o660, unixAddress + path + "|0600": 0o600, unixAddress + path + "|666": 0o666} {
		l, err := open(address)
		if err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v", address, info, err)
		}
		if second, err := open(address); err == nil {
			t.Error("a socket that somebody listens on is taken")
			_ = second.Close()
		}
		l.(*net.UnixListener).SetUnlinkOnClose(false) // as a crash leaves it
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
	l, err := open(unixAddress + path)
	if err != nil {
		t.Fatalf("over a stale socket: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path); err == nil {
		t.Error("the socket stays when its server ends")
	}
	if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := open(unixAddress + path); err == nil || !strings.Contains(err.Error(), "no socket") {
		t.Errorf("over a file: %v", err)
	}
}

func TestAddressesToListenOnAreReadOrRefused(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", "[::1]:8443", ":443", "unix:/run/rollcall.sock", "unix:/run/rollcall.sock|0600", "systemd:http"} {
		if err := checkAddress(address); err != nil {
			t.Errorf("%s: %v", address, err)
		}
	}
	for _, address := range []string{"x", "unix:", "unix:rollcall.sock", "unix:@rollcall", "unix:/run/s|", "unix:/run/s|rw", "unix:/run/s|1777", "systemd:"} {
		if err := checkAddress(address); err == nil {
			t.Errorf("%s is taken", address)
		}
	}
}

func TestWhoComesOverAUnixSocketIsATrustedProxy(t *testing.T) {
	l, err := Listen(ListenOptions{HTTP: unixAddress + filepath.Join(t.TempDir(), "s"), MaxPerAddress: 1})
	if err != nil {
		t.Fatal(err)
	}
	var from request.Addresses
	asked := make(chan string, 1)
	s := &http.Server{ConnState: noteState, Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { asked <- from.UserIP(r) })}
	go func() { _ = s.Serve(l.HTTP) }()
	defer s.Close()
	for range 3 { // no bound holds
		transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", strings.TrimPrefix(l.Nearest(), unixAddress))
		}}
		defer transport.CloseIdleConnections()
		r, err := http.NewRequest("GET", "http://localhost/", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Forwarded-For", "203.0.113.7")
		answer, err := (&http.Client{Transport: transport}).Do(r)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if ip := <-asked; ip != "203.0.113.7" {
			t.Errorf("%q", ip)
		}
	}
	if n := l.own[0].places.closed.Load(); n != 0 {
		t.Errorf("%d connections are closed", n)
	}
}

func TestASocketOfAnotherProcessIsNotTaken(t *testing.T) {
	t.Setenv("LISTEN_FDS", "1")
	t.Setenv("LISTEN_FDNAMES", "http")
	for _, pid := range []string{"", "1", "x"} {
		t.Setenv("LISTEN_PID", pid)
		if l, err := handedOver("http"); err == nil {
			t.Errorf("LISTEN_PID=%s: %v", pid, l.Addr())
		}
	}
}
