package oauth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/big"
	"slices"

	"github.com/rollcall-id/rollcall/internal/strictjson"
)

const (
	maxKeySet   = 1 << 20 // bytes
	maxKeyCount = 100     // in a set
	maxKeyID    = 256     // bytes
)

// A publicKey verifies signatures of one algorithm.
type publicKey struct {
	id  string // its kid, "" when it has none
	alg string
	key crypto.PublicKey
}

// A keySet is what somebody's signatures are verified with.
type keySet []publicKey

// named returns the key of an id for an algorithm, or nil.
func (s keySet) named(id, alg string) crypto.PublicKey {
	for _, k := range s {
		if k.id == id && k.alg == alg {
			return k.key
		}
	}
	return nil
}

// A jwk is a JSON Web Key (RFC 7517), as far as signatures need it. The order is
// that in which ours are published.
type jwk struct {
	Kty    string   `json:"kty"`
	Use    string   `json:"use,omitempty"`
	KeyOps []string `json:"key_ops,omitempty"`
	Alg    string   `json:"alg,omitempty"`
	Kid    string   `json:"kid,omitempty"`
	Crv    string   `json:"crv,omitempty"`
	N      string   `json:"n,omitempty"`
	E      string   `json:"e,omitempty"`
	X      string   `json:"x,omitempty"`
	Y      string   `json:"y,omitempty"`
}

// secretMembers are those of a JSON Web Key that only its owner may have (RFC 7518 6).
var secretMembers = []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"}

// readJWK reads somebody else's key, by the exact names of its members. One that is null
// is as one that is not there.
func readJWK(value any) (j jwk, err error) {
	object, ok := value.(strictjson.Object)
	if !ok {
		return j, errors.New("not a JSON Web Key")
	}
	texts := map[string]*string{
		"kty": &j.Kty, "use": &j.Use, "alg": &j.Alg, "kid": &j.Kid, "crv": &j.Crv, "n": &j.N, "e": &j.E, "x": &j.X, "y": &j.Y,
	}
	for _, m := range object {
		switch {
		case slices.Contains(secretMembers, m.Name):
			return j, errors.New("a private key, which nobody must hand out")
		case m.Value == nil:
		case texts[m.Name] != nil:
			*texts[m.Name], err = textOf(m.Value)
		case m.Name == "key_ops":
			j.KeyOps, err = listOf(m.Value)
		}
		if err != nil {
			return j, fmt.Errorf("%s: %w", m.Name, err)
		}
	}
	return j, nil
}

// newJWK spells a public key, with its thumbprint (RFC 7638, RFC 8037) as its id.
func newJWK(key crypto.PublicKey) (jwk, error) {
	alg, err := algorithmOf(key)
	if err != nil {
		return jwk{}, err
	}
	j := jwk{Use: "sig", Alg: alg}
	var members string
	switch k := key.(type) {
	case *rsa.PublicKey:
		j.Kty, j.N, j.E = "RSA", base64url.EncodeToString(k.N.Bytes()), base64url.EncodeToString(big.NewInt(int64(k.E)).Bytes())
		members = `{"e":"` + j.E + `","kty":"RSA","n":"` + j.N + `"}`
	case *ecdsa.PublicKey:
		point, err := k.Bytes()
		if err != nil {
			return jwk{}, err
		}
		j.Kty, j.Crv, j.X, j.Y = "EC", "P-256", base64url.EncodeToString(point[1:33]), base64url.EncodeToString(point[33:])
		members = `{"crv":"P-256","kty":"EC","x":"` + j.X + `","y":"` + j.Y + `"}`
	case ed25519.PublicKey:
		j.Kty, j.Crv, j.X = "OKP", "Ed25519", base64url.EncodeToString(k)
		members = `{"crv":"Ed25519","kty":"OKP","x":"` + j.X + `"}`
	}
	sum := sha256.Sum256([]byte(members))
	j.Kid = base64url.EncodeToString(sum[:])
	return j, nil
}

