// Package tracingtest has a collector for tests, which takes spans as OpenTelemetry's does.
package tracingtest

import (
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"

	collected "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	traces "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// A Span is one that was collected. Ids are hexadecimal, "" for no parent.
type Span struct {
	Name                 string
	Kind                 string // SERVER, CLIENT, INTERNAL
	Trace, ID, Parent    string
	Attributes, Resource map[string]string
	Failed               bool
	Took                 int64 // nanoseconds
}

// A Collector keeps what it is sent. Its methods may be called at once from many goroutines.
type Collector struct {
	URL    string
	Server *httptest.Server

	mu      sync.Mutex
	bytes   []byte
	spans   []Span
	headers []http.Header
	wrong   []error
}

// Start starts a collector over plain http, or TLS, until the test ends.
func Start(t testing.TB, tls bool) *Collector {
	t.Helper()
	c := &Collector{}
	if tls {
		c.Server = httptest.NewTLSServer(c)
	} else {
		c.Server = httptest.NewServer(c)
	}
	c.URL = c.Server.URL
	t.Cleanup(func() {
		c.Server.Close()
		for _, err := range c.wrong {
			t.Errorf("a request to the collector: %v", err)
		}
	})
	return c
}

// Environment takes all OTEL_ variables away until the test ends, and sets those that are
// given as NAME=value.
func Environment(t testing.TB, variables ...string) {
	t.Helper()
	for _, variable := range os.Environ() {
		if name, _, _ := strings.Cut(variable, "="); strings.HasPrefix(name, "OTEL_") {
			t.Setenv(name, "")
		}
	}
	for _, variable := range variables {
		name, value, _ := strings.Cut(variable, "=")
		t.Setenv(name, value)
	}
}

// ServeHTTP implements [http.Handler].
func (c *Collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	spans, raw, err := read(r)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.headers = append(c.headers, r.Header)
	c.bytes = append(c.bytes, raw...)
	c.spans = append(c.spans, spans...)
	if err != nil {
		c.wrong = append(c.wrong, err)
		w.WriteHeader(http.StatusBadRequest)
	}
}

// Spans are those that were collected, in the order in which they ended.
func (c *Collector) Spans() []Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]Span(nil), c.spans...)
}

// Named are the spans of a name.
func (c *Collector) Named(name string) (found []Span) {
	for _, s := range c.Spans() {
		if s.Name == name {
			found = append(found, s)
		}
	}
	return found
}

// Bytes is all that was sent, headers and all: what was compressed as it was before.
func (c *Collector) Bytes() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return string(c.bytes) + fmt.Sprint(c.headers)
}

// Headers are those of each request.
func (c *Collector) Headers() []http.Header {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]http.Header(nil), c.headers...)
}

func read(r *http.Request) ([]Span, []byte, error) {
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		unzipped, err := gzip.NewReader(r.Body)
		if err != nil {
			return nil, nil, err
		}
		body = unzipped
	}
	raw, err := io.ReadAll(body)
	if err != nil {
		return nil, raw, err
	}
	if is := r.Method + " " + r.URL.Path + " " + r.Header.Get("Content-Type"); is != "POST /v1/traces application/x-protobuf" {
		return nil, raw, fmt.Errorf("it is %s", is)
	}
	var sent collected.ExportTraceServiceRequest
	if err := proto.Unmarshal(raw, &sent); err != nil {
		return nil, raw, err
	}
	var spans []Span
	for _, of := range sent.GetResourceSpans() {
		for _, scope := range of.GetScopeSpans() {
			for _, s := range scope.GetSpans() {
				spans = append(spans, Span{
					Name: s.GetName(), Kind: strings.TrimPrefix(s.GetKind().String(), "SPAN_KIND_"),
					Trace: fmt.Sprintf("%x", s.GetTraceId()), ID: fmt.Sprintf("%x", s.GetSpanId()), Parent: fmt.Sprintf("%x", s.GetParentSpanId()),
					Attributes: texts(s.GetAttributes()), Resource: texts(of.GetResource().GetAttributes()),
					Failed: s.GetStatus().GetCode() == traces.Status_STATUS_CODE_ERROR,
					Took:   int64(s.GetEndTimeUnixNano() - s.GetStartTimeUnixNano()),
				})
			}
		}
	}
	return spans, raw, nil
}

func texts(pairs []*common.KeyValue) map[string]string {
	m := map[string]string{}
	for _, p := range pairs {
		switch v := p.GetValue().GetValue().(type) {
		case *common.AnyValue_StringValue:
			m[p.GetKey()] = v.StringValue
		case *common.AnyValue_IntValue:
			m[p.GetKey()] = fmt.Sprint(v.IntValue)
		default:
			m[p.GetKey()] = fmt.Sprint(v)
		}
	}
	return m
}
