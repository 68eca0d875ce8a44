package server

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/internal/wire"
	"github.com/rollcall-id/rollcall/sessions"
	"github.com/rollcall-id/rollcall/store/memory"
)

func TestRequestsAreCountedByRouteMethodAndStatus(t *testing.T) {
	m := NewMetrics("1", "c")
	for _, r := range []struct {
		pattern, method string
		status          int
	}{
		{"/check", "GET", 200},
		{"/check", "GET", 200},
		{"/check", "GET", 401},
		{"GET /api/v2/sessions/{id}", "GET", 404},
		{"GET /api/v2/sessions/{id}", "HEAD", 200},
		{"DELETE /api/v2/sessions/{id}", "DELETE", 202},
		{"", "GET", 404},
		{"/", "BREW", 404},
		{"", "X", 404},
		{"/check", "GET", 0},
	} {
		m.requests.observe(r.pattern, r.method, r.status, time.Millisecond)
	}
	want := `# HELP rollcall_http_requests_total Requests answered, by route, method and status.
# TYPE rollcall_http_requests_total counter
rollcall_http_requests_total{code="200",method="GET",route="/check"} 3
rollcall_http_requests_total{code="200",method="HEAD",route="/api/v2/sessions/{id}"} 1
rollcall_http_requests_total{code="202",method="DELETE",route="/api/v2/sessions/{id}"} 1
rollcall_http_requests_total{code="401",method="GET",route="/check"} 1
rollcall_http_requests_total{code="404",method="GET",route="/api/v2/sessions/{id}"} 1
rollcall_http_requests_total{code="404",method="GET",route="unknown"} 1
rollcall_http_requests_total{code="404",method="other",route="unknown"} 2
`
	if err := testutil.CollectAndCompare(m.requests.total, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
	if n := testutil.CollectAndCount(m.requests.seconds); n != 3 {
		t.Errorf("%d latency histograms, want one a route", n)
	}
}

func TestCountingARequestMakesNothing(t *testing.T) {
	m := NewMetrics("1", "c")
	observe := func() { m.requests.observe("GET /api/v2/sessions/{id}", "GET", 200, time.Millisecond) }
	observe()
	if n := testing.AllocsPerRun(100, observe); n != 0 {
		t.Errorf("%v allocations", n)
	}
	s := m.Store(nothing{})
	read := func() { _, _, _ = s.Session(context.Background(), rollcall.At{ID: "x"}) }
	if n := testing.AllocsPerRun(100, read); n != 0 {
		t.Errorf("%v allocations in a read", n)
	}
}

// nothing is a store that does nothing, well or not.
type nothing struct {
	rollcall.Store
	err error
}

func (n nothing) Session(context.Context, rollcall.At) (rollcall.Session, rollcall.Standing, error) {
	return rollcall.Session{}, rollcall.Standing{}, n.err
}

func (n nothing) Commit(context.Context, rollcall.Change) (rollcall.Standing, error) {
	return rollcall.Standing{}, n.err
}

func TestFailuresOfTheStoreAreCountedAndNoOthers(t *testing.T) {
	m := NewMetrics("1", "c")
	for _, err := range []error{nil, rollcall.ErrNoSession, rollcall.ErrConflict, context.Canceled, rollcall.ErrFull, errors.New("disk")} {
		_, _ = m.Store(nothing{err: err}).Commit(context.Background(), rollcall.Change{})
	}
	if n := testutil.ToFloat64(m.store.failures.WithLabelValues("commit")); n != 2 {
		t.Errorf("%v failures, want 2", n)
	}
	if n := testutil.ToFloat64(m.store.conflicts); n != 1 {
		t.Errorf("%v conflicts, want 1", n)
	}
}

func TestOneReadInSixteenIsTimed(t *testing.T) {
	m := NewMetrics("1", "c")
	s := m.Store(nothing{})
	for range 16_000 {
		_, _, _ = s.Session(context.Background(), rollcall.At{ID: "x"})
	}
	text := exposed(t, m)
	at := strings.Index(text, `rollcall_store_call_duration_seconds_count{call="session"} `)
	if at < 0 {
		t.Fatal(text)
	}
	var n int
	for _, c := range strings.SplitN(text[at:], "\n", 2)[0][len(`rollcall_store_call_duration_seconds_count{call="session"} `):] {
		n = n*10 + int(c-'0')
	}
	if n < 700 || n > 1300 {
		t.Errorf("%d of 16000", n)
	}
}

// exposed is what a scrape gets.
func exposed(t *testing.T, m *Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{}).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	return w.Body.String()
}

