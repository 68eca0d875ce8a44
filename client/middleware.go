package client

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/internal/request"
)

// MiddlewareOptions configure a [Middleware]. The zero value of each field has a
// meaning.
type MiddlewareOptions struct {
	// Application is the id under which this application joins the sessions that it is
	// used with; "" joins none. The server records it when it knows who says so: with
	// AsClient, or when this application's address is among the server's trusted_proxies
	// and the id among its check_clients.
	Application string
	// AsClient makes each check by the Client's own credentials (scope check:sessions), so
	// that the server believes the users' addresses wherever this application runs.
	AsClient bool
	// NoTouch tells which requests no person makes, such as those of a page that polls, by
	// their path for one: their checks record no use, so that idle limits count for those who
	// have gone away. It must not go by what a browser says of itself. nil tells none.
	NoTouch func(*http.Request) bool
	// CookieName, CookieDomain and CookieSameSite are the server's cookie_name,
	// cookie_domain and cookie_same_site: "", "" and zero are its defaults.
	CookieName     string
	CookieDomain   string
	CookieSameSite http.SameSite
	// ClearedCookieDomains are the server's cookie_domains_cleared.
	ClearedCookieDomains []string
	// LoginURL is where people are sent who ask for a page and are not signed in, or
	// not well enough: a path of this application or an address elsewhere; "" sends
	// nobody.
	LoginURL string
	// ReturnParameter is the login URL's parameter that says where to go back to; "" is
	// return_to.
	ReturnParameter string
	// Origin is this application's own, such as https://app.example.com. A login URL
	// elsewhere needs it, since the Host header is anybody's to set.
	Origin string
	// TrustedProxies are those in front of this application whose ClientAddressHeader is
	// believed. A proxy that comes over a Unix socket is trusted as well.
	TrustedProxies []netip.Prefix
	// ClientAddressHeader is X-Forwarded-For, Forwarded or X-Real-IP; "" is the first.
	ClientAddressHeader string
	// Timeout bounds a check; 0 is 3 seconds.
	Timeout time.Duration
	// CrossOrigin decides which requests of browsers may change something; nil takes
	// those from the same origin alone.
	CrossOrigin *http.CrossOriginProtection
	// Logger is told when the server cannot say who is signed in; nil discards it.
	Logger *slog.Logger
}

const (
	defaultReturnParameter = "return_to"
	defaultCheckTimeout    = 3 * time.Second
)

// A Middleware asks the server about the session of each request and lets those pass
// that are good. It may serve many requests at once.
//
// The token comes as the gate takes it: as a bearer token with Rollcall's prefix, or
// else in the cookie. A __Host- cookie that is there twice is none, since nobody can
// tell which is the browser's own; of up to four different __Secure- cookies, the only
// one that is live counts. When the server cannot say, the answer is 503: nobody
// passes for somebody, or for nobody, by an outage.
//
// A request that may change something and carries its token in a cookie must come
// from the same origin, else it is answered 403 (see net/http's
// CrossOriginProtection).
//
// Without AsClient the server sees this application as a proxy: its address must be among
// the server's trusted_proxies for the users' addresses to be believed.
type Middleware struct {
	client    *Client
	o         MiddlewareOptions
	addresses request.Addresses
	cookie    request.Cookie
	login     *url.URL
	several   rate.Sometimes // the warning of several cookies
}

