package oauth

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/internal/wire"
)

// The paths that the metadata names, beside tokenPath.
const (
	introspectionPath = "/oauth/introspect"
	revocationPath    = "/oauth/revoke"
	keysPath          = "/.well-known/jwks.json"
)

// Metadata answers GET /.well-known/oauth-authorization-server (RFC 8414). There is one
// answer for each public URL, since `issuer` must be where the reader has looked: the
// request's Host chooses among them, and the first counts for any other Host.
func (i *Issuer) Metadata() http.Handler {
	answers := make([][]byte, len(i.urls))
	for n, u := range i.urls {
		answers[n] = metadata(u)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			wire.WriteOAuthError(w, http.StatusMethodNotAllowed, "invalid_request", "Only GET is answered here", "")
			return
		}
		at := slices.IndexFunc(i.urls, func(u string) bool {
			parsed, err := url.Parse(u)
			return err == nil && strings.EqualFold(parsed.Host, r.Host)
		})
		writePublic(w, answers[max(0, at)])
	})
}

func metadata(publicURL string) []byte {
	methods := []string{"client_secret_basic", "client_secret_post", "private_key_jwt"}
	b, err := json.Marshal(struct {
		Issuer     string `json:"issuer"`
		Token      string `json:"token_endpoint"`
		Keys       string `json:"jwks_uri"`
		Introspect string `json:"introspection_endpoint"`
		Revoke     string `json:"revocation_endpoint"`
		// Responses is empty, since there is no authorization endpoint. Readers require the
		// member (RFC 8414 2), though empty lists are else left out (RFC 8414 3.2).
		Responses         []string `json:"response_types_supported"`
		Grants            []string `json:"grant_types_supported"`
		Scopes            []string `json:"scopes_supported"`
		TokenMethods      []string `json:"token_endpoint_auth_methods_supported"`
		TokenAlgs         []string `json:"token_endpoint_auth_signing_alg_values_supported"`
		IntrospectMethods []string `json:"introspection_endpoint_auth_methods_supported"`
		IntrospectAlgs    []string `json:"introspection_endpoint_auth_signing_alg_values_supported"`
		RevokeMethods     []string `json:"revocation_endpoint_auth_methods_supported"`
		RevokeAlgs        []string `json:"revocation_endpoint_auth_signing_alg_values_supported"`
	}{
		publicURL + "/", publicURL + tokenPath, publicURL + keysPath, publicURL + introspectionPath, publicURL + revocationPath,
		[]string{},
		[]string{"client_credentials"},
		rollcall.Scopes(),
		methods, Algorithms(), methods, Algorithms(), methods, Algorithms(),
	})
	if err != nil {
		panic(err) // texts and lists of texts alone
	}
	return b
}
