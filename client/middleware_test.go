package client_test

import (
	"errors"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-id/rollcall/client"
	"github.com/rollcall-id/rollcall/rollcalltest"
)

const cookieName = "__Host-rollcall"

// An app is an application on a real server, with a browser of its own.
type app struct {
	t       *testing.T
	rc      *rollcalltest.Server
	srv     *httptest.Server
	mw      *client.Middleware
	browser *http.Client
}

func newApp(t *testing.T, o client.MiddlewareOptions) *app {
	t.Helper()
	return newAppOn(t, rollcalltest.New(t), o)
}

func newAppOn(t *testing.T, rc *rollcalltest.Server, o client.MiddlewareOptions) *app {
	t.Helper()
	mw, err := client.NewMiddleware(rc.Client, o)
	if err != nil {
		t.Fatal(err)
	}
	a := &app{t: t, rc: rc, mw: mw}
	who := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i, ok := client.FromContext(r.Context())
		if ok {
			_, _ = w.Write([]byte(i.UserID))
		} else {
			_, _ = w.Write([]byte("nobody"))
		}
	})
	answer := func(w http.ResponseWriter, err error) {
		e, ok := errors.AsType[*client.Error](err)
		switch {
		case !ok:
			w.WriteHeader(http.StatusNoContent)
		case e.Status == 0:
			http.Error(w, err.Error(), http.StatusInternalServerError)
		default:
			http.Error(w, err.Error(), e.Status)
		}
	}
	mux := http.NewServeMux()
	mux.Handle("/account", mw.Require(who))
	mux.Handle("/account/", mw.Require(who))
	mux.Handle("/home", mw.Load(who))
	mux.Handle("/strong", mw.RequireLevel("aal2")(who))
	mux.Handle("/fresh", mw.RequireMaxAge(5*time.Minute)(who))
	mux.HandleFunc("/login", func(w http.ResponseWriter, r *http.Request) {
		_, err := mw.SignIn(w, r, client.NewSession{UserID: r.FormValue("user"), Methods: pwd})
		answer(w, err)
	})
	mux.HandleFunc("POST /again", func(w http.ResponseWriter, r *http.Request) {
		_, err := mw.Authenticate(w, r, client.Reauthentication{Methods: []client.Method{{Name: "mfa", Type: "otp"}}})
		answer(w, err)
	})
	mux.HandleFunc("/logout", func(w http.ResponseWriter, r *http.Request) { answer(w, mw.SignOut(w, r)) })
	a.srv = httptest.NewTLSServer(mux)
	t.Cleanup(a.srv.Close)
	a.browser = a.newBrowser()
	return a
}

func (a *app) newBrowser() *http.Client {
	a.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		a.t.Fatal(err)
	}
	return &http.Client{
		Jar: jar, Transport: a.srv.Client().Transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// do makes a request with the browser's cookies and returns the answer with its body.
func (a *app) do(method, path string, headers ...string) (*http.Response, string) {
	a.t.Helper()
	r, err := http.NewRequestWithContext(a.t.Context(), method, a.srv.URL+path, nil)
	if err != nil {
		a.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	response, err := a.browser.Do(r)
	if err != nil {
		a.t.Fatal(err)
	}
	defer response.Body.Close()
	var b strings.Builder
	if _, err := copyBounded(&b, response.Body); err != nil {
		a.t.Fatal(err)
	}
	return response, b.String()
}

func (a *app) signIn(user string) *http.Cookie {
	a.t.Helper()
	response, body := a.do("POST", "/login?user="+user)
	if response.StatusCode != http.StatusNoContent || len(response.Cookies()) != 1 {
		a.t.Fatalf("%d %s %v", response.StatusCode, body, response.Header)
	}
	return response.Cookies()[0]
}

var page = []string{"Accept", "text/html,application/xhtml+xml;q=0.9"}

func TestASignInGivesTheServersCookieAndOpensWhatIsRequired(t *testing.T) {
	a := newApp(t, client.MiddlewareOptions{Application: "shop", LoginURL: "/login"})
	if response, body := a.do("GET", "/account"); response.StatusCode != 401 || response.Header.Get("WWW-Authenticate") != "Bearer" || response.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("before: %d %s %v", response.StatusCode, body, response.Header)
	}
	if _, body := a.do("GET", "/home"); body != "nobody" {
		t.Errorf("home: %s", body)
	}
	response, _ := a.do("POST", "/login?user=ada", "User-Agent", "Firefox")
	c := response.Cookies()[0]
	want := cookieName + "=" + c.Value + "; Path=/; Max-Age=604800; HttpOnly; Secure; SameSite=Lax"
	if response.Header.Get("Set-Cookie") != want || response.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("%v", response.Header)
	}
	for _, path := range []string{"/account", "/home"} {
		response, body := a.do("GET", path)
		if response.StatusCode != 200 || body != "ada" || response.Header.Get("Cache-Control") != "no-store" || response.Header.Get("Vary") != "Cookie" {
			t.Errorf("%s: %d %s %v", path, response.StatusCode, body, response.Header)
		}
	}
	if _, body := a.do("GET", "/account", "Authorization", "Basic dTpw"); body != "ada" {
		t.Errorf("with credentials for somebody else: %s", body)
	}
	for s, err := range a.rc.Client.All(t.Context(), "ada") {
		if err != nil || s.Device.InitialIP != "127.0.0.1" || s.Device.InitialUserAgent != "Firefox" || s.Clients[0].ClientID != "shop" {
			t.Errorf("%+v, %v", s, err)
		}
	}
}

