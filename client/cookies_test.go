package client_test

import (
	"bytes"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/client"
	"github.com/rollcall-id/rollcall/internal/logtest"
	"github.com/rollcall-id/rollcall/rollcalltest"
)

const sharedName = "__Secure-rollcall"

func shared(tokens ...string) []string {
	var all []string
	for _, token := range tokens {
		all = append(all, sharedName+"="+token)
	}
	return []string{"Cookie", strings.Join(all, "; ")}
}

func newSharedApp(t *testing.T, log *logtest.Buffer) *app {
	t.Helper()
	return newAppOn(t, rollcalltest.Start(t, rollcalltest.Options{CookieDomain: "app.example.com"}), client.MiddlewareOptions{
		CookieDomain: "app.example.com", ClearedCookieDomains: []string{"example.com"}, Logger: log.Logger(),
	})
}

// live reports whether a token is good, without using it.
func (a *app) live(token string) bool {
	a.t.Helper()
	i, err := a.rc.Client.Introspect(a.t.Context(), token, rollcall.Requirement{})
	if err != nil {
		a.t.Fatal(err)
	}
	return i.Active
}

func TestOfSeveralSharedCookiesTheOnlyLiveOneOpensTheApplication(t *testing.T) {
	var log logtest.Buffer
	a := newSharedApp(t, &log)
	good := create(t, a.rc.Client, client.NewSession{UserID: "ada"}).Token.Reveal()
	another := create(t, a.rc.Client, client.NewSession{UserID: "grace"}).Token.Reveal()
	staging := rollcall.Token{ID: rollcall.NewSessionID()}.Reveal()
	for name, tt := range map[string]struct {
		cookies []string
		status  int
	}{
		"another server's":    {shared(staging, good), 200},
		"the same twice":      {shared(good, good), 200},
		"two that are live":   {shared(good, another), 401},
		"none that is live":   {shared(staging, "rcs_garbage"), 401},
		"one that is planted": {[]string{"Cookie", "\u2000" + sharedName + "=" + good}, 401},
	} {
		response, body := a.do("GET", "/account", tt.cookies...)
		if response.StatusCode != tt.status || tt.status == 200 && body != "ada" {
			t.Errorf("%s: %d %s", name, response.StatusCode, body)
		}
	}
	if log.Count("several session cookies") != 1 || log.Has(good) {
		t.Errorf("logged: %s", log.String())
	}
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Cookie", shared(staging, good)[1])
	if p, err := a.mw.Me(r).List(t.Context(), client.ListOptions{}); err != nil || len(p.Sessions) != 1 || !p.Sessions[0].Current {
		t.Errorf("the user's own sessions: %+v %v", p, err)
	}
	a.rc.Stop(t)
	if response, _ := a.do("GET", "/account", shared(staging, good)...); response.StatusCode != 503 {
		t.Errorf("when nobody can say which is live: %d", response.StatusCode)
	}
}

func TestTheNextSignInLeavesOneLiveCookie(t *testing.T) {
	var log logtest.Buffer
	a := newSharedApp(t, &log)
	one := create(t, a.rc.Client, client.NewSession{UserID: "ada"}).Token.Reveal()
	two := create(t, a.rc.Client, client.NewSession{UserID: "ada"}).Token.Reveal()
	response, body := a.do("POST", "/login?user=ada", shared(one, two)...)
	var set []string
	for _, c := range response.Cookies() {
		set = append(set, c.Domain)
	}
	if diff := cmp.Diff([]string{"example.com", "app.example.com"}, set); response.StatusCode != http.StatusNoContent || diff != "" || response.Cookies()[0].MaxAge >= 0 {
		t.Fatalf("%d %s %v", response.StatusCode, body, response.Header)
	}
	current := response.Cookies()[1].Value
	if a.live(one) || a.live(two) || !a.live(current) {
		t.Errorf("live: %t, %t, the new one %t", a.live(one), a.live(two), a.live(current))
	}
	if response, body := a.do("GET", "/account", shared(two, current)...); response.StatusCode != 200 || body != "ada" {
		t.Errorf("%d %s", response.StatusCode, body)
	}
}

func TestASignOutEndsEveryCookiesSessionAndClearsEveryDomain(t *testing.T) {
	var log logtest.Buffer
	a := newSharedApp(t, &log)
	one := create(t, a.rc.Client, client.NewSession{UserID: "ada"}).Token
	two := create(t, a.rc.Client, client.NewSession{UserID: "ada"}).Token.Reveal()
	other := create(t, a.rc.Client, client.NewSession{UserID: "grace"}).Token
	wrong := rollcall.Token{ID: other.ID, Secret: rollcall.NewSecret()}.Reveal()
	clearing := []string{
		sharedName + "=; Path=/; Domain=app.example.com; Max-Age=0; HttpOnly; Secure; SameSite=Lax",
		sharedName + "=; Path=/; Domain=example.com; Max-Age=0; HttpOnly; Secure; SameSite=Lax",
	}
	response, body := a.do("POST", "/logout", shared(wrong, one.Reveal(), two)...)
	if diff := cmp.Diff(clearing, response.Header.Values("Set-Cookie")); response.StatusCode != http.StatusNoContent || diff != "" {
		t.Errorf("%d %s %s", response.StatusCode, body, diff)
	}
	if a.live(one.Reveal()) || a.live(two) || !a.live(other.Reveal()) {
		t.Errorf("live: %t, %t, whose secret was wrong %t", a.live(one.Reveal()), a.live(two), a.live(other.Reveal()))
	}
}

