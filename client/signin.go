package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/rollcall-id/rollcall"
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
	if token, fromCookie := m.token(r); n.Replaces == "" && fromCookie {
		n.Replaces = token
	}
	s, err := m.client.Create(r.Context(), n)
	if err != nil {
		return SignedIn{}, err
	}
	return s, m.give(w, r, s)
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

// give sets the cookie as the server says. A cookie that this Middleware would not
// read is of no use to anybody, so its session ends.
func (m *Middleware) give(w http.ResponseWriter, r *http.Request, s SignedIn) error {
	c, err := http.ParseSetCookie(s.SetCookie.Reveal())
	if err != nil || c.Name != m.cookie || c.Value != s.Token.Reveal() {
		_, _ = m.client.Me(s.Token.Reveal()).SignOut(context.WithoutCancel(r.Context()))
		return &Error{Op: "sign in", Message: fmt.Sprintf("the server's cookie is not %s: CookieDomain must be its cookie_domain", m.cookie)}
	}
	setCookie(w, s.SetCookie)
	return nil
}

func setCookie(w http.ResponseWriter, c SetCookie) {
	w.Header().Add("Set-Cookie", c.Reveal())
	w.Header().Set("Cache-Control", "no-store")
}

// SignOut ends the request's session and makes the browser forget its cookie. When
// it returns nil nothing accepts the session any more; that nobody was signed in is no
// error. When it fails the cookie stays, since the session may well go on.
//
// Pages elsewhere must not sign people out, so it takes no GET: such a request fails
// with Status 405, one from another origin with 403.
func (m *Middleware) SignOut(w http.ResponseWriter, r *http.Request) error {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return &Error{Op: "sign out", Status: http.StatusMethodNotAllowed, Message: "signing out changes something: use POST"}
	}
	token, fromCookie := m.token(r)
	if fromCookie && m.o.CrossOrigin.Check(r) != nil {
		return errCrossOrigin
	}
	clearing, err := m.client.Me(token).SignOut(r.Context())
	if err != nil && !errors.Is(err, ErrRefused) {
		return err
	}
	if clearing == "" {
		clearing = m.forget()
	}
	setCookie(w, clearing)
	return nil
}

// forget is the clearing cookie for a session that is over already.
func (m *Middleware) forget() SetCookie {
	c := http.Cookie{
		Name: m.cookie, Domain: m.o.CookieDomain, Path: "/", MaxAge: -1,
		Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	}
	return SetCookie(c.String())
}
