// Package api serves our own HTTP API under /v1: what the published one lacks,
// first of all creating a session. Bodies, errors and dates are spelled as the
// published API spells them. Introspection and revocation are under /oauth as well, for
// clients with their own credentials, and spelled as OAuth has them.
package api

import (
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/internal/request"
	"github.com/rollcall-id/rollcall/internal/wire"
	"github.com/rollcall-id/rollcall/sessions"
)

// Options configure the door.
type Options struct {
	Manager      *sessions.Manager
	Authenticate wire.Authenticate
	// AuthenticateCheck is Authenticate for the check, which each request of each user of an
	// application makes: it counts toward no limit of the caller. nil is Authenticate.
	AuthenticateCheck wire.Authenticate
	// AuthenticateClient finds out which client asks by its own credentials, in the OAuth
	// form. When it reports true, r.PostForm holds the request's ClientParameters, each once.
	AuthenticateClient wire.Authenticate
	// Anonymous returns who calls as far as the request itself says: address, agent
	// and mark, without id or scopes, for the events of a session's own token's acts;
	// nil knows nothing.
	Anonymous func(*http.Request) rollcall.Caller
	Cookie    wire.Cookie
	Logger    *slog.Logger
	// LimitSelf counts a call under /v1/me by the session that asks, and answers 429 and
	// returns false when that was one too many; nil limits nothing.
	LimitSelf func(w http.ResponseWriter, sessionID string) bool
	// EndingAge is how lately users must have been authenticated to end sessions of
	// their own; zero asks for nothing.
	EndingAge time.Duration
}

// New returns the handler of everything under /v1, and of what clients ask under /oauth about
// session tokens. It may serve many requests
// at once. No cookie is read here, so no browser can be made to act: a session's
// own token comes in the Authorization header.
func New(o Options) http.Handler {
	d := &door{
		Door:    wire.Door{Authenticate: o.Authenticate, Logger: o.Logger, Answers: answers},
		manager: o.Manager, authenticateClient: o.AuthenticateClient, anonymous: o.Anonymous, cookie: o.Cookie,
		endingAge: o.EndingAge, limitSelf: o.LimitSelf,
	}
	if d.limitSelf == nil {
		d.limitSelf = func(http.ResponseWriter, string) bool { return true }
	}
	if d.anonymous == nil {
		d.anonymous = func(*http.Request) rollcall.Caller { return rollcall.Caller{} }
	}
	checks := d.Door
	if o.AuthenticateCheck != nil {
		checks.Authenticate = o.AuthenticateCheck
	}
	mux := http.NewServeMux()
	route := func(method, path string, h http.HandlerFunc) { mux.HandleFunc(method+" "+path, h) }
	route("POST", "/v1/sessions", d.With(rollcall.ScopeCreateSessions, d.createSession))
	route("POST", "/v1/sessions/{id}/authentications", d.With(rollcall.ScopeCreateSessions, d.recordAuthentication))
	route("POST", "/v1/sessions/end", d.endByToken)
	route("POST", "/v1/sessions/end-everybody", d.With(rollcall.ScopeEndEverybody, d.endEverybody))
	route("POST", "/v1/users/{user_id}/sessions/end", d.With(rollcall.ScopeDeleteSessions, d.endUserSessions))
	route("POST", "/v1/check", checks.With(rollcall.ScopeCheckSessions, d.check))
	route("POST", "/v1/introspect", d.With(rollcall.ScopeIntrospect, d.introspect))
	route("POST", "/v1/revoke", d.With(rollcall.ScopeDeleteSessions, d.revoke))
	route("POST", "/oauth/introspect", d.byClient(rollcall.ScopeIntrospect, d.lookAt))
	// The token alone ends its session at /v1/sessions/end as well, so no scope is needed.
	route("POST", "/oauth/revoke", d.byClient("", d.revokeToken))
	route("GET", "/v1/me/sessions", d.self(d.listOwn, false))
	route("DELETE", "/v1/me/sessions/{id}", d.self(d.endOwn, true))
	route("POST", endOthersPath, d.self(d.endOthers, true))
	other := func(w http.ResponseWriter, r *http.Request) { unrouted(mux, w, r) }
	mux.HandleFunc("/", other)
	mux.HandleFunc(notASession, other)
	return wire.NoRedirects(mux)
}

// notASession is a pattern that keeps a path with other methods from being taken for a
// session's, whose id would be end-others.
const notASession = http.MethodDelete + " " + endOthersPath

const endOthersPath = "/v1/me/sessions/end-others"

