package gate_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/rollcall-id/rollcall/gate"
)

func TestEnvoyAsksUnderTheApplicationsOwnPathAndQuery(t *testing.T) {
	f := newFixture(t)
	_, token := f.create("auth0|1")
	const start = "https://login.example.com/start?"
	for name, tt := range map[string]struct {
		method, target, host, trusted, token string
		status                               int
		location                             string
	}{
		"signed in":                 {"GET", "/a?b=c", "app.example.com", "yes", token, 200, ""},
		"the application's query":   {"GET", "/a?acr=aal3&max_age=x&client_id=other", "app.example.com", "yes", token, 200, ""},
		"a form, signed in":         {"POST", "/a", "app.example.com", "yes", token, 200, ""},
		"a page":                    {"GET", "/a%2Fb?c=d&e", "app.example.com", "yes", "", 302, start + "return_to=https%3A%2F%2Fapp.example.com%2Fa%252Fb%3Fc%3Dd%26e&x=1"},
		"a form":                    {"POST", "/a", "app.example.com", "yes", "", 401, ""},
		"another host":              {"GET", "/a", "evil.example.com", "yes", "", 302, start + "x=1"},
		"a host in the path":        {"GET", "//evil.example.com/", "app.example.com", "yes", "", 302, start + "x=1"},
		"not from a trusted proxy":  {"GET", "/a", "app.example.com", "", "", 302, start + "x=1"},
		"the root of the site":      {"GET", "/", "app.example.com", "yes", "", 302, start + "return_to=https%3A%2F%2Fapp.example.com%2F&x=1"},
		"the check's path, nothing": {"GET", "/check/envoy/", "app.example.com", "yes", "", 302, start + "return_to=https%3A%2F%2Fapp.example.com%2Fcheck%2Fenvoy%2F&x=1"},
	} {
		r := httptest.NewRequest(tt.method, gate.EnvoyPrefix+tt.target, nil)
		r.Host = tt.host
		for name, value := range map[string]string{
			"Accept": "text/html", "X-Forwarded-Proto": "https", "Test-Trusted": tt.trusted, "Cookie": "__Host-rollcall=" + tt.token,
			// What a client could say, were it passed on.
			"X-Forwarded-Method": "GET", "X-Forwarded-Uri": "/evil", "X-Forwarded-Host": "evil.example.com",
		} {
			r.Header.Set(name, value)
		}
		w := httptest.NewRecorder()
		f.gate.Envoy(w, r)
		if w.Code != tt.status || w.Header().Get("Location") != tt.location {
			t.Errorf("%s: %d %s", name, w.Code, w.Header().Get("Location"))
		}
		if got := identity(w); len(got) != 6 || (got[gate.HeaderUser] != "") != (w.Code == http.StatusOK) {
			t.Errorf("%s: identity %v", name, got)
		}
	}
}
