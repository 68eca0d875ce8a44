package oauth

import (
	"net/http"
	"strconv"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/internal/wire"
)

// A refusal is an error answer of an OAuth endpoint (RFC 6749 5.2).
type refusal struct {
	status      int
	code        string
	description string
	uri         string
}

func (r *refusal) write(w http.ResponseWriter) {
	wire.WriteOAuthError(w, r.status, r.code, r.description, r.uri)
}

// basicChallenge asks for a client's id and secret (RFC 7617 2).
const basicChallenge = `Basic realm="rollcall", charset="UTF-8"`

// unauthenticated is the answer to a client that has not proven who it is.
var unauthenticated = refusal{status: http.StatusUnauthorized, code: "invalid_client", description: "The client has not proven who it is"}

// AuthenticateClient finds out which client asks by its own credentials (RFC 6749 2.3, RFC
// 7523), for an endpoint that takes the parameters of those names. ip is the address that
// the request came from. When AuthenticateClient reports false it has answered; when it
// reports true, r.PostForm holds the parameters, each once, and the body has been read.
func (i *Issuer) AuthenticateClient(w http.ResponseWriter, r *http.Request, ip string, names ...string) (rollcall.Caller, bool) {
	c, values, refused := readRequest(w, r, names...)
	var client *Client
	if refused == nil {
		client, refused = i.authenticate(w, r, c, ip, unauthenticated)
	}
	if refused != nil {
		if refused.status == http.StatusUnauthorized {
			w.Header().Set("WWW-Authenticate", basicChallenge)
		}
		refused.write(w)
		return rollcall.Caller{}, false
	}
	r.PostForm = values
	return rollcall.Caller{ID: client.ID, Scopes: client.Scopes}, true
}

// authenticate checks a client's secret or assertion. Right credentials are accepted however
// many others have failed; failed is the answer to wrong ones, with the challenge for who
// came with HTTP Basic (RFC 6749 5.2), and 429 to too many of an address.
func (i *Issuer) authenticate(w http.ResponseWriter, r *http.Request, c credentials, ip string, failed refusal) (*Client, *refusal) {
	now := i.clock()
	client := i.state.Load().clients[c.id]
	err := c.unreadable
	switch {
	case c.assertion == nil && client.accepts(c.secret):
		return client, nil
	case c.assertion != nil && err == nil:
		if err = i.checkAssertion(client, c.assertion, now); err == nil {
			return client, nil
		}
	}
	wait := i.attempts.failed(ip, now)
	if wait == 0 {
		if err != nil { // not of those over the limit: anybody could fill the log with them
			i.log.WarnContext(r.Context(), "a client's assertion is refused", "client_id", rollcall.Echo(c.id), "error", err)
		}
		i.counts.FailedAttempts.Add(1)
		if c.basic {
			w.Header().Set("WWW-Authenticate", basicChallenge)
		}
		return nil, &failed
	}
	i.counts.LimitedAttempts.Add(1)
	h := w.Header()
	wire.SetRetryAfter(h, wait)
	h.Set("X-RateLimit-Limit", strconv.Itoa(attemptBurst))
	h.Set("X-RateLimit-Remaining", "0")
	h.Set("X-RateLimit-Reset", strconv.FormatInt(wire.UnixCeil(now.Add(wait)), 10))
	return nil, &refusal{status: http.StatusTooManyRequests, code: "too_many_requests", description: "Too many failed attempts"}
}
