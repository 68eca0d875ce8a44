package oauth

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"sync/atomic"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/rollcall-id/rollcall"
)

// TokenLifetime is how long a management token holds (docs/published-api.md P22).
const TokenLifetime = 24 * time.Hour

const (
	// tokenType keeps management tokens apart from every other kind of JWT that
	// the same key may sign.
	tokenType = "rollcall-management+jwt"

	grantClient  = "client-credentials"
	grantOffline = "offline"
	// offlineCaller is whom a token speaks for that was minted offline. No client can have
	// this id (see clientID), and no caller of another issuer (see trusted.caller).
	offlineCaller = "@offline"
)

// Options configure an Issuer.
type Options struct {
	Keys *Keys
	// PublicURLs are the origins at which clients know this server, without a
	// slash at the end; the first is the one that counts where none is named.
	PublicURLs []string
	Clients    []Client
	Issuers    []TrustedIssuer
	// Clock is where instants come from; nil is time.Now.
	Clock func() time.Time
	// Logger notes the use of tokens that were minted offline; nil discards.
	Logger *slog.Logger
	// Transport, unless nil, wraps what fetches the key sets of other issuers.
	Transport func(http.RoundTripper) http.RoundTripper
}

// An Issuer gives tokens out and verifies them. Its methods may be called at once
// from many goroutines.
type Issuer struct {
	keys      *Keys
	urls      []string
	clock     func() time.Time
	log       *slog.Logger
	used      *assertions
	attempts  *attempts
	transport func(http.RoundTripper) http.RoundTripper // of Options
	state     atomic.Pointer[state]
	reloaded  chan struct{}

	counts Counts
}

// NewIssuer returns an Issuer, or what is wrong with its options.
func NewIssuer(o Options) (*Issuer, error) {
	i := &Issuer{
		keys: o.Keys, urls: o.PublicURLs, clock: o.Clock, log: o.Logger, transport: o.Transport,
		used: newAssertions(), attempts: newAttempts(), reloaded: make(chan struct{}, 1),
	}
	if i.clock == nil {
		i.clock = time.Now
	}
	if i.log == nil {
		i.log = slog.New(slog.DiscardHandler)
	}
	if len(i.urls) == 0 {
		return nil, fmt.Errorf("a public URL is needed: tokens name it as issuer and audience")
	}
	for _, u := range i.urls {
		if err := CheckPublicURL(u); err != nil {
			return nil, err
		}
	}
	s, err := i.newState(i.keys.current.Load(), Callers{o.Clients, o.Issuers}, nil)
	if err != nil {
		return nil, err
	}
	i.state.Store(s)
	return i, nil
}

// CheckPublicURL reports whether a text is an origin at which clients can know a
// server.
func CheckPublicURL(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || u.Path != "" || u.RawQuery != "" || u.Fragment != "" {
		return fmt.Errorf("%q is no public URL: it is like https://sessions.example.com, without a slash at the end", rollcall.Echo(text))
	}
	return nil
}

// PublicURLs are the origins that tokens can name, the one that counts first.
func (i *Issuer) PublicURLs() []string { return slices.Clone(i.urls) }

// Audience is what tokens for the Management API at a public URL are for, with
// the published slash at the end (docs/published-api.md P20).
func Audience(publicURL string) string { return publicURL + "/api/v2/" }

// urlOf returns the public URL that an audience belongs to.
func (i *Issuer) urlOf(audience string) (string, bool) {
	at := slices.IndexFunc(i.urls, func(u string) bool { return Audience(u) == audience })
	if at < 0 {
		return "", false
	}
	return i.urls[at], true
}

// issue signs a token for a client.
func (i *Issuer) issue(publicURL string, c *Client, scope string) (string, error) {
	return i.sign(i.state.Load().keys.signing, publicURL, claims{
		RegisteredClaims: jwt.RegisteredClaims{Subject: c.ID + "@clients"},
		AuthorizedParty:  c.ID,
		Grant:            grantClient,
		Scope:            words{scope},
	}, TokenLifetime)
}

// MintOffline signs a token that no client asked for, for whoever holds the keys,
// with the key that the server signs with, so that it accepts the token. Its use is logged by its id. publicURL "" is the first one.
func (i *Issuer) MintOffline(publicURL string, scopes []string, lifetime time.Duration) (string, error) {
	if publicURL == "" {
		publicURL = i.urls[0]
	}
	if _, ok := i.urlOf(Audience(publicURL)); !ok {
		return "", fmt.Errorf("%q is not among the public URLs", rollcall.Echo(publicURL))
	}
	for _, scope := range scopes {
		if !slices.Contains(rollcall.Scopes(), scope) {
			return "", fmt.Errorf("there is no scope %q; there are %v", rollcall.Echo(scope), rollcall.Scopes())
		}
	}
	return i.sign(i.keys.current.Load().inUse, publicURL, claims{
		RegisteredClaims: jwt.RegisteredClaims{Subject: grantOffline},
		Grant:            grantOffline,
		Scope:            words(scopes),
	}, lifetime)
}

func (i *Issuer) sign(k *signingKey, publicURL string, c claims, lifetime time.Duration) (string, error) {
	now := i.clock()
	var id [16]byte
	rand.Read(id[:])
	c.ID = base64.RawURLEncoding.EncodeToString(id[:])
	c.Issuer = publicURL + "/"
	c.IssuedAt, c.ExpiresAt = jwt.NewNumericDate(now), jwt.NewNumericDate(now.Add(lifetime))
	t := jwt.NewWithClaims(methods[k.Alg], issued{c, Audience(publicURL)})
	t.Header["typ"], t.Header["kid"] = tokenType, k.Kid
	return t.SignedString(k.signer)
}
