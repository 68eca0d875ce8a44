package server

import (
	"fmt"
	"net/http"
	"net/netip"
	"strings"

	"github.com/rollcall-id/rollcall"
)

// ParseProxies reads addresses and networks (CIDR) of trusted proxies.
func ParseProxies(texts []string) ([]netip.Prefix, error) {
	var prefixes []netip.Prefix
	for _, text := range texts {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			addr, addrErr := netip.ParseAddr(text)
			if addrErr != nil {
				return nil, fmt.Errorf("%q is neither an address nor a network such as 10.0.0.0/8", rollcall.Echo(text))
			}
			p = netip.PrefixFrom(addr, addr.BitLen())
		}
		prefixes = append(prefixes, p.Masked())
	}
	return prefixes, nil
}

// remote finds out where requests come from, through proxies that are trusted.
type remote struct{ trusted []netip.Prefix }

// ip returns the user's address: the peer's, or behind trusted proxies the last
// one of X-Forwarded-For that is not a trusted proxy itself; "" when that is no
// address. Whatever stands further to the left is the client's own invention.
func (m remote) ip(r *http.Request) string {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return ""
	}
	addr := peer.Addr().Unmap().WithZone("")
	if len(m.trusted) == 0 {
		return addr.String()
	}
	hops := strings.Split(strings.Join(r.Header["X-Forwarded-For"], ","), ",")
	for i := len(hops) - 1; i >= 0 && m.trusts(addr); i-- {
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

// viaTrusted reports whether a request's peer is a trusted proxy.
func (m remote) viaTrusted(r *http.Request) bool {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	return err == nil && m.trusts(peer.Addr().Unmap().WithZone(""))
}

func (m remote) trusts(addr netip.Addr) bool {
	for _, p := range m.trusted {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}
