package gate_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/gate"
	"github.com/rollcall-id/rollcall/internal/doortest"
	"github.com/rollcall-id/rollcall/internal/logtest"
	"github.com/rollcall-id/rollcall/internal/wire"
	"github.com/rollcall-id/rollcall/reference/referencetest"
)

// with returns a gate of the fixture's sessions with other options.
func (f fixture) with(change func(*gate.Options)) *gate.Gate {
	o := gate.Options{
		Manager: f.manager, Cookie: wire.NewCookie(""), Logger: slog.New(slog.DiscardHandler),
		RemoteIP: func(*http.Request) string { return "" },
		Trusted:  func(r *http.Request) bool { return r.Header.Get("Test-Trusted") != "" },
		LoginURL: &url.URL{Scheme: "https", Host: "login.example.com", Path: "/start"},
	}
	change(&o)
	return gate.New(o)
}

// ask returns the status of a check with a Cookie header, and whose session it was.
func (f fixture) ask(g *gate.Gate, query, cookies string) (status int, user string) {
	w := doortest.Serve(referencetest.Handler(f.t, http.HandlerFunc(g.Check)), "GET", "/check"+query, "", "Cookie", cookies)
	return w.Code, w.Header().Get(gate.HeaderUser)
}

func TestOfSeveralCookiesThatADomainSharesTheOnlyLiveOneIsChecked(t *testing.T) {
	f := newFixture(t)
	var log logtest.Buffer
	g := f.with(func(o *gate.Options) { o.Cookie, o.Logger = wire.NewCookie("example.com"), log.Logger() })
	s, good := f.create("ada")
	_, another := f.create("grace")
	ended, over := f.create("ada")
	if err := f.manager.End(context.Background(), rollcall.Caller{}, ended.ID, rollcall.ReasonDeleted); err != nil {
		t.Fatal(err)
	}
	staging := rollcall.Token{ID: rollcall.NewSessionID()}.Reveal()
	wrong := rollcall.Token{ID: s.ID, Secret: rollcall.NewSecret()}.Reveal()
	cookies := func(tokens ...string) string {
		var all []string
		for _, token := range tokens {
			all = append(all, "__Secure-rollcall="+token)
		}
		return strings.Join(all, "; ")
	}
	for _, tt := range []struct {
		name, query, cookies string
		status               int
		user                 string
	}{
		{"another server's", "", cookies(staging, good), 200, "ada"},
		{"an older secret of the same session", "", cookies(wrong, good), 200, "ada"},
		{"three others", "", cookies(over, good, staging, wrong), 200, "ada"},
		{"the same twice", "", cookies(good, good), 200, "ada"},
		{"another software's", "", cookies("theirs", good, "theirs too"), 200, "ada"},
		{"a live one that is not well enough", "?acr=aal3", cookies(staging, good), 401, ""},
		{"none that is live", "", cookies(over, staging), 401, ""},
		{"two that are live", "", cookies(good, another), 401, ""},
		{"two that are live, of which one is well enough", "?amr=pwd", cookies(good, another), 401, ""},
		{"five", "", cookies(good, over, staging, wrong, staging[:len(staging)-1]), 401, ""},
		{"the name without a domain", "", "__Host-rollcall=" + good, 401, ""},
	} {
		if status, user := f.ask(g, tt.query, tt.cookies); status != tt.status || user != tt.user {
			t.Errorf("%s: %d %q", tt.name, status, user)
		}
	}
	if g.SeveralCookies() != 3 || log.Count("several session cookies") != 1 || log.Has(good) {
		t.Errorf("%d counted, logged: %s", g.SeveralCookies(), log.String())
	}
	f.store.FailReads(errors.New("disk"))
	if status, _ := f.ask(g, "", cookies(staging, wrong)); status != http.StatusServiceUnavailable {
		t.Errorf("when nobody can say which is live: %d", status)
	}
}

func TestCookiesThatNobodyCanTellApartAreCountedAndWarnedOfOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		var log logtest.Buffer
		g := f.with(func(o *gate.Options) { o.Logger = log.Logger() })
		_, token := f.create("ada")
		twice := "__Host-rollcall=" + token + "; __Host-rollcall=" + token
		ask := func(cookies string) int {
			return doortest.Serve(http.HandlerFunc(g.Check), "GET", "/check", "", "Cookie", cookies).Code
		}
		for range 100 {
			if status := ask(twice); status != http.StatusUnauthorized {
				t.Fatalf("%d", status)
			}
			time.Sleep(time.Second)
		}
		if n := log.Count("several session cookies"); n != 2 || g.SeveralCookies() != 100 || log.Has(token) {
			t.Errorf("%d warnings of %d: %s", n, g.SeveralCookies(), log.String())
		}
		log.Reset()
		ask("a=b")
		ask("__Host-rollcall=garbage")
		if log.String() != "" || g.SeveralCookies() != 100 {
			t.Errorf("who is not signed in is warned of: %s", log.String())
		}
	})
}

