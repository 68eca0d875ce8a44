package request

import (
	"net/http"
	"net/netip"
	"slices"
	"testing"
)

func networks(t testing.TB, texts ...string) []netip.Prefix {
	t.Helper()
	read, err := ParseNetworks(texts)
	if err != nil {
		t.Fatal(err)
	}
	return read
}

func FuzzUserIP(f *testing.F) {
	trusted := networks(f, "127.0.0.0/8", "10.0.0.0/8", "::1")
	for _, seed := range []string{
		"", "192.0.2.1", "evil, 192.0.2.1, 10.0.0.1", ",,,", "::ffff:192.0.2.1", "fe80::1%eth0", "192.0.2.1:80", "[::1]:80",
		`for=192.0.2.1;proto=https, for="[::1]:80"`, `for="a\"b`, "for=_hidden", "for=unknown;for=192.0.2.1", "by=x;;, ,",
	} {
		f.Add(seed, "127.0.0.1:1234")
		f.Add(seed, "192.0.2.9:1234")
		f.Add(seed, "@")
	}
	f.Fuzz(func(t *testing.T, said, remote string) {
		for _, header := range Headers {
			a := Addresses{Trusted: trusted, Header: header}
			r := &http.Request{Header: http.Header{http.CanonicalHeaderKey(header): {said}}, RemoteAddr: remote}
			ip := a.UserIP(r)
			if ip == "" {
				continue
			}
			addr, err := netip.ParseAddr(ip)
			if err != nil || addr.Zone() != "" || addr.Is4In6() {
				t.Errorf("%s: %q from %q gives %q", header, said, remote, ip)
			}
			if p := peer(r); remote != UnixPeer && !a.Trust(p) && addr != p {
				t.Errorf("%s: %q is believed of %q", header, said, remote)
			}
		}
	})
}

