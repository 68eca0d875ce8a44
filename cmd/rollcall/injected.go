package main

import (
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// Kubernetes puts variables into every container for each Service of its namespace, and
// Docker for each container that is linked. Those of a Service named rollcall, or
// rollcall- and anything, begin as our settings do:
//
//	ROLLCALL_SERVICE_HOST=10.0.0.1            ROLLCALL_PORT_8080_TCP=tcp://10.0.0.1:8080
//	ROLLCALL_SERVICE_PORT=8080                ROLLCALL_PORT_8080_TCP_PROTO=tcp
//	ROLLCALL_SERVICE_PORT_HTTP=8080           ROLLCALL_PORT_8080_TCP_PORT=8080
//	ROLLCALL_PORT=tcp://10.0.0.1:8080         ROLLCALL_PORT_8080_TCP_ADDR=10.0.0.1
var (
	serviceHost  = regexp.MustCompile(`^ROLLCALL_(\w+_)?SERVICE_HOST$`)
	servicePort  = regexp.MustCompile(`^ROLLCALL_(\w+_)?SERVICE_PORT(_\w+)?$`)
	serviceURL   = regexp.MustCompile(`^ROLLCALL_(\w+_)?PORT(_\d+_(TCP|UDP|SCTP))?$`)
	protoOfPort  = regexp.MustCompile(`^ROLLCALL_(\w+_)?PORT_\d+_(TCP|UDP|SCTP)_PROTO$`)
	numberOfPort = regexp.MustCompile(`^ROLLCALL_(\w+_)?PORT_\d+_(TCP|UDP|SCTP)_PORT$`)
	hostOfPort   = regexp.MustCompile(`^ROLLCALL_(\w+_)?PORT_\d+_(TCP|UDP|SCTP)_ADDR$`)
)

// isInjected reports whether a variable is one of those. The value must be what Kubernetes
// gives a variable of the name, so that ROLLCALL_PORT=8080, meant as a setting, is still
// refused.
func isInjected(name, value string) bool {
	switch {
	case serviceHost.MatchString(name), hostOfPort.MatchString(name):
		_, err := netip.ParseAddr(value)
		return err == nil
	case servicePort.MatchString(name), numberOfPort.MatchString(name):
		return isPort(value)
	case serviceURL.MatchString(name):
		u, err := url.Parse(value)
		return err == nil && isTransport(u.Scheme) && isPort(u.Port())
	case protoOfPort.MatchString(name):
		return isTransport(value)
	}
	return false
}

func isPort(text string) bool {
	n, err := strconv.ParseUint(text, 10, 16)
	return err == nil && n > 0
}

func isTransport(text string) bool {
	switch strings.ToLower(text) {
	case "tcp", "udp", "sctp":
		return true
	}
	return false
}
