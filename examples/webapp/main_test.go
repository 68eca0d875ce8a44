package main

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/rollcall-id/rollcall/rollcalltest"
)

// A browser follows redirects and keeps cookies.
type browser struct {
	t      *testing.T
	http   *http.Client
	origin string
	agent  string
}

func newBrowser(t *testing.T, srv *httptest.Server, agent string) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &browser{t, &http.Client{Jar: jar, Transport: srv.Client().Transport}, srv.URL, agent}
}

// do returns the status and path of where a request led, and the page there.
func (b *browser) do(method, path string, form url.Values) (int, string, string) {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), method, b.origin+path, strings.NewReader(form.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	r.Header.Set("Accept", "text/html")
	r.Header.Set("User-Agent", b.agent)
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	answer, err := b.http.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, 1<<20))
	if err != nil {
		b.t.Fatal(err)
	}
	return answer.StatusCode, answer.Request.URL.RequestURI(), string(text)
}

func (b *browser) login(user, password, returnTo string) (int, string, string) {
	b.t.Helper()
	return b.do("POST", "/login", url.Values{"user": {user}, "password": {password}, "return_to": {returnTo}})
}

const (
	firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"
	iphone  = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Mobile/15E148 Safari/604.1"
)

func start(t *testing.T) (*rollcalltest.Server, *httptest.Server) {
	t.Helper()
	rc := rollcalltest.New(t)
	app, err := newApp(rc.Client, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewTLSServer(app)
	t.Cleanup(srv.Close)
	return rc, srv
}

var endForm = regexp.MustCompile(`action="(/devices/[A-Za-z0-9_-]+/end)"`)

func TestPeopleSeeWhereTheyAreSignedInAndSignDevicesOut(t *testing.T) {
	_, srv := start(t)
	laptop, phone := newBrowser(t, srv, firefox), newBrowser(t, srv, iphone)
	if status, at, page := laptop.do("GET", "/", nil); status != 200 || at != "/login?return_to=%2F" || !strings.Contains(page, "<h1>Sign in</h1>") {
		t.Fatalf("%d %s %s", status, at, page)
	}
	if status, at, page := laptop.login("ada", "wrong", "/"); status != 401 || at != "/login" || !strings.Contains(page, "That is not") {
		t.Fatalf("%d %s %s", status, at, page)
	}
	laptop.login("ada", "lovelace", "/")
	phone.login("ada", "lovelace", "/")
	status, at, page := laptop.do("GET", "/", nil)
	for _, want := range []string{"Hello ada", "Firefox on Linux</strong> — this device", "Safari on iPhone</strong><br>", "in 127.0.0.1, since"} {
		if status != 200 || at != "/" || !strings.Contains(page, want) {
			t.Errorf("%d %s: %q is not on the page:\n%s", status, at, want, page)
		}
	}
	ends := endForm.FindAllStringSubmatch(page, -1)
	if len(ends) != 1 {
		t.Fatalf("%d devices to sign out", len(ends))
	}
	if status, at, page := laptop.do("POST", ends[0][1], nil); status != 200 || at != "/" || strings.Contains(page, "iPhone") {
		t.Errorf("%d %s %s", status, at, page)
	}
	if _, at, _ := phone.do("GET", "/", nil); at != "/login?return_to=%2F" {
		t.Errorf("the phone is at %s", at)
	}
	if status, at, _ := laptop.do("POST", ends[0][1], nil); status != 200 || at != "/" {
		t.Errorf("once more: %d %s", status, at)
	}
}

func TestAllOthersAreSignedOutAtOnceAndNobodyElse(t *testing.T) {
	_, srv := start(t)
	here, there, grace := newBrowser(t, srv, firefox), newBrowser(t, srv, iphone), newBrowser(t, srv, iphone)
	here.login("ada", "lovelace", "/")
	there.login("ada", "lovelace", "/")
	grace.login("grace", "hopper", "/")
	if status, at, _ := here.do("POST", "/devices/end-others", nil); status != 200 || at != "/" {
		t.Errorf("here: %d %s", status, at)
	}
	if _, at, _ := there.do("GET", "/", nil); at != "/login?return_to=%2F" {
		t.Errorf("there: %s", at)
	}
	if _, at, page := grace.do("GET", "/", nil); at != "/" || !strings.Contains(page, "Hello grace") {
		t.Errorf("grace: %s", at)
	}
	here.do("POST", "/logout", nil)
	if _, at, _ := here.do("GET", "/", nil); at != "/login?return_to=%2F" {
		t.Errorf("here, signed out: %s", at)
	}
}

func TestALoginLeadsNowhereElse(t *testing.T) {
	_, srv := start(t)
	b := newBrowser(t, srv, firefox)
	for _, address := range []string{"//evil.example", `/\evil.example`, "https://evil.example/"} {
		if status, at, _ := b.login("ada", "lovelace", address); status != 200 || at != "/" {
			t.Errorf("%s: %d %s", address, status, at)
		}
	}
	if _, _, page := b.do("GET", "/login?return_to=//evil.example", nil); strings.Contains(page, "evil") {
		t.Error(page)
	}
}

func TestAnOutageShowsNobodyAnything(t *testing.T) {
	rc, srv := start(t)
	b := newBrowser(t, srv, firefox)
	b.login("ada", "lovelace", "/")
	rc.Stop(t)
	if status, _, page := b.do("GET", "/", nil); status != 503 || strings.Contains(page, "ada") {
		t.Errorf("%d %s", status, page)
	}
}
