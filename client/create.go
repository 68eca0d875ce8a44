package client

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/rollcall-id/rollcall"
)

// A NewSession is what is said of a sign-in. UserID and at least one of Methods are
// needed.
type NewSession struct {
	UserID string
	// ClientID is the application that was signed in to.
	ClientID string
	Methods  []Method // how the user was authenticated; At is the server's to say
	// IP and UserAgent are the user's, "" when they are not known.
	IP        string
	UserAgent string
	// CookieMode is rollcall.Persistent or NonPersistent; "" is persistent.
	CookieMode rollcall.CookieMode
	Metadata   map[string]string
	// ExpiresIn and IdleExpiresIn shorten the configured lifetimes, in whole seconds;
	// 0 asks for nothing.
	ExpiresIn     time.Duration
	IdleExpiresIn time.Duration
	// ID is one made elsewhere, "" for a new one. Such a creation is not repeated when
	// its answer is lost.
	ID string
	// Replaces is the text of the token that the same browser held before. Its session
	// ends with this creation.
	Replaces string
	// IdempotencyKey makes the creation repeatable for 24 hours; "" stands for one that
	// is made up, so that a lost answer is asked for again.
	IdempotencyKey string
}

// Format leaves out what is secret, whatever the verb.
func (n NewSession) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "a new session of %q", n.UserID) }

type newSessionBody struct {
	UserID         string             `json:"user_id"`
	ClientID       string             `json:"client_id,omitempty"`
	ID             string             `json:"id,omitempty"`
	Authentication authenticationBody `json:"authentication"`
	Device         *deviceBody        `json:"device,omitempty"`
	Cookie         *Cookie            `json:"cookie,omitempty"`
	Metadata       map[string]string  `json:"session_metadata,omitempty"`
	ExpiresIn      int64              `json:"expires_in,omitempty"`
	IdleExpiresIn  int64              `json:"idle_expires_in,omitempty"`
	Replaces       string             `json:"replaces,omitempty"`
}

type authenticationBody struct {
	Methods []methodBody `json:"methods"`
}

type methodBody struct {
	Name string `json:"name"`
	Type string `json:"type,omitempty"`
}

type deviceBody struct {
	IP        string `json:"ip,omitempty"`
	UserAgent string `json:"user_agent,omitempty"`
}

func newAuthentication(methods []Method) authenticationBody {
	b := authenticationBody{Methods: make([]methodBody, 0, len(methods))}
	for _, m := range methods {
		b.Methods = append(b.Methods, methodBody{m.Name, m.Type})
	}
	return b
}

func newDevice(ip, userAgent string) *deviceBody {
	if ip == "" && userAgent == "" {
		return nil
	}
	return &deviceBody{ip, userAgent}
}

// Create records a sign-in and returns the session with its token, which is given
// out here and never again. Scope create:sessions.
//
// Errors: ErrConflict when the id, or the key with another body, is taken; ErrLimit;
// ErrUnavailable.
func (c *Client) Create(ctx context.Context, n NewSession) (SignedIn, error) {
	const op = "create session"
	body := newSessionBody{
		UserID: n.UserID, ClientID: n.ClientID, ID: n.ID, Authentication: newAuthentication(n.Methods), Device: newDevice(n.IP, n.UserAgent),
		Metadata: n.Metadata, ExpiresIn: seconds(n.ExpiresIn), IdleExpiresIn: seconds(n.IdleExpiresIn), Replaces: n.Replaces,
	}
	if n.CookieMode != "" {
		body.Cookie = &Cookie{Mode: n.CookieMode}
	}
	k := call{op: op, method: http.MethodPost, path: "/v1/sessions", body: body, managed: true, once: n.ID != "" && n.IdempotencyKey == ""}
	if !k.once {
		k.header = idempotencyKey(n.IdempotencyKey)
	}
	a, err := c.do(ctx, k)
	if err != nil {
		return SignedIn{}, err
	}
	return a.signedIn(op)
}

// seconds is a lifetime in whole seconds; one that is asked for is never none.
func seconds(d time.Duration) int64 {
	if d <= 0 {
		return 0
	}
	return max(1, int64(d/time.Second))
}

// idempotencyKey returns the header with the key, or with one that is made up.
func idempotencyKey(key string) http.Header {
	if key == "" {
		key = rand.Text()
	}
	return http.Header{"Idempotency-Key": {key}}
}

// A Reauthentication is a further one within a session.
type Reauthentication struct {
	UserID  string // must be the session's
	Methods []Method
	// Full renews the absolute limit as well, within what the creation asked for.
	Full      bool
	IP        string
	UserAgent string
	// IdempotencyKey makes it repeatable while its token is the session's latest; ""
	// stands for one that is made up.
	IdempotencyKey string
}

// Authenticate records a further authentication and returns the session with its
// new token; the old one stops working. Scope create:sessions.
//
// Errors: ErrNotFound; ErrConflict when the key was used otherwise; ErrUnavailable.
func (c *Client) Authenticate(ctx context.Context, id string, r Reauthentication) (SignedIn, error) {
	const op = "authenticate again"
	body := struct {
		UserID         string             `json:"user_id"`
		Authentication authenticationBody `json:"authentication"`
		Full           bool               `json:"full,omitempty"`
		Device         *deviceBody        `json:"device,omitempty"`
	}{r.UserID, newAuthentication(r.Methods), r.Full, newDevice(r.IP, r.UserAgent)}
	a, err := c.do(ctx, call{
		op: op, method: http.MethodPost, path: "/v1/sessions/" + url.PathEscape(id) + "/authentications",
		body: body, header: idempotencyKey(r.IdempotencyKey), managed: true,
	})
	if err != nil {
		return SignedIn{}, err
	}
	return a.signedIn(op)
}