func TestTheNextSignInOfABrowserEndsItsOldSession(t *testing.T) {
	a := newApp(t, client.MiddlewareOptions{})
	old := a.signIn("ada")
	a.signIn("grace")
	if _, body := a.do("GET", "/account"); body != "grace" {
		t.Error(body)
	}
	a.browser = a.newBrowser()
	if response, _ := a.do("GET", "/account", "Cookie", old.Name+"="+old.Value); response.StatusCode != 401 {
		t.Errorf("the old token: %d", response.StatusCode)
	}
}

func TestASignOutEndsTheSessionAndClearsTheCookie(t *testing.T) {
	a := newApp(t, client.MiddlewareOptions{})
	c := a.signIn("ada")
	if response, _ := a.do("GET", "/logout"); response.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("by a link: %d", response.StatusCode)
	}
	if response, _ := a.do("POST", "/logout", "Sec-Fetch-Site", "cross-site"); response.StatusCode != http.StatusForbidden {
		t.Errorf("by another origin's page: %d", response.StatusCode)
	}
	if _, body := a.do("GET", "/account"); body != "ada" {
		t.Fatalf("still signed in: %s", body)
	}
	clearing := cookieName + "=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Lax"
	for range 2 { // signing out again is no error, and clears what may be left
		response, body := a.do("POST", "/logout", "Cookie", c.Name+"="+c.Value)
		if response.StatusCode != http.StatusNoContent || response.Header.Get("Set-Cookie") != clearing {
			t.Errorf("%d %s %v", response.StatusCode, body, response.Header)
		}
		a.browser = a.newBrowser()
	}
	if response, _ := a.do("GET", "/account", "Cookie", c.Name+"="+c.Value); response.StatusCode != 401 {
		t.Errorf("the token: %d", response.StatusCode)
	}
}

func TestASignOutThatCouldNotBeMadeLeavesTheCookie(t *testing.T) {
	a := newApp(t, client.MiddlewareOptions{})
	a.signIn("ada")
	a.rc.Stop(t)
	if response, _ := a.do("POST", "/logout"); response.StatusCode < 500 || response.Header.Get("Set-Cookie") != "" {
		t.Errorf("%d %v", response.StatusCode, response.Header)
	}
}

func TestWhenTheServerCannotSayNobodyPasses(t *testing.T) {
	a := newApp(t, client.MiddlewareOptions{LoginURL: "/login"})
	a.signIn("ada")
	a.rc.Stop(t)
	for _, path := range []string{"/account", "/home", "/strong"} {
		if response, body := a.do("GET", path, page...); response.StatusCode != 503 || response.Header.Get("Retry-After") == "" || strings.Contains(body, "ada") {
			t.Errorf("%s: %d %s", path, response.StatusCode, body)
		}
	}
	a.browser = a.newBrowser()
	if _, body := a.do("GET", "/home"); body != "nobody" {
		t.Errorf("who has no cookie needs no server: %s", body)
	}
}

