package client

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

const (
	// earlyRenewal is how long before its end a token is renewed, a tenth of its
	// lifetime at most.
	earlyRenewal = 5 * time.Minute
	// refusalKept is how long a refusal of the credentials is taken for an answer: a
	// wrong secret must not be tried with every call.
	refusalKept = 10 * time.Second
)

// tokens keeps the present management token. One fetch at a time is under way,
// whoever waits for it.
type tokens struct {
	client *Client
	form   url.Values

	mu      sync.Mutex
	token   string
	expires time.Time
	renew   time.Time
	refusal *Error
	until   time.Time // the refusal counts until then
	fetch   *fetch
}

// A fetch is one that callers wait for. token and err are set once done is closed.
type fetch struct {
	done  chan struct{}
	token string
	err   *Error
}

func (c *Client) managementToken(ctx context.Context, op string) (string, error) {
	if c.tokens == nil {
		return "", &Error{Op: op, Message: "the client has no credentials: set ClientID and ClientSecret"}
	}
	return c.tokens.get(ctx, op)
}

// get returns a token that holds. One that is near its end is renewed meanwhile.
func (t *tokens) get(ctx context.Context, op string) (string, error) {
	t.mu.Lock()
	now := time.Now()
	good := t.token != "" && now.Before(t.expires)
	if good && now.Before(t.renew) {
		defer t.mu.Unlock()
		return t.token, nil
	}
	if !good && now.Before(t.until) {
		defer t.mu.Unlock()
		return "", t.refusal.within(op)
	}
	f := t.fetch
	if f == nil {
		f = &fetch{done: make(chan struct{})}
		t.fetch = f
		// One caller's hurry is not the others': the fetch has its own time.
		go t.run(context.WithoutCancel(ctx), f)
	}
	token := t.token
	t.mu.Unlock()
	if good {
		return token, nil
	}
	select {
	case <-f.done:
	case <-ctx.Done():
		return "", unanswered(op, "no management token in time", 0, ctx.Err())
	}
	if f.err != nil {
		return "", f.err.within(op)
	}
	return f.token, nil
}

func (t *tokens) run(ctx context.Context, f *fetch) {
	began := time.Now()
	token, lifetime, err := t.request(ctx)
	t.mu.Lock()
	defer t.mu.Unlock()
	defer close(f.done)
	t.fetch = nil
	if err != nil {
		f.err = err
		t.renew = time.Now().Add(refusalKept) // the present token goes on serving
		if err.Status >= http.StatusBadRequest && err.Status < http.StatusInternalServerError {
			t.refusal, t.until = err, time.Now().Add(max(refusalKept, err.RetryAfter))
		}
		return
	}
	f.token = token
	t.token, t.refusal, t.until = token, nil, time.Time{}
	t.expires = began.Add(lifetime)
	t.renew = t.expires.Add(-min(earlyRenewal, lifetime/10))
}

// request asks for a token. What it fails with never holds the secret: neither
// the endpoint's answers nor the transport's errors do.
func (t *tokens) request(ctx context.Context) (string, time.Duration, *Error) {
	const op = "get a management token"
	a, err := t.client.do(ctx, call{op: op, method: http.MethodPost, path: "/oauth/token", form: t.form})
	if err != nil {
		e, _ := errors.AsType[*Error](err)
		return "", 0, e
	}
	var said struct {
		AccessToken string      `json:"access_token"`
		ExpiresIn   json.Number `json:"expires_in"`
		TokenType   string      `json:"token_type"`
	}
	if json.Unmarshal(a.body, &said) != nil || !isToken(said.AccessToken) || !strings.EqualFold(said.TokenType, "Bearer") {
		return "", 0, unanswered(op, "the answer cannot be read", a.status, nil)
	}
	seconds, err := said.ExpiresIn.Int64()
	if err != nil || seconds < 1 {
		return "", 0, unanswered(op, "the answer says no lifetime", a.status, nil)
	}
	return said.AccessToken, time.Duration(min(seconds, 1<<31)) * time.Second, nil
}

// isToken reports whether a text can stand behind Bearer (RFC 6750 2.1).
func isToken(text string) bool {
	for i := range len(text) {
		if text[i] <= 0x20 || text[i] > 0x7e {
			return false
		}
	}
	return text != "" && len(text) <= 16<<10
}

// within is the error of a call that got no token. The fetch was repeated already
// where that may help.
func (e *Error) within(op string) *Error {
	outer := *e
	outer.Op, outer.final = op+": "+e.Op, true
	return &outer
}

// drop forgets a token that the server does not accept.
func (t *tokens) drop(token string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.token == token {
		t.token = ""
	}
}
