package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/internal/request"
)

// SignIn records that a user has signed in by this request, and gives the browser
// the session's cookie. Where n leaves them out, the application, the user's address
// and agent, and the token that the browser held before are the request's. It writes
// the header alone; redirect with 303 afterwards, to ReturnAddress for one.
//
// A request that another origin's page has made signs nobody in: it fails with Status
// 403. Other errors are those of [Client.Create].
func (m *Middleware) SignIn(w http.ResponseWriter, r *http.Request, n NewSession) (SignedIn, error) {
	if m.o.CrossOrigin.Check(r) != nil {
		return SignedIn{}, errCrossOrigin
	}
	if n.ClientID == "" {
		n.ClientID = m.o.Application
	}
	if n.IP == "" {
		n.IP = m.UserIP(r)
	}
	if n.UserAgent == "" {
		n.UserAgent = r.UserAgent()
	}
	held := m.tokens(r)
	if n.Replaces == "" && held.FromCookie && len(held.All()) > 0 {
		n.Replaces = held.All()[0]
	}
	s, err := m.client.Create(r.Context(), n)
	if err != nil {
		return SignedIn{}, err
	}
	if err := m.give(w, r, s); err != nil {
		return s, err
	}
	m.endOthers(r, &held, n.Replaces)
	return s, nil
}

// endOthers ends the sessions of the other cookies that a browser held before, so that the
// new one is the only one that is live.
func (m *Middleware) endOthers(r *http.Request, held *request.Tokens, replaced string) {
	if !held.FromCookie {
		return
	}
	for _, token := range held.All() {
		if token == replaced {
			continue
		}
		if _, err := m.client.Me(token).signOut(r.Context()); err != nil && !errors.Is(err, ErrRefused) {
			m.o.Logger.WarnContext(r.Context(), "a session that the browser held before goes on", "error", err)
		}
	}
}

// Authenticate records a further authentication of the request's own user, and gives
// the browser the cookie with the new token. Where a leaves them out, the user and
// the user's address and agent are the request's. Errors: ErrRefused when nobody is
// signed in, and those of [Client.Authenticate].
func (m *Middleware) Authenticate(w http.ResponseWriter, r *http.Request, a Reauthentication) (SignedIn, error) {
	i, err := m.check(r, rollcall.Requirement{})
	if err != nil {
		return SignedIn{}, err
	}
	if a.UserID == "" {
		a.UserID = i.UserID
	}
	if a.IP == "" {
		a.IP = m.UserIP(r)
	}
	if a.UserAgent == "" {
		a.UserAgent = r.UserAgent()
	}
	s, err := m.client.Authenticate(r.Context(), i.SessionID, a)
	if err != nil {
		return SignedIn{}, err
	}
	return s, m.give(w, r, s)
}

// give sets the cookie as the server says, and clears what the browser may hold beside it.
// That comes first: a browser that knows no partitions has one cookie for both. A cookie that this Middleware would not
// read is of no use to anybody, so its session ends.
func (m *Middleware) give(w http.ResponseWriter, r *http.Request, s SignedIn) error {
	c, err := http.ParseSetCookie(s.SetCookie.Reveal())
	if err != nil || c.Name != m.cookie.Name || c.Value != s.Token.Reveal() {
		_, _ = m.client.Me(s.Token.Reveal()).SignOut(context.WithoutCancel(r.Context()))
		return &Error{Op: "sign in", Message: fmt.Sprintf("the server's cookie is not %s: CookieName and CookieDomain must be its cookie_name and cookie_domain", m.cookie.Name)}
	}
	for _, clearing := range m.cookie.Clear()[1:] {
		setCookie(w, SetCookie(clearing))
	}
	setCookie(w, s.SetCookie)
	return nil
}

func setCookie(w http.ResponseWriter, c SetCookie) {
	w.Header().Add("Set-Cookie", c.Reveal())
	w.Header().Set("Cache-Control", "no-store")
}

// SignOut ends the request's session, or every session whose cookie the request carries,
// and makes the browser forget the cookies. When it returns nil nothing accepts these
// sessions any more; that nobody was signed in is no error. When it fails the cookies
// stay, since a session may well go on.
//
// Pages elsewhere must not sign people out, so it takes no GET: such a request fails
// with Status 405, one from another origin with 403.
func (m *Middleware) SignOut(w http.ResponseWriter, r *http.Request) error {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return &Error{Op: "sign out", Status: http.StatusMethodNotAllowed, Message: "signing out changes something: use POST"}
	}
	tokens := m.tokens(r)
	if tokens.FromCookie && m.o.CrossOrigin.Check(r) != nil {
		return errCrossOrigin
	}
	clearing := m.cookie.Clear()
	for _, token := range tokens.All() {
		said, err := m.client.Me(token).signOut(r.Context())
		if err != nil && !errors.Is(err, ErrRefused) {
			return err
		}
		for _, text := range said {
			if !slices.Contains(clearing, text) {
				clearing = append(clearing, text)
			}
		}
	}
	for _, text := range clearing {
		setCookie(w, SetCookie(text))
	}
	return nil
}
