package main

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/net/publicsuffix"

	"github.com/rollcall-id/rollcall/gate"
	"github.com/rollcall-id/rollcall/internal/request"
	"github.com/rollcall-id/rollcall/internal/wire"
)

// The settings of what browsers are told: the cookie, where to sign in, where they may be
// sent back to, and whose pages may read a 401.

var sameSites = map[string]http.SameSite{
	"Lax": http.SameSiteLaxMode, "Strict": http.SameSiteStrictMode, "None": http.SameSiteNoneMode,
}

// cookie is the session cookie that is configured.
func (c *config) cookie() wire.Cookie {
	return wire.Cookie{Cookie: request.CookieOptions{
		Name: c.text("cookie_name"), Domain: c.text("cookie_domain"), SameSite: sameSites[c.text("cookie_same_site")],
		ClearedDomains: c.list("cookie_domains_cleared"),
	}.Cookie()}
}

func cookieName(value any) error { return request.CheckCookieName(value.(string)) }

// cookieDomain refuses a domain for which no browser keeps a cookie.
func cookieDomain(text string) error {
	if !domain.MatchString(text) {
		return errors.New("must be a domain such as example.com")
	}
	if _, err := netip.ParseAddr(text); err == nil {
		return errors.New("must be a domain: browsers share no cookie between addresses")
	}
	if gate.IsPublicSuffix(strings.ToLower(text)) {
		return fmt.Errorf("everybody can have a name below %s, so browsers keep no cookie for it", text)
	}
	return nil
}

func clearedDomain(text string) error {
	if err := cookieDomain(text); err != nil {
		return fmt.Errorf("%q: %w", text, err)
	}
	return nil
}

func cookieDomainOrNone(value any) error {
	if text := value.(string); text != "" {
		return cookieDomain(text)
	}
	return nil
}

// each checks every text of a list.
func each(check func(string) error) func(any) error {
	return func(value any) error {
		for _, text := range value.([]string) {
			if err := check(text); err != nil {
				return err
			}
		}
		return nil
	}
}

// secureOrigin refuses an origin to which browsers send no session cookie.
func secureOrigin(text string) error {
	u, err := url.Parse(text)
	if err == nil && u.Scheme == "http" && !isLoopbackName(u.Hostname()) {
		return fmt.Errorf("%q: the session cookie is Secure, and browsers neither keep nor send it over http", text)
	}
	return err
}

func isLoopbackName(host string) bool {
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback() || host == "localhost" || strings.HasSuffix(host, ".localhost")
}

func returnOrigin(text string) error { return cmp.Or(gate.CheckReturnOrigin(text), secureOrigin(text)) }

func corsOrigin(text string) error { return cmp.Or(request.CheckOrigin(text), secureOrigin(text)) }

// loginURL reads where browsers are sent, nil for nowhere.
func loginURL(cfg *config) (*url.URL, error) {
	text := cfg.text("login_url")
	if text == "" {
		if len(cfg.list("return_origins")) > 0 {
			return nil, errors.New("return_origins without a login_url: set login_url")
		}
		return nil, nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" {
		return nil, fmt.Errorf("login_url: %q is no address such as https://app.example.com/login", text)
	}
	if err := secureOrigin(text); err != nil {
		return nil, fmt.Errorf("login_url: %w", err)
	}
	return u, nil
}

// browsers holds the settings of cookies and origins against each other. It refuses what can
// only send browsers in circles, and returns what works under a condition that the settings
// do not show.
func (c *config) browsers() (warnings []string, err error) {
	login, err := loginURL(c)
	if err != nil {
		return nil, err
	}
	shared, origins := strings.ToLower(c.text("cookie_domain")), c.list("return_origins")
	for _, origin := range origins {
		if shared != "" && !within(originHost(origin), shared) {
			return nil, fmt.Errorf("return_origins: %s never gets the cookie of cookie_domain %s, so whoever has signed in is sent to sign in again", origin, shared)
		}
	}
	if slices.ContainsFunc(c.list("cookie_domains_cleared"), func(d string) bool { return strings.EqualFold(d, shared) }) {
		return nil, errors.New("cookie_domains_cleared: it names cookie_domain, which is cleared anyway")
	}
	if login != nil {
		warnings = append(warnings, loginWarnings(strings.ToLower(login.Hostname()), shared, origins)...)
	}
	if c.text("cookie_same_site") != "None" && len(origins) > 0 {
		for _, origin := range c.list("cors_origins") {
			if !slices.ContainsFunc(origins, func(o string) bool { return sameSite(originHost(o), originHost(origin)) }) {
				warnings = append(warnings, fmt.Sprintf("cors_origins: %s is of another site than the return_origins, so browsers send no cookie from there unless cookie_same_site is None", origin))
			}
		}
	}
	return warnings, nil
}

// loginWarnings say where a cookie that the login page sets does not reach. That is right
// where another page sets the cookie at the end of a sign-in, which no setting tells.
func loginWarnings(login, shared string, origins []string) (warnings []string) {
	if shared != "" {
		if !within(login, shared) {
			warnings = append(warnings, fmt.Sprintf("login_url: a page of %s can set no cookie for cookie_domain %s: unless a page below that domain sets it at the end of a sign-in, people sign in for ever", login, shared))
		}
		return warnings
	}
	for _, origin := range origins {
		if host := originHost(origin); host != login {
			warnings = append(warnings, fmt.Sprintf("return_origins: without cookie_domain, a cookie that %s sets does not reach %s: unless a page there sets it at the end of a sign-in, people sign in for ever", login, origin))
		}
	}
	return warnings
}

// originHost is the host of a configured origin; of a wildcard, that of one that it matches.
func originHost(origin string) string {
	u, err := url.Parse(strings.Replace(origin, "*", "any", 1))
	if err != nil {
		return "" // which was refused before
	}
	return u.Hostname()
}

// within reports whether a host is a domain or below it.
func within(host, domain string) bool {
	return host == domain || strings.HasSuffix(host, "."+domain)
}

// sameSite reports whether two hosts are of one site: below one domain that somebody can
// register.
func sameSite(a, b string) bool {
	one, err := publicsuffix.EffectiveTLDPlusOne(a)
	other, otherErr := publicsuffix.EffectiveTLDPlusOne(b)
	return a == b || err == nil && otherErr == nil && one == other
}
