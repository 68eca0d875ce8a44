package client

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/internal/request"
)

// RequireLevel lets only those pass who reach one of the levels, such as aal2. It
// implies Require. Who is signed in and does not reach it is sent to the login URL
// with acr_values when on the way to a page, and otherwise answered with the
// challenge of RFC 9470.
//
// It panics when a level cannot be asked for: that is a mistake in the program.
func (m *Middleware) RequireLevel(levels ...string) func(http.Handler) http.Handler {
	if len(levels) == 0 {
		panic("client: RequireLevel without a level")
	}
	return m.RequireAuthentication(rollcall.Requirement{Levels: levels})
}

// RequireMaxAge lets only those pass who were authenticated within the time. It is
// else as RequireLevel.
func (m *Middleware) RequireMaxAge(age time.Duration) func(http.Handler) http.Handler {
	return m.RequireAuthentication(rollcall.Requirement{MaxAge: age, Aged: true})
}

// RequireAuthentication lets only those pass whose authentication meets the
// requirement. It is else as RequireLevel.
func (m *Middleware) RequireAuthentication(what rollcall.Requirement) func(http.Handler) http.Handler {
	if !slices.ContainsFunc(slices.Concat(what.Levels, what.Methods), isNoWord) && what.MaxAge >= 0 {
		return func(next http.Handler) http.Handler { return m.require(what, next) }
	}
	panic("client: levels and methods are words, an age is not negative")
}

// isNoWord reports whether a text cannot stand in a quoted part of a header.
func isNoWord(text string) bool {
	return text == "" || len(text) > 255 || strings.ContainsFunc(text, func(r rune) bool { return r <= 0x20 || r > 0x7e || r == '"' || r == '\\' })
}

// refuse answers a request that must not pass.
func (m *Middleware) refuse(w http.ResponseWriter, r *http.Request, err error, what rollcall.Requirement) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	insufficient := errors.Is(err, ErrInsufficient)
	switch {
	case errors.Is(err, errCrossOrigin):
		write(w, http.StatusForbidden, errCrossOrigin.Message)
	case !insufficient && !errors.Is(err, ErrRefused):
		m.o.Logger.ErrorContext(r.Context(), "cannot say who is signed in", "error", err)
		h.Set("Retry-After", "1")
		write(w, http.StatusServiceUnavailable, ErrUnavailable.Error())
	case m.login != nil && request.IsNavigation(r.Method, r.Header):
		h.Set("Location", m.loginAddress(r, insufficient, what))
		w.WriteHeader(http.StatusFound)
	case insufficient:
		h.Set("WWW-Authenticate", challenge(what))
		write(w, http.StatusUnauthorized, ErrInsufficient.Error())
	default:
		h.Set("WWW-Authenticate", "Bearer")
		write(w, http.StatusUnauthorized, "nobody is signed in")
	}
}

func (m *Middleware) loginAddress(r *http.Request, insufficient bool, what rollcall.Requirement) string {
	target := *m.login
	query := target.Query()
	if back := m.pageAddress(r); back != "" {
		query.Set(m.o.ReturnParameter, back)
	}
	if insufficient && len(what.Levels) > 0 {
		query.Set("acr_values", strings.Join(what.Levels, " "))
	}
	if insufficient && what.Aged {
		query.Set("max_age", age(what))
	}
	target.RawQuery = query.Encode()
	return target.String()
}

func age(what rollcall.Requirement) string {
	return strconv.FormatInt(int64(what.MaxAge/time.Second), 10)
}

// challenge says what is required (RFC 9470 3).
func challenge(what rollcall.Requirement) string {
	c := `Bearer error="insufficient_user_authentication", error_description="A different authentication level is required"`
	if len(what.Levels) > 0 {
		c += `, acr_values="` + strings.Join(what.Levels, " ") + `"`
	}
	if what.Aged {
		c += `, max_age="` + age(what) + `"`
	}
	return c
}

// write answers in the form of the server's own errors.
func write(w http.ResponseWriter, status int, message string) {
	body, err := json.Marshal(struct {
		StatusCode int    `json:"statusCode"`
		Error      string `json:"error"`
		Message    string `json:"message"`
	}{status, http.StatusText(status), message})
	if err != nil {
		panic("client: an error is always JSON: " + err.Error())
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(body) // a client that has gone away is no error of ours
}