// unrouted answers what no route takes: 405 when another method would do.
func unrouted(mux *http.ServeMux, w http.ResponseWriter, r *http.Request) {
	var allowed []string
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodDelete} {
		other := r.Clone(r.Context())
		other.Method = method
		if _, pattern := mux.Handler(other); pattern != "/" && pattern != notASession {
			allowed = append(allowed, method)
		}
	}
	if len(allowed) == 0 {
		wire.NotFound(w, r)
		return
	}
	w.Header().Set("Allow", strings.Join(allowed, ", "))
	wire.WriteError(w, http.StatusMethodNotAllowed, "Method Not Allowed", "")
}

type door struct {
	wire.Door
	manager            *sessions.Manager
	authenticateClient wire.Authenticate
	anonymous          func(*http.Request) rollcall.Caller
	cookie             wire.Cookie
	endingAge          time.Duration
	limitSelf          func(w http.ResponseWriter, sessionID string) bool
}

var answers = map[rollcall.Code]wire.Answer{
	rollcall.CodeInvalid:     {Status: http.StatusBadRequest, Code: "invalid_body"},
	rollcall.CodeNotFound:    {Status: http.StatusNotFound, Code: "inexistent_session"},
	rollcall.CodeConflict:    {Status: http.StatusConflict, Code: "conflict"},
	rollcall.CodeLimit:       {Status: http.StatusForbidden, Code: "session_limit_reached"},
	rollcall.CodeUnavailable: {Status: http.StatusServiceUnavailable, Code: "service_unavailable"},
}

// endByToken logs out by a session's own token, and answers the cookies that make the
// browser forget it. The token comes in the Authorization header, or within what the
// browser sent as its Cookie header, which the body carries: then every session ends whose
// token is there.
func (d *door) endByToken(w http.ResponseWriter, r *http.Request) {
	tokens, ok := d.ownTokens(w, r)
	if !ok {
		return
	}
	ended := ""
	for _, token := range tokens {
		s, err := d.manager.EndByToken(r.Context(), d.anonymous(r), token)
		switch {
		case err == nil && ended == "":
			ended = s.ID
		case err != nil && rollcall.ErrorCode(err) != rollcall.CodeRefused:
			d.Fail(w, r, err)
			return
		}
	}
	if ended == "" {
		d.Fail(w, r, errNotAccepted)
		return
	}
	clearing := d.cookie.Clear()
	w.Header().Set("Set-Cookie", clearing[0]) // one alone: many clients join several to what is none
	b := append([]byte(`{"session_id":`), wire.AppendString(nil, ended)...)
	b = append(b, `,"set_cookie":`...)
	b = append(wire.AppendString(b, clearing[0]), `,"set_cookies":[`...)
	for i, text := range clearing {
		if i > 0 {
			b = append(b, ',')
		}
		b = wire.AppendString(b, text)
	}
	wire.WriteJSON(w, http.StatusOK, append(b, "]}"...))
}

// ownTokens returns the tokens that a log-out comes with. When it reports false it has
// answered the request.
func (d *door) ownTokens(w http.ResponseWriter, r *http.Request) ([]string, bool) {
	if len(r.Header["Authorization"]) > 0 || r.ContentLength == 0 {
		token, ok := bearer(w, r)
		return []string{token}, ok
	}
	body, ok := wire.ReadObject(w, r)
	if !ok {
		return nil, false
	}
	f := fields{body: body}
	f.require("cookie", "string")
	cookies := f.text("cookie")
	if err := f.done(); err != nil {
		d.Fail(w, r, err)
		return nil, false
	}
	tokens := request.FindTokens(http.Header{"Cookie": {cookies}}, rollcall.TokenPrefix, d.cookie.Name)
	return tokens.All(), true
}

var errNotAccepted = &rollcall.Error{Code: rollcall.CodeRefused, Message: "The session token is not accepted."}

// bearer returns the request's only bearer token. When it reports false it has answered, as
// a management token's absence is answered (docs/published-api.md P11, P62).
func bearer(w http.ResponseWriter, r *http.Request) (token string, ok bool) {
	token, err := request.Bearer(r.Header)
	switch {
	case errors.Is(err, request.ErrForm):
		wire.WriteBadAuthorization(w)
	case err != nil:
		wire.WriteUnauthorized(w, "Missing authentication", false)
	}
	return token, err == nil
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
	userID, err := wire.PathUserID(r)
	if err != nil {
		return err
	}
	body, ok := wire.ReadOptionalObject(w, r)
	if !ok {
		return nil
	}
	f := fields{body: body}
	keep := f.text("except")
	if err := f.done(); err != nil {
		return err
	}
	if f.has("except") {
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
