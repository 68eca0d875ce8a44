package server

import (
	"net/netip"
	"time"

	"golang.org/x/time/rate"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/internal/request"
)

// AddressHeaders are the names that Doors.AddressHeader can have.
var AddressHeaders = request.Headers

// ParseProxies reads addresses and networks (CIDR) of trusted proxies. IPv4-mapped ones come
// back as IPv4.
func ParseProxies(texts []string) ([]netip.Prefix, error) { return request.ParseNetworks(texts) }

// remote finds out who a request comes from, through proxies that are trusted.
type remote struct{ request.Addresses }

func (d *Doors) remote() remote {
	warnings := rate.Sometimes{Interval: time.Minute} // strangers can bring them about
	return remote{request.Addresses{
		Trusted: d.TrustedProxies, Header: d.AddressHeader,
		Unreadable: func(header, said string) {
			warnings.Do(func() {
				d.Logger.Warn("a trusted proxy says what is no address: the user's address stays unknown", "header", header, "value", rollcall.Echo(said))
			})
		},
	}}
}
