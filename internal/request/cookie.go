package request

import (
	"fmt"
	"net/http"
	"strings"
)

// DefaultCookieName follows the prefix in the session cookie's name.
const DefaultCookieName = "rollcall"

// The prefixes say how a cookie is bound, and browsers hold it to that (RFC 6265bis 4.1.3).
const (
	hostPrefix   = "__Host-"
	securePrefix = "__Secure-"
)

// maxCookieName is how long what follows the prefix may be, in bytes.
const maxCookieName = 64

// CookieOptions say what the session cookie is like.
type CookieOptions struct {
	// Name follows the prefix; "" is DefaultCookieName.
	Name string
	// Domain shares the cookie with its sub-domains; "" keeps the cookie to the host.
	Domain string
	// SameSite is Lax, Strict or None; zero is Lax. None is partitioned by the site at the
	// top of the window.
	SameSite http.SameSite
	// ClearedDomains are those for which a sign-out clears the cookie as well: where it was
	// set before Domain became another.
	ClearedDomains []string
}

// A Cookie is the session cookie.
type Cookie struct {
	// Name is the whole one: __Host- and the name, or __Secure- with a domain.
	Name string

	o CookieOptions
}

// Cookie returns the cookie of these options.
func (o CookieOptions) Cookie() Cookie {
	if o.Name == "" {
		o.Name = DefaultCookieName
	}
	if o.SameSite == 0 || o.SameSite == http.SameSiteDefaultMode {
		o.SameSite = http.SameSiteLaxMode
	}
	if o.Domain == "" {
		return Cookie{hostPrefix + o.Name, o}
	}
	return Cookie{securePrefix + o.Name, o}
}

// CheckCookieName refuses what cannot follow the prefix in a cookie's name.
func CheckCookieName(name string) error {
	lower := strings.ToLower(name) // browsers match prefixes without case
	switch {
	case name == "" || len(name) > maxCookieName || strings.Trim(name, tokenBytes) != "":
		return fmt.Errorf("must be 1 to %d of the characters of a token, such as rollcall-staging", maxCookieName)
	case strings.HasPrefix(lower, strings.ToLower(hostPrefix)) || strings.HasPrefix(lower, strings.ToLower(securePrefix)):
		return fmt.Errorf("must be what follows the prefix: %s and %s are added", hostPrefix, securePrefix)
	}
	return nil
}

// tokenBytes are those of a token (RFC 9110 5.6.2).
const tokenBytes = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

// With returns the cookie with a value, kept until the browser closes.
func (c Cookie) With(value string) *http.Cookie {
	return c.at(c.Name, c.o.Domain, value)
}

// Clear returns the Set-Cookie values that make a browser forget the token. The first
// clears what With gives. The others clear what a browser may hold beside that, from before
// a setting became another: with SameSite=None the cookie that is not partitioned, and the
// cookies of the cleared domains.
func (c Cookie) Clear() []string {
	var all []string
	add := func(name, domain string) {
		h := c.at(name, domain, "")
		h.MaxAge = -1
		all = append(all, h.String())
		if h.Partitioned {
			h.Partitioned = false
			all = append(all, h.String())
		}
	}
	add(c.Name, c.o.Domain)
	for _, domain := range c.o.ClearedDomains {
		add(securePrefix+c.o.Name, domain)
	}
	return all
}

func (c Cookie) at(name, domain, value string) *http.Cookie {
	return &http.Cookie{
		Name: name, Value: value, Domain: domain, Path: "/", Secure: true, HttpOnly: true,
		SameSite: c.o.SameSite, Partitioned: c.o.SameSite == http.SameSiteNoneMode,
	}
}
