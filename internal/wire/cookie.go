package wire

import (
	"time"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/internal/request"
)

// A Cookie is how a browser carries its session token.
type Cookie struct{ request.Cookie }

// maxCookieAge is what browsers allow (RFC 6265bis 5.5).
const maxCookieAge = 400 * 24 * time.Hour

// NewCookie returns the cookie of the default name and SameSite. domain shares it with
// sub-domains; "" keeps it to the host.
func NewCookie(domain string) Cookie {
	return Cookie{request.CookieOptions{Domain: domain}.Cookie()}
}

// Set returns the Set-Cookie value that gives a browser the token. Max-Age is
// there only in persistent mode, and counts from when the absolute limit did, so
// that a repeated answer is the same; the server enforces the end, not the cookie.
func (c Cookie) Set(s rollcall.Session, t rollcall.Token) string {
	h := c.With(t.Reveal())
	if s.CookieMode == rollcall.Persistent {
		h.MaxAge = int(min(s.ExpiresAt.Sub(s.RenewedAt), maxCookieAge) / time.Second)
	}
	return h.String()
}
