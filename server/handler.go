package server

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/api"
	"github.com/rollcall-id/rollcall/gate"
	"github.com/rollcall-id/rollcall/internal/tracing"
	"github.com/rollcall-id/rollcall/internal/wire"
	"github.com/rollcall-id/rollcall/management"
	"github.com/rollcall-id/rollcall/oauth"
	"github.com/rollcall-id/rollcall/reference"
	"github.com/rollcall-id/rollcall/sessions"
)

// Doors are what is served.
type Doors struct {
	Manager *sessions.Manager
	Issuer  *oauth.Issuer
	Keys    *oauth.Keys
	// Cookie carries session tokens in browsers.
	Cookie wire.Cookie
	// EndingAge is how lately users must have been authenticated to end sessions of
	// their own; zero asks for nothing.
	EndingAge time.Duration
	// LoginURL is where /check/login sends browsers; nil sends them nowhere.
	LoginURL *url.URL
	// ReturnOrigins are the origins that a browser may be sent back to, CORSOrigins those
	// whose pages may read the 401 of a check.
	ReturnOrigins, CORSOrigins []string
	// CheckClients are the applications that the check of a trusted proxy may name.
	CheckClients []string
	// Limit bounds how often a caller with a management token may ask.
	Limit CallerLimit
	// SessionLimit bounds how often a session may ask under /v1/me.
	SessionLimit CallerLimit
	// TrustedProxies, as ParseProxies reads them, may say where a request came from.
	TrustedProxies []netip.Prefix
	// AddressHeader is the one header in which they say so, of AddressHeaders; "" is
	// X-Forwarded-For.
	AddressHeader string
	// Backup copies the store into a new directory, which is removed when it has
	// been sent; nil when the engine has no copies to make.
	Backup func(ctx context.Context) (dir string, err error)
	Logger *slog.Logger
	// AccessLog takes the line about each request; nil is Logger.
	AccessLog *slog.Logger
	// Metrics count what is served; nil counts nothing.
	Metrics *Metrics
	// Traces make spans of what is served; nil makes none. ProxyTraceparent lets traces go on
	// from the traceparent that trusted proxies send.
	Traces           *tracing.Traces
	ProxyTraceparent bool
	// Profiling serves pprof on the telemetry listener.
	Profiling bool

	// PageMemory is how many bytes to keep spelled listings in; 0 keeps none.
	PageMemory int64
	// Compress sends long listings by gzip to clients that accept it.
	Compress bool

	published *management.Door // since Handler, as checks
	checks    *gate.Gate
	listening []*connections // since Serve
	draining  atomic.Bool
}

// maxCorrelationID is where X-Correlation-ID is cut (docs/published-api.md P5).
const maxCorrelationID = 64

// Handler returns everything that is served, in one handler.
func (d *Doors) Handler() http.Handler {
	from := d.remote()
	unlimited := d.authenticator(from)
	limit := newLimiter(d.Limit)
	authenticate := limit.limited(unlimited, tooMany)
	published := management.New(management.Options{Manager: d.Manager, Authenticate: authenticate, Logger: d.Logger, PageMemory: d.PageMemory, Compress: d.Compress})
	d.published = published
	own := api.New(api.Options{
		Manager: d.Manager, Authenticate: authenticate, AuthenticateCheck: unlimited, Anonymous: from.caller,
		AuthenticateClient: limit.limited(d.clientAuthenticator(from), tooManyOAuth),
		Cookie:             d.Cookie, Logger: d.Logger, EndingAge: d.EndingAge, LimitSelf: d.limitedSelf(),
	})
	checks := gate.New(gate.Options{
		Manager: d.Manager, Cookie: d.Cookie, RemoteIP: from.UserIP, Trusted: from.Sent,
		LoginURL: d.LoginURL, ReturnOrigins: d.ReturnOrigins, CORSOrigins: d.CORSOrigins, Clients: d.CheckClients, Logger: d.Logger,
	})
	d.checks = checks
	backup := d.backupRoute(authenticate)
	exact := map[string]http.Handler{
		"/check":                 http.HandlerFunc(checks.Check),
		"/check/login":           http.HandlerFunc(checks.Login),
		"/oauth/token":           d.Issuer.Endpoint(from.LimitKey),
		"/oauth/introspect":      own,
		"/oauth/revoke":          own,
		"/.well-known/jwks.json": d.Keys,

		"/.well-known/oauth-authorization-server": d.Issuer.Metadata(),

		"/healthz": reading(healthz),
		"/readyz":  reading(d.readyz),
	}
	maps.Copy(exact, reference.Handlers(reference.Options{PublicURLs: d.Issuer.PublicURLs(), Cookie: d.Cookie}))
	route := func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/api/v2/") { // with whatever escapes: that door knows them
			published.ServeHTTP(w, r)
			return
		}
		path := r.URL.EscapedPath()
		switch h, ok := exact[path]; {
		case ok:
			r.Pattern = path
			h.ServeHTTP(w, r)
		case strings.HasPrefix(path, gate.EnvoyPrefix+"/"):
			r.Pattern = gate.EnvoyPrefix + "/"
			checks.Envoy(w, r)
		case strings.HasPrefix(path, gate.EnvoyNoTouchPrefix+"/"):
			r.Pattern = gate.EnvoyNoTouchPrefix + "/"
			checks.Envoy(w, r)
		case path == "/v1/backup":
			r.Pattern = path
			backup.ServeHTTP(w, r)
		case strings.HasPrefix(path, "/v1/"):
			own.ServeHTTP(w, r)
		default:
			wire.NotFound(w, r)
		}
	}
	return d.observe(d.traced(bounded(http.HandlerFunc(route)), from), from)
}

