package rollcall_test

import (
	"net/netip"
	"testing"

	"github.com/rollcall-id/rollcall"
)

func TestAddressesAreReadAsRequestsSpellThem(t *testing.T) {
	for text, want := range map[string]string{
		"203.0.113.7": "203.0.113.7", "203.0.113.7:51008": "203.0.113.7", "203.0.113.7:0": "203.0.113.7",
		"2001:db8::7": "2001:db8::7", "[2001:db8::7]": "2001:db8::7", "[2001:DB8:0::7]:443": "2001:db8::7", "2001:db8::7:443": "2001:db8::7:443",
		"::ffff:203.0.113.7": "203.0.113.7", "[::ffff:203.0.113.7]:443": "203.0.113.7", "::ffff:cb00:7107": "203.0.113.7",
		"fe80::1%eth0": "fe80::1", "[fe80::1%25eth0]:443": "fe80::1", "[fe80::1%eth0]": "fe80::1",
	} {
		if got, err := rollcall.ParseAddr(text); err != nil || got.String() != want {
			t.Errorf("%q: %v, %v, want %s", text, got, err, want)
		}
	}
	for _, text := range []string{
		"", "unknown", "203.0.113", "203.0.113.007", "203.0.113.7:", "203.0.113.7:65536", "203.0.113.7:-1", "203.0.113.7:80:80", " 203.0.113.7",
		"[203.0.113.7]", "[203.0.113.7]:80", "[]", "[", "]", "[2001:db8::7", "[2001:db8::7]443", "[2001:db8::7]:", "2001:db8::7]:443", "localhost:80",
		"203.0.113.7, 203.0.113.8", "203.0.113.7/32", "::ffff:203.0.113.7:80",
	} {
		if got, err := rollcall.ParseAddr(text); err == nil || rollcall.ErrorCode(err) != rollcall.CodeInvalid {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
}

func FuzzParseAddr(f *testing.F) {
	for _, seed := range []string{"203.0.113.7:51008", "[2001:db8::7]:443", "[::ffff:203.0.113.7]", "fe80::1%eth0", "::1", "x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		addr, err := rollcall.ParseAddr(text)
		if err != nil {
			if addr.IsValid() {
				t.Errorf("%q: %v with %v", text, addr, err)
			}
			return
		}
		if again, err := rollcall.ParseAddr(addr.String()); err != nil || again != addr || addr.Zone() != "" || addr.Is4In6() {
			t.Errorf("%q gives %v, and that %v, %v", text, addr, again, err)
		}
		if with, err := rollcall.ParseAddr(netip.AddrPortFrom(addr, 443).String()); err != nil || with != addr {
			t.Errorf("%q with a port: %v, %v", text, with, err)
		}
	})
}