// parseKeySet reads a JSON Web Key Set of somebody else's, which is strict JSON (package
// strictjson): a name that comes twice anywhere in it refuses the whole set. Keys that are for
// something else, or that nothing here can use, are passed over, each with its
// reason in skipped; a set without one good key is an error.
func parseKeySet(data []byte) (keys keySet, skipped []error, err error) {
	if len(data) > maxKeySet {
		return nil, nil, fmt.Errorf("larger than %d bytes", maxKeySet)
	}
	value, err := strictjson.Parse(data)
	set, isObject := value.(strictjson.Object)
	if err != nil || !isObject {
		return nil, nil, errors.New("not a JSON Web Key Set")
	}
	member, _ := set.Get("keys")
	list, isList := member.([]any)
	if member != nil && !isList {
		return nil, nil, errors.New("not a JSON Web Key Set")
	}
	if len(list) > maxKeyCount {
		return nil, nil, fmt.Errorf("more than %d keys", maxKeyCount)
	}
	for i, item := range list {
		var k publicKey
		j, err := readJWK(item)
		if err == nil {
			k, err = j.publicKey()
		}
		if err == nil && keys.named(k.id, k.alg) != nil {
			err = errors.New("its kid is another key's")
		}
		if err != nil {
			skipped = append(skipped, fmt.Errorf("keys[%d]: %w", i, err))
			continue
		}
		keys = append(keys, k)
	}
	if len(keys) == 0 {
		return nil, skipped, errors.New(oneLine(append([]error{errors.New("no key in it can verify")}, skipped...)))
	}
	return keys, skipped, nil
}

// publicKey reads the key, if it verifies signatures.
func (j jwk) publicKey() (publicKey, error) {
	switch {
	case j.Use != "" && j.Use != "sig" || j.KeyOps != nil && !slices.Contains(j.KeyOps, "verify"):
		return publicKey{}, errors.New("a key for something else than signatures")
	case len(j.Kid) > maxKeyID:
		return publicKey{}, fmt.Errorf("a kid of more than %d bytes", maxKeyID)
	}
	key, err := j.parse()
	if err != nil {
		return publicKey{}, err
	}
	alg, err := algorithmOf(key)
	if err != nil {
		return publicKey{}, err
	}
	// RFC 9864 names EdDSA by its curve.
	if j.Alg != "" && j.Alg != alg && (alg != "EdDSA" || j.Alg != "Ed25519") {
		return publicKey{}, errors.New("a key whose alg is not " + alg)
	}
	return publicKey{id: j.Kid, alg: alg, key: key}, nil
}

func (j jwk) parse() (crypto.PublicKey, error) {
	malformed := errors.New("a malformed key")
	switch j.Kty {
	case "RSA":
		n, nErr := decodeBase64URL(j.N)
		e, eErr := decodeBase64URL(j.E)
		if nErr != nil || eErr != nil || len(e) > 4 || len(n) > maxRSABits/8+1 {
			return nil, malformed
		}
		exponent := new(big.Int).SetBytes(e).Int64()
		if exponent > 1<<31-1 {
			return nil, malformed
		}
		return &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(exponent)}, nil
	case "EC":
		if j.Crv != "P-256" {
			return nil, errors.New("an EC key on another curve than P-256")
		}
		x, xErr := decodeBase64URL(j.X)
		y, yErr := decodeBase64URL(j.Y)
		if xErr != nil || yErr != nil || len(x) != 32 || len(y) != 32 {
			return nil, malformed
		}
		key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), append(append([]byte{4}, x...), y...))
		if err != nil {
			return nil, malformed
		}
		return key, nil
	case "OKP":
		x, err := decodeBase64URL(j.X)
		if err != nil || j.Crv != "Ed25519" || len(x) != ed25519.PublicKeySize {
			return nil, malformed
		}
		return ed25519.PublicKey(x), nil
	}
	return nil, errors.New("a key of another kind than RSA, EC P-256 and Ed25519")
}
