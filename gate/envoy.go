package gate

import (
	"net/http"
	"net/url"
	"strings"
)

// EnvoyPrefix is the path_prefix for Envoy's ext_authz over HTTP. EnvoyNoTouchPrefix is
// that of a second ext_authz filter, for the paths that a page polls: its checks record no
// use, as with touch=false.
const (
	EnvoyPrefix        = "/check/envoy"
	EnvoyNoTouchPrefix = "/check/envoy-no-touch"
)

// Envoy is Login for Envoy's ext_authz over HTTP. Envoy asks with the method and
// the host of the request that it is asked about, at EnvoyPrefix or EnvoyNoTouchPrefix
// followed by that request's path and query. The query is the application's, so it requires
// nothing: neither acr, amr, max_age, client_id nor touch is read.
func (g *Gate) Envoy(w http.ResponseWriter, r *http.Request) {
	asked := *r
	prefix := EnvoyPrefix
	asked.URL = &url.URL{Path: EnvoyPrefix}
	if strings.HasPrefix(r.URL.EscapedPath(), EnvoyNoTouchPrefix+"/") {
		prefix = EnvoyNoTouchPrefix
		asked.URL.RawQuery = "touch=false"
	}
	asked.Header = r.Header.Clone()
	asked.Header["X-Forwarded-Host"] = []string{r.Host}
	asked.Header["X-Forwarded-Uri"] = []string{strings.TrimPrefix(r.URL.RequestURI(), prefix)}
	asked.Header.Del("X-Forwarded-Method")
	g.Login(w, &asked)
}
