package server

import (
	"net/http"
	"net/netip"
	"testing"
)

func FuzzForwardedFor(f *testing.F) {
	trusted, err := ParseProxies([]string{"127.0.0.0/8", "10.0.0.0/8", "::1"})
	if err != nil {
		f.Fatal(err)
	}
	from := remote{trusted}
	for _, seed := range []string{"", "192.0.2.1", "evil, 192.0.2.1, 10.0.0.1", ",,,", "::ffff:192.0.2.1", "fe80::1%eth0", "192.0.2.1:80", "[::1]:80"} {
		f.Add(seed, "127.0.0.1:1234")
		f.Add(seed, "192.0.2.9:1234")
	}
	f.Fuzz(func(t *testing.T, header, peer string) {
		r := &http.Request{Header: http.Header{"X-Forwarded-For": {header}}, RemoteAddr: peer}
		ip := from.ip(r)
		if ip == "" {
			return
		}
		addr, err := netip.ParseAddr(ip)
		if err != nil || addr.Zone() != "" || addr.Is4In6() {
			t.Errorf("%q from %q gives %q", header, peer, ip)
		}
		if p, err := netip.ParseAddrPort(peer); err != nil || !from.trusts(p.Addr().Unmap()) && addr != p.Addr().Unmap().WithZone("") {
			t.Errorf("%q is believed of %q", header, peer)
		}
	})
}

func FuzzParseProxies(f *testing.F) {
	f.Add("10.0.0.0/8")
	f.Add("::1")
	f.Fuzz(func(t *testing.T, text string) {
		if p, err := ParseProxies([]string{text}); err == nil && (len(p) != 1 || !p[0].IsValid()) {
			t.Errorf("%q gives %v", text, p)
		}
	})
}
