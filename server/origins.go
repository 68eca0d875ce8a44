package server

import (
	"net"
	"net/netip"
	"net/url"
)

// Origins are those under which clients on this machine reach a server that listens on these
// addresses, such as "127.0.0.1:8443" or "[::]:443": those of the TLS listener, then of the
// plain one. They come from a configuration or from a listener; "" is no listener.
func Origins(plain, tls string) (origins []string) {
	for _, listener := range []struct{ scheme, address string }{{"https", tls}, {"http", plain}} {
		scheme, host, port, ok := listening(listener.scheme, listener.address)
		if !ok {
			continue
		}
		for _, h := range reachedAs(host) {
			origins = append(origins, origin(scheme, h, port))
		}
	}
	return origins
}

// NearestOrigin is that under which programs on this machine reach a server that listens on
// these addresses: of the plain listener if there is one, which needs no certificate to be
// checked.
func NearestOrigin(plain, tls string) string {
	scheme, host, port, ok := listening("http", plain)
	if !ok {
		if scheme, host, port, ok = listening("https", tls); !ok {
			return ""
		}
	}
	hosts := reachedAs(host)
	return origin(scheme, hosts[len(hosts)-1], port)
}

func listening(scheme, address string) (_, host, port string, ok bool) {
	host, port, err := net.SplitHostPort(address)
	return scheme, host, port, err == nil
}

// reachedAs are the names of what listens on a host, an address last.
func reachedAs(host string) []string {
	addr, err := netip.ParseAddr(host)
	switch {
	case host == "", err == nil && addr.IsUnspecified(), host == "127.0.0.1":
		return []string{"localhost", "127.0.0.1"}
	case err == nil && addr == netip.IPv6Loopback():
		return []string{"localhost", "::1"}
	}
	return []string{host}
}

// origin leaves out the port that a browser leaves out.
func origin(scheme, host, port string) string {
	text := net.JoinHostPort(host, port)
	if scheme == "https" && port == "443" || scheme == "http" && port == "80" {
		text = host
		if addr, err := netip.ParseAddr(host); err == nil && addr.Is6() {
			text = "[" + host + "]"
		}
	}
	u := url.URL{Scheme: scheme, Host: text}
	return u.String()
}
