package server

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/gate"
	"github.com/rollcall-id/rollcall/internal/doortest"
	"github.com/rollcall-id/rollcall/internal/logtest"
	"github.com/rollcall-id/rollcall/internal/wire"
	"github.com/rollcall-id/rollcall/oauth"
	"github.com/rollcall-id/rollcall/sessions"
	"github.com/rollcall-id/rollcall/store/memory"
)

func newDoors(t *testing.T) *Doors {
	t.Helper()
	keys, err := oauth.OpenKeys(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	issuer, err := oauth.NewIssuer(oauth.Options{Keys: keys, PublicURLs: []string{"https://localhost"}, Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	m := NewMetrics("1.2.3", "abc")
	manager, err := sessions.New(m.Store(memory.New()), sessions.Options{Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	return &Doors{Manager: manager, Issuer: issuer, Keys: keys, Cookie: wire.NewCookie(""), Logger: log, Metrics: m}
}

func get(h http.Handler, path string, header ...string) (int, string) {
	w := doortest.Serve(h, "GET", path, "", header...)
	return w.Code, w.Body.String()
}

func TestTelemetryShowsHealthMetricsAndProfilesOnlyWhenAsked(t *testing.T) {
	for _, profiling := range []bool{false, true} {
		d := newDoors(t)
		d.Profiling = profiling
		h := d.telemetry()
		profile := http.StatusNotFound
		if profiling {
			profile = http.StatusOK
		}
		for path, want := range map[string]int{
			"/healthz": 200, "/readyz": 200, "/metrics": 200, "/": 404, "/check": 404, "/oauth/token": 404,
			"/debug/pprof/": profile, "/debug/pprof/cmdline": profile, "/debug/pprof/heap": profile,
		} {
			if status, _ := get(h, path); status != want {
				t.Errorf("profiling %v: %s is answered %d, want %d", profiling, path, status, want)
			}
		}
		d.draining.Store(true)
		if status, _ := get(h, "/readyz"); status != http.StatusServiceUnavailable {
			t.Errorf("readiness while draining: %d", status)
		}
		if _, text := get(h, "/metrics"); !strings.Contains(text, `rollcall_build_info{commit="abc",go="go1.`) || !strings.Contains(text, `version="1.2.3"} 1`) {
			t.Error("there is no build_info")
		}
	}
}

func TestEveryRouteIsCountedUnderItsPatternAndNothingOfTheRequest(t *testing.T) {
	d := newDoors(t)
	h, telemetry := d.Handler(), d.telemetry()
	for _, path := range []string{
		"/check", "/healthz", "/check/login", "/v1/backup", "/api/v2/users/auth0%7Csecret-name/sessions", "/api/v2/sessions/secret-id-of-a-session",
		"/v1/me/sessions", "/secret-path", "/api/v2/secret-path", "/v1/secret-path", "/api/v2//secret-path", "/v1/introspect",
		gate.EnvoyPrefix + "/secret-path?secret-query",
	} {
		get(h, path, "Authorization", "Bearer a.secret-token.c")
	}
	doortest.Serve(h, "SECRET-METHOD", "/check", "")
	_, text := get(telemetry, "/metrics")
	for _, want := range []string{
		`{code="401",method="GET",route="/check"} 1`,
		`{code="200",method="GET",route="/healthz"} 1`,
		`{code="401",method="GET",route="/check/login"} 1`,
		`{code="404",method="GET",route="/v1/backup"} 1`,
		`{code="401",method="GET",route="/api/v2/users/{user_id}/sessions"} 1`,
		`{code="401",method="GET",route="/api/v2/sessions/{id}"} 1`,
		`{code="401",method="GET",route="/v1/me/sessions"} 1`,
		`{code="404",method="GET",route="unknown"} 4`,
		`{code="405",method="GET",route="unknown"} 1`,
		`{code="401",method="GET",route="/check/envoy/"} 1`,
		`{code="401",method="other",route="/check"} 1`,
		`rollcall_token_verifications_total{result="refused"} 2`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("there is no %s", want)
		}
	}
	if strings.Contains(strings.ToLower(text), "secret-") || t.Failed() {
		t.Log(text)
		t.Error("a label holds what a request said, or something is missing")
	}
}

func TestTokensAndFailedAttemptsAreCounted(t *testing.T) {
	d := newDoors(t)
	h, telemetry := d.Handler(), d.telemetry()
	token, err := d.Issuer.MintOffline("", []string{rollcall.ScopeReadSessions}, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		get(h, "/api/v2/sessions/unknown-session-01", "Authorization", "Bearer "+token)
	}
	get(h, "/api/v2/sessions/unknown-session-01") // without a token it is no verification
	for range 12 {
		r := httptest.NewRequest("POST", "/oauth/token", strings.NewReader("grant_type=client_credentials&client_id=x&client_secret=y"))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
	_, text := get(telemetry, "/metrics")
	for _, want := range []string{
		`rollcall_token_verifications_total{result="verified"} 1`, `rollcall_token_verifications_total{result="remembered"} 2`,
		`rollcall_token_verifications_total{result="refused"} 0`, "rollcall_token_attempts_failed_total 10", "rollcall_token_attempts_limited_total 2",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("there is no %s", want)
		}
	}
}

func TestTheLineAboutARequestNamesItsTrace(t *testing.T) {
	d := newDoors(t)
	var lines logtest.Buffer
	d.AccessLog = lines.Logger()
	h := d.Handler()
	get(h, "/check")
	if strings.Contains(lines.String(), "trace_id") || !strings.Contains(lines.String(), "path=/check") {
		t.Errorf("without a trace: %s", lines.String())
	}
	get(h, "/check", "Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	if !strings.Contains(lines.String(), "trace_id=0af7651916cd43dd8448eb211c80319c") {
		t.Errorf("with one: %s", lines.String())
	}
}

func TestChecksWithCookiesThatNobodyCanTellApartAreCounted(t *testing.T) {
	d := newDoors(t)
	doors, telemetry := d.Handler(), d.telemetry()
	for range 3 {
		if status, _ := get(doors, "/check", "Cookie", "__Host-rollcall=a; __Host-rollcall=b"); status != http.StatusUnauthorized {
			t.Errorf("%d", status)
		}
	}
	if _, metrics := get(telemetry, "/metrics"); !strings.Contains(metrics, "\nrollcall_check_several_cookies_total 3\n") {
		t.Error("the refused checks are not counted")
	}
}

func TestARequestWhoseHeaderIsTooLargeIsCounted(t *testing.T) {
	d := newDoors(t)
	get(d.Handler(), "/check", "X-Huge", strings.Repeat("x", maxHeaderBytes))
	if _, text := get(d.telemetry(), "/metrics"); !strings.Contains(text, `rollcall_http_requests_total{code="431",method="GET",route="unknown"} 1`) {
		t.Errorf("not counted: %s", text)
	}
}
