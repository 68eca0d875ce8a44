package tracing

import (
	"context"
	"net/http"
	"strconv"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// A Request is a request that is answered. Its span begins as late as can be, since its parent
// rests on who asks: with the first call that is made for the request, at the latest with its
// end. The span's instants are the request's own all the same.
type Request struct {
	traces *Traces
	header http.Header
	start  time.Time

	mu      sync.Mutex
	follows bool       // the request's traceparent
	span    trace.Span // nil until it begins
}

// An Answer is what a span says of a request.
type Answer struct {
	Method string // a known one, "" for any other
	Route  string // the pattern of its path, "" when no route takes it
	TLS    bool
	Major  int // of the version of HTTP
	Minor  int
	Status int  // 0 when the answer broke off before there was one
	Broken bool // the answer broke off
}

// ofRequest is the key of a Request in a context.
type ofRequest struct{}

// Request begins to trace a request. What is done with the context of the request that is
// returned is traced with it.
func (t *Traces) Request(r *http.Request) (*http.Request, *Request) {
	q := &Request{traces: t, header: r.Header, start: time.Now()}
	return r.WithContext(context.WithValue(r.Context(), ofRequest{}, q)), q
}

// Follow lets the trace go on from the request's traceparent. It is for requests of those who
// may decide what is sampled.
func (q *Request) Follow() {
	if q == nil {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.follows = q.traces.follows
}

// begin returns the span, which begins with the first call.
func (q *Request) begin() trace.Span {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.span == nil {
		ctx := context.Background()
		if q.follows {
			ctx = trace.ContextWithRemoteSpanContext(ctx, Parent(q.header))
		}
		_, q.span = q.traces.tracer.Start(ctx, "HTTP", trace.WithSpanKind(trace.SpanKindServer), trace.WithTimestamp(q.start))
	}
	return q.span
}

// End ends the span.
func (q *Request) End(a Answer) {
	span := q.begin()
	if !span.IsRecording() {
		return
	}
	name, method := a.Method, a.Method
	if a.Method == "" {
		name, method = "HTTP", "_OTHER"
	}
	scheme := "http"
	if a.TLS {
		scheme = "https"
	}
	version := strconv.Itoa(a.Major)
	if a.Major < 2 {
		version += "." + strconv.Itoa(a.Minor)
	}
	attributes := [6]attribute.KeyValue{
		semconv.HTTPRequestMethodKey.String(method), semconv.URLScheme(scheme),
		semconv.NetworkProtocolVersion(version),
	}
	said := attributes[:3]
	if a.Status != 0 {
		said = append(said, semconv.HTTPResponseStatusCode(a.Status))
	}
	if a.Route != "" {
		name += " " + a.Route
		said = append(said, semconv.HTTPRoute(a.Route))
	}
	switch {
	case a.Broken:
		said = append(said, semconv.ErrorTypeKey.String("broken_off"))
		span.SetStatus(codes.Error, "")
	case a.Status >= http.StatusInternalServerError:
		said = append(said, semconv.ErrorTypeKey.String(strconv.Itoa(a.Status)))
		span.SetStatus(codes.Error, "")
	}
	span.SetName(name)
	span.SetAttributes(said...)
	span.End()
}

// Drop ends the Request without a span, unless that has begun.
func (q *Request) Drop() {
	if q == nil {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.span == nil {
		q.span = trace.SpanFromContext(context.Background()) // which records nothing
	}
}

// ID is the id of the trace in which the request is recorded; "" when it is not.
func (q *Request) ID() string {
	if q == nil {
		return ""
	}
	if span := q.begin().SpanContext(); span.IsSampled() {
		return span.TraceID().String()
	}
	return ""
}

// child begins a span below that of the request that ctx belongs to; nil when that is not
// recorded, or when ctx belongs to none.
func (t *Traces) child(ctx context.Context, name string, o ...trace.SpanStartOption) trace.Span {
	q, _ := ctx.Value(ofRequest{}).(*Request)
	if q == nil {
		return nil
	}
	parent := q.begin()
	if !parent.IsRecording() {
		return nil
	}
	_, span := t.tracer.Start(trace.ContextWithSpan(context.Background(), parent), name, o...)
	return span
}

// Parent is the span that a header's traceparent names (W3C Trace Context 3.2), with the
// tracestate; not valid when there is none, several, or one that must be passed over.
func Parent(h http.Header) trace.SpanContext {
	if len(h["Traceparent"]) != 1 {
		return trace.SpanContext{}
	}
	return trace.SpanContextFromContext(propagation.TraceContext{}.Extract(context.Background(), propagation.HeaderCarrier(h)))
}
