// Package tracing makes OpenTelemetry spans of requests, of the calls of the store and of the
// requests that leave the server, and sends them to a collector. The environment alone, by its
// OTEL_ variables, says whether that is done and how.
//
// No span holds anything about users: its names and attributes are methods, route patterns,
// names of calls, statuses, and the hosts of key sets.
package tracing

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// StopTimeout bounds how long Stop waits for the collector to take the last spans.
const StopTimeout = 5 * time.Second

// Traces make spans and send them to a collector, in the background: nobody waits for it, and
// what it does not take in time is lost. A nil *Traces makes none, and wraps nothing. Its methods
// may be called at once from many goroutines, but for Stop.
type Traces struct {
	provider *sdk.TracerProvider
	exporter *otlptrace.Exporter
	tracer   trace.Tracer
	reports  *reporter
	follows  bool          // OTEL_PROPAGATORS does not leave traceparent out
	patience time.Duration // StopTimeout, but in tests
}

// Open reads the environment and returns what it asks for: nil for no traces. An error says
// which variable is wrong, and holds no value that may be a secret. The log gets, once a minute
// at most, what goes wrong later.
func Open(version string, log *slog.Logger) (*Traces, error) {
	asked, err := wanted()
	if err != nil || !asked.traces {
		return nil, err
	}
	t := &Traces{reports: newReporter(log), follows: asked.parents, patience: StopTimeout}
	ctx := context.Background()
	if t.exporter, err = otlptracehttp.New(ctx, endpoint()...); err != nil {
		return nil, errors.Join(t.reports.opened(), err)
	}
	about, err := resource.New(ctx,
		resource.WithTelemetrySDK(),
		resource.WithAttributes(semconv.ServiceName("rollcall"), semconv.ServiceVersion(version)),
		resource.WithFromEnv(), // the last one wins
	)
	t.provider = sdk.NewTracerProvider(sdk.WithResource(about), sdk.WithBatcher(t.exporter), sdk.WithoutPanicRecording())
	t.tracer = t.provider.Tracer("github.com/rollcall-id/rollcall", trace.WithInstrumentationVersion(version))
	if err := errors.Join(t.reports.opened(), err); err != nil {
		t.Stop()
		return nil, err
	}
	return t, nil
}

// Check returns the error that Open would return. It connects to nothing.
func Check() error {
	t, err := Open("", slog.New(slog.DiscardHandler))
	t.Stop()
	return err
}

// Stop sends the spans that were not sent yet, within StopTimeout, and ends what runs in the
// background.
func (t *Traces) Stop() {
	if t == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), t.patience)
	defer cancel()
	if err := t.provider.Shutdown(ctx); err != nil {
		t.reports.Handle(err)
		_ = t.exporter.Shutdown(ctx) // breaks off the request that is still under way
	}
}
