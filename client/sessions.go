package client

import (
	"context"
	"errors"
	"iter"
	"net/http"
	"net/url"
	"strconv"
)

// ListOptions say which part of a user's sessions is wanted.
type ListOptions struct {
	// From is a cursor that an earlier page gave, "" for the first page.
	From string
	// Take is the number of sessions at most, 1 to 100; 0 is 50.
	Take int
	// Total asks for the number of the user's live sessions as well.
	Total bool
}

func (o ListOptions) query() url.Values {
	q := url.Values{}
	if o.From != "" {
		q.Set("from", o.From)
	}
	if o.Take != 0 {
		q.Set("take", strconv.Itoa(o.Take))
	}
	if o.Total {
		q.Set("include_totals", "true")
	}
	return q
}

// A Page is a part of a user's live sessions, newest first.
type Page struct {
	Sessions []Session `json:"sessions"`
	// Next is the cursor of the page that follows, "" when no session does.
	Next string `json:"next"`
	// Total is the number of the user's live sessions, when it was asked for.
	Total int `json:"total"`
}

// List returns a page of a user's live sessions, newest first; none for a user
// nobody has seen. Scope read:sessions.
func (c *Client) List(ctx context.Context, userID string, o ListOptions) (Page, error) {
	var page Page
	err := c.get(ctx, call{op: "list sessions", path: userSessions("/api/v2/users/", userID), query: o.query(), managed: true}, &page)
	return page, err
}

// All yields all of a user's live sessions, newest first, page by page. It ends
// after the first error, which comes with a zero Session.
func (c *Client) All(ctx context.Context, userID string) iter.Seq2[Session, error] {
	return pages(func(from string) ([]Session, string, error) {
		page, err := c.List(ctx, userID, ListOptions{From: from, Take: maxTake})
		return page.Sessions, page.Next, err
	})
}

const maxTake = 100

// errPaging is met when a server's pages lead back to where they came from.
var errPaging = errors.New("the pages do not end")

// pages yields what is on each page until there is no next one.
func pages[S any](page func(from string) ([]S, string, error)) iter.Seq2[S, error] {
	return func(yield func(S, error) bool) {
		var none S
		for from := ""; ; {
			sessions, next, err := page(from)
			if err == nil && next != "" && next == from {
				err = unanswered("list sessions", errPaging.Error(), http.StatusOK, nil)
			}
			if err != nil {
				yield(none, err)
				return
			}
			for _, s := range sessions {
				if !yield(s, nil) {
					return
				}
			}
			if next == "" {
				return
			}
			from = next
		}
	}
}

// Get returns a live session. Scope read:sessions. Errors: ErrNotFound,
// ErrUnavailable.
func (c *Client) Get(ctx context.Context, id string) (Session, error) {
	var s Session
	err := c.get(ctx, call{op: "get session", path: session(id), managed: true}, &s)
	return s, err
}

// UpdateMetadata replaces a session's metadata, at most 25 pairs of at most 255
// characters each, and returns the session; nil clears it. Scope update:sessions.
// Errors: ErrNotFound, ErrUnavailable.
func (c *Client) UpdateMetadata(ctx context.Context, id string, metadata map[string]string) (Session, error) {
	const op = "update session metadata"
	body := struct {
		Metadata map[string]string `json:"session_metadata"`
	}{metadata}
	a, err := c.do(ctx, call{op: op, method: http.MethodPatch, path: session(id), body: body, managed: true})
	if err != nil {
		return Session{}, err
	}
	var s Session
	return s, a.read(op, &s)
}

// Delete ends a session; that there is none is no error. When it returns nil
// nothing accepts the session any more, and so it is with every ending. Scope
// delete:sessions.
func (c *Client) Delete(ctx context.Context, id string) error {
	return c.act(ctx, call{op: "delete session", method: http.MethodDelete, path: session(id), managed: true})
}

// Revoke ends a session and what was issued with it. Scope delete:sessions. Errors:
// ErrNotFound, ErrUnavailable.
func (c *Client) Revoke(ctx context.Context, id string) error {
	err := c.act(ctx, call{op: "revoke session", method: http.MethodPost, path: session(id) + "/revoke", managed: true})
	if e, ok := errors.AsType[*Error](err); ok && e.repeated && e.kind == ErrNotFound {
		return nil // what is over may have been ended by the try whose answer was lost
	}
	return err
}

// DeleteAll ends all sessions of a user, by the published call. Scope
// delete:sessions.
func (c *Client) DeleteAll(ctx context.Context, userID string) error {
	return c.act(ctx, call{op: "delete a user's sessions", method: http.MethodDelete, path: userSessions("/api/v2/users/", userID), managed: true})
}

// EndAll ends all sessions of a user. Scope delete:sessions.
func (c *Client) EndAll(ctx context.Context, userID string) error {
	return c.act(ctx, call{op: "end a user's sessions", method: http.MethodPost, path: userSessions("/v1/users/", userID) + "/end", managed: true})
}

// EndOthers ends all sessions of a user but one. Scope delete:sessions. Errors:
// ErrNotFound when that one is not live or not the user's, ErrUnavailable.
func (c *Client) EndOthers(ctx context.Context, userID, keepID string) error {
	body := struct {
		Except string `json:"except"`
	}{keepID}
	return c.act(ctx, call{op: "end a user's other sessions", method: http.MethodPost, path: userSessions("/v1/users/", userID) + "/end", body: body, managed: true})
}

// EndEverybody ends all sessions of all users. Scope end:everybody.
func (c *Client) EndEverybody(ctx context.Context) error {
	return c.act(ctx, call{op: "end everybody's sessions", method: http.MethodPost, path: "/v1/sessions/end-everybody", managed: true})
}

// EndByToken ends the session of a token (RFC 7009); that the token is not good is
// no error. Scope delete:sessions.
func (c *Client) EndByToken(ctx context.Context, token string) error {
	return c.act(ctx, call{op: "revoke a token", method: http.MethodPost, path: "/v1/revoke", form: url.Values{"token": {token}}, managed: true})
}

// act makes a call that answers an empty object. Anything else is no word of the
// server's that it was done.
func (c *Client) act(ctx context.Context, k call) error {
	a, err := c.do(ctx, k)
	if err != nil {
		return err
	}
	return a.read(k.op, &struct{}{})
}

// get makes a call that reads.
func (c *Client) get(ctx context.Context, k call, into any) error {
	k.method = http.MethodGet
	a, err := c.do(ctx, k)
	if err != nil {
		return err
	}
	return a.read(k.op, into)
}

func session(id string) string { return "/api/v2/sessions/" + url.PathEscape(id) }

func userSessions(prefix, userID string) string { return prefix + url.PathEscape(userID) + "/sessions" }