// NewMiddleware returns a Middleware, or what is wrong with its options.
func NewMiddleware(c *Client, o MiddlewareOptions) (*Middleware, error) {
	if o.ReturnParameter == "" {
		o.ReturnParameter = defaultReturnParameter
	}
	if o.Timeout == 0 {
		o.Timeout = defaultCheckTimeout
	}
	if o.CrossOrigin == nil {
		o.CrossOrigin = http.NewCrossOriginProtection()
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.CookieName == "" {
		o.CookieName = request.DefaultCookieName
	}
	if err := request.CheckCookieName(o.CookieName); err != nil {
		return nil, fmt.Errorf("client: CookieName %w", err)
	}
	if o.AsClient && c.tokens == nil {
		return nil, errors.New("client: AsClient needs a Client with credentials")
	}
	m := &Middleware{client: c, o: o, several: rate.Sometimes{Interval: time.Minute}}
	m.cookie = request.CookieOptions{
		Name: o.CookieName, Domain: o.CookieDomain, SameSite: o.CookieSameSite, ClearedDomains: o.ClearedCookieDomains,
	}.Cookie()
	if err := rollcall.CheckClientID(o.Application); err != nil {
		return nil, fmt.Errorf("client: Application: %w", err)
	}
	if o.Origin != "" {
		if err := request.CheckOrigin(o.Origin); err != nil {
			return nil, fmt.Errorf("client: Origin: %w", err)
		}
	}
	if o.ClientAddressHeader != "" && !slices.Contains(request.Headers, o.ClientAddressHeader) {
		return nil, fmt.Errorf("client: ClientAddressHeader is one of %s", strings.Join(request.Headers, ", "))
	}
	trusted, err := request.Unmapped(o.TrustedProxies)
	if err != nil {
		return nil, fmt.Errorf("client: TrustedProxies: %w", err)
	}
	m.addresses = request.Addresses{Trusted: trusted, Header: o.ClientAddressHeader}
	if err := m.readLoginURL(); err != nil {
		return nil, err
	}
	return m, nil
}

func (m *Middleware) readLoginURL() error {
	if m.o.LoginURL == "" {
		return nil
	}
	u, err := url.Parse(m.o.LoginURL)
	switch {
	case err != nil:
		return errors.New("client: LoginURL cannot be read")
	case isLocal(m.o.LoginURL):
	case u.Scheme != "https" && u.Scheme != "http" || u.Host == "":
		return fmt.Errorf("client: LoginURL is a path or an address such as https://login.example.com/, not %q", m.o.LoginURL)
	case m.o.Origin == "":
		return errors.New("client: a LoginURL elsewhere needs Origin, so that people find back")
	}
	m.login = u
	return nil
}

type identityKey struct{}

// FromContext returns who is signed in, as the Middleware found out for the request
// whose context this is.
func FromContext(ctx context.Context) (Identity, bool) {
	i, ok := ctx.Value(identityKey{}).(Identity)
	return i, ok
}

// Load lets every request pass, with the session in the context when there is a good
// one.
func (m *Middleware) Load(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Add("Vary", "Cookie")
		i, err := m.check(r, rollcall.Requirement{})
		switch {
		case err == nil:
			serve(next, w, r, i)
		case errors.Is(err, ErrRefused):
			next.ServeHTTP(w, r)
		default:
			m.refuse(w, r, err, rollcall.Requirement{})
		}
	})
}

// Require lets only those pass who are signed in. The others are sent to the login
// URL when they are on their way to a page, and answered 401 otherwise.
func (m *Middleware) Require(next http.Handler) http.Handler {
	return m.require(rollcall.Requirement{}, next)
}

func (m *Middleware) require(what rollcall.Requirement, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Add("Vary", "Cookie")
		i, err := m.check(r, what)
		if err != nil {
			m.refuse(w, r, err, what)
			return
		}
		serve(next, w, r, i)
	})
}

// serve hands a request on with who is signed in. What is made for one user is kept by
// no cache, unless the handler says otherwise.
func serve(next http.Handler, w http.ResponseWriter, r *http.Request, i Identity) {
	w.Header().Set("Cache-Control", "no-store")
	next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), identityKey{}, i)))
}

// errCrossOrigin is met by requests that another origin's page has made.
var errCrossOrigin = &Error{Op: "check", Status: http.StatusForbidden, Message: "the request comes from another origin"}

// check asks the server about a request's session.
func (m *Middleware) check(r *http.Request, require rollcall.Requirement) (Identity, error) {
	ctx, cancel := context.WithTimeout(r.Context(), m.o.Timeout)
	defer cancel()
	tokens := m.tokens(r)
	token, err := m.only(ctx, r, &tokens)
	if err != nil {
		return Identity{}, err
	}
	if tokens.FromCookie && m.o.CrossOrigin.Check(r) != nil {
		return Identity{}, errCrossOrigin
	}
	use := rollcall.Use{IP: m.UserIP(r), UserAgent: r.UserAgent(), ClientID: m.o.Application, Require: require}
	use.NoTouch = m.o.NoTouch != nil && m.o.NoTouch(r)
	if m.o.AsClient {
		return m.client.CheckAsClient(ctx, token, use)
	}
	return m.client.Check(ctx, token, use)
}

// tokens are the session tokens that a request carries.
func (m *Middleware) tokens(r *http.Request) request.Tokens {
	return request.FindTokens(r.Header, rollcall.TokenPrefix, m.cookie.Name)
}

// only returns the token that counts, and asks the server only when several cookies must
// be told apart. Errors: ErrRefused when none counts, ErrUnavailable.
func (m *Middleware) only(ctx context.Context, r *http.Request, tokens *request.Tokens) (string, error) {
	token, err := tokens.Only(func(token string) (bool, error) { return m.client.isLive(ctx, token) })
	if errors.Is(err, request.ErrSeveralCookies) {
		m.several.Do(func() {
			m.o.Logger.WarnContext(r.Context(), "a request is refused because it has several session cookies", "cookie", m.cookie.Name)
		})
	}
	if errors.Is(err, request.ErrSeveralCookies) || errors.Is(err, request.ErrNoToken) {
		return "", refused("check")
	}
	return token, err
}

// Me returns the calls of a request's own session.
func (m *Middleware) Me(r *http.Request) Me {
	if i, ok := FromContext(r.Context()); ok {
		return m.client.Me(i.Token.Reveal())
	}
	tokens := m.tokens(r)
	token, err := m.only(r.Context(), r, &tokens)
	if err != nil {
		token = "" // which no call is made with
	}
	return m.client.Me(token)
}
