package gate

import (
	"net/http"
	"net/url"
	"strings"
)

// EnvoyPrefix is the path_prefix for Envoy's ext_authz over HTTP.
const EnvoyPrefix = "/check/envoy"

// Envoy is Login for Envoy's ext_authz over HTTP. Envoy asks with the method and
// the host of the request that it is asked about, at EnvoyPrefix followed by that
// request's path and query. The query is the application's, so it requires nothing:
// neither acr, amr, max_age nor client_id is read.
func (g *Gate) Envoy(w http.ResponseWriter, r *http.Request) {
	asked := *r
	asked.URL = &url.URL{Path: EnvoyPrefix}
	asked.Header = r.Header.Clone()
	asked.Header["X-Forwarded-Host"] = []string{r.Host}
	asked.Header["X-Forwarded-Uri"] = []string{strings.TrimPrefix(r.URL.RequestURI(), EnvoyPrefix)}
	asked.Header.Del("X-Forwarded-Method")
	g.Login(w, &asked)
}
