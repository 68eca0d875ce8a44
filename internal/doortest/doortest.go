// Package doortest asks handlers for answers, without a network.
package doortest

import (
	"net/http"
	"net/http/httptest"
	"strings"
)

// Serve returns a handler's answer to a request. Headers are names, each followed by a
// value; a name may come again.
func Serve(h http.Handler, method, target, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}
