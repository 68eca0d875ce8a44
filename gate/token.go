package gate

import (
	"errors"
	"net/http"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/internal/request"
)

// SeveralCookies is how many checks were refused because nobody could tell which of several
// session cookies is the browser's own.
func (g *Gate) SeveralCookies() uint64 { return g.severalCookies.Load() }

// token is the session token that a request is judged by. Errors: errRefused, and
// CodeUnavailable when several cookies must be told apart and the store does not answer.
func (g *Gate) token(r *http.Request) (string, error) {
	tokens := request.FindTokens(r.Header, rollcall.TokenPrefix, g.o.Cookie.Name)
	token, err := tokens.Only(func(token string) (bool, error) {
		_, _, err := g.o.Manager.Inspect(r.Context(), token, rollcall.Requirement{})
		if rollcall.ErrorCode(err) == rollcall.CodeRefused {
			return false, nil
		}
		return err == nil, err
	})
	switch {
	case errors.Is(err, request.ErrSeveralCookies):
		g.severalCookies.Add(1)
		g.warn(r, &g.cookieWarning, "a request is refused because it has several session cookies", "cookie", g.o.Cookie.Name,
			"host", rollcall.Echo(r.Header.Get("X-Forwarded-Host")), "hint", "docs/operations.md, several cookies of one name")
		return "", errRefused
	case errors.Is(err, request.ErrNoToken):
		return "", errRefused
	}
	return token, err
}
