package gate

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"golang.org/x/net/publicsuffix"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/internal/request"
)

// anyLabel begins a return origin that stands for each sub-domain one label below a domain.
const anyLabel = "https://*."

// CheckReturnOrigin refuses what is neither an origin as browsers spell it, nor one such as
// https://*.example.com above a domain that somebody can register.
func CheckReturnOrigin(text string) error {
	domain, wild := strings.CutPrefix(text, anyLabel)
	if !wild {
		return request.CheckOrigin(text)
	}
	if err := request.CheckOrigin("https://" + domain); err != nil || strings.ContainsAny(domain, ":[") {
		return fmt.Errorf("%q: after https://*. comes a domain as browsers write it, and no port", text)
	}
	if IsPublicSuffix(domain) {
		return fmt.Errorf("%q: everybody can have a name below %s", text, domain)
	}
	return nil
}

// IsPublicSuffix reports whether sub-domains of a domain belong to different people, as
// those of com, co.uk and github.io do (publicsuffix.org).
func IsPublicSuffix(domain string) bool {
	suffix, _ := publicsuffix.PublicSuffix(domain)
	return suffix == domain
}

// isReturnOrigin reports whether browsers may be sent back to an origin.
func (g *Gate) isReturnOrigin(origin string) bool {
	return slices.ContainsFunc(g.o.ReturnOrigins, func(allowed string) bool {
		domain, wild := strings.CutPrefix(allowed, anyLabel)
		if !wild {
			return allowed == origin
		}
		host, ok := strings.CutPrefix(origin, "https://")
		label, rest, _ := strings.Cut(host, ".")
		return ok && rest == domain && request.IsLabel(label) && !IsPublicSuffix(host)
	})
}

// sayOrigin lets a page of a configured origin read a 401: without these headers its script
// learns only that the request failed.
func (g *Gate) sayOrigin(h http.Header, r *http.Request, err error) {
	code := rollcall.ErrorCode(err)
	if len(g.o.CORSOrigins) == 0 || code != rollcall.CodeRefused && code != rollcall.CodeInsufficient {
		return
	}
	h.Add("Vary", "Origin")
	if origin := r.Header["Origin"]; len(origin) == 1 && slices.Contains(g.o.CORSOrigins, origin[0]) {
		h.Set("Access-Control-Allow-Origin", origin[0])
		h.Set("Access-Control-Allow-Credentials", "true")
	}
}
