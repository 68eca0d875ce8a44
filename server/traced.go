package server

import (
	"net/http"

	"github.com/rollcall-id/rollcall/internal/tracing"
)

// traced makes a span of each request; without Traces it returns h itself. The answer is written
// to a note.
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
		n := w.(*note)
		inner, span := d.Traces.Request(r)
		n.traced = span
		if d.ProxyTraceparent && from.Sent(r) {
			span.Follow()
		}
		panicked := true
		defer func() {
			r.Pattern = inner.Pattern
			if isGoodProbe(r, n.status) {
				span.Drop()
				return
			}
			span.End(answerOf(r, n.status, panicked))
		}()
		h.ServeHTTP(w, inner)
		panicked = false
	})
}

// answerOf is what a span says of a request; status is 0 when nothing was written.
func answerOf(r *http.Request, status int, panicked bool) tracing.Answer {
	a := tracing.Answer{TLS: r.TLS != nil, Major: r.ProtoMajor, Minor: r.ProtoMinor, Status: status}
	if at := methodIndex(r.Method); at > 0 {
		a.Method = methodNames[at]
	}
	if isRoute(r.Pattern) {
		a.Route = routeName(r.Pattern)
	}
	switch {
	case status != 0:
		a.Broken = panicked
	case panicked:
		a.Status = http.StatusInternalServerError // observe writes it
	default:
		a.Status = http.StatusOK // net/http answers for the handler
	}
	return a
}
