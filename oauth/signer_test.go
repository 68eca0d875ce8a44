package oauth

import (
	"crypto"
	"encoding/json"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// A signer signs as somebody else would.
type signer struct {
	t   testing.TB
	kid string
	alg string
	key crypto.Signer
}

func newSigner(t testing.TB, alg, kid string) signer {
	t.Helper()
	data, err := newSigningKey(alg)
	if err != nil {
		t.Fatal(err)
	}
	key, err := parseSigningKey(data)
	if err != nil {
		t.Fatal(err)
	}
	return signer{t, kid, alg, key}
}

// sign signs claims under the signer's own algorithm.
func (s signer) sign(c jwt.MapClaims, header ...string) string {
	s.t.Helper()
	return s.signWith(methods[s.alg], s.key, c, header...)
}

func (s signer) signWith(method jwt.SigningMethod, key any, c jwt.MapClaims, header ...string) string {
	s.t.Helper()
	token := jwt.NewWithClaims(method, c)
	token.Header["kid"] = s.kid
	for i := 0; i < len(header); i += 2 {
		token.Header[header[i]] = header[i+1]
	}
	text, err := token.SignedString(key)
	if err != nil {
		s.t.Fatal(err)
	}
	return text
}

// jwk spells the public key.
func (s signer) jwk() jwk {
	s.t.Helper()
	j, err := newJWK(s.key.Public())
	if err != nil {
		s.t.Fatal(err)
	}
	j.Kid = s.kid
	return j
}

func keySetOf(t testing.TB, keys ...jwk) string {
	t.Helper()
	data, err := json.Marshal(map[string]any{"keys": keys})
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// with copies claims and changes some; a nil value removes one.
func with(c jwt.MapClaims, change ...any) jwt.MapClaims {
	out := jwt.MapClaims{}
	for name, value := range c {
		out[name] = value
	}
	for i := 0; i < len(change); i += 2 {
		if name := change[i].(string); change[i+1] == nil {
			delete(out, name)
		} else {
			out[name] = change[i+1]
		}
	}
	return out
}

func at(t time.Time, d time.Duration) int64 { return t.Add(d).Unix() }