func TestTheLastAddressThatIsNoProxyIsBelieved(t *testing.T) {
	trusted := networks(t, "10.0.0.0/8", "fd00::/8", "::ffff:172.16.0.0/108")
	for _, c := range []struct {
		peer, header string
		said         []string
		want, limit  string
		sent         bool
	}{
		{"192.0.2.9:1", "", nil, "192.0.2.9", "192.0.2.9", false},
		{"192.0.2.9:1", "", []string{"198.51.100.1"}, "192.0.2.9", "192.0.2.9", false},
		{"10.0.0.1:1", "", nil, "10.0.0.1", "10.0.0.1", true},
		{"10.0.0.1:1", "", []string{" \t"}, "10.0.0.1", "10.0.0.1", true},
		{"172.16.0.1:1", "", []string{"198.51.100.1"}, "198.51.100.1", "198.51.100.1", true},
		{"[::ffff:10.0.0.1]:1", "", []string{"198.51.100.1"}, "198.51.100.1", "198.51.100.1", true},
		{"10.0.0.1:1", "", []string{"203.0.113.5, 198.51.100.1 ,\t10.0.0.2"}, "198.51.100.1", "198.51.100.1", true},
		{"10.0.0.1:1", "", []string{"203.0.113.5", "198.51.100.1:51008, [fd00::2]:443"}, "198.51.100.1", "198.51.100.1", true},
		{"10.0.0.1:1", "", []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3", "10.0.0.3", true},
		{"10.0.0.1:1", "", []string{"evil, 198.51.100.1"}, "198.51.100.1", "198.51.100.1", true},
		{"10.0.0.1:1", "", []string{"198.51.100.1, unknown"}, "", "10.0.0.1", true},
		{"10.0.0.1:1", "", []string{"198.51.100.1, unknown, 10.0.0.2"}, "", "10.0.0.2", true},
		{"10.0.0.1:1", "", []string{"198.51.100.1,"}, "", "10.0.0.1", true},
		{"10.0.0.1:1", "", []string{"198.51.100.1\u2000"}, "", "10.0.0.1", true},
		{"10.0.0.1:1", "", []string{"2001:db8:1:2:3::4"}, "2001:db8:1:2:3::4", "2001:db8:1:2::/64", true},
		{"[fd00::1%eth0]:1", "", []string{"::ffff:198.51.100.1"}, "198.51.100.1", "198.51.100.1", true},
		{"@", "", []string{"198.51.100.1"}, "198.51.100.1", "198.51.100.1", true},
		{"@", "", nil, "", "@", true},
		{"", "", []string{"198.51.100.1"}, "", "", false},

		{"192.0.2.9:1", RealIP, []string{"198.51.100.1"}, "192.0.2.9", "192.0.2.9", false},
		{"10.0.0.1:1", RealIP, nil, "10.0.0.1", "10.0.0.1", true},
		{"10.0.0.1:1", RealIP, []string{" 198.51.100.1:80"}, "198.51.100.1", "198.51.100.1", true},
		{"10.0.0.1:1", RealIP, []string{"10.0.0.2"}, "10.0.0.2", "10.0.0.2", true},
		{"10.0.0.1:1", RealIP, []string{"198.51.100.1, 198.51.100.2"}, "", "10.0.0.1", true},
		{"10.0.0.1:1", RealIP, []string{"198.51.100.1", "198.51.100.2"}, "", "10.0.0.1", true},

		{"192.0.2.9:1", Forwarded, []string{"for=198.51.100.1"}, "192.0.2.9", "192.0.2.9", false},
		{"10.0.0.1:1", Forwarded, nil, "10.0.0.1", "10.0.0.1", true},
		{"10.0.0.1:1", Forwarded, []string{"for=198.51.100.1"}, "198.51.100.1", "198.51.100.1", true},
		{"10.0.0.1:1", Forwarded, []string{`For="198.51.100.1:47011";Proto=https;BY=203.0.113.43`}, "198.51.100.1", "198.51.100.1", true},
		{"10.0.0.1:1", Forwarded, []string{`for="[2001:db8::7]:443"`}, "2001:db8::7", "2001:db8::/64", true},
		{"10.0.0.1:1", Forwarded, []string{`for="[2001:db8::7]:_port"`}, "2001:db8::7", "2001:db8::/64", true},
		{"10.0.0.1:1", Forwarded, []string{`for="198.51.10\0.1"`}, "198.51.100.1", "198.51.100.1", true},
		{"10.0.0.1:1", Forwarded, []string{"for=198.51.100.1:80"}, "198.51.100.1", "198.51.100.1", true}, // no token, and common
		{"10.0.0.1:1", Forwarded, []string{`for=evil;host="a,b", for=198.51.100.1 , for=10.0.0.2`}, "198.51.100.1", "198.51.100.1", true},
		{"10.0.0.1:1", Forwarded, []string{`for="`, "for=198.51.100.1, for=10.0.0.2"}, "198.51.100.1", "198.51.100.1", true},
		{"10.0.0.1:1", Forwarded, []string{"for=198.51.100.1", ",for=10.0.0.2,,"}, "198.51.100.1", "198.51.100.1", true},
		{"10.0.0.1:1", Forwarded, []string{"for=198.51.100.1, for=_SEVKISEK"}, "", "10.0.0.1", true},
		{"10.0.0.1:1", Forwarded, []string{"for=198.51.100.1, proto=https"}, "", "10.0.0.1", true},
		{"10.0.0.1:1", Forwarded, []string{`for=6.6.6.6;by=", for=198.51.100.1`}, "", "10.0.0.1", true},
		{"10.0.0.1:1", Forwarded, []string{`for=6.6.6.6;by=", for="[2001:db8::7]"`}, "", "10.0.0.1", true},
		{"10.0.0.1:1", Forwarded, []string{"for=198.51.100.1;for=198.51.100.2"}, "", "10.0.0.1", true},
		{"10.0.0.1:1", Forwarded, []string{"198.51.100.1"}, "", "10.0.0.1", true},
		{"10.0.0.1:1", Forwarded, []string{"for="}, "", "10.0.0.1", true},
		{"10.0.0.1:1", Forwarded, []string{`for="198.51.100.1\`}, "", "10.0.0.1", true},
	} {
		name := c.header
		if name == "" {
			name = ForwardedFor
		}
		header := http.Header{"X-Forwarded-For": {"1.1.1.1"}, "X-Real-Ip": {"2.2.2.2"}, "Forwarded": {"for=3.3.3.3"}}
		header.Del(name)
		if c.said != nil {
			header[http.CanonicalHeaderKey(name)] = c.said
		}
		r := &http.Request{RemoteAddr: c.peer, Header: header}
		a := Addresses{Trusted: trusted, Header: c.header}
		if got, limit, sent := a.UserIP(r), a.LimitKey(r), a.Sent(r); got != c.want || limit != c.limit || sent != c.sent {
			t.Errorf("%s, %s %q: %q, counted as %q, by a proxy: %t", c.peer, name, c.said, got, limit, sent)
		}
	}
}

func TestWhatIsNoAddressIsToldUnlessItIsMeantToBeHidden(t *testing.T) {
	for said, want := range map[string][]string{
		"evil": {"evil"}, "unknown": nil, "Unknown": nil, "_hidden": nil, "198.51.100.1": nil, "evil, 198.51.100.1": nil,
	} {
		var told []string
		a := Addresses{Trusted: networks(t, "10.0.0.1"), Unreadable: func(_, said string) { told = append(told, said) }}
		a.UserIP(&http.Request{RemoteAddr: "10.0.0.1:1", Header: http.Header{"X-Forwarded-For": {said}}})
		if !slices.Equal(told, want) {
			t.Errorf("%q: told %q", said, told)
		}
	}
}

func FuzzParseNetworks(f *testing.F) {
	for _, seed := range []string{"10.0.0.0/8", "::1", "::ffff:10.0.0.0/104", "::ffff:10.0.0.1", "::ffff:0:0/64", "::/0", "10.0.0.1:80"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := ParseNetworks([]string{text})
		if err != nil {
			return
		}
		if len(p) != 1 || !p[0].IsValid() || p[0].Addr().Is4In6() {
			t.Fatalf("%q gives %v", text, p)
		}
		if !(Addresses{Trusted: p}).Trust(p[0].Addr()) {
			t.Errorf("%q does not match its own address", text)
		}
	})
}

func TestANetworkThatCouldMatchNothingIsRefused(t *testing.T) {
	for _, text := range []string{"::ffff:0:0/95", "10.0.0.1:80", "10.0.0.0/33", "localhost", "", "10.0.0.1/"} {
		if p, err := ParseNetworks([]string{text}); err == nil {
			t.Errorf("%q: %v", text, p)
		}
	}
	if _, err := Unmapped([]netip.Prefix{{}}); err == nil {
		t.Error("no network is taken for one")
	}
}
