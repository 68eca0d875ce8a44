package request

import (
	"net/http"
	"net/netip"
	"strings"
)

// Proxies are the networks of proxies that are trusted to say where a request came from.
type Proxies []netip.Prefix

// Trust reports whether an address, without a zone, is a trusted proxy's.
func (p Proxies) Trust(addr netip.Addr) bool {
	for _, network := range p {
		if network.Contains(addr) {
			return true
		}
	}
	return false
}

// Sent reports whether a request's peer is a trusted proxy.
func (p Proxies) Sent(r *http.Request) bool {
	peer, ok := peer(r)
	return ok && p.Trust(peer)
}

// UserIP returns where a request came from: the peer's address, or behind trusted proxies
// the last address of X-Forwarded-For that is no trusted proxy itself; "" when that is no
// address. Whatever stands further to the left is the client's own invention.
func (p Proxies) UserIP(r *http.Request) string {
	addr, ok := peer(r)
	if !ok {
		return ""
	}
	if !p.Trust(addr) {
		return addr.String()
	}
	hops := strings.Split(strings.Join(r.Header["X-Forwarded-For"], ","), ",")
	for i := len(hops) - 1; i >= 0 && p.Trust(addr); i-- {
		hop := strings.TrimSpace(hops[i])
		if hop == "" && len(hops) == 1 {
			break // no header: the proxy asks for itself
		}
		next, err := netip.ParseAddr(hop)
		if err != nil {
			return ""
		}
		addr = plain(next)
	}
	return addr.String()
}

// peer is the address that a request's connection comes from, as net/http has it.
func peer(r *http.Request) (addr netip.Addr, ok bool) {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	return plain(peer.Addr()), err == nil
}

// plain is an address as networks are compared with it: IPv4 as such, without a zone.
func plain(addr netip.Addr) netip.Addr { return addr.Unmap().WithZone("") }
