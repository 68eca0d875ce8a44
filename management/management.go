// Package management serves the session part of the published Management API
// under /api/v2 (wire.md), byte for byte.
package management

import (
	"log/slog"
	"net/http"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/internal/wire"
	"github.com/rollcall-id/rollcall/sessions"
)

// New returns the handler of everything under /api/v2. It may serve many
// requests at once.
//
// Checks come in the published order: route, caller, scope, form, existence.
func New(m *sessions.Manager, auth wire.Authenticate, log *slog.Logger) http.Handler {
	d := &door{manager: m, authenticate: auth, log: log}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v2/users/{user_id}/sessions", d.with(rollcall.ScopeReadSessions, d.listUserSessions))
	mux.HandleFunc("DELETE /api/v2/users/{user_id}/sessions", d.with(rollcall.ScopeDeleteSessions, d.deleteUserSessions))
	mux.HandleFunc("GET /api/v2/sessions/{id}", d.with(rollcall.ScopeReadSessions, d.getSession))
	mux.HandleFunc("PATCH /api/v2/sessions/{id}", d.with(rollcall.ScopeUpdateSessions, d.updateSession))
	mux.HandleFunc("DELETE /api/v2/sessions/{id}", d.with(rollcall.ScopeDeleteSessions, d.deleteSession))
	mux.HandleFunc("POST /api/v2/sessions/{id}/revoke", d.with(rollcall.ScopeDeleteSessions, d.revokeSession))
	mux.HandleFunc("/", wire.NotFound)
	return wire.NoRedirects(mux)
}

type door struct {
	manager      *sessions.Manager
	authenticate wire.Authenticate
	log          *slog.Logger
}

func (d *door) with(scope string, h wire.Handler) http.HandlerFunc {
	return wire.Scoped(d.authenticate, scope, h, d.fail)
}

// answers is the one table from the domain's codes to the published answers.
var answers = map[rollcall.Code]wire.Answer{
	rollcall.CodeInvalid:     {Status: http.StatusBadRequest, Code: "invalid_body"},
	rollcall.CodeNotFound:    {Status: http.StatusNotFound, Code: "inexistent_session"},
	rollcall.CodeUnavailable: {Status: http.StatusServiceUnavailable, Code: "service_unavailable"},
}

func (d *door) fail(w http.ResponseWriter, r *http.Request, err error) {
	wire.WriteFailure(w, r, d.log, answers, err)
}
