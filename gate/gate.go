// Package gate answers the question that proxies and applications ask on every
// request: is this session good?
package gate

import (
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/internal/wire"
	"github.com/rollcall-id/rollcall/sessions"
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
	// HeaderLevel is the strongest level that the authentication reaches, empty for none.
	HeaderLevel = "X-Rollcall-Acr"
)

var identity = [...]string{HeaderUser, HeaderSession, HeaderAuthenticatedAt, HeaderMethods, HeaderExpiresAt, HeaderLevel}

// Options configure the door.
type Options struct {
	Manager *sessions.Manager
	Cookie  wire.Cookie
	// RemoteIP tells the user's address, "" when it is not known.
	RemoteIP func(*http.Request) string
	// Trusted reports whether a request comes from a proxy whose headers are
	// believed.
	Trusted func(*http.Request) bool
	// LoginURL is where Login sends browsers that are not signed in; "" sends them
	// nowhere.
	LoginURL *url.URL
	// ReturnOrigins are the origins that a browser may be sent back to, each as
	// CheckReturnOrigin takes it.
	ReturnOrigins []string
	// CORSOrigins are the origins whose pages may read a 401.
	CORSOrigins []string
	// Clients are the applications that the check of a trusted proxy may name in client_id.
	Clients []string
	Logger  *slog.Logger
}

// A Gate answers checks. Its handlers may serve many requests at once.
//
// The session's token comes as a bearer token with our prefix, or else in the
// cookie; which of several counts, internal/request says. The answer is 200 without a
// body, or 401, the same bytes whatever the cause; 503 when the store cannot say.
//
// In the query, client_id names the application that asks, which joins the session's
// clients if it is one of Options.Clients and a trusted proxy sends it; acr, amr and
// max_age say what the authentication must be, and a good session that does not meet
// them is 401 with a challenge (RFC 9470); touch=false asks for a check that records no
// use.
type Gate struct {
	o Options
	// queryWarning and cookieWarning let a warning of the query, and one of the cookies, pass
	// once a minute.
	queryWarning, cookieWarning rate.Sometimes
	severalCookies              atomic.Uint64 // see SeveralCookies
}

// New returns a Gate.
func New(o Options) *Gate {
	return &Gate{o: o, queryWarning: rate.Sometimes{Interval: time.Minute}, cookieWarning: rate.Sometimes{Interval: time.Minute}}
}

// answers is the one table from the domain's codes to this door's answers.
var answers = map[rollcall.Code]wire.Answer{
	rollcall.CodeUnavailable: {Status: http.StatusServiceUnavailable, Code: "service_unavailable"},
}

// Check answers 200 or 401.
func (g *Gate) Check(w http.ResponseWriter, r *http.Request) {
	if err := g.check(w, r); err != nil {
		g.refuse(w, r, err)
	}
}

// check answers a good session, and otherwise says what is wrong.
func (g *Gate) check(w http.ResponseWriter, r *http.Request) error {
	use, token, err := g.read(r)
	if err != nil {
		return err
	}
	s, level, err := g.o.Manager.CheckLevel(r.Context(), token, use)
	if err != nil {
		return err
	}
	identify(w.Header(), &s, level)
	w.WriteHeader(http.StatusOK)
	return nil
}

// errRefused is for requests without a token to ask the Manager about,
// errUnreadable for those whose requirement cannot be told: nobody is good enough
// for it, and signing in again would not help.
var (
	errRefused    = &rollcall.Error{Code: rollcall.CodeRefused}
	errUnreadable = &rollcall.Error{Code: rollcall.CodeRefused}
)

// parameters are what a check reads of its query.
var parameters = append([]string{"client_id", "touch"}, wire.RequirementParameters...)

