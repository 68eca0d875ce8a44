package server_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/internal/doortest"
	"github.com/rollcall-id/rollcall/internal/logtest"
	"github.com/rollcall-id/rollcall/internal/tracing"
	"github.com/rollcall-id/rollcall/internal/tracing/tracingtest"
	"github.com/rollcall-id/rollcall/server"
	"github.com/rollcall-id/rollcall/sessions"
	"github.com/rollcall-id/rollcall/store/memory"
)

// tracedDoors are doors whose requests, and whose calls of the store, are traced. spans stops
// the tracing, and returns the collector with all spans.
func tracedDoors(t *testing.T, store rollcall.Store, variables ...string) (d *server.Doors, spans func() *tracingtest.Collector) {
	t.Helper()
	c := tracingtest.Start(t, false)
	tracingtest.Environment(t, append(variables, "OTEL_EXPORTER_OTLP_ENDPOINT="+c.URL)...)
	traces, err := tracing.Open("1.2.3", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(traces.Stop)
	d = allDoors(t, sessions.Options{})
	d.Traces = traces
	if d.Manager, err = sessions.New(traces.Store(store), sessions.Options{}); err != nil {
		t.Fatal(err)
	}
	return d, func() *tracingtest.Collector { traces.Stop(); return c }
}

func management(t *testing.T, d *server.Doors) string {
	t.Helper()
	token, err := d.Issuer.MintOffline("", rollcall.Scopes(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestARequestIsASpanWithItsCallsOfTheStoreBelow(t *testing.T) {
	d, spans := tracedDoors(t, memory.New())
	h := d.Handler()
	bearer := "Bearer " + management(t, d)
	w := doortest.Serve(h, "POST", "/v1/sessions", `{"user_id":"u","authentication":{"methods":[{"name":"pwd"}]}}`, "Authorization", bearer, "Content-Type", "application/json")
	if w.Code != http.StatusCreated {
		t.Fatal(w.Code, w.Body)
	}
	doortest.Serve(h, "GET", "/api/v2/users/u/sessions?take=2", "", "Authorization", bearer)
	doortest.Serve(h, "BREW", "/nowhere/at-all", "")
	doortest.Serve(h, "GET", "/check", "", "X-Large", strings.Repeat("x", 40<<10))
	c := spans()
	for name, want := range map[string]map[string]string{
		"POST /v1/sessions":                    {"http.request.method": "POST", "http.route": "/v1/sessions", "http.response.status_code": "201"},
		"GET /api/v2/users/{user_id}/sessions": {"http.request.method": "GET", "http.route": "/api/v2/users/{user_id}/sessions", "http.response.status_code": "200"},
		"HTTP":                                 {"http.request.method": "_OTHER", "http.response.status_code": "404"},
		"GET":                                  {"http.request.method": "GET", "http.response.status_code": "431"},
	} {
		want["url.scheme"], want["network.protocol.version"] = "http", "1.1"
		found := c.Named(name)
		if len(found) != 1 || found[0].Kind != "SERVER" || found[0].Parent != "" || found[0].Failed || found[0].Took <= 0 {
			t.Errorf("%s: %+v, of %+v", name, found, c.Spans())
			continue
		}
		if diff := cmp.Diff(want, found[0].Attributes); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	for call, of := range map[string]string{"store commit": "POST /v1/sessions", "store sessions": "GET /api/v2/users/{user_id}/sessions"} {
		parent, found := c.Named(of), c.Named(call)
		if !slices.ContainsFunc(found, func(s tracingtest.Span) bool {
			return s.Kind == "INTERNAL" && s.Parent == parent[0].ID && s.Trace == parent[0].Trace && !s.Failed
		}) {
			t.Errorf("%s is not below %s: %+v", call, of, found)
		}
	}
}

// A brokenStore fails, or panics.
type brokenStore struct{ rollcall.Store }

func (brokenStore) Session(context.Context, rollcall.At) (rollcall.Session, rollcall.Standing, error) {
	return rollcall.Session{}, rollcall.Standing{}, errors.New("secret-cause")
}

func (brokenStore) Sessions(context.Context, rollcall.SessionsOf) (rollcall.Standing, []rollcall.Session, error) {
	panic("secret-panic")
}

func TestWhatFailsIsAFailedSpanWithoutItsCause(t *testing.T) {
	d, spans := tracedDoors(t, brokenStore{memory.New()})
	h := d.Handler()
	bearer := "Bearer " + management(t, d)
	if w := doortest.Serve(h, "GET", "/api/v2/sessions/unknown-session-01", "", "Authorization", bearer); w.Code != http.StatusServiceUnavailable {
		t.Error(w.Code)
	}
	if w := doortest.Serve(h, "GET", "/api/v2/users/u/sessions", "", "Authorization", bearer); w.Code != http.StatusInternalServerError {
		t.Error(w.Code)
	}
	c := spans()
	for name, kind := range map[string]string{
		"GET /api/v2/sessions/{id}": "503", "store session": "internal", "GET /api/v2/users/{user_id}/sessions": "500",
	} {
		if found := c.Named(name); len(found) != 1 || !found[0].Failed || found[0].Attributes["error.type"] != kind {
			t.Errorf("%s: %+v", name, found)
		}
	}
	if strings.Contains(c.Bytes(), "secret-") {
		t.Errorf("the collector learns of the cause: %q", c.Bytes())
	}
}

const (
	foreignTrace  = "0af7651916cd43dd8448eb211c80319c"
	foreignParent = "b7ad6b7169203331"
)

func TestATraceGoesOnOnlyFromThoseWhoMayDecideWhatIsRecorded(t *testing.T) {
	for name, tt := range map[string]struct {
		variables []string
		proxies   bool // proxy_traceparent
		flags     string
		from      string
		authorize func(d *server.Doors) string
		path      string
		recorded  bool
		follows   bool
	}{
		"a stranger":                              {flags: "01", path: "/check", recorded: true},
		"a stranger, unsampled":                   {flags: "00", path: "/check", recorded: true},
		"a stranger, with a bad token":            {flags: "01", path: "/api/v2/sessions/unknown-session-01", authorize: func(*server.Doors) string { return "Bearer x.y.z" }, recorded: true},
		"a stranger, where nothing is sampled":    {variables: []string{"OTEL_TRACES_SAMPLER=parentbased_always_off"}, flags: "01", path: "/check"},
		"a trusted proxy":                         {flags: "01", from: "10.0.0.1:1", path: "/check", recorded: true},
		"a trusted proxy that may":                {flags: "01", from: "10.0.0.1:1", proxies: true, path: "/check", recorded: true, follows: true},
		"a trusted proxy that may, unsampled":     {flags: "00", from: "10.0.0.1:1", proxies: true, path: "/check"},
		"a stranger where proxies may":            {flags: "01", proxies: true, path: "/check", recorded: true},
		"a caller":                                {flags: "01", path: "/api/v2/sessions/unknown-session-01", authorize: bearerOf, recorded: true, follows: true},
		"a caller, unsampled":                     {flags: "00", path: "/api/v2/sessions/unknown-session-01", authorize: bearerOf},
		"a caller, where nothing else is sampled": {variables: []string{"OTEL_TRACES_SAMPLER=parentbased_always_off"}, flags: "01", path: "/api/v2/sessions/unknown-session-01", authorize: bearerOf, recorded: true, follows: true},
		"a caller, where no propagator is":        {variables: []string{"OTEL_PROPAGATORS=none"}, flags: "01", path: "/api/v2/sessions/unknown-session-01", authorize: bearerOf, recorded: true},
		"a user with a session's token":           {flags: "01", path: "/v1/me/sessions", authorize: sessionOf, recorded: true},
	} {
		t.Run(name, func(t *testing.T) {
			d, spans := tracedDoors(t, memory.New(), tt.variables...)
			var lines logtest.Buffer
			d.AccessLog = lines.Logger()
			d.ProxyTraceparent, d.TrustedProxies = tt.proxies, []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
			r := httptest.NewRequest("GET", tt.path, nil)
			if tt.from != "" {
				r.RemoteAddr = tt.from
			}
			r.Header.Set("Traceparent", "00-"+foreignTrace+"-"+foreignParent+"-"+tt.flags)
			r.Header.Set("Baggage", "planted=baggage")
			if tt.authorize != nil {
				r.Header.Set("Authorization", tt.authorize(d))
			}
			d.Handler().ServeHTTP(httptest.NewRecorder(), r)
			c := spans()
			requests := slices.DeleteFunc(c.Spans(), func(s tracingtest.Span) bool { return s.Kind != "SERVER" })
			if len(requests) != 0 != tt.recorded {
				t.Fatalf("%+v", requests)
			}
			logged := foreignTrace
			for _, s := range requests {
				if follows := s.Trace == foreignTrace && s.Parent == foreignParent; follows != tt.follows || !follows && s.Parent != "" {
					t.Errorf("%+v", s)
				}
				logged = s.Trace
			}
			if !lines.Has("trace_id=" + logged) {
				t.Errorf("the line has another trace than %s: %s", logged, lines.String())
			}
			if strings.Contains(c.Bytes(), "planted") {
				t.Error("baggage gets to the collector")
			}
		})
	}
}

func bearerOf(d *server.Doors) string {
	token, err := d.Issuer.MintOffline("", rollcall.Scopes(), time.Hour)
	if err != nil {
		panic(err)
	}
	return "Bearer " + token
}

func sessionOf(d *server.Doors) string {
	_, token, err := d.Manager.Create(context.Background(), rollcall.Caller{}, rollcall.NewSession{UserID: "u"})
	if err != nil {
		panic(err)
	}
	return "Bearer " + token.Reveal()
}

func TestProbesThatFindTheServerWellLeaveNoSpans(t *testing.T) {
	d, spans := tracedDoors(t, memory.New())
	d.ProxyTraceparent, d.TrustedProxies = true, []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")}
	h := d.Handler()
	for _, path := range []string{"/healthz", "/readyz"} {
		doortest.Serve(h, "GET", path, "", "Traceparent", "00-"+foreignTrace+"-"+foreignParent+"-01")
		doortest.Serve(h, "POST", path, "")
	}
	var names []string
	for _, s := range spans().Spans() {
		names = append(names, s.Name+" "+s.Attributes["http.response.status_code"])
	}
	if diff := cmp.Diff([]string{"POST /healthz 405", "POST /readyz 405"}, names); diff != "" {
		t.Error(diff)
	}
	ill, spans := tracedDoors(t, illStore{memory.New()})
	doortest.Serve(ill.Handler(), "GET", "/readyz", "")
	if found := spans().Named("GET /readyz"); len(found) != 1 || !found[0].Failed {
		t.Errorf("a probe that fails: %+v", found)
	}
}

// TestNothingOfARequestButItsMethodAndRouteGetsToTheCollector makes each call of the reference,
// and some that there are not, with values that can be recognised, by a stranger, a user and a
// management client. Each byte that a collector gets is looked at.
func TestNothingOfARequestButItsMethodAndRouteGetsToTheCollector(t *testing.T) {
	const mark = "r3cogn1s4ble"
	d, spans := tracedDoors(t, memory.New())
	d.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	h := d.Handler()
	s := httptest.NewServer(h)
	defer s.Close()
	bearer := management(t, d)
	secrets := []string{mark, bearer, "203.0.113.77", "127.0.0.1", "planted"}
	calls := slices.Sorted(maps.Keys(secured(t, h)))
	for _, call := range append(calls, "GET /"+mark, "GET /api/v2/"+mark, "GET /v1/"+mark, "GET /check/"+mark, strings.ToUpper(mark)+" /check") {
		for _, who := range []string{"nobody", "a user", "a browser", "a client"} {
			session, token, err := d.Manager.Create(t.Context(), rollcall.Caller{}, rollcall.NewSession{UserID: "auth0|" + mark, ClientID: mark, UserAgent: mark, IP: "203.0.113.77"})
			if err != nil {
				t.Fatal(err)
			}
			secrets = append(secrets, session.ID, token.Reveal())
			method, path, _ := strings.Cut(call, " ")
			path = strings.NewReplacer("{user_id}", url.PathEscape("auth0|"+mark), "{id}", session.ID, "{path}", mark).Replace(path)
			body := `{"user_id":"auth0|` + mark + `","token":"` + token.Reveal() + `","authentication":{"methods":[{"name":"` + mark + `"}]},"session_metadata":{"a":"` + mark + `"}}`
			r, err := http.NewRequest(method, s.URL+path+"?q="+mark+"&token="+token.Reveal(), strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			r.Host = mark
			for name, value := range map[string]string{
				"Content-Type": "application/json", "User-Agent": mark, "X-Forwarded-For": "203.0.113.77", "X-Request-Id": mark, "X-Correlation-Id": mark,
				"Origin": "https://" + mark + ".example.com", "Referer": "https://" + mark + ".example.com", "Idempotency-Key": mark,
				"Traceparent": "00-" + foreignTrace + "-" + foreignParent + "-01", "Baggage": "a=planted", "X-" + mark: mark,
			} {
				r.Header.Set(name, value)
			}
			switch who {
			case "a user":
				r.Header.Set("Authorization", "Bearer "+token.Reveal())
			case "a browser":
				r.Header.Set("Cookie", d.Cookie.Name+"="+token.Reveal())
			case "a client":
				r.Header.Set("Authorization", "Bearer "+bearer)
			}
			answer, err := http.DefaultTransport.RoundTrip(r)
			if err != nil {
				t.Fatal(call, err)
			}
			_, _ = io.Copy(io.Discard, answer.Body) // a backup may break off
			_ = answer.Body.Close()
		}
	}
	c := spans()
	routes := map[string]bool{}
	for _, s := range c.Spans() {
		routes[s.Name] = true
	}
	for _, call := range calls {
		if !strings.Contains(call, "{path}") && !strings.HasSuffix(call, " /healthz") && !strings.HasSuffix(call, " /readyz") && !routes[call] {
			t.Errorf("there is no span of %s", call)
		}
	}
	sent := strings.ToLower(c.Bytes())
	for _, secret := range secrets {
		if i := strings.Index(sent, strings.ToLower(secret)); i >= 0 {
			t.Errorf("the collector gets %q: %q", secret, sent[max(0, i-100):min(len(sent), i+100)])
			break
		}
	}
	if t.Failed() {
		t.Log(slices.Sorted(maps.Keys(routes)))
	}
}

func TestAnAnswerThatBreaksOffIsAFailedSpan(t *testing.T) {
	d, spans := tracedDoors(t, memory.New())
	d.Backup = func(context.Context) (string, error) { return t.TempDir() + "/gone", nil }
	bearer := management(t, d)
	s := httptest.NewServer(d.Handler())
	defer s.Close()
	r, err := http.NewRequest("POST", s.URL+"/v1/backup", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+bearer)
	if answer, err := http.DefaultClient.Do(r); err == nil {
		_, _ = io.Copy(io.Discard, answer.Body)
		_ = answer.Body.Close()
	}
	found := spans().Named("POST /v1/backup")
	if len(found) != 1 || !found[0].Failed || found[0].Attributes["error.type"] != "broken_off" || found[0].Attributes["http.response.status_code"] != "" {
		t.Errorf("%+v", found)
	}
}
