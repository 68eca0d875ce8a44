package outbound

import "net/netip"

// internal are the networks that are nobody's on the public internet, beside those
// that netip names: the IANA registries of special-purpose addresses.
var internal = prefixes(
	"0.0.0.0/8",       // this network
	"100.64.0.0/10",   // carrier-grade NAT
	"192.0.0.0/24",    // protocol assignments
	"192.0.2.0/24",    // documentation
	"198.18.0.0/15",   // benchmarks
	"198.51.100.0/24", // documentation
	"203.0.113.0/24",  // documentation
	"240.0.0.0/4",     // reserved, and broadcast
	"::/96",           // IPv4-compatible
	"64:ff9b:1::/48",  // local translation to IPv4
	"100::/64",        // discard
	"2001::/23",       // protocol assignments, Teredo among them
	"2001:db8::/32",   // documentation
	"3fff::/20",       // documentation
	"5f00::/16",       // segment routing
	"fec0::/10",       // site-local
)

// Networks whose addresses hold an IPv4 address that the packets end up at.
var (
	translated = netip.MustParsePrefix("64:ff9b::/96")
	sixToFour  = netip.MustParsePrefix("2002::/16")
)

func prefixes(texts ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(texts))
	for i, text := range texts {
		out[i] = netip.MustParsePrefix(text)
	}
	return out
}

// IsInternal reports whether an address is anything but one of the public
// internet: loopback, private, link-local, multicast, unspecified, carrier-grade
// NAT, reserved; or an IPv6 spelling of an IPv4 address that is.
func IsInternal(addr netip.Addr) bool {
	addr = addr.Unmap().WithZone("")
	if !addr.IsGlobalUnicast() || addr.IsPrivate() {
		return true
	}
	for _, p := range internal {
		if p.Contains(addr) {
			return true
		}
	}
	b := addr.As16()
	switch {
	case translated.Contains(addr):
		return IsInternal(netip.AddrFrom4([4]byte(b[12:16])))
	case sixToFour.Contains(addr):
		return IsInternal(netip.AddrFrom4([4]byte(b[2:6])))
	}
	return false
}
