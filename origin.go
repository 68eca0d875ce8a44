package rollcall

import (
	"net/netip"
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
	addr, err := ParseIP(ip)
	if err != nil {
		addr = ""
	}
	return Origin{IP: addr, UserAgent: cleanUserAgent(userAgent)}
}

// ParseIP returns the canonical form of an IP address: IPv4 unmapped, no zone.
func ParseIP(s string) (string, error) {
	addr, err := netip.ParseAddr(s)
	if err != nil {
		return "", Errorf(CodeInvalid, "Not an IP address: %s", Echo(s))
	}
	return addr.Unmap().WithZone("").String(), nil
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
