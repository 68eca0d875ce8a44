package server

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/internal/tracing"
	"github.com/rollcall-id/rollcall/internal/tracing/tracingtest"
	"github.com/rollcall-id/rollcall/internal/wire"
	"github.com/rollcall-id/rollcall/oauth"
	"github.com/rollcall-id/rollcall/sessions"
	"github.com/rollcall-id/rollcall/store/memory"
)

// discard is an answer that nobody reads.
type discard struct{ header http.Header }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) WriteHeader(int)             {}
func (d *discard) Write(b []byte) (int, error) { return len(b), nil }

// BenchmarkHandler measures what is done for a request between net/http and the store.
func BenchmarkHandler(b *testing.B) { benchmarkHandler(b, nil) }

// BenchmarkTracedHandler is BenchmarkHandler with traces, of one request in a hundred.
func BenchmarkTracedHandler(b *testing.B) {
	c := tracingtest.Start(b, false)
	tracingtest.Environment(b, "OTEL_EXPORTER_OTLP_ENDPOINT="+c.URL, "OTEL_TRACES_SAMPLER=parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG=0.01")
	traces, err := tracing.Open("", slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	defer traces.Stop()
	benchmarkHandler(b, traces)
}

func benchmarkHandler(b *testing.B, traces *tracing.Traces) {
	logger := slog.New(slog.NewTextHandler(io.Discard, &slog.HandlerOptions{Level: slog.LevelWarn}))
	keys, err := oauth.OpenKeys(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	issuer, err := oauth.NewIssuer(oauth.Options{Keys: keys, PublicURLs: []string{"http://rollcall.bench"}, Logger: logger, Clients: []oauth.Client{{
		ID: "backend", SecretHashes: [][32]byte{{1}}, Scopes: rollcall.Scopes(),
	}}})
	if err != nil {
		b.Fatal(err)
	}
	manager, err := sessions.New(traces.Store(memory.New()), sessions.Options{Logger: logger, TouchInterval: time.Hour, Memory: 32 << 20})
	if err != nil {
		b.Fatal(err)
	}
	d := &Doors{Manager: manager, Issuer: issuer, Keys: keys, Cookie: wire.NewCookie(""), Logger: logger, Metrics: NewMetrics("", ""), PageMemory: 32 << 20, Traces: traces}
	h := d.Handler()
	const agent = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36"
	var token rollcall.Token
	for range 5 {
		_, token, err = manager.Create(context.Background(), rollcall.Caller{}, rollcall.NewSession{
			UserID: "auth0|66d7f1a2b3c4d5e6f7081920", ClientID: "web-application", Methods: []rollcall.Method{{Name: "pwd"}},
			IP: "203.0.113.7", UserAgent: agent,
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	bearer, err := issuer.MintOffline("", rollcall.Scopes(), time.Hour)
	if err != nil {
		b.Fatal(err)
	}
	question := `{"token":"` + token.Reveal() + `","device":{"ip":"203.0.113.7","user_agent":"` + agent + `"}}`
	for _, request := range []struct{ name, method, target, token, agent, body string }{
		{"check", "GET", "/check", token.Reveal(), agent, ""},
		{"check without a use", "GET", "/check?touch=false", token.Reveal(), agent, ""},
		{"check by a client", "POST", "/v1/check", bearer, "node.js/22.0.0", question},
		{"list", "GET", "/api/v2/users/auth0%7C66d7f1a2b3c4d5e6f7081920/sessions", bearer, "node.js/22.0.0", ""},
		{"get", "GET", "/api/v2/sessions/" + token.ID, bearer, "node.js/22.0.0", ""},
	} {
		b.Run(request.name, func(b *testing.B) {
			r, err := http.NewRequest(request.method, "http://rollcall.bench"+request.target, nil)
			if err != nil {
				b.Fatal(err)
			}
			r.RemoteAddr = "127.0.0.1:40000"
			r.Header = http.Header{"Authorization": {"Bearer " + request.token}, "User-Agent": {request.agent}, "Accept": {"*/*"}}
			w := &discard{http.Header{}}
			b.ReportAllocs()
			for b.Loop() {
				again := *r
				if request.body != "" {
					again.Body = io.NopCloser(strings.NewReader(request.body))
					again.ContentLength = int64(len(request.body))
				}
				clear(w.header)
				h.ServeHTTP(w, &again)
			}
			if ids := w.header["X-Request-Id"]; len(ids) != 1 || strings.TrimSpace(ids[0]) == "" {
				b.Fatal(w.header)
			}
		})
	}
}
