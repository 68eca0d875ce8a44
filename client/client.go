// Package client calls a Rollcall server from Go: a typed client of its API and of
// the published session calls, and net/http middleware that lets signed-in users
// pass.
//
//	c, err := client.New(client.Options{BaseURL: "https://sessions.example.com", ClientID: id, ClientSecret: secret})
//	mw, err := client.NewMiddleware(c, client.MiddlewareOptions{LoginURL: "/login"})
//	mux.Handle("/account", mw.Require(account))
//
// Nothing of a session is remembered here: every check asks the server, so that a
// session that was ended is refused at the next request.
package client

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// Options configure a [Client]. Only BaseURL is always needed; a client without
// credentials can check sessions and make the calls of a session's own token.
type Options struct {
	// BaseURL is the server's public URL, such as https://sessions.example.com.
	BaseURL string
	// ClientID and ClientSecret are those that `rollcall client new` gave.
	ClientID     string
	ClientSecret string `json:"-"`
	// Audience is what management tokens are for; "" is that of BaseURL.
	Audience string
	// HTTPClient makes the requests; nil is one with a transport of its own. Its
	// redirects are not followed and its cookie jar is not used.
	HTTPClient *http.Client
	// Timeout bounds a call with all its tries; 0 is 10 seconds.
	Timeout time.Duration
	// Retries is how often a call that can be repeated is repeated; 0 is twice, a
	// negative number never.
	Retries int
	// PlainHTTP lets BaseURL be plain http off loopback, where a network of your own
	// keeps tokens private.
	PlainHTTP bool
}

// Format hides the secret, whatever the verb.
func (o Options) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "Rollcall at %s for client %q", printable(o.BaseURL), o.ClientID)
}

// LogValue hides the secret.
func (o Options) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(o)) }

// printable is a URL without what may be a secret in it.
func printable(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return "an address that cannot be read"
	}
	return u.Redacted()
}

const (
	defaultTimeout = 10 * time.Second
	defaultRetries = 2
)

// A Client calls one server. Its methods may be called at once from many
// goroutines; every error that they return is an [*Error].
type Client struct {
	base    string
	http    *http.Client
	timeout time.Duration
	retries int
	tokens  *tokens // nil without credentials
}

// New returns a client, or what is wrong with the options. It makes no call.
func New(o Options) (*Client, error) {
	base, err := baseURL(o)
	if err != nil {
		return nil, err
	}
	if (o.ClientID == "") != (o.ClientSecret == "") {
		return nil, errors.New("client: ClientID and ClientSecret go together: one of them is missing")
	}
	c := &Client{base: base, http: newHTTPClient(o.HTTPClient), timeout: o.Timeout, retries: o.Retries}
	if c.timeout == 0 {
		c.timeout = defaultTimeout
	}
	if c.retries == 0 {
		c.retries = defaultRetries
	}
	if o.ClientID != "" {
		audience := o.Audience
		if audience == "" {
			audience = base + "/api/v2/"
		}
		c.tokens = &tokens{client: c, form: url.Values{
			"grant_type": {"client_credentials"}, "client_id": {o.ClientID}, "client_secret": {o.ClientSecret}, "audience": {audience},
		}}
	}
	return c, nil
}

// baseURL holds the server's address against its form, without a slash at the
// end.
func baseURL(o Options) (string, error) {
	u, err := url.Parse(o.BaseURL)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return "", errors.New("client: BaseURL is a public URL such as https://sessions.example.com")
	}
	if u.Scheme == "http" && !o.PlainHTTP && !isLoopback(u.Hostname()) {
		return "", fmt.Errorf("client: plain http to %s would put tokens on the network in the clear: use https, or set PlainHTTP", u.Hostname())
	}
	return strings.TrimRight(u.String(), "/"), nil
}

func isLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

// newHTTPClient returns the client to call with. One server is called, and often,
// so that more idle connections are worth keeping than by default.
func newHTTPClient(given *http.Client) *http.Client {
	hc := &http.Client{}
	if given != nil {
		*hc = *given
	} else {
		hc.Transport = &http.Transport{
			Proxy:                 http.ProxyFromEnvironment,
			DialContext:           (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
			ForceAttemptHTTP2:     true,
			MaxIdleConns:          100,
			MaxIdleConnsPerHost:   100,
			IdleConnTimeout:       90 * time.Second,
			TLSHandshakeTimeout:   5 * time.Second,
			ResponseHeaderTimeout: 30 * time.Second,
		}
	}
	hc.Jar = nil
	hc.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return hc
}

// CloseIdleConnections closes the connections that nobody uses at the moment.
func (c *Client) CloseIdleConnections() { c.http.CloseIdleConnections() }

// Format hides what is secret, whatever the verb.
func (c Client) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "Rollcall at %s", c.base) }

// LogValue hides what is secret.
func (c Client) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(c)) }
