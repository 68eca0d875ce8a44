package request

import (
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// CheckOrigin refuses a text that is no origin, or is not spelled as browsers spell that
// origin (RFC 6454 6.2), and so never equals what they send.
func CheckOrigin(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || u.Path != "" || u.RawQuery != "" || u.Fragment != "" {
		return fmt.Errorf("%q is no origin such as https://app.example.com", text)
	}
	host, ok := browserHost(u.Hostname())
	if !ok {
		return fmt.Errorf("%q: the host is no name of letters, digits, - and _ (others in the xn-- form), and no address", text)
	}
	canonical := u.Scheme + "://" + host
	if port := u.Port(); port != "" {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return fmt.Errorf("%q: the port is none", text)
		}
		if u.Scheme == "https" && n != 443 || u.Scheme == "http" && n != 80 {
			canonical += ":" + strconv.FormatUint(n, 10)
		}
	}
	if canonical != text {
		return fmt.Errorf("%q never matches, since browsers write %s", text, canonical)
	}
	return nil
}

// browserHost is a host as browsers spell it in an origin.
func browserHost(host string) (string, bool) {
	if addr, err := netip.ParseAddr(host); err == nil {
		if addr.Is4() {
			return addr.String(), true
		}
		return "[" + addr.String() + "]", addr.Zone() == ""
	}
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	labels := strings.Split(host, ".")
	for _, label := range labels {
		if !IsLabel(label) {
			return "", false
		}
	}
	last := labels[len(labels)-1]
	return host, strings.Trim(last, "0123456789") != "" // else browsers take the host for an address
}

// IsLabel reports whether a text is a label of a host's name in lower case.
func IsLabel(text string) bool {
	return text != "" && len(text) <= 63 && strings.Trim(text, "abcdefghijklmnopqrstuvwxyz0123456789-_") == ""
}
