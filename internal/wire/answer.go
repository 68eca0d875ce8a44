// Package wire spells what the doors have in common on the wire: the published
// API's JSON (docs/published-api.md P1 and P43), its errors, its dates, and the session cookie.
package wire

import (
	"net/http"
	"strconv"

	"github.com/rollcall-id/rollcall"
)

// ContentType is what every JSON answer in the published form carries.
const ContentType = "application/json; charset=utf-8"

// Authenticate finds out who calls. When it reports false it has answered the
// request itself, in the published form.
type Authenticate func(http.ResponseWriter, *http.Request) (rollcall.Caller, bool)

// WriteJSON answers with a JSON body. Nothing that a session server answers may
// be kept by a cache.
func WriteJSON(w http.ResponseWriter, status int, body []byte) {
	h := w.Header()
	h["Content-Type"] = contentType
	h["Cache-Control"] = noStore
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	w.WriteHeader(status)
	_, _ = w.Write(body) // a client that has gone away is no error of ours
}

var (
	contentType = []string{ContentType}
	noStore     = []string{"no-store"}
)

// WriteError answers with the published error body (docs/published-api.md P8). An empty
// errorCode is left out.
func WriteError(w http.ResponseWriter, status int, message, errorCode string) {
	b := appendError(nil, status, message)
	if errorCode != "" {
		b = append(b, `,"errorCode":`...)
		b = AppendString(b, errorCode)
	}
	WriteJSON(w, status, append(b, '}'))
}

// WriteUnauthorized answers 401 as the published API does: with attributes in
// place of an errorCode when a token was given and is not good.
func WriteUnauthorized(w http.ResponseWriter, message string, tokenGiven bool) {
	b := appendError(nil, http.StatusUnauthorized, message)
	challenge := "Bearer"
	if tokenGiven {
		b = append(b, `,"attributes":{"error":`...)
		b = append(AppendString(b, message), '}')
		challenge = `Bearer error="` + message + `"`
	}
	w.Header().Set("WWW-Authenticate", challenge)
	WriteJSON(w, http.StatusUnauthorized, append(b, '}'))
}

// WriteBadAuthorization answers 400 for an Authorization header that is not a scheme and
// credentials (docs/published-api.md P62).
func WriteBadAuthorization(w http.ResponseWriter) {
	WriteError(w, http.StatusBadRequest, BadAuthorization, "Bearer")
}

// BadAuthorization is the published message of WriteBadAuthorization.
const BadAuthorization = "Bad HTTP authentication header format"

func appendError(b []byte, status int, message string) []byte {
	b = append(b, `{"statusCode":`...)
	b = strconv.AppendInt(b, int64(status), 10)
	b = append(b, `,"error":`...)
	b = AppendString(b, http.StatusText(status))
	b = append(b, `,"message":`...)
	return AppendString(b, message)
}

// NotFound answers an unknown route, and a known one with another method
// (docs/published-api.md P2).
func NotFound(w http.ResponseWriter, _ *http.Request) {
	WriteError(w, http.StatusNotFound, "Not Found", "")
}
