package wire

import (
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/rollcall-id/rollcall"
)

// An Answer is how a door answers an error of a code.
type Answer struct {
	Status int
	Code   string // errorCode
}

// WriteFailure answers with an error by the door's table: a refused body in the
// published wording, everything that the table does not know as 500. The
// operator is told what the caller is not.
func WriteFailure(w http.ResponseWriter, r *http.Request, log *slog.Logger, table map[rollcall.Code]Answer, err error) {
	if payload, ok := errors.AsType[*Invalid](err); ok {
		WritePayloadError(w, payload)
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
	if e.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(max(1, int(e.RetryAfter/time.Second))))
	}
	WriteError(w, answer.Status, e.Message, answer.Code)
}