func TestASlowServerIsNotWaitedForLongerThanTheTimeout(t *testing.T) {
	stop := make(chan struct{})
	s := script(t, func(http.ResponseWriter, *http.Request) { <-stop })
	t.Cleanup(func() { close(stop) })
	mw, err := client.NewMiddleware(s.client(t, client.Options{Timeout: time.Hour}), client.MiddlewareOptions{Timeout: 30 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	rc := rollcalltest.New(t)
	r := httptest.NewRequest("GET", "/", nil)
	r.AddCookie(&http.Cookie{Name: cookieName, Value: create(t, rc.Client, client.NewSession{}).Token.Reveal()})
	w := httptest.NewRecorder()
	mw.Require(http.NotFoundHandler()).ServeHTTP(w, r)
	if w.Code != 503 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestATokenThatNobodyCanTellIsNone(t *testing.T) {
	a := newApp(t, client.MiddlewareOptions{})
	c := a.signIn("ada")
	a.browser = a.newBrowser()
	good := c.Name + "=" + c.Value
	for name, headers := range map[string][]string{
		"twice in a header": {"Cookie", good + "; " + good}, "in two headers": {"Cookie", good, "Cookie", good},
		"another name": {"Cookie", "rollcall=" + c.Value}, "garbage": {"Cookie", c.Name + "=x"}, "cut": {"Cookie", good[:len(good)-1]},
		"two bearers":                       {"Authorization", "Bearer " + c.Value, "Authorization", "Bearer " + c.Value},
		"a bad bearer before a good cookie": {"Authorization", "Bearer rcs_x", "Cookie", good},
	} {
		if response, _ := a.do("GET", "/account", headers...); response.StatusCode != 401 {
			t.Errorf("%s: %d", name, response.StatusCode)
		}
	}
	for name, headers := range map[string][]string{"a cookie": {"Cookie", good}, "a bearer": {"Authorization", "Bearer " + c.Value}} {
		if _, body := a.do("GET", "/account", headers...); body != "ada" {
			t.Errorf("%s: %s", name, body)
		}
	}
}

func TestRequestsOfOtherOriginsChangeNothing(t *testing.T) {
	a := newApp(t, client.MiddlewareOptions{})
	c := a.signIn("ada")
	for _, headers := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.example"}} {
		if response, _ := a.do("POST", "/account", headers...); response.StatusCode != http.StatusForbidden {
			t.Errorf("%v: %d", headers, response.StatusCode)
		}
		if response, _ := a.do("POST", "/login?user=mallory", headers...); response.StatusCode != http.StatusForbidden || response.Header.Get("Set-Cookie") != "" {
			t.Errorf("%v: a login of somebody else's: %d", headers, response.StatusCode)
		}
		if _, body := a.do("GET", "/account", headers...); body != "ada" {
			t.Errorf("%v: a link from there: %s", headers, body)
		}
	}
	if _, body := a.do("POST", "/account", "Sec-Fetch-Site", "same-origin"); body != "ada" {
		t.Error(body)
	}
	a.browser = a.newBrowser()
	if _, body := a.do("POST", "/account", "Sec-Fetch-Site", "cross-site", "Authorization", "Bearer "+c.Value); body != "ada" {
		t.Errorf("no page can make a browser send a token in a header: %s", body)
	}
}

func TestPeopleAreSentToTheLoginAndBackToThePageTheyAskedFor(t *testing.T) {
	a := newApp(t, client.MiddlewareOptions{LoginURL: "/login?lang=en"})
	response, _ := a.do("GET", "/account/caf%C3%A9?q=a%26b&x=%0d%0aSet-Cookie:%20a=b", page...)
	if response.StatusCode != 302 || response.Header.Get("Set-Cookie") != "" || response.Header.Get("Cache-Control") != "no-store" {
		t.Fatalf("%d %v", response.StatusCode, response.Header)
	}
	u, err := url.Parse(response.Header.Get("Location"))
	if err != nil || u.Host != "" || u.Path != "/login" || u.Query().Get("lang") != "en" || u.Query().Get("return_to") != "/account/caf%C3%A9?q=a%26b&x=%0d%0aSet-Cookie:%20a=b" {
		t.Errorf("%v %v", response.Header, err)
	}
	if response, _ := a.do("HEAD", "/account", page...); response.StatusCode != 302 {
		t.Errorf("a link that is tried: %d", response.StatusCode)
	}
	for _, method := range []string{"POST", "DELETE"} {
		if response, _ := a.do(method, "/account", page...); response.StatusCode != 401 {
			t.Errorf("%s: %d", method, response.StatusCode)
		}
	}
	for name, headers := range map[string][]string{
		"for data": {"Accept", "application/json"}, "no html": {"Accept", "text/html;q=0"},
		"fetch": append([]string{"Sec-Fetch-Mode", "cors"}, page...), "htmx": append([]string{"HX-Request", "true"}, page...),
	} {
		if response, _ := a.do("GET", "/account", headers...); response.StatusCode != 401 {
			t.Errorf("%s: %d", name, response.StatusCode)
		}
	}

	elsewhere := newAppOn(t, a.rc, client.MiddlewareOptions{LoginURL: "https://login.example/in", Origin: "https://app.example", ReturnParameter: "back"})
	response, _ = elsewhere.do("GET", "/account?x=1", append(page, "Host", "evil.example", "X-Forwarded-Host", "evil.example")...)
	if got := response.Header.Get("Location"); got != "https://login.example/in?back=https%3A%2F%2Fapp.example%2Faccount%3Fx%3D1" {
		t.Errorf("%s", got)
	}
}

func TestNobodyIsSentOutOfTheApplicationByAReturnAddress(t *testing.T) {
	rc := rollcalltest.New(t)
	mw, err := client.NewMiddleware(rc.Client, client.MiddlewareOptions{LoginURL: "/login", Origin: "https://app.example"})
	if err != nil {
		t.Fatal(err)
	}
	for given, want := range map[string]string{
		"/account": "/account", "/a?b=c%20d&e=/f": "/a?b=c%20d&e=/f", "/a//b": "/a//b", "https://app.example/a": "/a", "/caf%C3%A9#x": "/caf%C3%A9#x", "/": "/",
		"": "/", "account": "/", "//evil.example": "/", "///evil.example": "/", `/\evil.example`: "/", `\\evil.example`: "/", `/a\..\..\\evil.example`: "/",
		"https://evil.example": "/", "https:evil.example": "/", "javascript:alert(1)": "/", "/\t/evil.example": "/", "/\n/evil.example": "/", "\t//evil.example": "/",
		" //evil.example": "/", "/a\r\nSet-Cookie: a=b": "/", "/a\x00": "/", "/..//evil.example": "/", "/.//evil.example": "/", "/%2e%2e//evil.example": "/",
		"https://app.example.evil.example/": "/", "https://app.example@evil.example/": "/", "https://app.example//evil.example": "/", "https://app.example": "/",
		"/é": "/", "/%zz": "/", "/" + strings.Repeat("a", 5000): "/",
	} {
		for _, r := range []*http.Request{
			httptest.NewRequest("GET", "/login?return_to="+url.QueryEscape(given), nil),
			form("/login", url.Values{"return_to": {given}}),
		} {
			if got := mw.ReturnAddress(r); got != want {
				t.Errorf("%s %q: %q, want %q", r.Method, given, got, want)
			}
		}
	}
	for _, target := range []string{"//evil.example/", `/\evil.example`, "/..//evil.example"} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RequestURI, r.URL = target, &url.URL{Path: target}
		r.Header.Set("Accept", "text/html")
		w := httptest.NewRecorder()
		mw.Require(http.NotFoundHandler()).ServeHTTP(w, r)
		back := mw.ReturnAddress(httptest.NewRequest("GET", w.Header().Get("Location"), nil))
		if w.Code != 302 || back != "/" && back != "/%5Cevil.example" { // an escaped backslash is a part of a path
			t.Errorf("%s: %d, back to %s", target, w.Code, back)
		}
	}
}

func form(path string, values url.Values) *http.Request {
	r := httptest.NewRequest("POST", path, strings.NewReader(values.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return r
}

func TestWhoIsNotAuthenticatedWellEnoughIsSteppedUp(t *testing.T) {
	a := newApp(t, client.MiddlewareOptions{LoginURL: "/login"})
	if response, _ := a.do("GET", "/strong"); response.StatusCode != 401 || response.Header.Get("WWW-Authenticate") != "Bearer" {
		t.Errorf("nobody: %d %v", response.StatusCode, response.Header)
	}
	old := a.signIn("ada")
	response, _ := a.do("GET", "/strong")
	const challenge = `Bearer error="insufficient_user_authentication", error_description="A different authentication level is required"`
	if got := response.Header.Get("WWW-Authenticate"); response.StatusCode != 401 || got != challenge+`, acr_values="aal2"` {
		t.Errorf("%d %s", response.StatusCode, got)
	}
	response, _ = a.do("GET", "/strong", page...)
	if got := response.Header.Get("Location"); got != "/login?acr_values=aal2&return_to=%2Fstrong" {
		t.Errorf("%d %s", response.StatusCode, got)
	}
	response, _ = a.do("POST", "/again")
	if response.StatusCode != http.StatusNoContent || len(response.Cookies()) != 1 || response.Cookies()[0].Value == old.Value {
		t.Fatalf("%d %v", response.StatusCode, response.Header)
	}
	if _, body := a.do("GET", "/strong"); body != "ada" {
		t.Errorf("stepped up: %s", body)
	}
	if _, body := a.do("GET", "/fresh"); body != "ada" {
		t.Errorf("just now: %s", body)
	}
	a.rc.Advance(6 * time.Minute)
	response, _ = a.do("GET", "/fresh")
	if got := response.Header.Get("WWW-Authenticate"); got != challenge+`, max_age="300"` {
		t.Errorf("later: %d %s", response.StatusCode, got)
	}
	response, _ = a.do("GET", "/fresh", page...)
	if got := response.Header.Get("Location"); !strings.Contains(got, "max_age=300") {
		t.Errorf("later: %d %s", response.StatusCode, got)
	}
	a.browser = a.newBrowser()
	if response, _ := a.do("GET", "/account", "Cookie", old.Name+"="+old.Value); response.StatusCode != 401 {
		t.Errorf("the old token: %d", response.StatusCode)
	}
}

func TestTheUsersAddressComesThroughTheApplicationsProxiesAlone(t *testing.T) {
	loopback := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	for _, tt := range []struct {
		trusted   []netip.Prefix
		forwarded []string
		want      string
	}{
		{loopback, []string{"198.51.100.9, 203.0.113.7:51008"}, "203.0.113.7"},
		{loopback, []string{"[2001:db8::7]:443"}, "2001:db8::7"},
		{[]netip.Prefix{netip.MustParsePrefix("::ffff:127.0.0.0/104")}, []string{"192.0.2.1"}, "192.0.2.1"},
		{nil, []string{"192.0.2.1"}, "127.0.0.1"},
		{loopback, []string{"198.51.100.9, 192.0.2.1"}, "192.0.2.1"},
		{loopback, []string{"198.51.100.9", "::ffff:192.0.2.1"}, "192.0.2.1"},
		{loopback, nil, "127.0.0.1"},
		{loopback, []string{"evil"}, ""},
	} {
		a := newApp(t, client.MiddlewareOptions{TrustedProxies: tt.trusted})
		var headers []string
		for _, f := range tt.forwarded {
			headers = append(headers, "X-Forwarded-For", f)
		}
		a.do("POST", "/login?user=ada", headers...)
		a.rc.Advance(time.Minute)
		a.do("GET", "/account", append(headers, "User-Agent", "later")...)
		for s, err := range a.rc.Client.All(t.Context(), "ada") {
			if err != nil || s.Device.InitialIP != tt.want || s.Device.LastIP != tt.want || s.Device.LastUserAgent != "later" {
				t.Errorf("%v: %+v, %v", tt, s.Device, err)
			}
		}
	}
}

func TestTheUsersAddressStandsInOneHeader(t *testing.T) {
	rc := rollcalltest.New(t)
	for header, want := range map[string]string{"": "192.0.2.1", "X-Forwarded-For": "192.0.2.1", "Forwarded": "192.0.2.2", "X-Real-IP": "192.0.2.3"} {
		m, err := client.NewMiddleware(rc.Client, client.MiddlewareOptions{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/32")}, ClientAddressHeader: header})
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = "10.0.0.1:1"
		for name, value := range map[string]string{"X-Forwarded-For": "192.0.2.1", "Forwarded": `for="192.0.2.2:1"`, "X-Real-IP": "192.0.2.3"} {
			r.Header.Set(name, value)
		}
		if got := m.UserIP(r); got != want {
			t.Errorf("%q: %s, want %s", header, got, want)
		}
	}
	if _, err := client.NewMiddleware(rc.Client, client.MiddlewareOptions{ClientAddressHeader: "X-Client-IP"}); err == nil {
		t.Error("a header that nobody reads is taken")
	}
}

func TestTheServersCookieMustBeTheOneThatIsRead(t *testing.T) {
	rc := rollcalltest.Start(t, rollcalltest.Options{CookieDomain: "example.com"})
	a := newAppOn(t, rc, client.MiddlewareOptions{})
	if response, body := a.do("POST", "/login?user=ada"); response.StatusCode != 500 || response.Header.Get("Set-Cookie") != "" || !strings.Contains(body, "CookieDomain") {
		t.Errorf("%d %s %v", response.StatusCode, body, response.Header)
	}
	for s, err := range rc.Client.All(t.Context(), "ada") {
		t.Errorf("a session that nobody can use is left: %v, %v", s, err)
	}
	a = newAppOn(t, rc, client.MiddlewareOptions{CookieDomain: "example.com"})
	c := a.signIn("ada")
	if c.Name != "__Secure-rollcall" || c.Domain != "example.com" {
		t.Errorf("%v", c)
	}
	if response, _ := a.do("POST", "/logout"); response.Header.Get("Set-Cookie") != "__Secure-rollcall=; Path=/; Domain=example.com; Max-Age=0; HttpOnly; Secure; SameSite=Lax" {
		t.Errorf("%v", response.Header)
	}
}

// TestAMiddlewareByCredentialsRecordsTheUserAndLetsPagesPoll runs an application whose
// server trusts no proxy.
func TestAMiddlewareByCredentialsRecordsTheUserAndLetsPagesPoll(t *testing.T) {
	rc := rollcalltest.Start(t, rollcalltest.Options{TrustedProxies: []string{}})
	a := newAppOn(t, rc, client.MiddlewareOptions{
		AsClient: true, Application: "shop", TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
		NoTouch: func(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/account/poll") },
	})
	a.signIn("ada")
	last := func() client.Session {
		for s, err := range rc.Client.All(t.Context(), "ada") {
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		t.Fatal("no session")
		return client.Session{}
	}
	from := []string{"X-Forwarded-For", "192.0.2.1", "User-Agent", "later"}
	before := last()
	rc.Advance(time.Minute)
	if response, body := a.do("GET", "/account/poll?touch=true", from...); response.StatusCode != http.StatusOK || body != "ada" {
		t.Errorf("%d %s", response.StatusCode, body)
	}
	if diff := cmp.Diff(before, last()); diff != "" {
		t.Errorf("a page that polls (-before +after):\n%s", diff)
	}
	if response, body := a.do("GET", "/account?touch=false", from...); response.StatusCode != http.StatusOK || body != "ada" {
		t.Errorf("%d %s", response.StatusCode, body)
	}
	if s := last(); s.Device.LastIP != "192.0.2.1" || s.Device.LastUserAgent != "later" || !s.LastInteractedAt.After(before.LastInteractedAt) {
		t.Errorf("%+v", s)
	}
	if response, _ := a.do("GET", "/strong", from...); response.StatusCode != http.StatusUnauthorized || !strings.Contains(response.Header.Get("WWW-Authenticate"), "aal2") {
		t.Errorf("not good enough: %d %v", response.StatusCode, response.Header)
	}
	rc.Stop(t)
	if response, _ := a.do("GET", "/account", from...); response.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("when the server cannot say: %d", response.StatusCode)
	}
}

func TestMiddlewareThatIsHalfConfiguredIsRefused(t *testing.T) {
	srv := rollcalltest.New(t)
	c := srv.Client
	bare, err := client.New(client.Options{BaseURL: srv.URL})
	if err != nil {
		t.Fatal(err)
	}
	if mw, err := client.NewMiddleware(bare, client.MiddlewareOptions{AsClient: true}); err == nil || mw != nil {
		t.Errorf("AsClient without credentials: %v", err)
	}
	for _, o := range []client.MiddlewareOptions{
		{LoginURL: "login"},
		{LoginURL: "//evil.example"},
		{LoginURL: "https://login.example/"},
		{LoginURL: "javascript:x", Origin: "https://app.example"},
		{Origin: "https://app.example/"},
		{Origin: "app.example"},
		{Origin: "https://App.example"},
		{Origin: "https://app.example:443"},
		{CookieName: "a b"},
		{CookieName: "__Host-rollcall"},
		{Application: "a\nb"},
		{LoginURL: "%zz"},
	} {
		if mw, err := client.NewMiddleware(c, o); err == nil || mw != nil {
			t.Errorf("%+v: %v", o, err)
		}
	}
	mw, err := client.NewMiddleware(c, client.MiddlewareOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, level := range []string{"", "a b", `a"`, "a\r\nX: y", "é"} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("level %q is taken", level)
				}
			}()
			mw.RequireLevel(level)
		}()
	}
}
