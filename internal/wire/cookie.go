package wire

import (
	"net/http"
	"time"

	"github.com/rollcall-id/rollcall"
)

// A Cookie is how a browser carries its session token.
type Cookie struct {
	Name string
	// Domain shares the cookie with sub-domains; "" keeps it to the host, which
	// the name's prefix then promises.
	Domain string
}

// maxCookieAge is what browsers allow (RFC 6265bis 5.5).
const maxCookieAge = 400 * 24 * time.Hour

// NewCookie returns a cookie whose prefix says how it is bound (RFC 6265bis
// 4.1.3): __Host- without a domain, __Secure- with one.
func NewCookie(domain string) Cookie {
	if domain == "" {
		return Cookie{Name: "__Host-rollcall"}
	}
	return Cookie{Name: "__Secure-rollcall", Domain: domain}
}

// Set returns the Set-Cookie value that gives a browser the token. Max-Age is
// there only in persistent mode, and counts from when the absolute limit did, so
// that a repeated answer is the same; the server enforces the end, not the cookie.
func (c Cookie) Set(s rollcall.Session, t rollcall.Token) string {
	h := c.base(t.Reveal())
	if s.CookieMode == rollcall.Persistent {
		h.MaxAge = int(min(s.ExpiresAt.Sub(s.RenewedAt), maxCookieAge) / time.Second)
	}
	return h.String()
}

// Clear returns the Set-Cookie value that makes a browser forget the token.
func (c Cookie) Clear() string {
	h := c.base("")
	h.MaxAge = -1
	return h.String()
}

func (c Cookie) base(value string) *http.Cookie {
	return &http.Cookie{
		Name: c.Name, Value: value, Domain: c.Domain, Path: "/",
		Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	}
}
