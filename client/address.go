package client

import (
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// UserIP returns the user's address: the peer's, or behind trusted proxies the last
// one of ClientAddressHeader that is not a trusted proxy itself; "" when that is no
// address. Whatever stands further to the left is the user's own invention.
func (m *Middleware) UserIP(r *http.Request) string { return m.addresses.UserIP(r) }

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

// maxForm is how much of a form ReturnAddress reads, in bytes.
const maxForm = 1 << 20

// ReturnAddress is where to send somebody who has signed in: the path that the
// request's form or query says, or "/" when it says none or one that would lead out
// of this application.
//
// A form is read if it is posted in the ordinary encoding of forms, up to 1 MiB. One that
// is larger, or multipart, counts when the application has parsed it before.
func (m *Middleware) ReturnAddress(r *http.Request) string {
	address := m.returnParameter(r)
	if rest, ok := strings.CutPrefix(address, m.o.Origin); ok && m.o.Origin != "" {
		address = rest
	}
	if isLocal(address) {
		return address
	}
	return "/"
}

// returnParameter is the address as the request says it.
func (m *Middleware) returnParameter(r *http.Request) string {
	media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if r.PostForm == nil && r.Method == http.MethodPost && r.Body != nil && media == "application/x-www-form-urlencoded" {
		r.Body = http.MaxBytesReader(nil, r.Body, maxForm)
		_ = r.ParseForm() // what could be read of it counts
	}
	if values := r.PostForm[m.o.ReturnParameter]; len(values) > 0 {
		return values[0]
	}
	return r.URL.Query().Get(m.o.ReturnParameter)
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
