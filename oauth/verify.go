package oauth

import (
	"context"
	"crypto"
	"crypto/sha256"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/internal/request"
	"github.com/rollcall-id/rollcall/internal/wire"
)

// A Refusal is why a bearer token is not accepted, in the published words
// (docs/published-api.md P11).
type Refusal struct{ Message string }

func (r *Refusal) Error() string { return r.Message }

// The refusals there are. ErrMalformed is answered 400, the others 401.
var (
	ErrMissing   = &Refusal{"Missing authentication"}
	ErrMalformed = &Refusal{wire.BadAuthorization}
	ErrSignature = &Refusal{"Invalid signature received for JSON Web Token validation"}
	ErrExpired   = &Refusal{"Expired token received for JSON Web Token validation"}
	ErrToken     = &Refusal{"Invalid token"}
)

const (
	// verifiedFor bounds how long a verified token is remembered.
	verifiedFor = 5 * time.Minute
	// maxVerified bounds how many are.
	maxVerified = 10_000
	// maxText is up to which length a token is remembered by its text.
	maxText = 2 << 10
)

// A verified token is what is remembered of one: see remembered.
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
	text, err := request.Bearer(r.Header)
	switch {
	case errors.Is(err, request.ErrSeveral):
		return rollcall.Caller{}, ErrToken
	case errors.Is(err, request.ErrForm) || err == nil && strings.Count(text, ".") != 2:
		return rollcall.Caller{}, ErrMalformed
	case err != nil:
		return rollcall.Caller{}, ErrMissing
	}
	now := i.clock()
	st := i.state.Load()
	key := remembered(text)
	st.mu.RLock()
	known, ok := st.verified[key]
	st.mu.RUnlock()
	if ok && now.Before(known.until) {
		i.counts.Remembered.Add(1)
		return known.caller, nil
	}
	if len(text) > maxToken {
		return rollcall.Caller{}, ErrToken
	}
	v, refusal := i.verify(r.Context(), st, text, now)
	if refusal != nil {
		return rollcall.Caller{}, refusal
	}
	i.counts.Verified.Add(1)
	st.remember(key, v, now)
	return v.caller, nil
}

// remembered is what a token is remembered under: its text, since a hash of it takes
// longer than the rest of a look, or the hash of one so long that many would fill the memory.
func remembered(text string) string {
	if len(text) <= maxText {
		return text
	}
	sum := sha256.Sum256([]byte(text))
	return string(sum[:])
}

func (s *state) remember(key string, v verified, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.verified) >= maxVerified {
		for other, old := range s.verified {
			if !now.Before(old.until) {
				delete(s.verified, other)
			}
		}
	}
	if len(s.verified) >= maxVerified {
		clear(s.verified) // all still good: beginning anew costs one check each
	}
	s.verified[strings.Clone(key)] = v // it is a part of a whole request
}

func (i *Issuer) verify(ctx context.Context, s *state, text string, now time.Time) (verified, *Refusal) {
	t, err := readJWT(text)
	if err != nil || t.kid == "" || len(t.kid) > maxKeyID {
		return verified{}, ErrToken
	}
	var key crypto.PublicKey
	var from *trusted // nil for ours
	skew := time.Duration(0)
	if t.typ == tokenType {
		key = s.keys.accepted.named(t.kid, t.alg)
	} else if from = s.trusted[t.claims.Issuer]; from != nil && from.mayUse(&t) {
		key, skew = from.keys.named(ctx, t.kid, t.alg), clockSkew
	}
	if key == nil {
		return verified{}, ErrToken
	}
	if t.verify(key) != nil {
		return verified{}, ErrSignature
	}
	switch err := t.claims.hold(now, skew); {
	case errors.Is(err, jwt.ErrTokenExpired):
		return verified{}, ErrExpired
	case err != nil:
		return verified{}, ErrToken
	}
	var caller rollcall.Caller
	var ok bool
	if from != nil {
		caller, ok = from.caller(&t.claims)
	} else {
		caller, ok = i.caller(s, &t.claims)
	}
	if !ok {
		return verified{}, ErrToken
	}
	until := now.Add(verifiedFor)
	if end := t.claims.ExpiresAt.Time; end.Before(until) {
		until = end
	}
	return verified{caller, until}, nil
}

// caller is who a token of ours speaks for, if that is somebody still.
func (i *Issuer) caller(s *state, c *claims) (rollcall.Caller, bool) {
	if len(c.Audience) != 1 {
		return rollcall.Caller{}, false
	}
	// Issuer and audience must be of the same public URL.
	if u, ok := i.urlOf(c.Audience[0]); !ok || c.Issuer != u+"/" {
		return rollcall.Caller{}, false
	}
	switch c.Grant {
	case grantOffline:
		i.log.Info("a token that was minted offline is used", "jti", c.ID, "scope", strings.Join(c.Scope, " "))
		return rollcall.Caller{ID: offlineCaller, TokenID: c.ID, Scopes: c.Scope}, true
	case grantClient:
		client := s.clients[c.AuthorizedParty]
		if client == nil {
			return rollcall.Caller{}, false
		}
		return rollcall.Caller{ID: client.ID, TokenID: c.ID, Scopes: intersect(client.Scopes, c.Scope)}, true
	}
	return rollcall.Caller{}, false
}
