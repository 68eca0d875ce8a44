package oauth

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/internal/wire"
)

// A refusal is an error answer of the token endpoint (RFC 6749 5.2).
type refusal struct {
	status      int
	code        string
	description string
	uri         string
}

// Endpoint returns the handler of POST /oauth/token. remoteIP tells the client's
// address; failed attempts are limited per client and address.
func (i *Issuer) Endpoint(remoteIP func(*http.Request) string) http.Handler {
	e := &endpoint{issuer: i, remoteIP: remoteIP, attempts: newAttempts()}
	return http.HandlerFunc(e.serve)
}

type endpoint struct {
	issuer   *Issuer
	remoteIP func(*http.Request) string
	attempts *attempts
}

func (e *endpoint) serve(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Pragma", "no-cache")
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		write(w, http.StatusMethodNotAllowed, map[string]any{"error": "invalid_request", "error_description": "Only POST is answered here"})
		return
	}
	answer, refused := e.answer(w, r)
	if refused == nil {
		write(w, http.StatusOK, answer)
		return
	}
	body := map[string]any{"error": refused.code, "error_description": refused.description}
	if refused.uri != "" {
		body["error_uri"] = refused.uri
	}
	write(w, refused.status, body)
}

func (e *endpoint) answer(w http.ResponseWriter, r *http.Request) (any, *refusal) {
	t, refused := readTokenRequest(w, r)
	if refused != nil {
		return nil, refused
	}
	switch {
	case t.grantType == "":
		return nil, badRequest(http.StatusBadRequest, "Missing required parameter: grant_type")
	case t.clientID == "":
		return nil, badRequest(http.StatusBadRequest, "Missing required parameter: client_id")
	}
	client, refused := e.authenticate(w, r, t)
	if refused != nil {
		return nil, refused
	}
	if t.grantType != "client_credentials" {
		return nil, &refusal{
			http.StatusForbidden, "unauthorized_client",
			fmt.Sprintf("Grant type '%s' not allowed for the client.", rollcall.Echo(t.grantType)),
			"https://auth0.com/docs/clients/client-grant-types",
		}
	}
	return e.grant(r, client, t)
}

// authenticate checks the client's secret or assertion, unless too many attempts have failed.
func (e *endpoint) authenticate(w http.ResponseWriter, r *http.Request, t tokenRequest) (*Client, *refusal) {
	key := attemptKey{client: t.clientID, ip: e.remoteIP(r)}
	client := e.issuer.state.Load().clients[t.clientID]
	if client == nil {
		key.client = "" // unknown clients share a budget: guessing ids brings no more tries
	}
	now := e.issuer.clock()
	if wait := e.attempts.wait(key, now); wait > 0 {
		e.issuer.counts.LimitedAttempts.Add(1)
		h := w.Header()
		wire.SetRetryAfter(h, wait)
		h.Set("X-RateLimit-Limit", strconv.Itoa(attemptBurst))
		h.Set("X-RateLimit-Remaining", "0")
		h.Set("X-RateLimit-Reset", strconv.FormatInt(wire.UnixCeil(now.Add(wait)), 10))
		return nil, &refusal{status: http.StatusTooManyRequests, code: "too_many_requests", description: "Too many failed attempts"}
	}
	ok := false
	if t.assertion == "" {
		ok = client.accepts(t.clientSecret)
	} else if err := e.issuer.checkAssertion(client, t.assertion, now); err != nil {
		e.issuer.log.WarnContext(r.Context(), "a client's assertion is refused", "client_id", rollcall.Echo(t.clientID), "error", err)
	} else {
		ok = true
	}
	if !ok {
		e.attempts.failed(key, now)
		e.issuer.counts.FailedAttempts.Add(1)
		return nil, &refusal{status: http.StatusUnauthorized, code: "access_denied", description: "Unauthorized"}
	}
	return client, nil
}

// grant makes the token. Without an audience the first public URL is meant; a
// scope narrows what the client has, and what it does not have is passed over.
func (e *endpoint) grant(r *http.Request, client *Client, t tokenRequest) (any, *refusal) {
	if t.audience == "" {
		t.audience = Audience(e.issuer.urls[0])
	}
	publicURL, ok := e.issuer.urlOf(t.audience)
	if !ok {
		return nil, &refusal{status: http.StatusForbidden, code: "access_denied", description: "Service not found: " + rollcall.Echo(t.audience)}
	}
	if len(client.Scopes) == 0 {
		return nil, &refusal{status: http.StatusForbidden, code: "access_denied", description: fmt.Sprintf(
			`Client is not authorized to access "%s". You need to create a "client-grant" associated to this API. See: https://auth0.com/docs/api/v2#!/Client_Grants/post_client_grants`, t.audience)}
	}
	scopes := client.Scopes
	if t.scope != "" {
		scopes = intersect(client.Scopes, strings.Fields(t.scope))
	}
	scope := strings.Join(scopes, " ")
	token, err := e.issuer.issue(publicURL, client, scope)
	if err != nil {
		e.issuer.log.ErrorContext(r.Context(), "could not sign a token", slog.Any("error", err))
		return nil, &refusal{status: http.StatusInternalServerError, code: "server_error", description: "The token could not be made"}
	}
	return struct {
		AccessToken string `json:"access_token"`
		Scope       string `json:"scope,omitempty"`
		ExpiresIn   int    `json:"expires_in"`
		TokenType   string `json:"token_type"`
	}{token, scope, int(TokenLifetime / time.Second), "Bearer"}, nil
}

// intersect keeps of the first what is in the second, too.
func intersect(a, b []string) []string {
	var both []string
	for _, s := range a {
		if slices.Contains(b, s) {
			both = append(both, s)
		}
	}
	return both
}

// write answers in JSON without a charset, as recorded (docs/published-api.md P21).
func write(w http.ResponseWriter, status int, body any) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(body); err != nil {
		status = http.StatusInternalServerError
	}
	text := bytes.TrimRight(b.Bytes(), "\n")
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(status)
	_, _ = w.Write(text)
}
