package client

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/rollcall-id/rollcall"
)

// An Identity is what a check says of a good session: who is signed in.
type Identity struct {
	UserID    string
	SessionID string
	// AuthenticatedAt is the latest authentication, ExpiresAt when the session is over
	// if it is not used; both in whole seconds.
	AuthenticatedAt time.Time
	ExpiresAt       time.Time
	Methods         []string // names of the ways of authentication
	Level           string   // the strongest that was reached when the use came, "" for none
	// Token is what was checked. It prints without its secret.
	Token rollcall.Token
}

// Check says whether a session token is good now, and records the use. It needs no
// credentials. With use.NoTouch no use is recorded: for requests that no person makes, such
// as a page that polls.
//
// The use's address and agent are the user's, and the server believes them when this
// process's own address is among its trusted_proxies; otherwise it takes the
// application's address for the user's, and records no client. An address that is not known
// is said to be so. [Client.CheckAsClient] is believed wherever it is called.
//
// Errors: ErrRefused; ErrInsufficient when the session is good and does not meet
// use.Require; ErrUnavailable.
func (c *Client) Check(ctx context.Context, token string, use rollcall.Use) (Identity, error) {
	const op = "check"
	t, ok := rollcall.ParseToken(token)
	if !ok {
		return Identity{}, refused(op)
	}
	a, err := Me{c, t, true}.do(ctx, call{op: op, method: http.MethodGet, path: "/check", query: checkQuery(use), header: userHeaders(use)})
	if err != nil {
		e := err.(*Error)
		if e.kind == nil { // a 4xx that no check is answered with
			e.kind = ErrUnavailable
		}
		return Identity{}, e
	}
	return a.identity(op, t)
}

// isLive reports whether a session token is good now, and records no use. Errors:
// ErrUnavailable.
func (c *Client) isLive(ctx context.Context, token string) (bool, error) {
	const op = "check"
	t, ok := rollcall.ParseToken(token)
	if !ok {
		return false, nil
	}
	_, err := Me{c, t, true}.do(ctx, call{op: op, method: http.MethodGet, path: "/check", query: url.Values{"touch": {"false"}}, header: userHeaders(rollcall.Use{})})
	if errors.Is(err, ErrRefused) {
		return false, nil
	}
	return err == nil, err
}

// CheckAsClient is Check by this client's own credentials: the server believes the address,
// the agent and the client id of the use, wherever this process runs. Scope check:sessions.
//
// Errors: ErrRefused; ErrInsufficient when the session is good and does not meet
// use.Require; ErrUnavailable, also when the server does not accept this client.
func (c *Client) CheckAsClient(ctx context.Context, token string, use rollcall.Use) (Identity, error) {
	const op = "check"
	t, ok := rollcall.ParseToken(token)
	if !ok {
		return Identity{}, refused(op)
	}
	a, err := c.do(ctx, call{op: op, method: http.MethodPost, path: "/v1/check", body: checkBody(t, use), managed: true})
	if err != nil {
		e := err.(*Error)
		e.kind = ErrUnavailable // an error speaks of this client, not of the user
		return Identity{}, e
	}
	var said struct {
		Good            bool      `json:"good"`
		Challenge       string    `json:"challenge"`
		UserID          string    `json:"user_id"`
		SessionID       string    `json:"session_id"`
		AuthenticatedAt time.Time `json:"authenticated_at"`
		ExpiresAt       time.Time `json:"expires_at"`
		Amr             []string  `json:"amr"`
		Acr             string    `json:"acr"`
	}
	if err := a.read(op, &said); err != nil {
		return Identity{}, err
	}
	switch {
	case said.Good && said.SessionID == t.ID && said.UserID != "":
		return Identity{
			UserID: said.UserID, SessionID: t.ID, AuthenticatedAt: said.AuthenticatedAt.Truncate(time.Second), ExpiresAt: said.ExpiresAt.Truncate(time.Second),
			Methods: said.Amr, Level: said.Acr, Token: t,
		}, nil
	case said.Good || said.Challenge == "":
		return Identity{}, unanswered(op, "the answer does not name the session", a.status, nil)
	case strings.Contains(said.Challenge, "insufficient_user_authentication"):
		return Identity{}, &Error{Op: op, Status: a.status, Message: ErrInsufficient.Error(), kind: ErrInsufficient}
	}
	return Identity{}, refused(op)
}

// checkBody spells a check as /v1/check reads it.
func checkBody(t rollcall.Token, use rollcall.Use) map[string]any {
	from := rollcall.NewOrigin(use.IP, use.UserAgent)
	body := map[string]any{"token": t.Reveal(), "touch": !use.NoTouch}
	if use.ClientID != "" {
		body["client_id"] = use.ClientID
	}
	device := map[string]string{}
	if from.IP != "" {
		device["ip"] = from.IP
	}
	if from.UserAgent != "" {
		device["user_agent"] = from.UserAgent
	}
	if len(device) > 0 {
		body["device"] = device
	}
	if len(use.Require.Levels) > 0 {
		body["acr"] = strings.Join(use.Require.Levels, " ")
	}
	if len(use.Require.Methods) > 0 {
		body["amr"] = strings.Join(use.Require.Methods, " ")
	}
	if use.Require.Aged {
		body["max_age"] = wholeSeconds(use.Require.MaxAge)
	}
	return body
}

