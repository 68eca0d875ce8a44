package oauth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"errors"
	"fmt"
	"slices"

	"github.com/golang-jwt/jwt/v5"

	"github.com/rollcall-id/rollcall"
)

// Bounds on RSA keys, in bits: smaller ones are weak, larger ones cost too much to
// verify with.
const (
	minRSABits = 2048
	maxRSABits = 8192
)

// Algorithms lists the signatures that are understood, the default first.
func Algorithms() []string { return []string{"RS256", "ES256", "EdDSA"} }

// methods are the algorithms' implementations, by name.
var methods = map[string]jwt.SigningMethod{
	"RS256": jwt.SigningMethodRS256, "ES256": jwt.SigningMethodES256, "EdDSA": jwt.SigningMethodEdDSA,
}

func checkAlgorithm(name string) error {
	if !slices.Contains(Algorithms(), name) {
		return fmt.Errorf("there is no algorithm %q; there are %v", rollcall.Echo(name), Algorithms())
	}
	return nil
}

// algorithmOf returns the one algorithm that a public key is for. A key is never
// used with another one, whatever a token's header says.
func algorithmOf(key crypto.PublicKey) (string, error) {
	switch k := key.(type) {
	case *rsa.PublicKey:
		if bits := k.N.BitLen(); bits < minRSABits || bits > maxRSABits {
			return "", fmt.Errorf("an RSA key of %d bits: it has %d to %d", bits, minRSABits, maxRSABits)
		}
		if k.E < 3 || k.E%2 == 0 {
			return "", errors.New("an RSA key with a bad exponent")
		}
		return "RS256", nil
	case *ecdsa.PublicKey:
		if k.Curve != elliptic.P256() {
			return "", errors.New("an EC key on another curve than P-256")
		}
		return "ES256", nil
	case ed25519.PublicKey:
		return "EdDSA", nil
	}
	return "", fmt.Errorf("a key of another kind than RSA, EC P-256 and Ed25519")
}
