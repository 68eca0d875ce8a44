package gate_test

import (
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/rollcall-id/rollcall/gate"
)

// Whatever stands in the forwarded headers, the address that a browser is sent back
// to is of the configured origin, also as lenient browsers read it.
func FuzzReturnAddress(f *testing.F) {
	fix := newFixture(&testing.T{})
	login := &url.URL{Scheme: "https", Host: "login.example.com", Path: "/start"}
	fix.gate = fix.with(func(o *gate.Options) {
		o.LoginURL, o.ReturnOrigins = login, []string{"https://app.example.com", "https://*.example.org"}
	})
	for _, seed := range [][3]string{
		{"https", "app.example.com", "/a?b=c"},
		{"https", "app.example.com", "//evil.example.com"},
		{"https", "app.example.com", `/\evil.example.com`},
		{"https", "app.example.com", "/%5cevil.example.com"},
		{"https", "app.example.com", "/\t/evil.example.com"},
		{"https", "app.example.com", "@evil.example.com/"},
		{"https", "app.example.com@evil.example.com", "/"},
		{"https", "app.example.com", "/#@evil.example.com"},
		{"https", "app.example.com", "/\r\nLocation: https://evil.example.com"},
		{"https://app.example.com/?", "", "/"},
		{"javascript", "app.example.com", "/"},
		{"https", "tenant.example.org", "/"},
		{"https", "evil.example.com#.example.org", "/"},
		{"https", "evil.example.com/.example.org", "/"},
	} {
		f.Add(seed[0], seed[1], seed[2], true)
		f.Add(seed[0], seed[1], seed[2], false)
	}
	f.Fuzz(func(t *testing.T, proto, host, uri string, trusted bool) {
		for name, ask := range map[string]func() *httptest.ResponseRecorder{
			"login": func() *httptest.ResponseRecorder {
				r := httptest.NewRequest("GET", "/check/login", nil)
				r.Header["Accept"] = []string{"text/html"}
				r.Header["X-Forwarded-Proto"], r.Header["X-Forwarded-Host"], r.Header["X-Forwarded-Uri"] = []string{proto}, []string{host}, []string{uri}
				if trusted {
					r.Header.Set("Test-Trusted", "yes")
				}
				w := httptest.NewRecorder()
				fix.gate.Login(w, r)
				return w
			},
			"envoy": func() *httptest.ResponseRecorder {
				r := httptest.NewRequest("GET", gate.EnvoyPrefix+"/", nil)
				r.Header["Accept"], r.Header["X-Forwarded-Proto"] = []string{"text/html"}, []string{proto}
				r.Host = host
				u, err := url.ParseRequestURI(gate.EnvoyPrefix + uri)
				if err != nil {
					u = r.URL
				}
				r.URL = u
				if trusted {
					r.Header.Set("Test-Trusted", "yes")
				}
				w := httptest.NewRecorder()
				fix.gate.Envoy(w, r)
				return w
			},
		} {
			w := ask()
			location, err := url.Parse(w.Header().Get("Location"))
			if err != nil || w.Code != 302 || location.Scheme+"://"+location.Host+location.Path != "https://login.example.com/start" {
				t.Fatalf("%s: %d %q", name, w.Code, w.Header().Get("Location"))
			}
			address, given := location.Query().Get(gate.ReturnParameter), location.Query().Has(gate.ReturnParameter)
			if !given {
				continue
			}
			rest, ok := strings.CutPrefix(address, "https://app.example.com/")
			tenant, _, _ := strings.Cut(strings.TrimPrefix(address, "https://"), "/")
			if label, below := strings.CutSuffix(tenant, ".example.org"); below && label != "" && !strings.ContainsAny(label, ".:@") {
				rest, ok = strings.CutPrefix(address, "https://"+tenant+"/")
			}
			// Browsers drop tabs and line breaks, and read a backslash as a slash.
			if !ok || !trusted || strings.ContainsAny(rest, "\\\t\r\n\x00") || strings.HasPrefix(rest, "/") {
				t.Errorf("%s: %q, %q, %q leads to %q", name, proto, host, uri, address)
			}
			if u, err := url.Parse(address); err != nil || u.Host != "app.example.com" && !strings.HasSuffix(u.Host, ".example.org") || u.User != nil {
				t.Errorf("%s: %q, %q, %q leads to %v %v", name, proto, host, uri, u, err)
			}
		}
	})
}
