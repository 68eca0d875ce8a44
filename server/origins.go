package server

import (
	"net"
	"net/netip"
	"net/url"
	"strings"
)

// Origins are those under which clients on this machine reach a server that listens on these
// addresses, such as "127.0.0.1:8443" or "[::]:443": those of the TLS listener, then of the
// plain one. They come from a configuration or from a listener; "" is no listener. A Unix
// socket, and one that is still to be handed over, have no origin.
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
// checked; unix:PATH if that is a Unix socket. avoidPlain says that the plain listener alone
// waits for PROXY protocol headers, which programs do not send.
func NearestOrigin(plain, tls string, avoidPlain bool) string {
	if avoidPlain && tls != "" {
		plain = ""
	}
	if isUnix(plain) {
		path, _, _ := strings.Cut(plain, "|")
		return path
	}
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
	if isUnix(address) || isHanded(address) {
		return scheme, "", "", false
	}
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