func TestTheNumberOfLiveSessionsIsShownOnceItIsKnown(t *testing.T) {
	manager, err := sessions.New(memory.New(), sessions.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := manager.Create(t.Context(), rollcall.Caller{}, rollcall.NewSession{UserID: "a"}); err != nil {
		t.Fatal(err)
	}
	m := NewMetrics("1", "c")
	m.Register(liveSessions{manager})
	if text := exposed(t, m); strings.Contains(text, "rollcall_sessions_live") {
		t.Errorf("a number before the first count:\n%s", text)
	}
	if _, err := manager.CountLive(t.Context()); err != nil {
		t.Fatal(err)
	}
	if text := exposed(t, m); !strings.Contains(text, "\nrollcall_sessions_live 1\n") {
		t.Errorf("not the number:\n%s", text)
	}
}

func TestLooksInTheCacheAreCountedWhenThereIsOne(t *testing.T) {
	ctx := t.Context()
	store := memory.New()
	bare, err := sessions.New(store, sessions.Options{})
	if err != nil || bare.Remembers() {
		t.Fatalf("a cache that was not asked for: %v", err)
	}
	manager, err := sessions.New(store, sessions.Options{Memory: 512 << 10})
	if err != nil {
		t.Fatal(err)
	}
	s, _, err := bare.Create(ctx, rollcall.Caller{}, rollcall.NewSession{UserID: "a", Methods: []rollcall.Method{{Name: "pwd"}}})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := manager.Session(ctx, s.ID); err != nil {
			t.Fatal(err)
		}
	}
	m := NewMetrics("1", "c")
	m.watchCache((&Doors{Manager: manager}).cacheLookups)
	if text := exposed(t, m); !strings.Contains(text, `rollcall_cache_lookups_total{result="hit"} 2`) || !strings.Contains(text, `result="miss"} 1`) {
		t.Error(text)
	}
}

func TestAListingFromAKeptPageIsALookThatFound(t *testing.T) {
	d := newDoors(t)
	var err error
	if d.Manager, err = sessions.New(memory.New(), sessions.Options{Memory: 1 << 20}); err != nil {
		t.Fatal(err)
	}
	if _, _, err = d.Manager.Create(t.Context(), rollcall.Caller{}, rollcall.NewSession{UserID: "a", Methods: []rollcall.Method{{Name: "pwd"}}}); err != nil {
		t.Fatal(err)
	}
	d.PageMemory = 1 << 20
	h := d.Handler()
	bearer, err := d.Issuer.MintOffline("", rollcall.Scopes(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	hits, misses := d.cacheLookups()
	for range 5 { // twice from the sessions, and then from the page
		if status, body := get(h, "/api/v2/users/a/sessions", "Authorization", "Bearer "+bearer); status != http.StatusOK {
			t.Fatal(status, body)
		}
	}
	if h, m := d.cacheLookups(); h-hits != 5 || m != misses {
		t.Errorf("%d looks found, %d did not", h-hits, m-misses)
	}
}

func TestTheTraceOfARequestIsReadStrictly(t *testing.T) {
	const trace, parent = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
	for header, want := range map[string]string{
		"00-" + trace + "-" + parent + "-01":                   trace,
		"cc-" + trace + "-" + parent + "-01":                   trace,
		"cc-" + trace + "-" + parent + "-01-more":              trace,
		"00-" + trace + "-" + parent + "-01-more":              "",
		"cc-" + trace + "-" + parent + "-01more":               "",
		"ff-" + trace + "-" + parent + "-01":                   "",
		"00-" + strings.ToUpper(trace) + "-" + parent + "-01":  "",
		"00-" + strings.Repeat("0", 32) + "-" + parent + "-01": "",
		"00-" + trace + "-" + strings.Repeat("0", 16) + "-01":  "",
		"00-" + trace + "-" + parent + "-0":                    "",
		"00_" + trace + "-" + parent + "-01":                   "",
		"00-" + trace[:31] + "\"-" + parent + "-01":            "",
		"": "",
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("traceparent", header)
		if got := traceID(r, nil); got != want {
			t.Errorf("%q: %q, want %q", header, got, want)
		}
	}
	r := httptest.NewRequest("GET", "/", nil)
	r.Header["Traceparent"] = slices.Repeat([]string{"00-" + trace + "-" + parent + "-01"}, 2)
	if got := traceID(r, nil); got != "" {
		t.Errorf("two headers: %q", got)
	}
}

// BenchmarkMetrics is what counting and timing adds to a check: a request and two
// reads.
func BenchmarkMetrics(b *testing.B) {
	m := NewMetrics("1", "c")
	plain, timed := rollcall.Store(nothing{}), m.Store(nothing{})
	check := func(b *testing.B, s rollcall.Store, count bool) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				_, _, _ = s.Session(context.Background(), rollcall.At{ID: "x"})
				_, _, _ = s.Session(context.Background(), rollcall.At{ID: "x"})
				if count {
					m.requests.observe("/check", "GET", 200, time.Millisecond)
				}
			}
		})
	}
	b.Run("without", func(b *testing.B) { check(b, plain, false) })
	b.Run("with", func(b *testing.B) { check(b, timed, true) })
}

// BenchmarkObserve is what stands around every request: its id, its counts, its
// line.
func BenchmarkObserve(b *testing.B) {
	logger := slog.New(slog.NewJSONHandler(io.Discard, nil))
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Pattern = "/check"
		wire.WriteJSON(w, http.StatusOK, nil)
	})
	for name, d := range map[string]*Doors{
		"nothing": {Logger: logger, AccessLog: slog.New(slog.DiscardHandler)},
		"metrics": {Logger: logger, AccessLog: slog.New(slog.DiscardHandler), Metrics: NewMetrics("1", "c")},
		"line":    {Logger: logger},
		"both":    {Logger: logger, Metrics: NewMetrics("1", "c")},
	} {
		h := d.observe(handler, remote{})
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			w, r := httptest.NewRecorder(), httptest.NewRequest("GET", "/check", nil)
			r.Header.Set("X-Request-Id", "abc")
			for b.Loop() {
				h.ServeHTTP(w, r)
			}
		})
	}
}
