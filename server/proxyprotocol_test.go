package server

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-id/rollcall/internal/logtest"
	"github.com/rollcall-id/rollcall/internal/request"
)

// proxyV2 spells a header of version 2.
func proxyV2(command, family byte, block []byte) string {
	head := append(bytes.Clone(proxyV2Signature), command, family)
	return string(append(binary.BigEndian.AppendUint16(head, uint16(len(block))), block...))
}

func proxyV2Addresses(source, destination string) []byte {
	s, d := netip.MustParseAddrPort(source), netip.MustParseAddrPort(destination)
	block := append(s.Addr().AsSlice(), d.Addr().AsSlice()...)
	return binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(block, s.Port()), d.Port())
}

func TestProxyProtocolHeadersAreReadToTheirLastByte(t *testing.T) {
	v4, v6 := proxyV2Addresses("203.0.113.7:51008", "192.0.2.1:443"), proxyV2Addresses("[2001:db8::7]:51008", "[2001:db8::1]:443")
	for header, want := range map[string]string{
		"PROXY TCP4 203.0.113.7 192.0.2.1 51008 443\r\n":   "203.0.113.7:51008",
		"PROXY TCP6 2001:db8::7 2001:db8::1 51008 443\r\n": "[2001:db8::7]:51008",
		"PROXY TCP6 ::ffff:203.0.113.7 ::1 51008 443\r\n":  "203.0.113.7:51008",
		"PROXY UNKNOWN\r\n":                                                "",
		"PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n":                    "",
		"PROXY UNKNOWN " + strings.Repeat("x", 91) + "\r\n":                "", // 107 bytes
		proxyV2(0x21, 0x11, v4):                                            "203.0.113.7:51008",
		proxyV2(0x21, 0x21, v6):                                            "[2001:db8::7]:51008",
		proxyV2(0x21, 0x11, append(bytes.Clone(v4), 4, 0, 1, 0)):           "203.0.113.7:51008", // with a TLV
		proxyV2(0x21, 0x11, append(bytes.Clone(v4), make([]byte, 508)...)): "203.0.113.7:51008", // 536 bytes
		proxyV2(0x20, 0x00, nil):                                           "",                  // LOCAL
		proxyV2(0x20, 0x11, v4):                                            "",
		proxyV2(0x21, 0x00, nil):                                           "",
		proxyV2(0x21, 0x31, make([]byte, 216)):                             "",
	} {
		r := strings.NewReader(header + "rest")
		got, err := readProxyHeader(r)
		if err != nil || got.IsValid() != (want != "") || want != "" && got.String() != want {
			t.Errorf("%q: %v, %v, want %s", header, got, err, want)
		}
		if rest, _ := io.ReadAll(r); string(rest) != "rest" {
			t.Errorf("%q leaves %q", header, rest)
		}
	}
	for _, header := range []string{
		"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\x00", "PROXY TCP4 203.0.113.7 192.0.2.1 51008\r\n",
		"PROXY TCP4 203.0.113.7 192.0.2.1 51008 443 \r\n", "PROXY TCP4 203.0.113.7 192.0.2.1 65536 443\r\n", "PROXY TCP4 203.0.113.7  192.0.2.1 1 443\r\n",
		"PROXY TCP4 2001:db8::7 2001:db8::1 51008 443\r\n", "PROXY TCP6 203.0.113.7 192.0.2.1 51008 443\r\n", "PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n",
		"PROXY TCP4 203.0.113.7 x 51008 443\r\n", "PROXY TCP5 203.0.113.7 192.0.2.1 51008 443\r\n", "PROXY  UNKNOWN \r\n", "proxy UNKNOWN\r\n",
		"PROXY UNKNOWN " + strings.Repeat("x", 92) + "\r\n",
		proxyV2(0x22, 0x11, v4), proxyV2(0x11, 0x11, v4), proxyV2(0x21, 0x12, v4), proxyV2(0x21, 0x21, v4), proxyV2(0x21, 0x11, v4[:11]),
		proxyV2(0x21, 0x11, append(bytes.Clone(v4), make([]byte, 509)...)),
	} {
		if got, err := readProxyHeader(strings.NewReader(header)); !errors.Is(err, errProxyHeader) || got.IsValid() {
			t.Errorf("%q: %v, %v", header, got, err)
		}
	}
}

