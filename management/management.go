// Package management serves the session part of the published Management API
// under /api/v2 (docs/published-api.md), byte for byte.
package management

import (
	"log/slog"
	"net/http"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/internal/pages"
	"github.com/rollcall-id/rollcall/internal/wire"
	"github.com/rollcall-id/rollcall/sessions"
)

// Options configure the door.
type Options struct {
	Manager      *sessions.Manager
	Authenticate wire.Authenticate
	Logger       *slog.Logger
	// PageMemory is how many bytes to keep spelled listings in; 0 keeps none. None is
	// kept either when the Manager has no memory.
	PageMemory int64
	// Compress sends listings of wire.MinCompressed bytes or more by gzip to clients that
	// accept it.
	Compress bool
}

// A Door serves everything under /api/v2. It may serve many requests at once.
type Door struct {
	manager  *sessions.Manager
	pages    *pages.Cache // nil keeps none
	compress bool
	handler  http.Handler
}

// New returns a Door. Checks come in the published order: route, caller, scope, form,
// existence.
func New(o Options) *Door {
	d := &Door{manager: o.Manager, compress: o.Compress}
	if o.PageMemory > 0 {
		d.pages = pages.New(o.PageMemory)
	}
	common := wire.Door{Authenticate: o.Authenticate, Logger: o.Logger, Answers: answers}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v2/users/{user_id}/sessions", common.With(rollcall.ScopeReadSessions, d.listUserSessions))
	mux.HandleFunc("DELETE /api/v2/users/{user_id}/sessions", common.With(rollcall.ScopeDeleteSessions, d.deleteUserSessions))
	mux.HandleFunc("GET /api/v2/sessions/{id}", common.With(rollcall.ScopeReadSessions, d.getSession))
	mux.HandleFunc("PATCH /api/v2/sessions/{id}", common.With(rollcall.ScopeUpdateSessions, d.updateSession))
	mux.HandleFunc("DELETE /api/v2/sessions/{id}", common.With(rollcall.ScopeDeleteSessions, d.deleteSession))
	mux.HandleFunc("POST /api/v2/sessions/{id}/revoke", common.With(rollcall.ScopeDeleteSessions, d.revokeSession))
	mux.HandleFunc("/", wire.NotFound)
	d.handler = wire.NoRedirects(mux)
	return d
}

// ServeHTTP implements [http.Handler].
func (d *Door) ServeHTTP(w http.ResponseWriter, r *http.Request) { d.handler.ServeHTTP(w, r) }

// PageLookups is how often a listing was looked for among the kept ones, and found or not.
func (d *Door) PageLookups() (hits, misses uint64) {
	if d.pages == nil {
		return 0, 0
	}
	c := d.pages.Counts()
	return c.Hits, c.Misses
}

var answers = map[rollcall.Code]wire.Answer{
	rollcall.CodeInvalid:     {Status: http.StatusBadRequest, Code: "invalid_body"},
	rollcall.CodeNotFound:    {Status: http.StatusNotFound, Code: "inexistent_session"},
	rollcall.CodeUnavailable: {Status: http.StatusServiceUnavailable, Code: "service_unavailable"},
}
