package wire

import (
	"log/slog"
	"net/http"

	"github.com/rollcall-id/rollcall"
)

// A Door is what the doors to the Manager have in common: who may ask for what, and how
// errors are answered.
type Door struct {
	Authenticate Authenticate
	Logger       *slog.Logger
	// Answers is the one table from the domain's codes to this door's answers.
	Answers map[rollcall.Code]Answer
}

// A Handler answers a request of a caller who may ask, or returns why not.
type Handler func(w http.ResponseWriter, r *http.Request, by rollcall.Caller) error

// With lets only callers with the scope reach h, and answers the error that h returns.
func (d *Door) With(scope string, h Handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		by, ok := d.Authenticate(w, r)
		if !ok {
			return
		}
		if !by.Has(scope) {
			WriteError(w, http.StatusForbidden, "Insufficient scope, expected any of: "+scope, "insufficient_scope")
			return
		}
		if err := h(w, r, by); err != nil {
			d.Fail(w, r, err)
		}
	}
}

// Fail answers with an error: 401 for a session token that is not good or not good enough,
// all else as WriteFailure does.
func (d *Door) Fail(w http.ResponseWriter, r *http.Request, err error) {
	switch {
	case WriteInsufficient(w, err):
	case rollcall.ErrorCode(err) == rollcall.CodeRefused:
		WriteUnauthorized(w, "The session token is not accepted.", true)
	default:
		WriteFailure(w, r, d.Logger, d.Answers, err)
	}
}