// A page elsewhere posts without the cookie, which is SameSite; the answer could still clear it.
func TestAPageElsewhereCannotClearTheCookie(t *testing.T) {
	a := newApp(t, client.MiddlewareOptions{})
	for _, cookies := range []string{"", cookieName + "=x; " + cookieName + "=y"} {
		headers := []string{"Sec-Fetch-Site", "cross-site"}
		if cookies != "" {
			headers = append(headers, "Cookie", cookies)
		}
		if response, _ := a.do("POST", "/logout", headers...); response.StatusCode != http.StatusForbidden || response.Header.Get("Set-Cookie") != "" {
			t.Errorf("%q: %d %v", cookies, response.StatusCode, response.Header)
		}
	}
}

func TestTheMiddlewareReadsTheCookieThatTheServerGives(t *testing.T) {
	o := rollcalltest.Options{CookieName: "staging", CookieSameSite: http.SameSiteNoneMode}
	a := newAppOn(t, rollcalltest.Start(t, o), client.MiddlewareOptions{CookieName: "staging", CookieSameSite: http.SameSiteNoneMode})
	response, _ := a.do("POST", "/login?user=ada")
	set := response.Header.Values("Set-Cookie")
	if len(set) != 2 || !strings.HasPrefix(set[1], "__Host-staging=rcs_") || !strings.HasSuffix(set[1], "; SameSite=None; Partitioned") || !strings.HasSuffix(set[0], "Max-Age=0; HttpOnly; Secure; SameSite=None") {
		t.Fatalf("%v", set)
	}
	token, _, _ := strings.Cut(strings.TrimPrefix(set[1], "__Host-staging="), ";")
	a.browser = a.newBrowser() // whose jar knows nothing of partitions
	if _, body := a.do("GET", "/account", "Cookie", "__Host-staging="+token); body != "ada" {
		t.Error(body)
	}
	if response, _ := a.do("GET", "/account", "Cookie", cookieName+"="+token); response.StatusCode != 401 {
		t.Errorf("the default name: %d", response.StatusCode)
	}
}

// counted counts what is read of a body.
type counted struct {
	io.Reader
	n int
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n += n
	return n, err
}

func (*counted) Close() error { return nil }

func TestAReturnAddressIsReadOfABoundedForm(t *testing.T) {
	mw, err := client.NewMiddleware(rollcalltest.New(t).Client, client.MiddlewareOptions{LoginURL: "/login"})
	if err != nil {
		t.Fatal(err)
	}
	var multi bytes.Buffer
	parts := multipart.NewWriter(&multi)
	if err := parts.WriteField("return_to", "/body"); err != nil {
		t.Fatal(err)
	}
	if err := parts.Close(); err != nil {
		t.Fatal(err)
	}
	const plain = "application/x-www-form-urlencoded"
	small := url.Values{"return_to": {"/body"}}.Encode()
	for _, tt := range []struct {
		name, method, kind, body, want string
		read                           int
	}{
		{"a form", "POST", plain + "; charset=utf-8", small, "/body", len(small)},
		{"a form that is fetched", "GET", plain, small, "/query", 0},
		{"a multipart form that is fetched", "GET", parts.FormDataContentType(), multi.String(), "/query", 0},
		{"a multipart form", "POST", parts.FormDataContentType(), multi.String(), "/query", 0},
		{"a file", "POST", "application/octet-stream", strings.Repeat("a", 9<<20), "/query", 0},
		{"a long form", "POST", plain, "a=" + strings.Repeat("a", 9<<20) + "&" + small, "/query", 2 << 20},
	} {
		body := &counted{Reader: strings.NewReader(tt.body)}
		r := httptest.NewRequest(tt.method, "/login?return_to=%2Fquery", body)
		r.Header.Set("Content-Type", tt.kind)
		if got := mw.ReturnAddress(r); got != tt.want || body.n > tt.read {
			t.Errorf("%s: %s, %d bytes read", tt.name, got, body.n)
		}
	}
	r := httptest.NewRequest("POST", "/login", strings.NewReader(multi.String()))
	r.Header.Set("Content-Type", parts.FormDataContentType())
	if err := r.ParseMultipartForm(1 << 10); err != nil {
		t.Fatal(err)
	}
	if got := mw.ReturnAddress(r); got != "/body" {
		t.Errorf("a form that the application has parsed: %s", got)
	}
}
