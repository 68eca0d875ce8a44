package wire_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"path"
	"strings"
	"testing"

	"github.com/rollcall-id/rollcall/internal/wire"
)

// FuzzNoRedirects holds what is let through against the path as it came, escapes and all.
func FuzzNoRedirects(f *testing.F) {
	for _, seed := range []string{"/a/b", "/a//b", "/a/./b", "/a/..", "/a/%2e%2e/b", "/a%2F%2Fb", "/a/%2e", "/..%2f", "/%2e%2e//", "/a/.%2e/", "//", "/a%7Cb/", "/a/.b"} {
		f.Add(seed)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	h := wire.NoRedirects(mux)
	f.Fuzz(func(t *testing.T, target string) {
		u, err := url.ParseRequestURI(target)
		if err != nil || u.Host != "" || u.Opaque != "" {
			return
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, &http.Request{Method: http.MethodGet, URL: u})
		escaped := u.EscapedPath()
		want := http.StatusNotFound
		if clean := path.Clean(escaped); strings.HasPrefix(escaped, "/") && (escaped == clean || clean != "/" && escaped == clean+"/") {
			want = http.StatusOK
		}
		if w.Code != want {
			t.Errorf("%q: %d, want %d", target, w.Code, want)
		}
	})
}
