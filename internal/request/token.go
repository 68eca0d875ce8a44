package request

import (
	"net/http"
	"strings"
)

// Token finds a request's session token. Bearer tokens with the prefix win; any other is
// for the application behind the proxy. Without one the token is the value of the cookie.
//
// ok is false when there is none, or more than one in the same place: nobody can say which
// is the browser's own.
func Token(h http.Header, prefix, cookie string) (token string, fromCookie, ok bool) {
	found := 0
	for _, value := range h["Authorization"] {
		scheme, credentials, _ := strings.Cut(value, " ")
		if strings.EqualFold(scheme, "Bearer") && strings.HasPrefix(credentials, prefix) {
			token = credentials
			found++
		}
	}
	if found > 0 {
		return token, false, found == 1
	}
	for _, line := range h["Cookie"] {
		for part := range strings.SplitSeq(line, ";") {
			name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
			if name == cookie {
				token = value
				found++
			}
		}
	}
	return token, true, found == 1
}
