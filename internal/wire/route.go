package wire

import (
	"net/http"
	"strings"

	"github.com/rollcall-id/rollcall"
)

// NoRedirects serves with h only paths that net/http's ServeMux would not
// redirect: an empty or a dot segment is an unknown route (wire.md trap 15).
func NoRedirects(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Escapes can only hide such a segment: a clean path was clean before.
		if !isClean(r.URL.Path) && !isClean(r.URL.EscapedPath()) {
			NotFound(w, r)
			return
		}
		h.ServeHTTP(w, r)
	})
}

func isClean(path string) bool {
	if !strings.HasPrefix(path, "/") || strings.Contains(path, "//") {
		return false
	}
	for segment := range strings.SplitSeq(path[1:], "/") {
		if segment == "." || segment == ".." {
			return false
		}
	}
	return true
}

// A Handler answers a request of a caller who may ask, or returns why not.
type Handler func(w http.ResponseWriter, r *http.Request, by rollcall.Caller) error

// Scoped lets only callers with the scope reach h; fail answers what h returns.
func Scoped(auth Authenticate, scope string, h Handler, fail func(http.ResponseWriter, *http.Request, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		by, ok := auth(w, r)
		if !ok {
			return
		}
		if !by.Has(scope) {
			WriteError(w, http.StatusForbidden, "Insufficient scope, expected any of: "+scope, "insufficient_scope")
			return
		}
		if err := h(w, r, by); err != nil {
			fail(w, r, err)
		}
	}
}
