package gate_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/gate"
	"github.com/rollcall-id/rollcall/internal/doortest"
	"github.com/rollcall-id/rollcall/internal/logtest"
	"github.com/rollcall-id/rollcall/internal/wire"
	"github.com/rollcall-id/rollcall/reference/referencetest"
	"github.com/rollcall-id/rollcall/sessions"
	"github.com/rollcall-id/rollcall/store/memory"
	"github.com/rollcall-id/rollcall/store/storetest"
)

var t0 = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

type fixture struct {
	t       *testing.T
	manager *sessions.Manager
	store   *storetest.Faulty
	gate    *gate.Gate
	now     *time.Time
	log     *logtest.Buffer
}

func newFixture(t *testing.T) fixture {
	t.Helper()
	store := &storetest.Faulty{Store: memory.New()}
	now := t0
	m, err := sessions.New(store, sessions.Options{Clock: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	login, err := url.Parse("https://login.example.com/start?x=1")
	if err != nil {
		t.Fatal(err)
	}
	ip := func(r *http.Request) string { return r.Header.Get("Test-IP") }
	log := &logtest.Buffer{}
	return fixture{t, m, store, gate.New(gate.Options{
		Manager: m, Cookie: wire.NewCookie(""), RemoteIP: ip, Logger: log.Logger(),
		Trusted:  func(r *http.Request) bool { return r.Header.Get("Test-Trusted") != "" },
		LoginURL: login, ReturnOrigins: []string{"https://app.example.com"}, Clients: []string{"blog", "shop"},
	}), &now, log}
}

func (f fixture) create(userID string) (rollcall.Session, string) {
	f.t.Helper()
	s, token, err := f.manager.Create(context.Background(), rollcall.Caller{}, rollcall.NewSession{
		UserID: userID, Methods: []rollcall.Method{{Name: "pwd"}, {Name: "mfa", Type: "otp"}, {Name: "mfa", Type: "sms"}},
	})
	if err != nil {
		f.t.Fatal(err)
	}
	return s, token.Reveal()
}

func (f fixture) check(target string, headers ...string) *httptest.ResponseRecorder {
	return doortest.Serve(referencetest.Handler(f.t, http.HandlerFunc(f.gate.Check)), "GET", target, "", headers...)
}

// identity returns the identity headers, as present ones only.
func identity(w *httptest.ResponseRecorder) map[string]string {
	found := map[string]string{}
	for name, values := range w.Header() {
		if len(name) > 11 && name[:11] == "X-Rollcall-" {
			found[name] = values[0]
		}
	}
	return found
}

func TestGoodSessionIs200WithEveryIdentityHeader(t *testing.T) {
	f := newFixture(t)
	s, token := f.create("auth0|ünï%")
	want := map[string]string{
		gate.HeaderUser:            "auth0|%C3%BCn%C3%AF%25",
		gate.HeaderSession:         s.ID,
		gate.HeaderAuthenticatedAt: "2026-03-01T12:00:00Z",
		gate.HeaderMethods:         "pwd,mfa",
		gate.HeaderExpiresAt:       "2026-03-04T12:00:00Z",
		gate.HeaderLevel:           "aal2",
	}
	for name, header := range map[string][]string{
		"bearer":               {"Authorization", "Bearer " + token},
		"cookie":               {"Cookie", "__Host-rollcall=" + token},
		"cookie among others":  {"Cookie", "a=b; __Host-rollcall=" + token + "; __Host-rollcall2=x"},
		"bearer beside cookie": {"Authorization", "Bearer " + token, "Cookie", "__Host-rollcall=garbage"},
		"cookie beside the application's own authorization": {"Authorization", "Basic dTpw", "Cookie", "__Host-rollcall=" + token},
		"cookie beside another bearer token":                {"Authorization", "Bearer eyJ.x.y", "Cookie", "__Host-rollcall=" + token},
	} {
		w := f.check("/check", header...)
		if w.Code != http.StatusOK || w.Body.Len() != 0 || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
		if diff := cmp.Diff(want, identity(w)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestEverythingElseIs401WithTheSameBytesAndEmptyIdentity(t *testing.T) {
	f := newFixture(t)
	live, token := f.create("auth0|1")
	ended, endedToken := f.create("auth0|1")
	if err := f.manager.End(context.Background(), rollcall.Caller{}, ended.ID, rollcall.ReasonDeleted); err != nil {
		t.Fatal(err)
	}
	empty := map[string]string{
		gate.HeaderUser: "", gate.HeaderSession: "", gate.HeaderAuthenticatedAt: "", gate.HeaderMethods: "", gate.HeaderExpiresAt: "", gate.HeaderLevel: "",
	}
	bodies := map[string]bool{}
	for name, header := range map[string][]string{
		"nothing":            {},
		"garbage":            {"Authorization", "Bearer rcs_garbage"},
		"unknown":            {"Authorization", "Bearer " + rollcall.Token{ID: rollcall.NewSessionID()}.Reveal()},
		"ended":              {"Authorization", "Bearer " + endedToken},
		"wrong secret":       {"Authorization", "Bearer " + rollcall.Token{ID: live.ID}.Reveal()},
		"bad bearer, cookie": {"Authorization", "Bearer rcs_garbage", "Cookie", "__Host-rollcall=" + token},
		"two cookies":        {"Cookie", "__Host-rollcall=" + token + "; __Host-rollcall=" + token},
		"two cookie headers": {"Cookie", "__Host-rollcall=" + token, "Cookie", "__Host-rollcall=" + token},
		"two bearers":        {"Authorization", "Bearer " + token, "Authorization", "Bearer " + token},
		"another cookie":     {"Cookie", "rollcall=" + token},
		"empty cookie":       {"Cookie", "__Host-rollcall="},
		"in the query":       {},
	} {
		target := "/check"
		if name == "in the query" {
			target += "?token=" + token
		}
		w := f.check(target, header...)
		if w.Code != http.StatusUnauthorized {
			t.Errorf("%s: %d", name, w.Code)
		}
		if diff := cmp.Diff(empty, identity(w)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		bodies[w.Body.String()+w.Header().Get("WWW-Authenticate")] = true
	}
	if len(bodies) != 1 {
		t.Errorf("refusals differ: %v", bodies)
	}
}

func TestCheckRecordsAddressAgentAndClient(t *testing.T) {
	f := newFixture(t)
	s, token := f.create("auth0|1")
	*f.now = t0.Add(time.Hour)
	f.check("/check?client_id=blog", "Authorization", "Bearer "+token, "Test-IP", "2001:db8::7", "Test-Trusted", "yes", "User-Agent", "Safari\x00")
	if w := f.check("/check?client_id=%00", "Authorization", "Bearer "+token); w.Code != http.StatusOK {
		t.Errorf("a client id that is none is the user's fault: %d", w.Code)
	}
	got, err := f.manager.Session(context.Background(), s.ID)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"blog"}, got.Clients); diff != "" {
		t.Error(diff)
	}
	want := rollcall.Interaction{
		At: t0.Add(time.Hour), IdleExpiresAt: t0.Add(73 * time.Hour),
		Origin: rollcall.Origin{IP: "2001:db8::7", UserAgent: "Safari "},
	}
	if diff := cmp.Diff(want, got.Last); diff != "" {
		t.Error(diff)
	}
}

func TestStoreThatCannotAnswerIs503(t *testing.T) {
	f := newFixture(t)
	_, token := f.create("auth0|1")
	f.store.FailReads(errors.New("disk"))
	w := f.check("/check", "Authorization", "Bearer "+token)
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" || identity(w)[gate.HeaderUser] != "" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
}

func TestRequiredAuthenticationIsChallengedFor(t *testing.T) {
	f := newFixture(t)
	_, token := f.create("auth0|1") // pwd, and mfa by otp and sms
	for _, tt := range []struct {
		after     time.Duration
		query     string
		status    int
		challenge string
	}{
		{0, "acr=aal1", 200, ""},
		{0, "acr=aal2", 200, ""},
		{0, "acr=aal3", 401, `, acr_values="aal3"`},
		{0, "acr=aal3+aal2", 200, ""},
		{0, "acr=unknown", 401, `, acr_values="unknown"`},
		{0, "amr=pwd+mfa", 200, ""},
		{0, "amr=mfa:otp&amr=mfa:sms", 200, ""},
		{0, "amr=passkey", 401, ""},
		{0, "amr=mfa:webauthn-roaming", 401, ""},
		{10 * time.Minute, "max_age=600", 200, ""},
		{10*time.Minute + time.Millisecond, "max_age=600", 401, `, max_age="600"`},
		{20 * time.Minute, "max_age=0&acr=aal2", 401, `, acr_values="aal2", max_age="0"`},
		{70*time.Minute + time.Millisecond, "acr=aal2", 401, `, acr_values="aal2"`},
	} {
		*f.now = t0.Add(tt.after)
		w := f.check("/check?"+tt.query, "Authorization", "Bearer "+token)
		if w.Code != tt.status {
			t.Errorf("%s after %v: %d", tt.query, tt.after, w.Code)
		}
		want := ""
		if tt.status == 401 {
			want = `Bearer error="insufficient_user_authentication", error_description="A different authentication level is required"` + tt.challenge
		}
		if got := w.Header().Get("WWW-Authenticate"); got != want {
			t.Errorf("%s: challenge %q, want %q", tt.query, got, want)
		}
		*f.now = t0
	}
}

func TestARequirementThatCannotBeReadRefusesEverybody(t *testing.T) {
	f := newFixture(t)
	_, token := f.create("auth0|1")
	for _, query := range []string{"max_age=x", "max_age=-1", "max_age=", "max_age=1&max_age=2", "max_age=99999999999", "acr=", "amr=", `acr=a"b`, "acr=%00", "acr=%zz", "max_age=1%", "touch=", "touch=no", "touch=FALSE", "touch=%", "touch=false&touch=false", "amr=%C3%BC"} {
		if w := f.check("/check?"+query, "Authorization", "Bearer "+token); w.Code != http.StatusUnauthorized || identity(w)[gate.HeaderUser] != "" {
			t.Errorf("%s: %d", query, w.Code)
		}
	}
}

// A proxy may pass on the query of the application that it asks about.
func TestAParameterThatIsNoneOfTheChecksSpoilsNoCheck(t *testing.T) {
	f := newFixture(t)
	_, token := f.create("auth0|1")
	for _, query := range []string{"q=100%", "a=1;b=2", "%zz", "x=%zz&y=%", ";", "max_age2=0", "MAX_AGE=0", "max_age=3600.0", "max_age=36e2"} {
		for _, path := range []string{"/check", "/check/login"} {
			if w := f.check(path+"?"+query, "Authorization", "Bearer "+token); w.Code != http.StatusOK {
				t.Errorf("%s?%s: %d", path, query, w.Code)
			}
		}
	}
}

func TestLoginSendsBrowsersToTheLoginPageAndBackToOriginsThatAreConfigured(t *testing.T) {
	f := newFixture(t)
	_, token := f.create("auth0|1")
	*f.now = t0.Add(time.Second)
	const start = "https://login.example.com/start?"
	page := []string{"Accept", "text/html,*/*", "X-Forwarded-Proto", "https", "X-Forwarded-Host", "app.example.com", "X-Forwarded-Uri", "/a?b=c&d"}
	trusted := append([]string{"Test-Trusted", "yes"}, page...)
	with := func(headers []string, name, value string) []string {
		return append(headers[:len(headers):len(headers)], name, value)
	}
	replaced := func(name, value string) []string {
		out := append([]string(nil), trusted...)
		for i := 0; i < len(out); i += 2 {
			if out[i] == name {
				out[i+1] = value
			}
		}
		return out
	}
	for name, tt := range map[string]struct {
		headers  []string
		query    string
		status   int
		location string
	}{
		"signed in":                 {with(trusted, "Authorization", "Bearer "+token), "", 200, ""},
		"a page":                    {trusted, "", 302, start + "return_to=https%3A%2F%2Fapp.example.com%2Fa%3Fb%3Dc%26d&x=1"},
		"not well enough":           {with(trusted, "Authorization", "Bearer "+token), "?acr=aal3", 302, start + "acr_values=aal3&return_to=https%3A%2F%2Fapp.example.com%2Fa%3Fb%3Dc%26d&x=1"},
		"not lately enough":         {with(trusted, "Authorization", "Bearer "+token), "?acr=aal2&max_age=0", 302, start + "acr_values=aal2&max_age=0&return_to=https%3A%2F%2Fapp.example.com%2Fa%3Fb%3Dc%26d&x=1"},
		"a proxy nobody trusts":     {page, "", 302, start + "x=1"},
		"another origin":            {replaced("X-Forwarded-Host", "evil.example.com"), "", 302, start + "x=1"},
		"another scheme":            {replaced("X-Forwarded-Proto", "http"), "", 302, start + "x=1"},
		"a host in the path":        {replaced("X-Forwarded-Uri", "//evil.example.com/"), "", 302, start + "x=1"},
		"a user before a host":      {replaced("X-Forwarded-Uri", "@evil.example.com/"), "", 302, start + "x=1"},
		"a backslash":               {replaced("X-Forwarded-Uri", "/\\evil.example.com"), "", 302, start + "x=1"},
		"two hosts":                 {with(trusted, "X-Forwarded-Host", "evil.example.com"), "", 302, start + "x=1"},
		"a call of a script":        {replaced("Accept", "application/json"), "", 401, ""},
		"a form that is sent":       {with(trusted, "X-Forwarded-Method", "POST"), "", 401, ""},
		"a method is missing":       {with(trusted, "Authorization", "Bearer "+token), "?amr=sms", 401, ""},
		"an unreadable requirement": {with(trusted, "Authorization", "Bearer "+token), "?max_age=x", 401, ""},
	} {
		w := doortest.Serve(referencetest.Handler(t, http.HandlerFunc(f.gate.Login)), "GET", "/check/login"+tt.query, "", tt.headers...)
		if w.Code != tt.status || w.Header().Get("Location") != tt.location {
			t.Errorf("%s: %d %s", name, w.Code, w.Header().Get("Location"))
		}
		if _, ok := w.Header()[gate.HeaderUser]; !ok {
			t.Errorf("%s: the identity headers are missing", name)
		}
	}
}

func TestAMethodsNameCannotPassForTwoMethods(t *testing.T) {
	f := newFixture(t)
	_, token, err := f.manager.Create(context.Background(), rollcall.Caller{}, rollcall.NewSession{
		UserID: "ada", Methods: []rollcall.Method{{Name: "pwd"}, {Name: "https://idp.example.com/a,mfa%2C"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	w := f.check("/check", "Authorization", "Bearer "+token.Reveal())
	if got, want := w.Header().Get(gate.HeaderMethods), "pwd,https://idp.example.com/a%2Cmfa%252C"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestACheckWithoutTouchKeepsNeitherTimeNorAddressNorAgentNorClient(t *testing.T) {
	f := newFixture(t)
	s, token := f.create("auth0|1")
	for i, ask := range []func() *httptest.ResponseRecorder{
		func() *httptest.ResponseRecorder {
			return f.check("/check?touch=false&client_id=blog", "Authorization", "Bearer "+token, "Test-IP", "2001:db8::7", "Test-Trusted", "yes", "User-Agent", "Safari")
		},
		func() *httptest.ResponseRecorder {
			h := referencetest.Handler(t, http.HandlerFunc(f.gate.Envoy))
			return doortest.Serve(h, "GET", gate.EnvoyNoTouchPrefix+"/poll?touch=true", "", "Authorization", "Bearer "+token, "Test-IP", "2001:db8::7", "Test-Trusted", "yes", "User-Agent", "Safari")
		},
	} {
		*f.now = t0.Add(time.Duration(i+1) * time.Hour)
		w := ask()
		if got := identity(w)[gate.HeaderExpiresAt]; w.Code != http.StatusOK || got != "2026-03-04T12:00:00Z" {
			t.Errorf("%d: %d, expires at %s", i, w.Code, got)
		}
		got, err := f.manager.Session(context.Background(), s.ID)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(s, got); diff != "" {
			t.Errorf("%d (-before +after):\n%s", i, diff)
		}
	}
	f.check("/check?touch=true", "Authorization", "Bearer "+token)
	if got, _ := f.manager.Session(context.Background(), s.ID); !got.Last.At.Equal(*f.now) {
		t.Error("touch=true records no use")
	}
}

// TestOnlyATrustedProxyNamesAClientAndOnlyOneThatIsConfigured: whoever else has a session
// could write into its clients, and into its events.
func TestOnlyATrustedProxyNamesAClientAndOnlyOneThatIsConfigured(t *testing.T) {
	f := newFixture(t)
	s, token := f.create("auth0|1")
	for _, ask := range [][]string{
		{"/check?client_id=blog"},
		{"/check?client_id=invented", "Test-Trusted", "yes"},
		{"/check?client_id=", "Test-Trusted", "yes"},
		{"/check?client_id=invented&client_id=blog", "Test-Trusted", "yes"},
		{"/check?client_id=blog", "Test-Trusted", "yes"},
		{"/check?client_id=shop"},
	} {
		if w := f.check(ask[0], append(ask[1:], "Authorization", "Bearer "+token)...); w.Code != http.StatusOK {
			t.Errorf("%v: %d", ask, w.Code)
		}
	}
	got, err := f.manager.Session(context.Background(), s.ID)
	if diff := cmp.Diff([]string{"blog"}, got.Clients); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	page, err := f.manager.Events(context.Background(), rollcall.EventsAfter{Limit: 10})
	if err != nil || len(page.Events) != 2 {
		t.Fatalf("%d events, %v", len(page.Events), err)
	}
	if e := page.Events[1].Event; e.Type != rollcall.SessionJoined || e.ClientID != "blog" || e.Actor != "blog" || e.ActorKind != rollcall.ActorProxy {
		t.Errorf("the event of the joining: %+v", e)
	}
}

// TestWhatAnybodyCanSendIsAWarningAtMostOnceAMinute sends what the check cannot read, or
// does not record.
func TestWhatAnybodyCanSendIsAWarningAtMostOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		_, token := f.create("auth0|1")
		send := func() {
			for _, query := range []string{"q=100%", "a=1;b=2", "max_age=x", "touch=no", "client_id=invented"} {
				for range 100 {
					f.check("/check?"+query, "Authorization", "Bearer "+token)
				}
			}
		}
		for minute := range 3 {
			if lines := f.log.Count("\n"); lines != minute {
				t.Fatalf("minute %d: %d lines:\n%s", minute, lines, f.log.String())
			}
			send()
			time.Sleep(time.Minute)
		}
		if text := f.log.String(); strings.Contains(text, "level=ERROR") || !strings.Contains(text, "level=WARN") {
			t.Error(text)
		}
	})
}
