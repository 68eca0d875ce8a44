package request

import (
	"net/netip"
	"strings"
)

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
