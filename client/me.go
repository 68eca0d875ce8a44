package client

import (
	"context"
	"errors"
	"iter"
	"net/http"
	"net/url"

	"github.com/rollcall-id/rollcall"
)

// A Me makes the calls of a session's own token: users see and end their own
// sessions, and need no credentials of the application's for it. Where the server
// asks for a fresh authentication before it ends any, they fail with
// ErrInsufficient.
type Me struct {
	client *Client
	token  rollcall.Token
	ok     bool
}

// Me returns the calls of the session whose token this is.
func (c *Client) Me(token string) Me {
	t, ok := rollcall.ParseToken(token)
	return Me{c, t, ok}
}

// A MySession is one of the user's own.
type MySession struct {
	Session
	// Current marks the one that asks.
	Current bool `json:"current"`
}

// A MyPage is a part of the user's live sessions, newest first.
type MyPage struct {
	Sessions []MySession `json:"sessions"`
	Next     string      `json:"next"`  // "" when no session follows
	Total    int         `json:"total"` // -1 when there are more than a hundred
}

// List returns a page of the user's live sessions, newest first. Errors: ErrRefused,
// ErrUnavailable.
func (m Me) List(ctx context.Context, o ListOptions) (MyPage, error) {
	const op = "list own sessions"
	o.Total = false // the answer says the total unasked
	a, err := m.do(ctx, call{op: op, method: http.MethodGet, path: "/v1/me/sessions", query: o.query()})
	if err != nil {
		return MyPage{}, err
	}
	page := MyPage{Total: -1}
	return page, a.read(op, &page)
}

// All yields all of the user's live sessions, newest first. It ends after the first
// error.
func (m Me) All(ctx context.Context) iter.Seq2[MySession, error] {
	return pages(func(from string) ([]MySession, string, error) {
		page, err := m.List(ctx, ListOptions{From: from, Take: maxTake})
		return page.Sessions, page.Next, err
	})
}

// End ends one of the user's sessions. Errors: ErrRefused; ErrInsufficient;
// ErrNotFound, also when it is another user's; ErrUnavailable.
func (m Me) End(ctx context.Context, id string) error {
	err := m.act(ctx, call{op: "end own session", method: http.MethodDelete, path: "/v1/me/sessions/" + url.PathEscape(id)})
	e, ok := errors.AsType[*Error](err)
	if ok && e.repeated && (e.kind == ErrNotFound || e.kind == ErrRefused && id == m.token.ID) {
		return nil // see Revoke
	}
	return err
}

// EndOthers ends all of the user's sessions but the one that asks. Errors:
// ErrRefused, ErrInsufficient, ErrUnavailable.
func (m Me) EndOthers(ctx context.Context) error {
	return m.act(ctx, call{op: "end own other sessions", method: http.MethodPost, path: "/v1/me/sessions/end-others"})
}

// SignOut ends the session that asks, and returns the Set-Cookie value that makes a
// browser forget its token. Errors: ErrRefused when it is over already,
// ErrUnavailable.
func (m Me) SignOut(ctx context.Context) (SetCookie, error) {
	clearing, err := m.signOut(ctx)
	if err != nil || len(clearing) == 0 {
		return "", err
	}
	return SetCookie(clearing[0]), nil
}

// signOut is SignOut with the values for all cookies that the server clears.
func (m Me) signOut(ctx context.Context) ([]string, error) {
	const op = "sign out"
	a, err := m.do(ctx, call{op: op, method: http.MethodPost, path: "/v1/sessions/end"})
	if err != nil {
		return nil, err
	}
	var said struct {
		SetCookies []string `json:"set_cookies"`
	}
	err = a.read(op, &said)
	return said.SetCookies, err
}

func (m Me) act(ctx context.Context, k call) error {
	a, err := m.do(ctx, k)
	if err != nil {
		return err
	}
	return a.read(k.op, &struct{}{})
}

// do makes a call with the session's token in the header, where no page elsewhere
// can make a browser put it.
func (m Me) do(ctx context.Context, k call) (*answer, error) {
	if !m.ok {
		return nil, refused(k.op)
	}
	if k.header == nil {
		k.header = http.Header{}
	}
	k.header.Set("Authorization", "Bearer "+m.token.Reveal())
	a, err := m.client.do(ctx, k)
	if e, ok := errors.AsType[*Error](err); ok && e.Status == http.StatusUnauthorized && e.kind == nil {
		e.kind = ErrRefused
	}
	return a, err
}