func TestACookieThatASiblingHostCanPlantOpensNothing(t *testing.T) {
	f := newFixture(t)
	_, own := f.create("ada")
	_, planted := f.create("mallory")
	for _, name := range []string{"\u2000__Host-rollcall", "__Host-rollcall\u00a0", "\u0085__Host-rollcall", "__host-rollcall", "\xa0__Host-rollcall"} {
		if status, user := f.ask(f.gate, "", name+"="+planted); status != http.StatusUnauthorized {
			t.Errorf("%q alone: %d %s", name, status, user)
		}
		if status, user := f.ask(f.gate, "", name+"="+planted+"; __Host-rollcall="+own); status != http.StatusOK || user != "ada" {
			t.Errorf("%q beside the own: %d %s", name, status, user)
		}
	}
}

func TestTheCookiesNameIsTheConfiguredOne(t *testing.T) {
	f := newFixture(t)
	_, token := f.create("ada")
	g := f.with(func(o *gate.Options) { o.Cookie.Cookie.Name = "__Host-staging" })
	if status, user := f.ask(g, "", "__Host-rollcall=garbage; __Host-staging="+token); status != http.StatusOK || user != "ada" {
		t.Errorf("%d %s", status, user)
	}
	if status, _ := f.ask(g, "", "__Host-rollcall="+token); status != http.StatusUnauthorized {
		t.Errorf("the default name: %d", status)
	}
}

func TestScriptsGetA401AndPagesTheWayToTheLogin(t *testing.T) {
	f := newFixture(t)
	g := f.with(func(*gate.Options) {})
	const page = "text/html,application/xhtml+xml,*/*;q=0.8"
	for name, tt := range map[string]struct {
		headers []string
		status  int
	}{
		"a browser":              {[]string{"Accept", page, "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}, 302},
		"an old browser":         {[]string{"Accept", page}, 302},
		"a link that is tried":   {[]string{"Accept", page, "Test-Trusted", "yes", "X-Forwarded-Method", "HEAD"}, 302},
		"two methods":            {[]string{"Accept", page, "Test-Trusted", "yes", "X-Forwarded-Method", "GET", "X-Forwarded-Method", "POST"}, 401},
		"a method nobody trusts": {[]string{"Accept", page, "X-Forwarded-Method", "POST"}, 302},
		"fetch":                  {[]string{"Accept", page, "Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty"}, 401},
		"jQuery":                 {[]string{"Accept", "text/html, */*; q=0.01", "X-Requested-With", "XMLHttpRequest"}, 401},
		"htmx":                   {[]string{"Accept", "text/html, */*", "HX-Request", "true"}, 401},
		"no html":                {[]string{"Accept", "text/html;q=0, */*"}, 401},
		"a preflight":            {[]string{"Accept", page, "Test-Trusted", "yes", "X-Forwarded-Method", "OPTIONS", "Access-Control-Request-Method", "GET"}, 401},
	} {
		w := doortest.Serve(referencetest.Handler(t, http.HandlerFunc(g.Login)), "GET", "/check/login", "", tt.headers...)
		if w.Code != tt.status {
			t.Errorf("%s: %d", name, w.Code)
		}
	}
}

func TestA401IsReadableByPagesOfListedOriginsAlone(t *testing.T) {
	f := newFixture(t)
	_, token := f.create("ada")
	const listed = "https://app.example.com"
	cors := f.with(func(o *gate.Options) { o.CORSOrigins = []string{listed, "http://localhost:3000"} })
	for name, tt := range map[string]struct {
		gate    *gate.Gate
		headers []string
		status  int
		allowed string
		varies  bool
	}{
		"a listed origin":               {cors, []string{"Origin", listed}, 401, listed, true},
		"another listed one":            {cors, []string{"Origin", "http://localhost:3000"}, 401, "http://localhost:3000", true},
		"a listed one, for a challenge": {cors, []string{"Origin", listed, "Authorization", "Bearer " + token}, 401, listed, true},
		"another port":                  {cors, []string{"Origin", listed + ":8443"}, 401, "", true},
		"another origin":                {cors, []string{"Origin", "https://evil.example.com"}, 401, "", true},
		"an opaque one":                 {cors, []string{"Origin", "null"}, 401, "", true},
		"two":                           {cors, []string{"Origin", listed, "Origin", listed}, 401, "", true},
		"capitals":                      {cors, []string{"Origin", "https://APP.example.com"}, 401, "", true},
		"none":                          {cors, nil, 401, "", true},
		"no list":                       {f.gate, []string{"Origin", listed}, 401, "", false},
	} {
		for path, h := range map[string]http.HandlerFunc{"/check": tt.gate.Check, "/check/login": tt.gate.Login} {
			w := doortest.Serve(referencetest.Handler(t, h), "GET", path+"?acr=aal3", "", tt.headers...)
			got := w.Header()
			credentials := ""
			if tt.allowed != "" {
				credentials = "true"
			}
			if w.Code != tt.status || got.Get("Access-Control-Allow-Origin") != tt.allowed || got.Get("Access-Control-Allow-Credentials") != credentials || (got.Get("Vary") == "Origin") != tt.varies {
				t.Errorf("%s, %s: %d %v", path, name, w.Code, got)
			}
		}
	}
	w := doortest.Serve(http.HandlerFunc(cors.Check), "GET", "/check", "", "Origin", listed, "Authorization", "Bearer "+token)
	if w.Code != http.StatusOK || w.Header().Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("a good session's answer is the proxy's to read: %d %v", w.Code, w.Header())
	}
	f.store.FailReads(errors.New("disk"))
	if w := doortest.Serve(http.HandlerFunc(cors.Check), "GET", "/check", "", "Origin", listed, "Authorization", "Bearer "+rollcall.Token{ID: rollcall.NewSessionID()}.Reveal()); w.Code != http.StatusServiceUnavailable || w.Header().Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("an outage: %d %v", w.Code, w.Header())
	}
}