func FuzzReadProxyHeader(f *testing.F) {
	f.Add([]byte("PROXY TCP4 203.0.113.7 192.0.2.1 51008 443\r\nrest"))
	f.Add([]byte("PROXY UNKNOWN\r\n"))
	f.Add([]byte(proxyV2(0x21, 0x11, proxyV2Addresses("203.0.113.7:51008", "192.0.2.1:443")) + "rest"))
	f.Add([]byte(proxyV2(0x20, 0x00, nil)))
	f.Fuzz(func(t *testing.T, sent []byte) {
		r := bytes.NewReader(sent)
		source, err := readProxyHeader(r)
		if read := len(sent) - r.Len(); read > maxProxyV2 {
			t.Errorf("%d bytes are read", read)
		}
		if err != nil && source.IsValid() {
			t.Errorf("%v with %v", source, err)
		}
		if a := source.Addr(); a.IsValid() && (a.Is4In6() || a.Zone() != "") {
			t.Errorf("%v", a)
		}
		if again, _ := readProxyHeader(bytes.NewReader(sent[:len(sent)-r.Len()])); err == nil && again != source {
			t.Errorf("%v, and without what follows %v", source, again)
		}
	})
}

// proxied listens for headers from these networks.
func proxied(t *testing.T, p *places, log *logtest.Buffer, from ...string) *connections {
	t.Helper()
	raw, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := newConnections(raw, p)
	networks, err := request.ParseNetworks(from)
	if err != nil {
		t.Fatal(err)
	}
	l.proxies, l.log = &request.Addresses{Trusted: networks}, log.Logger()
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// say opens a connection and sends a text.
func say(t *testing.T, l net.Listener, text string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_, _ = io.WriteString(c, text)
	return c
}

func TestAListenerForProxiesTakesTheSourceForThePeer(t *testing.T) {
	l := proxied(t, newPlaces(0, 0, nil), &logtest.Buffer{}, "127.0.0.1")
	say(t, l, "PROXY TC") // who does not come to an end holds up nobody
	for header, want := range map[string]string{
		"PROXY TCP4 203.0.113.7 192.0.2.1 51008 443\r\n": "203.0.113.7:51008", "PROXY UNKNOWN\r\n": "127.0.0.1", proxyV2(0x20, 0, nil): "127.0.0.1",
	} {
		say(t, l, header+"rest")
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		rest := make([]byte, 4)
		if _, err := io.ReadFull(c, rest); err != nil || string(rest) != "rest" || !strings.HasPrefix(c.RemoteAddr().String(), want) {
			t.Errorf("%q: from %v comes %q, %v", header, c.RemoteAddr(), rest, err)
		}
		_ = c.Close()
	}
}

func TestAConnectionWithoutAHeaderIsClosedWithinASecond(t *testing.T) {
	for name, tt := range map[string]struct{ from, sends string }{
		"nothing": {"127.0.0.1", ""}, "half": {"127.0.0.1", "PROXY TCP4 "}, "HTTP": {"127.0.0.1", "GET / HTTP/1.1\r\nHost: x\r\n\r\n"},
		"somebody else": {"10.0.0.1", "PROXY TCP4 203.0.113.7 192.0.2.1 51008 443\r\n"},
	} {
		log := &logtest.Buffer{}
		p := newPlaces(0, 0, nil)
		l := proxied(t, p, log, tt.from)
		accepted := make(chan error, 1)
		go func() { _, err := l.Accept(); accepted <- err }()
		began := time.Now()
		c := say(t, l, tt.sends)
		_ = c.SetReadDeadline(began.Add(10 * time.Second))
		if n, err := c.Read(make([]byte, 1)); n > 0 || errors.Is(err, net.ErrClosed) || time.Since(began) > 3*proxyHeaderTimeout {
			t.Errorf("%s: %d bytes, %v after %v", name, n, err, time.Since(began))
		}
		_ = l.Close()
		if err := <-accepted; !errors.Is(err, net.ErrClosed) {
			t.Errorf("%s is accepted: %v", name, err)
		}
		if !log.Has("PROXY protocol header is closed") {
			t.Errorf("%s: nothing is said", name)
		}
		for p.taken() != 0 { // the client hears of the end before the place is free
			if time.Since(began) > 10*time.Second {
				t.Fatalf("%s keeps its place", name)
			}
			time.Sleep(time.Millisecond)
		}
	}
}

// taken is how many places are.
func (p *places) taken() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.open
}

func TestTheBoundOfAnAddressCountsTheSource(t *testing.T) {
	p := newPlaces(0, 1, nil)
	l := proxied(t, p, &logtest.Buffer{}, "127.0.0.1")
	for i, source := range []string{"203.0.113.7", "203.0.113.8"} {
		say(t, l, "PROXY TCP4 "+source+" 192.0.2.1 51008 443\r\n")
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if n := p.taken(); p.closed.Load() != 0 || n != i+1 {
			t.Errorf("%d are open, %d closed", n, p.closed.Load())
		}
	}
	say(t, l, "PROXY TCP4 203.0.113.7 192.0.2.1 51009 443\r\n")
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if n := p.taken(); p.closed.Load() != 1 || n != 2 {
		t.Errorf("a second of one source: %d are open, %d closed", n, p.closed.Load())
	}
}