func (g *Gate) read(r *http.Request) (use rollcall.Use, token string, err error) {
	if token, err = g.token(r); err != nil {
		return use, "", err
	}
	use = rollcall.Use{IP: g.o.RemoteIP(r), UserAgent: r.UserAgent()}
	if r.URL.RawQuery == "" {
		return use, token, nil
	}
	query, err := wire.ParseQuery(r.URL.RawQuery, parameters...)
	if err == nil {
		use.Require, err = wire.ReadRequirement(query)
	}
	if err == nil {
		use.NoTouch, err = readNoTouch(query["touch"])
	}
	if err != nil {
		g.warn(r, &g.queryWarning, "the check's query cannot be read, so everybody who sends it is refused", "error", err)
		return use, "", errUnreadable
	}
	if use.ClientID = g.client(r, query.Get("client_id")); use.ClientID != "" {
		use.By = &rollcall.Caller{ID: use.ClientID, Kind: rollcall.ActorProxy}
	}
	return use, token, nil
}

var errTouch = errors.New("touch is true or false, once")

// readNoTouch reads the parameter touch.
func readNoTouch(values []string) (bool, error) {
	switch {
	case len(values) == 0:
		return false, nil
	case len(values) > 1 || values[0] != "true" && values[0] != "false":
		return false, errTouch
	}
	return values[0] == "false", nil
}

// refuse answers why a session is not good.
func (g *Gate) refuse(w http.ResponseWriter, r *http.Request, err error) {
	anonymous(w.Header())
	g.sayOrigin(w.Header(), r, err)
	switch {
	case wire.WriteInsufficient(w, err):
	case rollcall.ErrorCode(err) == rollcall.CodeRefused:
		wire.WriteUnauthorized(w, "The session token is not accepted.", false)
	default:
		wire.WriteFailure(w, r, g.o.Logger, answers, err)
	}
}

// client is the application that asks, "" when the check may not say: a name that the
// configuration does not allow, or one that no trusted proxy has sent. The check is answered
// nevertheless: the user is not at fault.
func (g *Gate) client(r *http.Request, id string) string {
	if id == "" || slices.Contains(g.o.Clients, id) && g.o.Trusted(r) {
		return id
	}
	g.warn(r, &g.queryWarning, "the check's client_id is not recorded: it must be one of check_clients, and come from a trusted proxy", "client_id", rollcall.Echo(id))
	return ""
}

// warn logs what anybody can bring about by a request, no more often than sometimes lets it.
func (g *Gate) warn(r *http.Request, sometimes *rate.Sometimes, message string, args ...any) {
	sometimes.Do(func() { g.o.Logger.WarnContext(r.Context(), message, args...) })
}

var empty = []string{""}

func anonymous(h http.Header) {
	for _, name := range identity {
		h[name] = empty
	}
}

// identify puts into the header who is signed in, and the level that is reached. The values
// lie in one piece of memory, and so do their texts.
func identify(h http.Header, s *rollcall.Session, level string) {
	var room [256]byte
	text := appendEncoded(room[:0], s.UserID, '%')
	methods := len(text)
	text = appendMethods(text, s.Methods)
	authenticatedAt := len(text)
	text = s.AuthenticatedAt.AppendFormat(text, time.RFC3339)
	expiresAt := len(text)
	text = s.OverAt().AppendFormat(text, time.RFC3339)
	all := string(text)
	values := []string{all[:methods], s.ID, all[authenticatedAt:expiresAt], all[methods:authenticatedAt], all[expiresAt:], level}
	for i, name := range identity {
		h[name] = values[i : i+1 : i+1]
	}
	h["Cache-Control"] = noStore
}

var noStore = []string{"no-store"}

// appendMethods appends how a user was authenticated, each way once.
func appendMethods(b []byte, methods []rollcall.Method) []byte {
	for i, name := range wire.MethodNames(methods) {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendEncoded(b, name, ',') // which may be an address that somebody else made up
	}
	return b
}

// appendEncoded percent-encodes what is not printable ASCII, the percent sign, and
// another character, so that every text fits a header and can be read back.
func appendEncoded(b []byte, s string, other byte) []byte {
	const upperHex = "0123456789ABCDEF"
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c > 0x7e || c == '%' || c == other {
			b = append(b, '%', upperHex[c>>4], upperHex[c&15])
		} else {
			b = append(b, c)
		}
	}
	return b
}
