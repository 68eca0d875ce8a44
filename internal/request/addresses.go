package request

import (
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/rollcall-id/rollcall"
)

// The headers in which a trusted proxy can say where a request came from. Exactly one of them
// is believed.
const (
	ForwardedFor = "X-Forwarded-For" // a list, the nearest hop last
	Forwarded    = "Forwarded"       // the same with more words (RFC 7239)
	RealIP       = "X-Real-IP"       // one address
)

// Headers are the names that an AddressHeader can have.
var Headers = []string{ForwardedFor, Forwarded, RealIP}

// UnixPeer is the RemoteAddr of a request that came over a Unix socket.
const UnixPeer = "@"

// Addresses find out where requests came from. The zero Addresses trust no proxy on a network.
//
// A proxy is trusted when its address is in Trusted, or when it comes over a Unix socket: the
// mode of the socket's file says who can.
type Addresses struct {
	Trusted []netip.Prefix // as ParseNetworks and Unmapped leave them
	Header  string         // one of Headers; "" is ForwardedFor
	// Unreadable is told of what a trusted proxy says that is no address, unless nil.
	Unreadable func(header, said string)
}

// ParseNetworks reads addresses and networks (CIDR).
func ParseNetworks(texts []string) ([]netip.Prefix, error) {
	var networks []netip.Prefix
	for _, text := range texts {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			addr, addrErr := netip.ParseAddr(text)
			if addrErr != nil {
				return nil, fmt.Errorf("%q is neither an address nor a network such as 10.0.0.0/8", rollcall.Echo(text))
			}
			p = netip.PrefixFrom(addr, addr.BitLen())
		}
		networks = append(networks, p)
	}
	return Unmapped(networks)
}

// mapped is how many bits of an IPv4-mapped network say that it is one.
const mapped = 96

// Unmapped returns networks as addresses are held against them: IPv4-mapped ones as IPv4, and
// none with bits beyond the network's. Unmapped refuses a network of fewer than 96 bits that is
// written as IPv4-mapped, and one that is none.
func Unmapped(networks []netip.Prefix) ([]netip.Prefix, error) {
	networks = slices.Clone(networks)
	for i, p := range networks {
		switch {
		case !p.IsValid():
			return nil, fmt.Errorf("a network that is none: %v", p)
		case p.Addr().Is4In6() && p.Bits() < mapped:
			return nil, fmt.Errorf("%v is wider than all of IPv4: write an IPv4 network such as 10.0.0.0/8", p)
		case p.Addr().Is4In6():
			networks[i] = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-mapped).Masked()
		default:
			networks[i] = p.Masked()
		}
	}
	return networks, nil
}

// Trust reports whether an address, without a zone, is a trusted proxy's.
func (a Addresses) Trust(addr netip.Addr) bool {
	return slices.ContainsFunc(a.Trusted, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// Sent reports whether a request's peer is a trusted proxy.
func (a Addresses) Sent(r *http.Request) bool {
	return r.RemoteAddr == UnixPeer || a.Trust(peer(r))
}

// UserIP returns where a request came from: the peer's address, or behind trusted proxies the
// last address of the header that is no trusted proxy itself; "" when that is no address.
// Whatever stands further to the left is the client's own invention.
func (a Addresses) UserIP(r *http.Request) string {
	if user, _ := a.find(r); user.IsValid() {
		return user.String()
	}
	return ""
}

// limitBits is how much of an IPv6 address a limit looks at: who has one address of such a
// network has them all.
const limitBits = 64

// LimitKey returns whom a limit by address counts a request for: the address of UserIP, an IPv6
// one as its network of 64 bits. Where that is not known it is the nearest hop's whose address
// is, so that one unknown address counts as the proxy's and not as everybody's.
func (a Addresses) LimitKey(r *http.Request) string {
	user, nearest := a.find(r)
	if !user.IsValid() {
		user = nearest
	}
	switch {
	case !user.IsValid():
		return r.RemoteAddr
	case user.Is4():
		return user.String()
	}
	return Shared(user).String()
}

// Shared is the network whose addresses one party has, as far as limits go: of IPv6 the first
// 64 bits, of IPv4 the address.
func Shared(addr netip.Addr) netip.Prefix {
	p, _ := addr.Prefix(min(addr.BitLen(), limitBits)) // which fits
	return p
}

// find returns the user's address, invalid when it is not known, and the nearest that is.
func (a Addresses) find(r *http.Request) (user, nearest netip.Addr) {
	user = peer(r)
	trusted := r.RemoteAddr == UnixPeer || a.Trust(user)
	for said := a.said(r.Header); trusted; trusted = a.Trust(user) {
		node, ok := said.next()
		if !ok {
			break // the proxy asks for itself
		}
		next, err := rollcall.ParseAddr(node)
		if err != nil {
			if a.Unreadable != nil && !isHidden(node) {
				a.Unreadable(said.header, node)
			}
			return netip.Addr{}, user
		}
		user = next
	}
	return user, user
}

// isHidden reports whether a node says that its address is not to be known (RFC 7239, 6.2 and
// 6.3).
func isHidden(node string) bool {
	return strings.EqualFold(node, "unknown") || strings.HasPrefix(node, "_")
}

// peer is the address that a request's connection comes from, as net/http has it; invalid when
// it has none.
func peer(r *http.Request) netip.Addr {
	p, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return p.Addr().Unmap().WithZone("")
}

// said is what a request's header says of where it came from, read from the nearest hop on.
type said struct {
	header string
	lines  []string // of the header, those that are not read yet
	line   string   // what is left of the line that is being read
	open   bool     // something is
	nodes  []string // what is left of a line of Forwarded
}

func (a Addresses) said(h http.Header) said {
	s := said{header: ForwardedFor}
	switch a.Header {
	case Forwarded:
		s.header, s.lines = Forwarded, h["Forwarded"]
	case RealIP:
		s.header, s.lines = RealIP, h["X-Real-Ip"] // as net/http spells it
	default:
		s.lines = h["X-Forwarded-For"]
	}
	if len(s.lines) == 1 && strings.Trim(s.lines[0], space) == "" {
		s.lines = nil
	}
	return s
}

// next returns what the nearest hop that was not read yet says; ok is false at the end.
func (s *said) next() (node string, ok bool) {
	switch s.header {
	case Forwarded:
		return s.nextForwarded()
	case RealIP:
		node = strings.Join(s.lines, ", ") // several are no address
		ok, s.lines = len(s.lines) > 0, nil
		return strings.Trim(node, space), ok
	}
	if !s.open {
		if ok = s.nextLine(); !ok {
			return "", false
		}
	}
	i := strings.LastIndexByte(s.line, ',')
	node = strings.Trim(s.line[i+1:], space)
	if s.open = i >= 0; s.open {
		s.line = s.line[:i]
	}
	return node, true
}

func (s *said) nextForwarded() (node string, ok bool) {
	for len(s.nodes) == 0 {
		if !s.nextLine() {
			return "", false
		}
		if s.nodes, ok = forwardedNodes(s.line); !ok {
			return strconv.Quote(s.line), true // which is no address
		}
	}
	last := len(s.nodes) - 1
	node, s.nodes = s.nodes[last], s.nodes[:last]
	return withoutObfuscatedPort(node), true
}

// nextLine takes the last line that was not read yet.
func (s *said) nextLine() bool {
	last := len(s.lines) - 1
	if last < 0 {
		return false
	}
	s.line, s.lines = s.lines[last], s.lines[:last]
	return true
}
