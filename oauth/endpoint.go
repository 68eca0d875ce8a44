package oauth

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/internal/wire"
)

const tokenPath = "/oauth/token"

// Endpoint returns the handler of POST /oauth/token. remoteIP tells the client's
// address, for the limit of failed attempts.
func (i *Issuer) Endpoint(remoteIP func(*http.Request) string) http.Handler {
	e := &endpoint{issuer: i, remoteIP: remoteIP}
	return http.HandlerFunc(e.serve)
}

type endpoint struct {
	issuer   *Issuer
	remoteIP func(*http.Request) string
}

func (e *endpoint) serve(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		wire.WriteOAuthError(w, http.StatusMethodNotAllowed, "invalid_request", "Only POST is answered here", "")
		return
	}
	answer, refused := e.answer(w, r)
	if refused != nil {
		refused.write(w)
		return
	}
	wire.WriteOAuth(w, http.StatusOK, answer)
}

// denied is the answer to a wrong id or secret (docs/published-api.md P23).
var denied = refusal{status: http.StatusUnauthorized, code: "access_denied", description: "Unauthorized"}

func (e *endpoint) answer(w http.ResponseWriter, r *http.Request) ([]byte, *refusal) {
	c, values, refused := readRequest(w, r, "grant_type", "audience", "scope")
	grantType := values.Get("grant_type")
	switch {
	case refused != nil:
		return nil, refused
	case grantType == "":
		return nil, badRequest(http.StatusBadRequest, "Missing required parameter: grant_type")
	case c.id == "" && c.assertion == nil:
		return nil, badRequest(http.StatusBadRequest, "Missing required parameter: client_id")
	}
	client, refused := e.issuer.authenticate(w, r, c, e.remoteIP(r), denied)
	if refused != nil {
		return nil, refused
	}
	if grantType != "client_credentials" {
		return nil, &refusal{
			http.StatusForbidden, "unauthorized_client",
			fmt.Sprintf("Grant type '%s' not allowed for the client.", rollcall.Echo(grantType)),
			"https://auth0.com/docs/clients/client-grant-types",
		}
	}
	return e.grant(r, client, values.Get("audience"), values.Get("scope"))
}

// grant makes the token. Without an audience the first public URL is meant; a
// scope narrows what the client has, and what it does not have is passed over.
func (e *endpoint) grant(r *http.Request, client *Client, audience, narrowed string) ([]byte, *refusal) {
	if audience == "" {
		audience = Audience(e.issuer.urls[0])
	}
	publicURL, ok := e.issuer.urlOf(audience)
	if !ok {
		return nil, &refusal{status: http.StatusForbidden, code: "access_denied", description: "Service not found: " + rollcall.Echo(audience)}
	}
	if len(client.Scopes) == 0 {
		return nil, &refusal{status: http.StatusForbidden, code: "access_denied", description: fmt.Sprintf(
			`Client is not authorized to access "%s". You need to create a "client-grant" associated to this API. See: https://auth0.com/docs/api/v2#!/Client_Grants/post_client_grants`, audience)}
	}
	scopes := client.Scopes
	if narrowed != "" {
		scopes = intersect(client.Scopes, strings.Fields(narrowed))
	}
	scope := strings.Join(scopes, " ")
	token, err := e.issuer.issue(publicURL, client, scope)
	var answer []byte
	if err == nil {
		answer, err = json.Marshal(struct {
			AccessToken string `json:"access_token"`
			Scope       string `json:"scope,omitempty"`
			ExpiresIn   int    `json:"expires_in"`
			TokenType   string `json:"token_type"`
		}{token, scope, int(TokenLifetime / time.Second), "Bearer"})
	}
	if err != nil {
		e.issuer.log.ErrorContext(r.Context(), "could not sign a token", slog.Any("error", err))
		return nil, &refusal{status: http.StatusInternalServerError, code: "server_error", description: "The token could not be made"}
	}
	return answer, nil
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
