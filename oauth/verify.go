package oauth

import (
	"crypto/sha256"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/rollcall-id/rollcall"
)

// A Refusal is why a bearer token is not accepted, in the published words
// (wire.md 1.2).
type Refusal struct{ Message string }

func (r *Refusal) Error() string { return r.Message }

// The refusals there are. ErrMalformed is answered 400, the others 401.
var (
	ErrMissing   = &Refusal{"Missing authentication"}
	ErrMalformed = &Refusal{"Bad HTTP authentication header format"}
	ErrSignature = &Refusal{"Invalid signature received for JSON Web Token validation"}
	ErrExpired   = &Refusal{"Expired token received for JSON Web Token validation"}
	ErrToken     = &Refusal{"Invalid token"}
)

const (
	// verifiedFor bounds how long a verified token is remembered.
	verifiedFor = 5 * time.Minute
	// maxVerified bounds how many are.
	maxVerified = 10_000
)

// A verified token is what is remembered of one, under the hash of its text.
type verified struct {
	caller rollcall.Caller
	until  time.Time
}

// Verify returns the caller whose bearer token a request carries, with the scopes
// that are both the token's and, still, the client's; or why it is refused.
func (i *Issuer) Verify(r *http.Request) (rollcall.Caller, *Refusal) {
	caller, refusal := i.identify(r)
	if refusal != nil && refusal != ErrMissing {
		i.counts.Refused.Add(1)
	}
	return caller, refusal
}

func (i *Issuer) identify(r *http.Request) (rollcall.Caller, *Refusal) {
	values := r.Header["Authorization"]
	if len(values) == 0 {
		return rollcall.Caller{}, ErrMissing
	}
	scheme, text, _ := strings.Cut(values[0], " ")
	switch {
	case len(values) > 1:
		return rollcall.Caller{}, ErrToken
	case !strings.EqualFold(scheme, "Bearer"):
		return rollcall.Caller{}, ErrMissing
	case strings.Count(text, ".") != 2:
		return rollcall.Caller{}, ErrMalformed
	}
	now := i.clock()
	sum := sha256.Sum256([]byte(text))
	i.mu.RLock()
	known, ok := i.verified[sum]
	i.mu.RUnlock()
	if ok && now.Before(known.until) {
		i.counts.Remembered.Add(1)
		return known.caller, nil
	}
	v, refusal := i.verify(text, now)
	if refusal != nil {
		return rollcall.Caller{}, refusal
	}
	i.counts.Verified.Add(1)
	i.remember(sum, v, now)
	return v.caller, nil
}

func (i *Issuer) remember(sum [32]byte, v verified, now time.Time) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if len(i.verified) >= maxVerified {
		for other, old := range i.verified {
			if !now.Before(old.until) {
				delete(i.verified, other)
			}
		}
	}
	if len(i.verified) >= maxVerified {
		clear(i.verified) // all still good: beginning anew costs one check each
	}
	i.verified[sum] = v
}

func (i *Issuer) verify(text string, now time.Time) (verified, *Refusal) {
	var c claims
	t, err := i.parser.ParseWithClaims(text, &c, func(t *jwt.Token) (any, error) {
		if t.Header["typ"] != tokenType || t.Header["kid"] != i.keys.kid {
			return nil, ErrToken
		}
		return &i.keys.signing.PublicKey, nil
	})
	switch {
	case errors.Is(err, jwt.ErrTokenSignatureInvalid) && t != nil && t.Method == jwt.SigningMethodRS256:
		return verified{}, ErrSignature
	case errors.Is(err, jwt.ErrTokenExpired):
		return verified{}, ErrExpired
	case err != nil:
		return verified{}, ErrToken
	}
	if len(c.Audience) != 1 {
		return verified{}, ErrToken
	}
	// Issuer and audience must be of the same public URL.
	if u, ok := i.urlOf(c.Audience[0]); !ok || c.Issuer != u+"/" {
		return verified{}, ErrToken
	}
	caller, ok := i.caller(&c)
	if !ok {
		return verified{}, ErrToken
	}
	until := now.Add(verifiedFor)
	if c.ExpiresAt.Before(until) {
		until = c.ExpiresAt.Time
	}
	return verified{caller, until}, nil
}

// caller is who a token of ours speaks for, if that is somebody still.
func (i *Issuer) caller(c *claims) (rollcall.Caller, bool) {
	scopes := strings.Fields(c.Scope)
	switch c.Grant {
	case grantOffline:
		i.log.Info("a token that was minted offline is used", "jti", c.ID, "scope", c.Scope)
		return rollcall.Caller{ID: grantOffline, TokenID: c.ID, Scopes: scopes}, true
	case grantClient:
		client := i.clients[c.AuthorizedParty]
		if client == nil {
			return rollcall.Caller{}, false
		}
		return rollcall.Caller{ID: client.ID, TokenID: c.ID, Scopes: intersect(client.Scopes, scopes)}, true
	}
	return rollcall.Caller{}, false
}
