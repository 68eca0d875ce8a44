package server_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/oauth"
)

const formType = "application/x-www-form-urlencoded"

func basic(id, secret string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(id)+":"+url.QueryEscape(secret)))
}

// metadata are those of the server, as they are under a public URL.
func (r *running) metadata(publicURL string) map[string]any {
	r.t.Helper()
	status, header, body := r.do("GET", publicURL+"/.well-known/oauth-authorization-server", "")
	var m map[string]any
	if err := json.Unmarshal([]byte(body), &m); err != nil || status != 200 || header.Get("Content-Type") != "application/json" {
		r.t.Fatalf("%d %v %s", status, header, body)
	}
	return m
}

func TestTheMetadataListsWhatThereIs(t *testing.T) {
	r := start(t)
	for _, publicURL := range r.issuer.PublicURLs() {
		m := r.metadata(publicURL)
		if m["issuer"] != publicURL+"/" {
			t.Errorf("the issuer of %s is %v", publicURL, m["issuer"])
		}
		for name, value := range m {
			if text, ok := value.(string); ok && name != "issuer" {
				method := map[bool]string{true: "GET", false: "POST"}[name == "jwks_uri"]
				status, _, body := r.do(method, text, "grant_type=client_credentials&token=x", "Content-Type", formType, "Authorization", basic("backend", secret))
				if !strings.HasPrefix(text, publicURL+"/") || status != 200 {
					t.Errorf("%s %s: %d %s", name, text, status, body)
				}
			}
		}
		for name, want := range map[string][]string{
			"grant_types_supported": {"client_credentials"}, "response_types_supported": {}, "scopes_supported": rollcall.Scopes(),
			"token_endpoint_auth_signing_alg_values_supported": oauth.Algorithms(),
		} {
			got := []string{}
			for _, item := range m[name].([]any) {
				got = append(got, item.(string))
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s: %s", name, diff)
			}
		}
	}
	if status, header, _ := r.do("POST", r.plain+"/.well-known/oauth-authorization-server", ""); status != 405 || header.Get("Allow") != "GET, HEAD" {
		t.Errorf("POST: %d %v", status, header)
	}
}

