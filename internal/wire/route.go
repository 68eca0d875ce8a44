package wire

import (
	"net/http"
	"strings"
)

// NoRedirects serves with h only paths that net/http's ServeMux would not
// redirect: an empty or a dot segment is an unknown route (docs/published-api.md P2).
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