// userHeaders say where the user is, as a proxy would, in each header that the server might be
// set to believe. An agent that the user did not send must not become ours, nor our address
// the user's.
func userHeaders(use rollcall.Use) http.Header {
	from := rollcall.NewOrigin(use.IP, use.UserAgent)
	if from.IP == "" {
		from.IP = "unknown"
	}
	node := from.IP
	if strings.Contains(node, ":") {
		node = `"[` + node + `]"` // RFC 7239, 6
	}
	return http.Header{
		"X-Forwarded-For": {from.IP}, "X-Real-Ip": {from.IP}, "Forwarded": {"for=" + node}, "User-Agent": {from.UserAgent},
	}
}

func checkQuery(use rollcall.Use) url.Values {
	q := requirement(use.Require)
	if use.ClientID != "" {
		q.Set("client_id", use.ClientID)
	}
	if use.NoTouch {
		q.Set("touch", "false")
	}
	return q
}

// requirement spells what the authentication must be.
func requirement(r rollcall.Requirement) url.Values {
	q := url.Values{}
	if len(r.Levels) > 0 {
		q.Set("acr", strings.Join(r.Levels, " "))
	}
	if len(r.Methods) > 0 {
		q.Set("amr", strings.Join(r.Methods, " "))
	}
	if r.Aged {
		q.Set("max_age", strconv.FormatInt(wholeSeconds(r.MaxAge), 10))
	}
	return q
}

// wholeSeconds spells an age; a negative one is none at all.
func wholeSeconds(age time.Duration) int64 { return int64(max(0, age) / time.Second) }

// identity reads the headers of a good check. A 200 that does not name the session
// comes from somebody who was not asked.
func (a *answer) identity(op string, t rollcall.Token) (Identity, error) {
	h := a.header
	user, err := url.PathUnescape(h.Get("X-Rollcall-User"))
	methods, methodsErr := methodNames(h.Get("X-Rollcall-Methods"))
	at, atErr := time.Parse(time.RFC3339, h.Get("X-Rollcall-Authenticated-At"))
	until, untilErr := time.Parse(time.RFC3339, h.Get("X-Rollcall-Expires-At"))
	for _, e := range []error{err, methodsErr, atErr, untilErr} {
		if e != nil {
			return Identity{}, unanswered(op, "the answer cannot be read", a.status, nil)
		}
	}
	if a.status != http.StatusOK || user == "" || h.Get("X-Rollcall-Session") != t.ID {
		return Identity{}, unanswered(op, "the answer does not name the session", a.status, nil)
	}
	return Identity{UserID: user, SessionID: t.ID, AuthenticatedAt: at.UTC(), ExpiresAt: until.UTC(), Methods: methods, Level: h.Get("X-Rollcall-Acr"), Token: t}, nil
}

// methodNames reads names that are separated by commas, each percent-encoded.
func methodNames(text string) (names []string, err error) {
	if text == "" {
		return nil, nil
	}
	names = strings.Split(text, ",")
	for i := range names {
		if names[i], err = url.PathUnescape(names[i]); err != nil {
			return nil, err
		}
	}
	return names, nil
}

// An Introspection is what a token stands for (RFC 7662). The rest is zero when it is
// not active.
type Introspection struct {
	Active          bool
	UserID          string
	SessionID       string
	ClientID        string // the application that was signed in to first
	CreatedAt       time.Time
	ExpiresAt       time.Time
	AuthenticatedAt time.Time
	Methods         []string
	Level           string // the strongest that is reached, "" for none
}

// Introspect says what a session token stands for, and records no use. Scope
// introspect. Errors: ErrInsufficient when the session is good and does not meet
// the requirement; ErrUnavailable.
func (c *Client) Introspect(ctx context.Context, token string, require rollcall.Requirement) (Introspection, error) {
	const op = "introspect"
	form := requirement(require)
	form.Set("token", token)
	a, err := c.do(ctx, call{op: op, method: http.MethodPost, path: "/v1/introspect", form: form, managed: true})
	if err != nil {
		return Introspection{}, err
	}
	var said struct {
		Active   bool     `json:"active"`
		Sub      string   `json:"sub"`
		Sid      string   `json:"sid"`
		ClientID string   `json:"client_id"`
		Iat      int64    `json:"iat"`
		Exp      int64    `json:"exp"`
		AuthTime int64    `json:"auth_time"`
		Amr      []string `json:"amr"`
		Acr      string   `json:"acr"`
	}
	if err := a.read(op, &said); err != nil || !said.Active {
		return Introspection{}, err
	}
	return Introspection{
		Active: true, UserID: said.Sub, SessionID: said.Sid, ClientID: said.ClientID, Methods: said.Amr, Level: said.Acr,
		CreatedAt: time.Unix(said.Iat, 0).UTC(), ExpiresAt: time.Unix(said.Exp, 0).UTC(), AuthenticatedAt: time.Unix(said.AuthTime, 0).UTC(),
	}, nil
}