func TestClientsAskAboutSessionTokensWithTheirOwnCredentials(t *testing.T) {
	r := start(t)
	s := r.signIn(r.token(), "auth0|1")
	m := r.metadata(r.secure)
	ask := func(endpoint, body string, headers ...string) (int, http.Header, string) {
		if !slices.Contains(headers, "Content-Type") {
			headers = append(headers, "Content-Type", formType)
		}
		return r.do("POST", m[endpoint].(string), body, headers...)
	}
	byBasic := []string{"Authorization", basic("backend", secret)}
	inForm := url.Values{"client_id": {"backend"}, "client_secret": {secret}, "token": {s.Token}}.Encode()
	inJSON, err := json.Marshal(map[string]string{"client_id": "backend", "client_secret": secret, "token": s.Token})
	r.must(err)
	_, _, published := r.do("POST", r.secure+"/v1/introspect", "token="+s.Token, "Content-Type", formType, "Authorization", "Bearer "+r.token())
	for name, tt := range map[string]struct {
		body    string
		headers []string
	}{
		"Basic":               {"token=" + s.Token, byBasic},
		"Basic, with a hint":  {"token_type_hint=refresh_token&x=1&x=2&token=" + s.Token, byBasic},
		"form":                {inForm, nil},
		"JSON":                {string(inJSON), []string{"Content-Type", "application/json"}},
		"what is met":         {"acr=aal1&max_age=3600&token=" + s.Token, byBasic},
		"Basic, id in a form": {"client_id=backend&token=" + s.Token, byBasic},
	} {
		status, header, body := ask("introspection_endpoint", tt.body, tt.headers...)
		if status != 200 || body != published || header.Get("Content-Type") != "application/json" || header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d %s, want %s", name, status, body, published)
		}
	}
	for name, tt := range map[string]struct {
		endpoint, body string
		headers        []string
		status         int
		want           string // in the body or the challenge
	}{
		"nobody":                 {"introspection_endpoint", "token=x", nil, 401, `{"error":"invalid_client",`},
		"nobody revokes":         {"revocation_endpoint", "token=" + s.Token, nil, 401, `{"error":"invalid_client",`},
		"a wrong secret":         {"introspection_endpoint", "token=x", []string{"Authorization", basic("backend", "wrong")}, 401, `Basic realm="rollcall"`},
		"a wrong secret revokes": {"revocation_endpoint", "token=" + s.Token, []string{"Authorization", basic("backend", "wrong")}, 401, `Basic realm="rollcall"`},
		"a management token":     {"introspection_endpoint", "token=x", []string{"Authorization", "Bearer " + r.token()}, 401, `{"error":"invalid_client",`},
		"no token":               {"introspection_endpoint", "", byBasic, 400, "Missing required parameter: token"},
		"no token to revoke":     {"revocation_endpoint", "", byBasic, 400, "Missing required parameter: token"},
		"two tokens":             {"introspection_endpoint", "token=a&token=b", byBasic, 400, "invalid_request"},
		"neither form nor JSON":  {"revocation_endpoint", "token=x", append([]string{"Content-Type", "text/plain"}, byBasic...), 415, "invalid_request"},
		"an unreadable age":      {"introspection_endpoint", "max_age=x&token=" + s.Token, byBasic, 400, "invalid_request"},
		"what is not met":        {"introspection_endpoint", "acr=aal3&token=" + s.Token, byBasic, 401, `Bearer error="insufficient_user_authentication"`},
		"a management token's":   {"revocation_endpoint", "token=" + r.token(), byBasic, 400, "unsupported_token_type"},
		"about a management":     {"introspection_endpoint", "token=" + r.token(), byBasic, 200, `{"active":false}`},
		"about garbage":          {"introspection_endpoint", "token=rcs_garbage", byBasic, 200, `{"active":false}`},
		"garbage is revoked":     {"revocation_endpoint", "token=rcs_garbage", byBasic, 200, "{}"},
	} {
		status, header, body := ask(tt.endpoint, tt.body, tt.headers...)
		if status != tt.status || !strings.Contains(body+header.Get("WWW-Authenticate"), tt.want) {
			t.Errorf("%s: %d %s %v, want %d with %s", name, status, body, header, tt.status, tt.want)
		}
		if status == 401 && header.Get("WWW-Authenticate") == "" {
			t.Errorf("%s: no challenge", name)
		}
	}
	if status, _, body := ask("introspection_endpoint", "token="+s.Token, byBasic...); status != 200 || body != published {
		t.Fatalf("something of that has ended the session: %d %s", status, body)
	}
	for range 2 {
		if status, _, body := ask("revocation_endpoint", "token="+s.Token, byBasic...); status != 200 || body != "{}" {
			t.Errorf("revoking: %d %s", status, body)
		}
	}
	if status, _, body := ask("introspection_endpoint", "token="+s.Token, byBasic...); status != 200 || body != `{"active":false}` {
		t.Errorf("after its end: %d %s", status, body)
	}
	if r.log.Has(s.Token) || r.log.Has(secret) {
		t.Error("the log holds a token or a secret")
	}
}

// A client that may not ask learns nothing, and may still end the session whose token it has:
// whoever has that token can sign out with nothing else.
func TestAClientWithoutTheScopeMayNotAskAndMayRevokeWhatItHolds(t *testing.T) {
	r := start(t)
	s := r.signIn(r.token(), "auth0|1")
	weakSecret, hash := oauth.NewClientSecret()
	parsed, err := oauth.ParseSecretHash(hash)
	r.must(err)
	r.must(r.issuer.Reload(oauth.Callers{Clients: []oauth.Client{{ID: "weak", SecretHashes: [][32]byte{parsed}, Scopes: []string{"read:sessions"}}}}))
	headers := []string{"Content-Type", formType, "Authorization", basic("weak", weakSecret)}
	status, _, body := r.do("POST", r.secure+"/oauth/introspect", "token="+s.Token, headers...)
	if want := `{"error":"unauthorized_client","error_description":"The client does not have the scope introspect"}`; status != 403 || body != want {
		t.Errorf("%d %s", status, body)
	}
	if status, _, body := r.do("POST", r.secure+"/oauth/revoke", "token="+s.Token, headers...); status != 200 {
		t.Errorf("%d %s", status, body)
	}
	if _, err := r.manager.Session(t.Context(), s.Session.ID); rollcall.ErrorCode(err) != rollcall.CodeNotFound {
		t.Errorf("the session lives on: %v", err)
	}
}
