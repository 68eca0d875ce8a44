package rollcall

import (
	"net/netip"
	"net/url"
	"strings"
	"time"
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

// ForwardedIP is where a request comes from: the peer at remoteAddr, as net/http has
// it, or behind proxies that trusts knows the last address of X-Forwarded-For that is
// no such proxy itself; "" when that is no address. Whatever stands further to the
// left is the client's own invention.
func ForwardedIP(remoteAddr string, forwarded []string, trusts func(netip.Addr) bool) string {
	peer, err := netip.ParseAddrPort(remoteAddr)
	if err != nil {
		return ""
	}
	addr := peer.Addr().Unmap().WithZone("")
	if !trusts(addr) {
		return addr.String()
	}
	hops := strings.Split(strings.Join(forwarded, ","), ",")
	for i := len(hops) - 1; i >= 0 && trusts(addr); i-- {
		hop := strings.TrimSpace(hops[i])
		if hop == "" && len(hops) == 1 {
			break // no header: the proxy asks for itself
		}
		next, err := netip.ParseAddr(hop)
		if err != nil {
			return ""
		}
		addr = next.Unmap().WithZone("")
	}
	return addr.String()
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

// A Method is one way in which the user was authenticated, and when.
type Method struct {
	Name string // one of the published names, or a URL
	Type string // what kind of second factor; only with the name `mfa`
	At   time.Time
}

var methodNames = map[string]bool{
	"federated": true, "passkey": true, "pwd": true, "sms": true, "email": true, "mfa": true, "mock": true,
}

// CheckMethods holds methods against the published form (wire.md 2.1).
func CheckMethods(methods []Method) error {
	if len(methods) > MaxMethods {
		return Errorf(CodeInvalid, "Too many authentication methods (%d), maximum %d", len(methods), MaxMethods)
	}
	for _, m := range methods {
		if !methodNames[m.Name] && !isMethodURL(m.Name) {
			return Errorf(CodeInvalid, "Unknown authentication method: %s", Echo(m.Name))
		}
		if m.Type != "" && m.Name != "mfa" {
			return Errorf(CodeInvalid, "An authentication method has a type only when its name is mfa")
		}
		if len(m.Type) > 64 || !isPlain(m.Type) {
			return Errorf(CodeInvalid, "An authentication method's type is at most 64 printable characters")
		}
	}
	return nil
}

func isMethodURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && len(s) <= 255 && isPlain(s) && (u.Scheme == "https" || u.Scheme == "http") && u.Host != ""
}
