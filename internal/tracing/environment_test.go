package tracing_test

import (
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/rollcall-id/rollcall/internal/tracing"
	"github.com/rollcall-id/rollcall/internal/tracing/tracingtest"
	"github.com/rollcall-id/rollcall/store/memory"
)

func TestTracesAreMadeOnlyWhenTheEnvironmentAsks(t *testing.T) {
	for variables, want := range map[string]bool{
		"":                          false,
		"OTEL_TRACES_EXPORTER=otlp": true,
		"OTEL_TRACES_EXPORTER=none": false,
		"OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:1":                                                              true,
		"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://127.0.0.1:1":                                                       true,
		"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT=http://127.0.0.1:1":                                                      false,
		"OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:1 OTEL_TRACES_EXPORTER=none":                                    false,
		"OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:1 OTEL_SDK_DISABLED=TRUE":                                       false,
		"OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:1 OTEL_SDK_DISABLED=false":                                      true,
		"OTEL_SDK_DISABLED=true OTEL_TRACES_EXPORTER=zipkin OTEL_EXPORTER_OTLP_PROTOCOL=grpc":                         false,
		"OTEL_EXPORTER_OTLP_PROTOCOL=grpc OTEL_PROPAGATORS=b3":                                                        false,
		"OTEL_TRACES_EXPORTER=none OTEL_EXPORTER_OTLP_PROTOCOL=grpc":                                                  false,
		"OTEL_TRACES_EXPORTER=otlp OTEL_EXPORTER_OTLP_PROTOCOL=http/json":                                             true,
		"OTEL_TRACES_EXPORTER=otlp OTEL_EXPORTER_OTLP_PROTOCOL=grpc OTEL_EXPORTER_OTLP_TRACES_PROTOCOL=http/protobuf": true,
		"OTEL_TRACES_EXPORTER=otlp OTEL_PROPAGATORS=baggage,tracecontext,none":                                        true,
		// As Kubernetes injects it for a Service named otel.
		"OTEL_SERVICE_HOST=10.0.0.1 OTEL_SERVICE_PORT=4318 OTEL_PORT=tcp://10.0.0.1:4318 OTEL_PORT_4318_TCP=tcp://10.0.0.1:4318": false,
	} {
		t.Run(variables, func(t *testing.T) {
			tracingtest.Environment(t, strings.Fields(variables)...)
			traces, err := tracing.Open("1", slog.New(slog.DiscardHandler))
			defer traces.Stop()
			if err != nil || (traces != nil) != want {
				t.Errorf("%v, %v", traces != nil, err)
			}
			if err := tracing.Check(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestWhatIsWrongInTheEnvironmentIsSaidAtTheStart(t *testing.T) {
	const on = "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:1"
	for _, tt := range []struct {
		want      string
		variables []string
	}{
		{`OTEL_TRACES_EXPORTER="zipkin": the exporter is otlp, or none`, []string{"OTEL_TRACES_EXPORTER=zipkin"}},
		{`OTEL_TRACES_EXPORTER="otlp,console"`, []string{"OTEL_TRACES_EXPORTER=otlp,console"}},
		{`OTEL_EXPORTER_OTLP_PROTOCOL="grpc" is not built in: send traces by http/protobuf`, []string{on, "OTEL_EXPORTER_OTLP_PROTOCOL=grpc"}},
		{`OTEL_EXPORTER_OTLP_TRACES_PROTOCOL="grpc" is not built in`, []string{on, "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL=grpc"}},
		{`OTEL_PROPAGATORS names "b3"`, []string{on, "OTEL_PROPAGATORS=tracecontext,b3"}},
		{"OTEL_EXPORTER_OTLP_ENDPOINT is no URL", []string{"OTEL_EXPORTER_OTLP_ENDPOINT=secret-collector:4318"}},
		{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT is no URL", []string{on, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://secret:%zz@c"}},
		{"unsupported sampler: sometimes", []string{on, "OTEL_TRACES_SAMPLER=sometimes"}},
		{"parsing sampler argument", []string{on, "OTEL_TRACES_SAMPLER=traceidratio", "OTEL_TRACES_SAMPLER_ARG=1%"}},
		{"OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT: Got invalid value", []string{on, "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT=secret"}},
		{"OTEL_EXPORTER_OTLP_TIMEOUT must be a whole number", []string{on, "OTEL_EXPORTER_OTLP_TIMEOUT=10s"}},
		{"OTEL_EXPORTER_OTLP_TRACES_TIMEOUT must be", []string{on, "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT=-1"}},
		{"OTEL_BSP_MAX_QUEUE_SIZE must be a whole number from 1", []string{on, "OTEL_BSP_MAX_QUEUE_SIZE=secret"}},
		{"OTEL_BSP_MAX_QUEUE_SIZE must be", []string{on, "OTEL_BSP_MAX_QUEUE_SIZE=-1"}},
		{"OTEL_BSP_MAX_QUEUE_SIZE must be", []string{on, "OTEL_BSP_MAX_QUEUE_SIZE=9000000000000"}},
		{"OTEL_BSP_MAX_EXPORT_BATCH_SIZE must be", []string{on, "OTEL_BSP_MAX_EXPORT_BATCH_SIZE=-1"}},
		{"OTEL_BSP_SCHEDULE_DELAY must be", []string{on, "OTEL_BSP_SCHEDULE_DELAY=0"}},
		{`OTEL_EXPORTER_OTLP_COMPRESSION="zstd" is not built in`, []string{on, "OTEL_EXPORTER_OTLP_COMPRESSION=zstd"}},
		{"parse headers", []string{on, "OTEL_EXPORTER_OTLP_HEADERS=secret"}},
		{"escape header value", []string{on, "OTEL_EXPORTER_OTLP_HEADERS=api-key=secret%zz"}},
		{"read tls ca cert file /none", []string{"OTEL_EXPORTER_OTLP_ENDPOINT=https://127.0.0.1:1", "OTEL_EXPORTER_OTLP_CERTIFICATE=/none"}},
		{"missing value", []string{on, "OTEL_RESOURCE_ATTRIBUTES=stage"}},
	} {
		t.Run(tt.variables[len(tt.variables)-1], func(t *testing.T) {
			tracingtest.Environment(t, tt.variables...)
			traces, err := tracing.Open("1", slog.New(slog.DiscardHandler))
			if traces != nil || err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "secret") {
				t.Errorf("%v, %v", traces != nil, err)
			}
			if err := tracing.Check(); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("checked: %v", err)
			}
		})
	}
}

func TestWithoutTracesNothingIsWrapped(t *testing.T) {
	tracingtest.Environment(t)
	traces, err := tracing.Open("1", slog.New(slog.DiscardHandler))
	if traces != nil || err != nil {
		t.Fatal(traces, err)
	}
	if store := memory.New(); traces.Store(store) != store {
		t.Error("the store is another")
	}
	if base := http.DefaultTransport; traces.Transport(base) != base {
		t.Error("the transport is another")
	}
}

func TestHeadersThatGoOverANetworkInTheClearAreWarnedOf(t *testing.T) {
	for variables, want := range map[string]int{
		"OTEL_EXPORTER_OTLP_ENDPOINT=http://collector:4318 OTEL_EXPORTER_OTLP_HEADERS=api-key=secret":                                                            1,
		"OTEL_EXPORTER_OTLP_ENDPOINT=http://10.0.0.1:4318 OTEL_EXPORTER_OTLP_TRACES_HEADERS=api-key=secret":                                                      1,
		"OTEL_EXPORTER_OTLP_ENDPOINT=https://collector:4318 OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://collector:4318/ OTEL_EXPORTER_OTLP_HEADERS=api-key=secret": 1,
		"OTEL_EXPORTER_OTLP_ENDPOINT=http://collector:4318":                                                                                                      0,
		"OTEL_EXPORTER_OTLP_ENDPOINT=https://collector:4318 OTEL_EXPORTER_OTLP_HEADERS=api-key=secret":                                                           0,
		"OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318 OTEL_EXPORTER_OTLP_HEADERS=api-key=secret":                                                            0,
		"OTEL_EXPORTER_OTLP_ENDPOINT=http://[::1]:4318 OTEL_EXPORTER_OTLP_HEADERS=api-key=secret":                                                                0,
		"OTEL_TRACES_EXPORTER=otlp OTEL_EXPORTER_OTLP_HEADERS=api-key=secret":                                                                                    0,
		"OTEL_TRACES_EXPORTER=none OTEL_EXPORTER_OTLP_ENDPOINT=http://collector:4318 OTEL_EXPORTER_OTLP_HEADERS=api-key=secret":                                  0,
	} {
		t.Run(variables, func(t *testing.T) {
			tracingtest.Environment(t, strings.Fields(variables)...)
			got := tracing.Warnings()
			if len(got) != want || strings.Contains(strings.Join(got, ""), "secret") {
				t.Errorf("%q", got)
			}
		})
	}
}
