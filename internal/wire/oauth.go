package wire

import (
	"errors"
	"log/slog"
	"net/http"
	"strconv"

	"github.com/rollcall-id/rollcall"
)

// WriteOAuth answers with a JSON body at an OAuth endpoint: without a charset, as recorded
// of the published one (docs/published-api.md P21), and kept by nobody (RFC 6749 5.1).
func WriteOAuth(w http.ResponseWriter, status int, body []byte) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("Pragma", "no-cache")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // a client that has gone away is no error of ours
}

// WriteOAuthError answers with an error of an OAuth endpoint (RFC 6749 5.2). An empty uri
// is left out.
func WriteOAuthError(w http.ResponseWriter, status int, code, description, uri string) {
	b := AppendString([]byte(`{"error":`), code)
	b = AppendString(append(b, `,"error_description":`...), description)
	if uri != "" {
		b = AppendString(append(b, `,"error_uri":`...), uri)
	}
	WriteOAuth(w, status, append(b, '}'))
}

// WriteOAuthFailure answers with an error of the domain at an OAuth endpoint:
//
//   - CodeInsufficient: 401, with the challenge of RFC 9470.
//   - CodeInvalid: 400.
//   - CodeUnavailable: 503; the caller cannot know whether anything was done.
//   - all others: 500, since the doors answer all else themselves.
//
// The operator is told of the last two.
func WriteOAuthFailure(w http.ResponseWriter, r *http.Request, log *slog.Logger, err error) {
	if i, ok := errors.AsType[*rollcall.Insufficient](err); ok {
		w.Header().Set("WWW-Authenticate", insufficient(i.Requirement))
		WriteOAuthError(w, http.StatusUnauthorized, insufficientError, insufficientMessage, "")
		return
	}
	e, ok := errors.AsType[*rollcall.Error](err)
	if ok && e.Code == rollcall.CodeInvalid {
		WriteOAuthError(w, http.StatusBadRequest, "invalid_request", e.Message, "")
		return
	}
	log.ErrorContext(r.Context(), "request failed", "error", err)
	if !ok || e.Code != rollcall.CodeUnavailable {
		WriteOAuthError(w, http.StatusInternalServerError, "server_error", "An internal server error occurred", "")
		return
	}
	setRetryAfter(w, e)
	WriteOAuthError(w, http.StatusServiceUnavailable, "temporarily_unavailable", e.Message, "")
}
