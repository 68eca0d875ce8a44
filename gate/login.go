package gate

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/internal/request"
	"github.com/rollcall-id/rollcall/internal/wire"
)

// ReturnParameter is the parameter of the login URL that says where to go back to.
const ReturnParameter = "return_to"

// maxLocation bounds the address of the login page with the one to return to, in bytes:
// what RFC 9110 4.1 has everybody support, and proxies take in an answer's header. Of a
// longer one the address to return to is left out.
const maxLocation = 8000

// Login is Check for proxies that pass a redirect on (nginx does not): a browser
// that is on its way to a page and is not signed in, or not well enough, is sent to the
// login URL. Everything else is answered as Check answers it, and so is a session
// that lacks nothing but a method (amr): the login URL has no parameter for that.
//
// The address to return to is made of what a trusted proxy says of the request,
// and only for an origin that is configured; otherwise there is none.
func (g *Gate) Login(w http.ResponseWriter, r *http.Request) {
	err := g.check(w, r)
	if err == nil {
		return
	}
	code := rollcall.ErrorCode(err)
	if g.o.LoginURL == nil || !canSay(err) || errors.Is(err, errUnreadable) || code != rollcall.CodeRefused && code != rollcall.CodeInsufficient || !g.wantsPage(r) {
		g.refuse(w, r, err)
		return
	}
	target := *g.o.LoginURL
	query := target.Query()
	if address, ok := g.returnAddress(r); ok {
		query.Set(ReturnParameter, address)
	}
	if code == rollcall.CodeInsufficient {
		asked, _ := wire.ParseQuery(r.URL.RawQuery, wire.RequirementParameters...) // check has read it without an error
		addRequirement(query, asked)
	}
	target.RawQuery = query.Encode()
	if len(target.String()) > maxLocation {
		query.Del(ReturnParameter)
		target.RawQuery = query.Encode()
	}
	anonymous(w.Header())
	w.Header()["Cache-Control"] = noStore
	w.Header().Set("Location", target.String())
	w.WriteHeader(http.StatusFound)
}

// addRequirement tells the login page what was asked for, in the names of an
// OpenID Connect authentication request. A page that did not know would see a
// good session and send the browser back, again and again.
func addRequirement(login, check url.Values) {
	for to, from := range map[string]string{"acr_values": "acr", "max_age": "max_age"} {
		if value := check.Get(from); value != "" {
			login.Set(to, value)
		}
	}
}

// canSay reports whether the login page can be told what is missing. Sent there without
// a word, a browser that is signed in would come straight back.
func canSay(err error) bool {
	i, ok := errors.AsType[*rollcall.Insufficient](err)
	return !ok || len(i.Requirement.Levels) > 0 || i.Requirement.Aged
}

// wantsPage reports whether a browser is on its way to a page, with the method that a
// trusted proxy names.
func (g *Gate) wantsPage(r *http.Request) bool {
	method := r.Method
	if forwarded := r.Header["X-Forwarded-Method"]; g.o.Trusted(r) {
		if len(forwarded) > 1 {
			return false // one of them is not the proxy's
		}
		if len(forwarded) == 1 && forwarded[0] != "" {
			method = forwarded[0]
		}
	}
	return request.IsNavigation(method, r.Header)
}

// returnAddress is the page that was asked for, as a trusted proxy says.
func (g *Gate) returnAddress(r *http.Request) (string, bool) {
	h := r.Header
	for _, name := range []string{"X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Uri"} {
		if len(h[http.CanonicalHeaderKey(name)]) != 1 {
			return "", false
		}
	}
	origin := h.Get("X-Forwarded-Proto") + "://" + h.Get("X-Forwarded-Host")
	path := h.Get("X-Forwarded-Uri")
	if !g.o.Trusted(r) || !g.isReturnOrigin(origin) || !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") {
		return "", false
	}
	// Read back, the address must still be of that origin: nothing in the path may
	// change where it leads.
	u, err := url.Parse(origin + path)
	if err != nil || u.Scheme+"://"+u.Host != origin || u.User != nil || strings.ContainsAny(path, "\\") {
		return "", false
	}
	return u.String(), true
}
