package server

import (
	"net/http"

	"github.com/rollcall-id/rollcall/internal/tracing"
)

// traced begins to trace each request; without Traces it returns h itself. observe gives it a
// note to answer on, and ends the span.
//
// A request's traceparent is followed when one of these asks, and passed over from anybody else,
// who could otherwise decide what is recorded:
//
//   - a caller with a management token or a client's credentials: noteCaller says so;
//   - with ProxyTraceparent, a trusted proxy.
func (d *Doors) traced(h http.Handler, from remote) http.Handler {
	if d.Traces == nil {
		return h
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		inner, request := d.Traces.Request(r)
		defer func() { r.Pattern = inner.Pattern }()
		w.(*note).traced = request
		if d.ProxyTraceparent && from.Sent(r) {
			request.Follow()
		}
		h.ServeHTTP(w, inner)
	})
}

// endSpan ends the span of a request that was answered, or whose answer broke off.
func (n *note) endSpan(r *http.Request, broken bool) {
	if n.traced == nil {
		return
	}
	a := tracing.Answer{TLS: r.TLS != nil, Major: r.ProtoMajor, Minor: r.ProtoMinor, Status: n.status, Broken: broken}
	if at := methodIndex(r.Method); at > 0 {
		a.Method = methodNames[at]
	}
	if isRoute(r.Pattern) {
		a.Route = routeName(r.Pattern)
	}
	if a.Status == 0 && !broken {
		a.Status = http.StatusOK // net/http answers for the handler
	}
	n.traced.End(a)
}
