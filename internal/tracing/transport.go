package tracing

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strconv"

	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// A transport makes a span of each request that leaves the server.
type transport struct {
	base   http.RoundTripper
	traces *Traces
}

// Transport returns what makes requests as base does, and traces them; without traces it returns
// base itself. A request in the background begins a trace of its own. No traceparent is sent: who
// answers is another organization's server.
func (t *Traces) Transport(base http.RoundTripper) http.RoundTripper {
	if t == nil {
		return base
	}
	return &transport{base, t}
}

// RoundTrip implements [http.RoundTripper]. The span ends with the answer's header.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	span := t.begin(r.Context(), r.Method)
	answer, err := t.base.RoundTrip(r)
	if span == nil {
		return answer, err
	}
	span.SetAttributes(semconv.HTTPRequestMethodKey.String(r.Method), semconv.ServerAddress(r.URL.Hostname()), semconv.ServerPort(portOf(r)))
	kind := ""
	switch timeout, ok := errors.AsType[net.Error](err); {
	case ok && timeout.Timeout():
		kind = "timeout"
	case err != nil:
		kind = "_OTHER"
	default:
		span.SetAttributes(semconv.HTTPResponseStatusCode(answer.StatusCode))
		if answer.StatusCode >= http.StatusBadRequest {
			kind = strconv.Itoa(answer.StatusCode)
		}
	}
	if kind != "" {
		span.SetAttributes(semconv.ErrorTypeKey.String(kind))
		span.SetStatus(codes.Error, "")
	}
	span.End()
	return answer, err
}

func (t *transport) begin(ctx context.Context, name string) trace.Span {
	client := trace.WithSpanKind(trace.SpanKindClient)
	if ctx.Value(ofRequest{}) != nil {
		return t.traces.child(ctx, name, client)
	}
	_, span := t.traces.tracer.Start(context.Background(), name, client)
	return span
}

func portOf(r *http.Request) int {
	if port, err := strconv.Atoi(r.URL.Port()); err == nil {
		return port
	}
	if r.URL.Scheme == "http" {
		return 80
	}
	return 443
}
