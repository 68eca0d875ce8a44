package gate_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/rollcall-id/rollcall/gate"
)

// snippet reads a file that the documentation tells people to use.
func snippet(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "docs", "proxies", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// sent are the identity headers that a good session's check sends, in lower case.
func sent(f fixture) []string {
	_, token := f.create("auth0|1")
	var names []string
	for name := range identity(f.check("/check", "Authorization", "Bearer "+token)) {
		names = append(names, strings.ToLower(name))
	}
	return sorted(names)
}

func sorted(names []string) []string {
	lower := make([]string, 0, len(names))
	for _, name := range names {
		lower = append(lower, strings.ToLower(name))
	}
	slices.Sort(lower)
	return lower
}

func TestEverySnippetNamesEveryIdentityHeader(t *testing.T) {
	all := sent(newFixture(t))
	for name, forms := range map[string][]string{
		"nginx.conf":               {"proxy_set_header %s $", "$upstream_http_%_;"},
		"Caddyfile":                {" %s"},
		"haproxy/auth-request.lua": {`"%s"`},
	} {
		text := strings.ToLower(string(snippet(t, name)))
		for _, header := range all {
			for _, form := range forms {
				want := strings.NewReplacer("%s", header, "%_", strings.ReplaceAll(header, "-", "_")).Replace(form)
				if !strings.Contains(text, want) {
					t.Errorf("%s lacks %q", name, want)
				}
			}
		}
	}
}

// traefik is what the tests read of traefik.yaml.
type traefik struct {
	HTTP struct {
		Routers     map[string]traefikRouter `yaml:"routers"`
		Middlewares map[string]struct {
			ForwardAuth *forwardAuth `yaml:"forwardAuth"`
			Headers     struct {
				CustomRequestHeaders map[string]string `yaml:"customRequestHeaders"`
				AllowOrigins         []string          `yaml:"accessControlAllowOriginList"`
			} `yaml:"headers"`
			IPAllowList struct {
				SourceRange      []string `yaml:"sourceRange"`
				RejectStatusCode int      `yaml:"rejectStatusCode"`
			} `yaml:"ipAllowList"`
		} `yaml:"middlewares"`
	} `yaml:"http"`
}

type traefikRouter struct {
	Rule        string   `yaml:"rule"`
	Priority    int      `yaml:"priority"`
	Middlewares []string `yaml:"middlewares"`
}

// forwardAuth is a small client of the contract that Traefik documents: it asks
// with GET, the request's headers and X-Forwarded-*, copies the listed headers of a
// 2xx, and gives any other answer to the client as it is.
type forwardAuth struct {
	Address             string   `yaml:"address"`
	TrustForwardHeader  bool     `yaml:"trustForwardHeader"`
	AuthResponseHeaders []string `yaml:"authResponseHeaders"`

	server string
	next   http.Handler
}

func (a *forwardAuth) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	address, err := url.Parse(a.Address)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	question, err := http.NewRequestWithContext(r.Context(), http.MethodGet, a.server+address.RequestURI(), nil)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	question.Header = r.Header.Clone()
	for name, value := range map[string]string{
		"X-Forwarded-Method": r.Method, "X-Forwarded-Proto": "https", "X-Forwarded-Host": r.Host,
		"X-Forwarded-Uri": r.URL.RequestURI(), "X-Forwarded-For": "192.0.2.9",
	} {
		question.Header.Set(name, value)
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, err := client.Do(question)
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	defer answer.Body.Close()
	if answer.StatusCode/100 != 2 {
		for name, values := range answer.Header {
			w.Header()[name] = values
		}
		w.WriteHeader(answer.StatusCode)
		_, _ = io.Copy(w, answer.Body)
		return
	}
	for _, name := range a.AuthResponseHeaders {
		r.Header.Del(name)
		if values := answer.Header.Values(name); len(values) > 0 {
			r.Header[http.CanonicalHeaderKey(name)] = values
		}
	}
	a.next.ServeHTTP(w, r)
}

func readTraefik(t *testing.T) traefik {
	t.Helper()
	var c traefik
	if err := yaml.Unmarshal(snippet(t, "traefik.yaml"), &c); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestTraefikSnippetCopiesEveryHeaderThatIsSentAndStripsThemEverywhere(t *testing.T) {
	all, c := sent(newFixture(t)), readTraefik(t)
	asking := 0
	for name, m := range c.HTTP.Middlewares {
		if a := m.ForwardAuth; a != nil {
			asking++
			if diff := cmp.Diff(all, sorted(a.AuthResponseHeaders)); diff != "" || a.TrustForwardHeader {
				t.Errorf("%s: trustForwardHeader %v, headers (-sent +copied):\n%s", name, a.TrustForwardHeader, diff)
			}
		}
	}
	// What each router does last of all.
	last := map[string]string{
		"app": "/check/login", "app-secure": "/check/login?acr=aal2", "app-events": "/check/login?touch=false", "app-public": "",
		"app-preflight": "preflight", "app-refused": "refuse",
	}
	if asking != 3 || len(c.HTTP.Routers) != len(last) {
		t.Errorf("%d middlewares that ask, %d routers", asking, len(c.HTTP.Routers))
	}
	for name, router := range c.HTTP.Routers {
		final := router.Middlewares[len(router.Middlewares)-1]
		if final == "preflight" || final == "refuse" {
			if final != last[name] || len(router.Middlewares) != 1 {
				t.Errorf("router %s does %v", name, router.Middlewares)
			}
			continue
		}
		var stripped []string
		for header, value := range c.HTTP.Middlewares[router.Middlewares[0]].Headers.CustomRequestHeaders {
			if value == "" {
				stripped = append(stripped, header)
			}
		}
		if diff := cmp.Diff(all, sorted(stripped)); diff != "" {
			t.Errorf("router %s: first of all (-sent +stripped):\n%s", name, diff)
		}
		asked := ""
		if a := c.HTTP.Middlewares[final].ForwardAuth; a != nil {
			asked = strings.TrimPrefix(a.Address, "http://127.0.0.1:8080")
		}
		if asked != last[name] {
			t.Errorf("router %s asks %q", name, asked)
		}
	}
	if refuse := c.HTTP.Middlewares["refuse"].IPAllowList; refuse.RejectStatusCode != 400 || len(refuse.SourceRange) != 1 || refuse.SourceRange[0] != "255.255.255.255/32" {
		t.Errorf("refused is %+v", refuse)
	}
	if origins := c.HTTP.Middlewares["preflight"].Headers.AllowOrigins; len(origins) != 1 || !strings.Contains(c.HTTP.Routers["app-preflight"].Rule, "Header(`Origin`, `"+origins[0]+"`)") {
		t.Errorf("preflights of %v are answered", origins)
	}
}

func TestTraefikForwardAuthHoldsWithTheSnippet(t *testing.T) {
	f := newFixture(t)
	s, token := f.create("auth0|1")
	door := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/check/login" {
			t.Errorf("asked at %s", r.URL.Path)
		}
		r.Header.Set("Test-Trusted", "yes")
		r.Header.Set("Test-IP", r.Header.Get("X-Forwarded-For"))
		f.gate.Login(w, r)
	}))
	defer door.Close()
	var reached http.Header
	app := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { reached = r.Header })
	middlewares := readTraefik(t).HTTP.Middlewares
	ask := func(middleware, method, token string) *httptest.ResponseRecorder {
		a := *middlewares[middleware].ForwardAuth
		a.server, a.next = door.URL, app
		r := httptest.NewRequest(method, "/account?acr=aal1&b=c", bytes.NewReader(nil))
		r.Host = "app.example.com"
		for _, name := range []string{gate.HeaderUser, gate.HeaderSession, gate.HeaderAuthenticatedAt, gate.HeaderMethods, gate.HeaderExpiresAt, gate.HeaderLevel, "X-Forwarded-Host", "X-Forwarded-For"} {
			r.Header.Set(name, "forged")
		}
		r.Header.Set("Accept", "text/html")
		r.Header.Set("Cookie", "__Host-rollcall="+token)
		w := httptest.NewRecorder()
		reached = nil
		a.ServeHTTP(w, r)
		return w
	}

	w := ask("rollcall-aal2", "POST", token)
	if w.Code != http.StatusOK || reached.Get(gate.HeaderUser) != "auth0|1" || reached.Get(gate.HeaderSession) != s.ID {
		t.Errorf("signed in: %d, %v", w.Code, reached)
	}
	for _, name := range sent(f) {
		if values := reached.Values(name); len(values) != 1 || values[0] == "forged" {
			t.Errorf("%s reaches the application as %q", name, values)
		}
	}
	const back = "https://login.example.com/start?return_to=https%3A%2F%2Fapp.example.com%2Faccount%3Facr%3Daal1%26b%3Dc&x=1"
	if w = ask("rollcall", "GET", ""); w.Code != http.StatusFound || w.Header().Get("Location") != back || reached != nil {
		t.Errorf("a page, not signed in: %d %s, reached %v", w.Code, w.Header().Get("Location"), reached)
	}
	if w = ask("rollcall", "POST", ""); w.Code != http.StatusUnauthorized || reached != nil || !strings.Contains(w.Body.String(), `"statusCode":401`) {
		t.Errorf("a form, not signed in: %d %s, reached %v", w.Code, w.Body, reached)
	}
	f.store.FailReads(errors.New("disk"))
	if w = ask("rollcall", "GET", token); w.Code != http.StatusServiceUnavailable || reached != nil {
		t.Errorf("a check that cannot be answered: %d, reached %v", w.Code, reached)
	}
}
