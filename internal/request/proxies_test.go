package request

import (
	"net/http"
	"net/netip"
	"testing"
)

func FuzzForwardedFor(f *testing.F) {
	var proxies Proxies
	for _, network := range []string{"127.0.0.0/8", "10.0.0.0/8", "::1/128"} {
		proxies = append(proxies, netip.MustParsePrefix(network))
	}
	for _, seed := range []string{"", "192.0.2.1", "evil, 192.0.2.1, 10.0.0.1", ",,,", "::ffff:192.0.2.1", "fe80::1%eth0", "192.0.2.1:80", "[::1]:80"} {
		f.Add(seed, "127.0.0.1:1234")
		f.Add(seed, "192.0.2.9:1234")
	}
	f.Fuzz(func(t *testing.T, header, peer string) {
		r := &http.Request{Header: http.Header{"X-Forwarded-For": {header}}, RemoteAddr: peer}
		ip := proxies.UserIP(r)
		if ip == "" {
			return
		}
		addr, err := netip.ParseAddr(ip)
		if err != nil || addr.Zone() != "" || addr.Is4In6() {
			t.Errorf("%q from %q gives %q", header, peer, ip)
		}
		if p, err := netip.ParseAddrPort(peer); err != nil || !proxies.Trust(p.Addr().Unmap()) && addr != p.Addr().Unmap().WithZone("") {
			t.Errorf("%q is believed of %q", header, peer)
		}
	})
}

func TestTheLastAddressThatIsNoProxyIsBelieved(t *testing.T) {
	proxies := Proxies{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	for _, c := range []struct {
		peer      string
		forwarded []string
		want      string
		sent      bool
	}{
		{"192.0.2.9:1", nil, "192.0.2.9", false},
		{"192.0.2.9:1", []string{"198.51.100.1"}, "192.0.2.9", false},
		{"10.0.0.1:1", nil, "10.0.0.1", true},
		{"[::ffff:10.0.0.1]:1", []string{"198.51.100.1"}, "198.51.100.1", true},
		{"10.0.0.1:1", []string{"203.0.113.5, 198.51.100.1 , 10.0.0.2"}, "198.51.100.1", true},
		{"10.0.0.1:1", []string{"203.0.113.5", "198.51.100.1, fd00::2"}, "198.51.100.1", true},
		{"10.0.0.1:1", []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3", true},
		{"10.0.0.1:1", []string{"198.51.100.1, unknown"}, "", true},
		{"10.0.0.1:1", []string{"198.51.100.1,"}, "", true},
		{"[fd00::1%eth0]:1", []string{"::ffff:198.51.100.1"}, "198.51.100.1", true},
		{"@", []string{"198.51.100.1"}, "", false},
		{"", nil, "", false},
	} {
		r := &http.Request{RemoteAddr: c.peer, Header: http.Header{"X-Forwarded-For": c.forwarded}}
		if got, sent := proxies.UserIP(r), proxies.Sent(r); got != c.want || sent != c.sent {
			t.Errorf("%s, %q: %q, by a proxy: %t", c.peer, c.forwarded, got, sent)
		}
	}
}
