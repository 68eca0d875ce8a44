package client

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/rollcall-id/rollcall/internal/request"
)

// UserIP returns the user's address: the peer's, or behind trusted proxies the last
// one of X-Forwarded-For that is not a trusted proxy itself; "" when that is no
// address. Whatever stands further to the left is the user's own invention.
func (m *Middleware) UserIP(r *http.Request) string {
	return request.Proxies(m.o.TrustedProxies).UserIP(r)
}

// maxReturnAddress is how long a return address may be, in bytes.
const maxReturnAddress = 2048

// pageAddress is where a request was going to, for the way back; "" when that is
// nothing to go back to.
func (m *Middleware) pageAddress(r *http.Request) string {
	address := r.RequestURI // as the browser knows it, whatever has been stripped since
	if !isLocal(address) {
		address = r.URL.RequestURI()
	}
	if !isLocal(address) {
		return ""
	}
	if m.login.Host != "" {
		return m.o.Origin + address
	}
	return address
}

// ReturnAddress is where to send somebody who has signed in: the path that the
// request's query or form says, or "/" when it says none or one that would lead out
// of this application.
func (m *Middleware) ReturnAddress(r *http.Request) string {
	address := r.FormValue(m.o.ReturnParameter)
	if rest, ok := strings.CutPrefix(address, m.o.Origin); ok && m.o.Origin != "" {
		address = rest
	}
	if isLocal(address) {
		return address
	}
	return "/"
}

// isLocal reports whether an address is a path of this application to every browser:
// not one begins with two slashes or with what browsers take for one, none holds what
// they drop while reading it, and no dot segment uncovers another beginning.
func isLocal(address string) bool {
	if len(address) > maxReturnAddress || !strings.HasPrefix(address, "/") || strings.HasPrefix(address, "//") {
		return false
	}
	if strings.ContainsFunc(address, func(r rune) bool { return r <= 0x20 || r > 0x7e || r == '\\' }) {
		return false
	}
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil {
		return false
	}
	return !slices.ContainsFunc(strings.Split(u.Path, "/"), func(segment string) bool { return segment == "." || segment == ".." })
}