// authenticator verifies bearer tokens and answers refusals as published
// (docs/published-api.md P11).
func (d *Doors) authenticator(from remote) wire.Authenticate {
	return func(w http.ResponseWriter, r *http.Request) (rollcall.Caller, bool) {
		caller, refusal := d.Issuer.Verify(r)
		switch refusal {
		case nil:
			noteCaller(w, caller.ID)
			by := from.caller(r)
			by.ID, by.Kind, by.TokenID, by.Scopes = caller.ID, rollcall.ActorClient, caller.TokenID, caller.Scopes
			return by, true
		case oauth.ErrMalformed:
			wire.WriteBadAuthorization(w)
		default:
			wire.WriteUnauthorized(w, refusal.Message, refusal != oauth.ErrMissing)
		}
		return rollcall.Caller{}, false
	}
}

// clientAuthenticator finds out which client asks with its own credentials.
func (d *Doors) clientAuthenticator(from remote) wire.Authenticate {
	names := api.ClientParameters()
	return func(w http.ResponseWriter, r *http.Request) (rollcall.Caller, bool) {
		client, ok := d.Issuer.AuthenticateClient(w, r, from.LimitKey(r), names...)
		if !ok {
			return rollcall.Caller{}, false
		}
		noteCaller(w, client.ID)
		by := from.caller(r)
		by.ID, by.Scopes = client.ID, client.Scopes
		return by, true
	}
}

// caller is who calls, as far as the request itself says.
func (m remote) caller(r *http.Request) rollcall.Caller {
	origin := rollcall.NewOrigin(m.UserIP(r), r.UserAgent())
	return rollcall.Caller{IP: origin.IP, UserAgent: origin.UserAgent, CorrelationID: correlationID(r)}
}

func correlationID(r *http.Request) string {
	text := r.Header.Get("X-Correlation-Id") // as net/http spells it: another spelling is made anew each time
	if text == "" {
		return ""
	}
	id := []rune(strings.ToValidUTF8(text, "\ufffd"))
	return string(id[:min(len(id), maxCorrelationID)])
}

// reading lets only GET and HEAD reach h.
func reading(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			wire.WriteError(w, http.StatusMethodNotAllowed, "Method Not Allowed", "")
			return
		}
		h(w, r)
	}
}

// healthz says that the process runs.
func healthz(w http.ResponseWriter, _ *http.Request) {
	wire.WriteJSON(w, http.StatusOK, []byte(`{"status":"ok"}`))
}

// readyz says whether requests should come here.
func (d *Doors) readyz(w http.ResponseWriter, r *http.Request) {
	err := d.Manager.Ready(r.Context())
	if d.draining.Load() {
		err = errors.New("stopping")
	}
	if err != nil {
		d.Logger.WarnContext(r.Context(), "not ready", "error", err)
		wire.WriteJSON(w, http.StatusServiceUnavailable, []byte(`{"status":"not ready"}`))
		return
	}
	wire.WriteJSON(w, http.StatusOK, []byte(`{"status":"ready"}`))
}