func TestAWildcardIsOneWholeLabelBelowADomain(t *testing.T) {
	for text, good := range map[string]bool{
		"https://app.example.com": true, "https://*.example.com": true, "https://*.app.example.co.uk": true, "https://*.example.test": true,
		"http://*.example.com": false, "https://*.example.com:8443": false, "https://*.example.com:443": false, "https://*.com": false, "https://*.co.uk": false, "https://*.github.io": false,
		"https://*.test": false, "https://*": false, "https://*.": false, "https://*.*.example.com": false, "https://a*.example.com": false, "https://app.*.com": false, "https://*.Example.com": false,
		"https://*.example.com/": false, "https://*.example.com.": false, "https://*.192.0.2.1": false, "https://*.[::1]": false, "*": false, "https://u@*.example.com": false,
	} {
		if err := gate.CheckReturnOrigin(text); (err == nil) != good {
			t.Errorf("%s: %v", text, err)
		}
	}
	f := newFixture(t)
	g := f.with(func(o *gate.Options) { o.ReturnOrigins = []string{"https://*.example.com", "https://*.amazonaws.com"} })
	for origin, good := range map[string]bool{
		"https://tenant.example.com": true, "https://tenant-2.example.com": true, "https://xn--bcher-kva.example.com": true, "https://console.amazonaws.com": true,
		"https://example.com": false, "https://.example.com": false, "https://a.b.example.com": false, "https://tenant.example.com:8443": false, "http://tenant.example.com": false,
		"https://evil.com": false, "https://tenant.example.com.evil.com": false, "https://evilexample.com": false, "https://*.example.com": false, "https://u@tenant.example.com": false,
		"https://tenant.example.com@evil.com": false, "https://evil.com/.example.com": false, "https://Tenant.example.com": false, "https://a%2eb.example.com": false, "https://t\u00e9nant.example.com": false,
		"https://s3.amazonaws.com": false, // itself a domain under which everybody can have a name
	} {
		scheme, host, _ := strings.Cut(origin, "://")
		w := doortest.Serve(http.HandlerFunc(g.Login), "GET", "/check/login", "",
			"Test-Trusted", "yes", "Accept", "text/html", "X-Forwarded-Proto", scheme, "X-Forwarded-Host", host, "X-Forwarded-Uri", "/a")
		location, err := url.Parse(w.Header().Get("Location"))
		if err != nil {
			t.Fatal(err)
		}
		if back := location.Query().Get(gate.ReturnParameter); (back == origin+"/a") != good || !good && back != "" {
			t.Errorf("%s: back to %q", origin, back)
		}
	}
}
