package outbound

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestOnlyThePublicInternetIsNotInternal(t *testing.T) {
	for _, text := range []string{
		"127.0.0.1", "127.255.0.1", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254", "100.64.0.1", "100.127.255.255",
		"0.0.0.0", "0.1.2.3", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255", "192.0.0.1", "192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1",
		"::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "ff02::1", "fec0::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254",
		"64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "2002:7f00:1::", "2002:a00:1::1", "2001::1", "2001:db8::1", "100::1",
	} {
		if !IsInternal(netip.MustParseAddr(text)) {
			t.Errorf("%s may be connected to", text)
		}
	}
	for _, text := range []string{"1.1.1.1", "8.8.8.8", "172.32.0.1", "100.128.0.1", "192.169.0.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"} {
		if IsInternal(netip.MustParseAddr(text)) {
			t.Errorf("%s may not be connected to", text)
		}
	}
}

// counted is a listener on loopback that counts who connects.
func counted(t *testing.T, network, address string) (string, *atomic.Int32) {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Skipf("no %s here: %v", network, err)
	}
	var connections atomic.Int32
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			connections.Add(1)
			_ = c.Close()
		}
	}()
	t.Cleanup(func() { _ = l.Close() })
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port, &connections
}

func TestInternalAddressesAreRefusedWithoutConnecting(t *testing.T) {
	port, connections := counted(t, "tcp4", "127.0.0.1:0")
	port6, connections6 := counted(t, "tcp6", "[::1]:0")
	c := NewClient(Options{Timeout: 2 * time.Second})
	for _, address := range []string{
		"https://127.0.0.1:" + port, "https://localhost:" + port, "https://[::ffff:127.0.0.1]:" + port, "https://[::1]:" + port6,
		"http://127.0.0.1:" + port, "https://169.254.169.254/latest/meta-data/", "https://10.0.0.1/", "https://192.168.0.1", "https://100.64.0.1", "https://0.0.0.0:" + port,
	} {
		if _, err := Get(context.Background(), c, address, 1000); !errors.Is(err, ErrInternal) {
			t.Errorf("%s: %v", address, err)
		}
	}
	if connections.Load() != 0 || connections6.Load() != 0 {
		t.Errorf("%d and %d connections were made", connections.Load(), connections6.Load())
	}
	allowed := NewClient(Options{Timeout: 2 * time.Second, AllowInternal: true})
	if _, err := Get(context.Background(), allowed, "http://127.0.0.1:"+port, 1000); err == nil || errors.Is(err, ErrInternal) || connections.Load() != 1 {
		t.Errorf("when it is allowed: %v, %d connections", err, connections.Load())
	}
}

func TestPlainHTTPGoesToLoopbackAlone(t *testing.T) {
	c := NewClient(Options{Timeout: 2 * time.Second, AllowInternal: true})
	if _, err := Get(context.Background(), c, "http://10.0.0.1/", 1000); !errors.Is(err, ErrInternal) {
		t.Errorf("%v", err)
	}
	for address, allowInternal := range map[string]bool{
		"http://login.example.com/": true, "http://127.0.0.1/": false, "http://10.0.0.1/": true, "ftp://example.com/": true, "/jwks": true, "": true,
		"https://user:secret@example.com/": true, "https:///x": false, "https://a b/": false, "http://localhost.example.com/": true,
	} {
		if CheckURL(address, allowInternal) == nil {
			t.Errorf("%s is accepted", address)
		}
	}
	for address, allowInternal := range map[string]bool{"https://login.example.com/jwks": false, "http://127.0.0.1:80/x": true, "http://localhost/": true, "http://[::1]/": true} {
		if err := CheckURL(address, allowInternal); err != nil {
			t.Errorf("%s: %v", address, err)
		}
	}
}

func TestWhatIsFetchedIsBounded(t *testing.T) {
	release := make(chan struct{})
	elsewhere := atomic.Int32{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/good":
			_, _ = w.Write([]byte("good"))
		case "/large":
			_, _ = w.Write([]byte(strings.Repeat("x", 1001)))
		case "/redirect":
			http.Redirect(w, r, "/elsewhere", http.StatusFound)
		case "/elsewhere":
			elsewhere.Add(1)
		case "/slow":
			w.WriteHeader(http.StatusOK)
			_ = http.NewResponseController(w).Flush()
			select {
			case <-release:
			case <-r.Context().Done():
			}
		default:
			http.NotFound(w, r)
		}
	}))
	defer s.Close()
	defer close(release)
	c := NewClient(Options{Timeout: 200 * time.Millisecond, AllowInternal: true})
	if data, err := Get(context.Background(), c, s.URL+"/good", 4); err != nil || string(data) != "good" {
		t.Errorf("%q %v", data, err)
	}
	for path, want := range map[string]string{"/large": "larger than 1000 bytes", "/redirect": "302", "/none": "404"} {
		if _, err := Get(context.Background(), c, s.URL+path, 1000); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", path, err)
		}
	}
	_, err := Get(context.Background(), c, s.URL+"/slow", 1000)
	if slow, ok := errors.AsType[net.Error](err); !ok || !slow.Timeout() {
		t.Errorf("/slow: %v", err)
	}
	if elsewhere.Load() != 0 {
		t.Error("a redirect is followed")
	}
}

func TestWhatMakesRequestsIsWrappedOnlyWhenAsked(t *testing.T) {
	if c := NewClient(Options{}); c.Transport == nil {
		t.Error("there is no transport")
	} else if _, same := c.Transport.(*schemes); !same {
		t.Errorf("it is %T", c.Transport)
	}
	wrapped := &schemes{}
	c := NewClient(Options{Transport: func(base http.RoundTripper) http.RoundTripper {
		*wrapped = *base.(*schemes)
		return wrapped
	}})
	if c.Transport != http.RoundTripper(wrapped) || wrapped.https == nil {
		t.Errorf("it is %T", c.Transport)
	}
}
