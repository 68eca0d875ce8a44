package tracing

import (
	"context"
	"errors"

	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/rollcall-id/rollcall"
)

// A tracedStore is a store whose calls for a request are spans below the request's.
type tracedStore struct {
	rollcall.Store
	traces *Traces
}

// Store returns a store that does what the given one does, and traces it; without traces it
// returns s itself. What is done in the background is not traced.
func (t *Traces) Store(s rollcall.Store) rollcall.Store {
	if t == nil {
		return s
	}
	return &tracedStore{s, t}
}

// endCall ends the span of a call, unless it is nil. A conflict is no failure: the act is
// decided anew.
func endCall(span trace.Span, err error) {
	if span == nil {
		return
	}
	switch kind := kindOf(err); kind {
	case "":
	case "conflict":
		span.SetAttributes(semconv.ErrorTypeKey.String(kind))
	default:
		span.SetAttributes(semconv.ErrorTypeKey.String(kind))
		span.SetStatus(codes.Error, "")
	}
	span.End()
}

// kindOf is what an error is called: "" for none, and for a session that is not there.
func kindOf(err error) string {
	switch {
	case err == nil, errors.Is(err, rollcall.ErrNoSession):
		return ""
	case errors.Is(err, rollcall.ErrConflict):
		return "conflict"
	case errors.Is(err, context.Canceled):
		return "canceled"
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	}
	return string(rollcall.ErrorCode(err))
}

// Session implements rollcall.Store.
func (s *tracedStore) Session(ctx context.Context, at rollcall.At) (rollcall.Session, rollcall.Standing, error) {
	span := s.traces.child(ctx, "store session")
	found, st, err := s.Store.Session(ctx, at)
	endCall(span, err)
	return found, st, err
}

// Sessions implements rollcall.Store.
func (s *tracedStore) Sessions(ctx context.Context, q rollcall.SessionsOf) (rollcall.Standing, []rollcall.Session, error) {
	span := s.traces.child(ctx, "store sessions")
	st, found, err := s.Store.Sessions(ctx, q)
	endCall(span, err)
	return st, found, err
}

// Document implements rollcall.Store.
func (s *tracedStore) Document(ctx context.Context, name string) (rollcall.Document, error) {
	span := s.traces.child(ctx, "store document")
	d, err := s.Store.Document(ctx, name)
	endCall(span, err)
	return d, err
}

// Events implements rollcall.Store.
func (s *tracedStore) Events(ctx context.Context, q rollcall.EventsAfter) (rollcall.EventPage, error) {
	span := s.traces.child(ctx, "store events")
	page, err := s.Store.Events(ctx, q)
	endCall(span, err)
	return page, err
}

// Commit implements rollcall.Store.
func (s *tracedStore) Commit(ctx context.Context, c rollcall.Change) (rollcall.Standing, error) {
	span := s.traces.child(ctx, "store commit")
	left, err := s.Store.Commit(ctx, c)
	endCall(span, err)
	return left, err
}

// Touch implements rollcall.Store.
func (s *tracedStore) Touch(ctx context.Context, touches []rollcall.Touch) error {
	span := s.traces.child(ctx, "store touch")
	err := s.Store.Touch(ctx, touches)
	endCall(span, err)
	return err
}
