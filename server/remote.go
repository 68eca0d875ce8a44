package server

import (
	"fmt"
	"net/http"
	"net/netip"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/internal/request"
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
	return request.ForwardedIP(r.RemoteAddr, r.Header["X-Forwarded-For"], m.trusts)
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
