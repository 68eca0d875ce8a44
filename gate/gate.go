// Package gate answers the question that proxies and applications ask on every
// request: is this session good?
package gate

import (
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/internal/wire"
)

// The identity headers. Every answer carries all of them, empty when there is
// nothing to say: a proxy that copies a header which is left out would let the
// client's own through.
const (
	HeaderUser            = "X-Rollcall-User"
	HeaderSession         = "X-Rollcall-Session"
	HeaderAuthenticatedAt = "X-Rollcall-Authenticated-At"
	HeaderMethods         = "X-Rollcall-Methods"
	HeaderExpiresAt       = "X-Rollcall-Expires-At"
)

// New returns the handler of /check. remoteIP tells the user's address, "" when
// it is not known.
//
// The session's token comes as a bearer token with our prefix, or else in the
// cookie. The answer is 200 without a body, or 401, the same bytes whatever
// the cause; 503 when the store cannot say.
//
// The query's client_id names the application that asks; it joins the session's
// clients.
func New(m *rollcall.Manager, cookie wire.Cookie, remoteIP func(*http.Request) string, log *slog.Logger) http.Handler {
	g := &gate{manager: m, cookie: cookie, remoteIP: remoteIP, log: log}
	return http.HandlerFunc(g.check)
}

type gate struct {
	manager  *rollcall.Manager
	cookie   wire.Cookie
	remoteIP func(*http.Request) string
	log      *slog.Logger
}

// answers is the one table from the domain's codes to this door's answers.
var answers = map[rollcall.Code]wire.Answer{
	rollcall.CodeUnavailable: {Status: http.StatusServiceUnavailable, Code: "service_unavailable"},
}

func (g *gate) check(w http.ResponseWriter, r *http.Request) {
	token, ok := g.token(r)
	if !ok {
		g.refuse(w)
		return
	}
	use := rollcall.Use{IP: g.remoteIP(r), UserAgent: r.UserAgent(), ClientID: g.clientID(r)}
	s, err := g.manager.Check(r.Context(), token, use)
	if err == nil {
		identify(w.Header(), s)
		w.WriteHeader(http.StatusOK)
		return
	}
	if rollcall.ErrorCode(err) == rollcall.CodeRefused {
		g.refuse(w)
		return
	}
	anonymous(w.Header())
	wire.WriteFailure(w, r, g.log, answers, err)
}

// token finds the session's token. One with our prefix in the Authorization
// header wins; anything else there is for the application behind the proxy.
func (g *gate) token(r *http.Request) (token string, ok bool) {
	found := 0
	for _, value := range r.Header["Authorization"] {
		scheme, credentials, _ := strings.Cut(value, " ")
		if strings.EqualFold(scheme, "Bearer") && strings.HasPrefix(credentials, rollcall.TokenPrefix) {
			token = credentials
			found++
		}
	}
	if found > 0 {
		return token, found == 1
	}
	return g.cookie.Token(r)
}

// clientID is the application that asks. One that cannot be an id is a mistake
// in a proxy's configuration, not the user's: it is reported and passed over.
func (g *gate) clientID(r *http.Request) string {
	if r.URL.RawQuery == "" {
		return ""
	}
	id := r.URL.Query().Get("client_id")
	if err := rollcall.CheckClientID(id); err != nil {
		g.log.WarnContext(r.Context(), "the check's client_id is none", "error", err)
		return ""
	}
	return id
}

func (g *gate) refuse(w http.ResponseWriter) {
	anonymous(w.Header())
	wire.WriteUnauthorized(w, "The session token is not accepted.", false)
}

var empty = []string{""}

func anonymous(h http.Header) {
	for _, name := range []string{HeaderUser, HeaderSession, HeaderAuthenticatedAt, HeaderMethods, HeaderExpiresAt} {
		h[name] = empty
	}
}

func identify(h http.Header, s rollcall.Session) {
	h[HeaderUser] = []string{encode(s.UserID)}
	h[HeaderSession] = []string{s.ID}
	h[HeaderAuthenticatedAt] = []string{s.AuthenticatedAt.Format(time.RFC3339)}
	h[HeaderMethods] = []string{methodNames(s.Methods)}
	h[HeaderExpiresAt] = []string{s.OverAt().Format(time.RFC3339)}
	h["Cache-Control"] = noStore
}

var noStore = []string{"no-store"}

// methodNames lists how the user was authenticated, each way once.
func methodNames(methods []rollcall.Method) string {
	var names []string
	seen := map[string]bool{}
	for _, m := range methods {
		if !seen[m.Name] {
			seen[m.Name] = true
			names = append(names, encode(m.Name))
		}
	}
	return strings.Join(names, ",")
}

// encode percent-encodes what is not printable ASCII, and the percent sign, so
// that every user id fits a header and can be read back.
func encode(s string) string {
	const upperHex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c > 0x7e || c == '%' {
			b.WriteByte('%')
			b.WriteByte(upperHex[c>>4])
			b.WriteByte(upperHex[c&15])
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}
