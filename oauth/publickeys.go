package oauth

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
)

// maxClientKeys is how many keys a client may have: two while one is exchanged for
// another, and some air.
const maxClientKeys = 8

// PublicKeys are those that a client's assertions are verified with.
type PublicKeys struct{ set keySet }

// ReadPublicKeys reads a client's public keys from a file: PEM blocks (PUBLIC KEY),
// or a JSON Web Key Set. A key that nothing can verify with is an error, and so is a
// private one.
func ReadPublicKeys(path string) (PublicKeys, error) {
	data, err := readBounded(path, maxKeyFile)
	if err != nil {
		return PublicKeys{}, err
	}
	keys, err := parsePublicKeys(data)
	if err != nil {
		return PublicKeys{}, fmt.Errorf("reading %s: %w", path, err)
	}
	return keys, nil
}

func parsePublicKeys(data []byte) (k PublicKeys, err error) {
	if bytes.HasPrefix(bytes.TrimSpace(data), []byte("{")) {
		set, skipped, err := parseKeySet(data)
		if err == nil && len(skipped) > 0 {
			err = errors.New(oneLine(skipped))
		}
		if k.set = set; err == nil {
			err = k.check()
		}
		return k, err
	}
	for {
		var block *pem.Block
		if block, data = pem.Decode(data); block == nil {
			break
		}
		if block.Type != "PUBLIC KEY" {
			return k, fmt.Errorf("a PEM block %q: only the public key belongs here, as `openssl pkey -pubout` writes it", block.Type)
		}
		parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
		if err != nil {
			return k, err
		}
		alg, err := algorithmOf(parsed)
		if err != nil {
			return k, err
		}
		k.set = append(k.set, publicKey{alg: alg, key: parsed})
	}
	return k, k.check()
}

func (k PublicKeys) check() error {
	if n := len(k.set); n == 0 || n > maxClientKeys {
		return fmt.Errorf("there are %d keys in it: 1 to %d, in PEM or as a JSON Web Key Set", n, maxClientKeys)
	}
	return nil
}

// verify reports why a JWT is signed with none of the keys, if so. Those of its algorithm
// are tried, and of its kid where both have one.
func (k PublicKeys) verify(t *signedJWT) error {
	err := errors.New("no key of the client fits its alg and kid")
	for _, key := range k.set {
		if key.alg == t.alg && (t.kid == "" || key.id == "" || key.id == t.kid) {
			if err = t.verify(key.key); err == nil {
				return nil
			}
		}
	}
	return err
}
