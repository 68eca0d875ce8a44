// Package api serves our own HTTP API under /v1: what the published one lacks,
// first of all creating a session. Bodies, errors and dates are spelled as the
// published API spells them.
package api

import (
	"log/slog"
	"net/http"
	"strings"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/internal/wire"
)

// New returns the handler of everything under /v1. It may serve many requests
// at once. No cookie is read here, so no browser can be made to act: sessions
// end by a token in the Authorization header.
func New(m *rollcall.Manager, auth wire.Authenticate, cookie wire.Cookie, log *slog.Logger) http.Handler {
	d := &door{manager: m, authenticate: auth, cookie: cookie, log: log}
	mux := http.NewServeMux()
	post := func(path string, h http.HandlerFunc) {
		mux.HandleFunc("POST "+path, h)
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Allow", http.MethodPost)
			wire.WriteError(w, http.StatusMethodNotAllowed, "Method Not Allowed", "")
		})
	}
	post("/v1/sessions", d.with(rollcall.ScopeCreateSessions, d.createSession))
	post("/v1/sessions/end", d.endByToken)
	post("/v1/sessions/end-everybody", d.with(rollcall.ScopeEndEverybody, d.endEverybody))
	post("/v1/users/{user_id}/sessions/end", d.with(rollcall.ScopeDeleteSessions, d.endUserSessions))
	mux.HandleFunc("/", wire.NotFound)
	return wire.NoRedirects(mux)
}

type door struct {
	manager      *rollcall.Manager
	authenticate wire.Authenticate
	cookie       wire.Cookie
	log          *slog.Logger
}

func (d *door) with(scope string, h wire.Handler) http.HandlerFunc {
	return wire.Scoped(d.authenticate, scope, h, d.fail)
}

// answers is the one table from the domain's codes to this door's answers.
var answers = map[rollcall.Code]wire.Answer{
	rollcall.CodeInvalid:     {Status: http.StatusBadRequest, Code: "invalid_body"},
	rollcall.CodeNotFound:    {Status: http.StatusNotFound, Code: "inexistent_session"},
	rollcall.CodeConflict:    {Status: http.StatusConflict, Code: "conflict"},
	rollcall.CodeLimit:       {Status: http.StatusForbidden, Code: "session_limit_reached"},
	rollcall.CodeUnavailable: {Status: http.StatusServiceUnavailable, Code: "service_unavailable"},
}

func (d *door) fail(w http.ResponseWriter, r *http.Request, err error) {
	if rollcall.ErrorCode(err) == rollcall.CodeRefused {
		wire.WriteUnauthorized(w, "The session token is not accepted.", true)
		return
	}
	wire.WriteFailure(w, r, d.log, answers, err)
}

// endByToken logs a session out by its own token, and answers the cookie that
// makes the browser forget it.
func (d *door) endByToken(w http.ResponseWriter, r *http.Request) {
	token, ok := bearer(r)
	if !ok {
		wire.WriteUnauthorized(w, "Missing authentication", false)
		return
	}
	s, err := d.manager.EndByToken(r.Context(), rollcall.CallerFrom(r.Context()), token)
	if err != nil {
		d.fail(w, r, err)
		return
	}
	clearing := d.cookie.Clear()
	w.Header().Set("Set-Cookie", clearing)
	b := append([]byte(`{"session_id":`), wire.AppendString(nil, s.ID)...)
	b = append(b, `,"set_cookie":`...)
	wire.WriteJSON(w, http.StatusOK, append(wire.AppendString(b, clearing), '}'))
}

// bearer returns the request's only bearer token.
func bearer(r *http.Request) (string, bool) {
	values := r.Header["Authorization"]
	if len(values) != 1 {
		return "", false
	}
	scheme, token, found := strings.Cut(values[0], " ")
	return token, found && strings.EqualFold(scheme, "Bearer")
}

func (d *door) endEverybody(w http.ResponseWriter, r *http.Request, by rollcall.Caller) error {
	if err := d.manager.EndEverybody(r.Context(), by); err != nil {
		return err
	}
	wire.WriteJSON(w, http.StatusAccepted, []byte("{}"))
	return nil
}

// endUserSessions ends a user's sessions, all or all but one.
func (d *door) endUserSessions(w http.ResponseWriter, r *http.Request, by rollcall.Caller) error {
	body := wire.Object{}
	if r.ContentLength != 0 {
		var ok bool
		if body, ok = wire.ReadObject(w, r); !ok {
			return nil
		}
	}
	f := fields{body: body}
	keep := f.text("except")
	if err := f.done(); err != nil {
		return err
	}
	var err error
	if userID := r.PathValue("user_id"); f.has("except") {
		err = d.manager.EndOthers(r.Context(), by, userID, keep)
	} else {
		err = d.manager.EndAll(r.Context(), by, userID, rollcall.ReasonRevoked)
	}
	if err != nil {
		return err
	}
	wire.WriteJSON(w, http.StatusAccepted, []byte("{}"))
	return nil
}
