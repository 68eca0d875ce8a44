package oauth

import (
	"crypto"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/rollcall-id/rollcall/internal/strictjson"
)

// A signedJWT is a JWT in the compact form (RFC 7515 7.1) as a stranger sent it. Nothing in
// it is known to be true before verify has returned nil.
type signedJWT struct {
	alg    string // one of Algorithms
	kid    string // "" when the header has none
	typ    string // "" when the header has none; in lower case, without "application/" (RFC 7515 4.1.9)
	claims claims

	signed    string // what the signature is of
	signature []byte
}

// readJWT reads a JWT of which there is one reading: header and claims are strict JSON
// (package strictjson), so that names are exact and none comes twice. The header's `jwk`,
// `jku` and `x5u` are not looked at. Errors, which are for the log: a text longer than
// maxToken, a malformed part, an algorithm that is none of Algorithms, a critical extension
// (RFC 7515 4.1.11), and those of readClaims.
func readJWT(text string) (t signedJWT, err error) {
	parts := strings.SplitN(text, ".", 4)
	if len(text) > maxToken || len(parts) != 3 {
		return t, fmt.Errorf("a JWT has three parts and up to %d bytes", maxToken)
	}
	header, err := readPart(parts[0])
	if err != nil {
		return t, fmt.Errorf("the header: %w", err)
	}
	if _, critical := header.Get("crit"); critical {
		return t, errors.New("a critical extension")
	}
	for name, to := range map[string]*string{"alg": &t.alg, "kid": &t.kid, "typ": &t.typ} {
		value, there := header.Get(name)
		if !there {
			continue
		}
		if *to, err = textOf(value); err != nil {
			return t, fmt.Errorf("%s: %w", name, err)
		}
	}
	if err := checkAlgorithm(t.alg); err != nil {
		return t, err
	}
	t.typ = strings.TrimPrefix(strings.ToLower(t.typ), "application/")
	payload, err := readPart(parts[1])
	if err != nil {
		return t, fmt.Errorf("the claims: %w", err)
	}
	if t.claims, err = readClaims(payload); err != nil {
		return t, err
	}
	t.signed = text[:len(parts[0])+1+len(parts[1])]
	t.signature, err = decodeBase64URL(parts[2])
	return t, err
}

// verify reports why the signature is not one of that key, if so. The key is for the
// token's algorithm.
func (t *signedJWT) verify(key crypto.PublicKey) error {
	return methods[t.alg].Verify(t.signed, t.signature, key)
}

// isTyped reports whether the token's typ is one of types. The type "" is that of a token
// without one; "jwt" says no more (RFC 7519 5.1).
func (t *signedJWT) isTyped(types ...string) bool { return slices.Contains(types, t.typ) }

// readPart reads the header or the claims of a JWT: one JSON object in base64url.
func readPart(text string) (strictjson.Object, error) {
	data, err := decodeBase64URL(text)
	if err != nil {
		return nil, err
	}
	value, err := strictjson.Parse(data)
	if err != nil {
		return nil, err
	}
	object, ok := value.(strictjson.Object)
	if !ok {
		return nil, errors.New("not a JSON object")
	}
	return object, nil
}

var base64url = base64.RawURLEncoding.Strict()

// decodeBase64URL reads base64url of which there is one spelling: without padding, without
// the line ends that encoding/base64 passes over, and without bits that mean nothing.
func decodeBase64URL(text string) ([]byte, error) {
	if strings.ContainsAny(text, "\r\n") {
		return nil, errors.New("a line end in base64url")
	}
	return base64url.DecodeString(text)
}
