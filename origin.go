package rollcall

import (
	"net/netip"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxUserAgentLength is where a user agent is cut, in code points. It comes
// from whoever signs in, so it is cut and not refused.
const MaxUserAgentLength = 512

// An Origin is where a request of the user came from. Each part is empty when
// it is unknown.
type Origin struct {
	IP        string // canonical form of netip.Addr, IPv4 never mapped, no zone
	UserAgent string // valid UTF-8 without control characters
	ASN       string // digits
}

// NewOrigin makes an Origin of what a request said: the address in canonical
// form, or none when it is not one; the agent cut and cleaned.
func NewOrigin(ip, userAgent string) Origin {
	o := Origin{UserAgent: cleanUserAgent(userAgent)}
	if addr, err := ParseAddr(ip); err == nil {
		o.IP = addr.String()
	}
	return o
}

// ParseAddr reads an address as requests spell one, and is the only reader of those: with a
// port or without, an IPv6 address in brackets or, without a port, bare. The port and the zone
// are dropped, an IPv4-mapped address becomes IPv4. Error: CodeInvalid.
func ParseAddr(s string) (netip.Addr, error) {
	addr, err := netip.ParseAddr(s)
	if err != nil {
		if inner, ok := strings.CutPrefix(s, "["); ok && strings.HasSuffix(inner, "]") {
			addr, err = netip.ParseAddr(inner[:len(inner)-1])
			if addr.Is4() {
				err = strconv.ErrSyntax // brackets are for IPv6
			}
		} else {
			var with netip.AddrPort
			with, err = netip.ParseAddrPort(s)
			addr = with.Addr()
		}
	}
	if err != nil {
		return netip.Addr{}, Errorf(CodeInvalid, "Not an IP address: %s", Echo(s))
	}
	return addr.Unmap().WithZone(""), nil
}

func cleanUserAgent(s string) string {
	if isPlain(s) {
		return s
	}
	n := 0
	s = strings.Map(func(r rune) rune {
		if n++; n > MaxUserAgentLength {
			return -1
		}
		if unicode.IsControl(r) {
			return ' '
		}
		return r // invalid UTF-8 arrives here as U+FFFD
	}, s[:min(len(s), utf8.UTFMax*MaxUserAgentLength)])
	return s
}

// isPlain reports whether s is short printable ASCII, as nearly every agent is.
func isPlain(s string) bool {
	if len(s) > MaxUserAgentLength {
		return false
	}
	for i := range len(s) {
		if s[i] < 0x20 || s[i] > 0x7e {
			return false
		}
	}
	return true
}
