package wire

import (
	"errors"
	"log/slog"
	"net/http"

	"github.com/rollcall-id/rollcall"
)

// An Answer is how a door answers an error of a code.
type Answer struct {
	Status int
	Code   string // errorCode
}

// writeInvalid answers 400 for a refused part of the request in the published
// wording (docs/published-api.md P13), or reports false.
func writeInvalid(w http.ResponseWriter, err error) bool {
	if path, ok := errors.AsType[PathError](err); ok {
		WriteError(w, http.StatusBadRequest, "Path validation error: "+path.Error(), "invalid_uri")
		return true
	}
	if query, ok := errors.AsType[QueryError](err); ok {
		WriteError(w, http.StatusBadRequest, "Query validation error: "+query.Error(), "invalid_query_string")
		return true
	}
	if errors.Is(err, rollcall.ErrBadCursor) {
		WriteError(w, http.StatusBadRequest, rollcall.ErrBadCursor.Message, "invalid_query_string")
		return true
	}
	if payload, ok := errors.AsType[*Invalid](err); ok {
		WritePayloadError(w, payload)
		return true
	}
	return false
}

// WriteFailure answers with an error by the door's table: a refused part of the
// request in the published wording, everything that the table does not know as 500.
// The operator is told what the caller is not.
func WriteFailure(w http.ResponseWriter, r *http.Request, log *slog.Logger, table map[rollcall.Code]Answer, err error) {
	if writeInvalid(w, err) {
		return
	}
	answer, known := table[rollcall.ErrorCode(err)]
	if !known || answer.Status >= http.StatusInternalServerError {
		log.ErrorContext(r.Context(), "request failed", "error", err)
	}
	e, ok := errors.AsType[*rollcall.Error](err)
	if !known || !ok {
		WriteError(w, http.StatusInternalServerError, "An internal server error occurred", "")
		return
	}
	setRetryAfter(w, e)
	WriteError(w, answer.Status, e.Message, answer.Code)
}

// setRetryAfter says when repeating may help, if the error knows.
func setRetryAfter(w http.ResponseWriter, e *rollcall.Error) {
	if e.RetryAfter > 0 {
		SetRetryAfter(w.Header(), e.RetryAfter)
	}
}
