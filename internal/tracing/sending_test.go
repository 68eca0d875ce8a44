package tracing

import (
	"encoding/pem"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/rollcall-id/rollcall/internal/logtest"
	"github.com/rollcall-id/rollcall/internal/tracing/tracingtest"
)

// open returns the traces that the environment asks for.
func open(t *testing.T, log *slog.Logger) *Traces {
	t.Helper()
	traces, err := Open("1.2.3", log)
	if err != nil || traces == nil {
		t.Fatal(traces, err)
	}
	return traces
}

// answer traces a request that was answered.
func answer(t *Traces) {
	_, q := t.Request(httptest.NewRequest("GET", "/", nil))
	q.End(Answer{Method: "GET", Route: "/check", Major: 1, Minor: 1, Status: 200})
}

func TestTheVariablesOfTheSpecificationCount(t *testing.T) {
	c := tracingtest.Start(t, true)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	tracingtest.Environment(t,
		"OTEL_EXPORTER_OTLP_ENDPOINT="+c.URL, "OTEL_EXPORTER_OTLP_CERTIFICATE="+ca, "OTEL_EXPORTER_OTLP_HEADERS=api-key=a%20key", "OTEL_EXPORTER_OTLP_COMPRESSION=gzip",
		"OTEL_SERVICE_NAME=sessions", "OTEL_RESOURCE_ATTRIBUTES=deployment.environment.name=test,service.name=overruled", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE=2",
	)
	traces := open(t, slog.New(slog.DiscardHandler))
	for range 4 {
		answer(traces)
	}
	traces.Stop()
	spans := c.Spans()
	if len(spans) != 4 {
		t.Fatalf("%d spans", len(spans))
	}
	for _, headers := range c.Headers() {
		if headers.Get("Api-Key") != "a key" || headers.Get("Content-Encoding") != "gzip" {
			t.Errorf("%v", headers)
		}
	}
	if len(c.Headers()) != 2 {
		t.Errorf("%d batches", len(c.Headers()))
	}
	got := spans[0].Resource
	for name := range got {
		if strings.HasPrefix(name, "telemetry.sdk.") {
			delete(got, name)
		}
	}
	if diff := cmp.Diff(map[string]string{"service.name": "sessions", "service.version": "1.2.3", "deployment.environment.name": "test"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestWithoutAnEndpointSpansGoToThisMachine(t *testing.T) {
	tracingtest.Environment(t, "OTEL_TRACES_EXPORTER=otlp")
	var log logtest.Buffer
	traces := open(t, log.Logger())
	traces.patience = 100 * time.Millisecond
	answer(traces)
	if err := traces.provider.ForceFlush(t.Context()); err != nil && !strings.Contains(err.Error(), `"http://localhost:4318/v1/traces"`) {
		t.Error(err)
	}
	traces.Stop()
	tracingtest.Environment(t, "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:1")
	traces = open(t, log.Logger())
	traces.Stop()
	if n := len(endpoint()); n != 0 {
		t.Errorf("with an endpoint there are %d more options", n)
	}
}

func TestTheSamplerCounts(t *testing.T) {
	for sampler, want := range map[string]int{"always_on": 100, "always_off": 0, "parentbased_traceidratio": 0} {
		c := tracingtest.Start(t, false)
		tracingtest.Environment(t, "OTEL_EXPORTER_OTLP_ENDPOINT="+c.URL, "OTEL_TRACES_SAMPLER="+sampler, "OTEL_TRACES_SAMPLER_ARG=0")
		traces := open(t, slog.New(slog.DiscardHandler))
		for range 100 {
			answer(traces)
		}
		traces.Stop()
		if got := len(c.Spans()); got != want {
			t.Errorf("%s: %d spans", sampler, got)
		}
	}
}

func TestFailuresOfTheCollectorAreLoggedOnceAMinuteAndCut(t *testing.T) {
	asked := make(chan struct{}, 100)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		_, _ = w.Write([]byte("no, " + strings.Repeat("never ", 10000)))
		asked <- struct{}{}
	}))
	defer s.Close()
	tracingtest.Environment(t, "OTEL_EXPORTER_OTLP_ENDPOINT="+s.URL, "OTEL_EXPORTER_OTLP_HEADERS=api-key=secret", "OTEL_BSP_SCHEDULE_DELAY=1")
	var log logtest.Buffer
	traces := open(t, log.Logger())
	for range 5 {
		answer(traces)
		<-asked
	}
	traces.Stop()
	text := log.String()
	if log.Count("level=WARN") != 1 || log.Count("\n") != 1 || !strings.Contains(text, "403 Forbidden (body: no, never") || len(text) > 600 || strings.Contains(text, "secret") {
		t.Errorf("%.2000s", text)
	}
}

func TestACollectorThatHangsHoldsNobodyUp(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	release, brokenOff := make(chan struct{}), make(chan struct{}, 1)
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // from then on the end of the connection is noticed
		select {
		case <-release:
		case <-r.Context().Done():
			brokenOff <- struct{}{}
		}
	}))
	defer s.Close()
	defer close(release)
	tracingtest.Environment(t, "OTEL_EXPORTER_OTLP_ENDPOINT="+s.URL, "OTEL_BSP_SCHEDULE_DELAY=1")
	var log logtest.Buffer
	traces := open(t, log.Logger())
	traces.patience = 300 * time.Millisecond
	began := time.Now()
	for range 10000 { // more than wait for the collector
		answer(traces)
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("10000 requests took %v", took)
	}
	began = time.Now()
	traces.Stop()
	if took := time.Since(began); took < traces.patience || took > traces.patience+2*time.Second {
		t.Errorf("the stop took %v", took)
	}
	select {
	case <-brokenOff:
	case <-time.After(5 * time.Second):
		t.Error("the request to the collector goes on after the stop")
	}
	if log.Count("spans are lost") != 1 {
		t.Errorf("%s", log.String())
	}
}
